"""A merchant's side of both protocols, written for these tests from the channels' documents."""

import base64
import json
import secrets
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from app.simulator.clock import CHINA, now
from tests.loopback import NO_TLS


@cache  # reading checks the key, which takes longer than signing with it
def private(pem: str) -> RSAPrivateKey:
    key = load_pem_private_key(pem.encode(), None)
    assert isinstance(key, RSAPrivateKey)
    return key


def verify(pem: str, text: bytes, signature: str) -> None:
    key = load_pem_public_key(pem.encode())
    assert isinstance(key, RSAPublicKey)
    key.verify(base64.b64decode(signature, validate=True), text, PKCS1v15(), hashes.SHA256())


def sign(pem: str, text: bytes) -> str:
    return base64.b64encode(private(pem).sign(text, PKCS1v15(), hashes.SHA256())).decode()


def new_number() -> str:
    return "T" + secrets.token_hex(12)


@dataclass
class WeChatMerchant:
    keys: dict[str, Any]

    def call(self, method: str, target: str, body: object = None, **twist: Any) -> httpx.Response:
        """Sign and send. `twist` replaces parts of the Authorization, or the body after signing."""
        sent = b"" if body is None else json.dumps(body).encode()
        given = {
            "mchid": self.keys["mchid"],
            "nonce_str": secrets.token_hex(16),
            "timestamp": str(int(now().timestamp())),
            "serial_no": self.keys["merchant_serial"],
        } | {key: value for key, value in twist.items() if key != "body_sent"}
        head = f"{method}\n{target}\n{given['timestamp']}\n{given['nonce_str']}\n"
        signature = sign(self.keys["merchant_private_key_pem"], head.encode() + sent + b"\n")
        given.setdefault("signature", signature)
        pairs = ",".join(f'{key}="{value}"' for key, value in given.items())
        return httpx.request(
            method,
            self.keys["base_url"] + target,
            content=twist.get("body_sent", sent),
            headers={"Authorization": f"WECHATPAY2-SHA256-RSA2048 {pairs}"},
            trust_env=False,
            verify=NO_TLS,
        )

    def order(self, number: str, **changes: object) -> httpx.Response:
        return self.call("POST", "/v3/pay/transactions/native", self.native(number, **changes))

    def native(self, number: str, **changes: object) -> dict[str, object]:
        return {
            "appid": self.keys["appid"],
            "mchid": self.keys["mchid"],
            "description": "Pro 月度订阅",
            "out_trade_no": number,
            "notify_url": "http://127.0.0.1:9/never",
            "amount": {"total": 29_900, "currency": "CNY"},
        } | changes

    def query(self, out_trade_no: str) -> httpx.Response:
        return self.call("GET", f"{ORDERS}/{out_trade_no}?mchid={self.keys['mchid']}")

    def close(self, out_trade_no: str) -> httpx.Response:
        return self.call("POST", f"{ORDERS}/{out_trade_no}/close", {"mchid": self.keys["mchid"]})

    def check(self, headers: Any, body: bytes) -> None:
        """Raise InvalidSignature unless the platform signed this answer or notice."""
        text = f"{headers['Wechatpay-Timestamp']}\n{headers['Wechatpay-Nonce']}\n".encode()
        assert headers["Wechatpay-Serial"] == self.keys["platform_public_key_id"]
        assert headers["Wechatpay-Signature-Type"] == "WECHATPAY2-SHA256-RSA2048"
        signature = headers["Wechatpay-Signature"]
        verify(self.keys["platform_public_key_pem"], text + body + b"\n", signature)

    def open(self, body: bytes) -> dict[str, Any]:
        resource = json.loads(body)["resource"]
        opened: dict[str, Any] = json.loads(
            AESGCM(self.keys["api_v3_key"].encode()).decrypt(
                resource["nonce"].encode(),
                base64.b64decode(resource["ciphertext"]),
                resource["associated_data"].encode(),
            )
        )
        return opened


ORDERS = "/v3/pay/transactions/out-trade-no"


@dataclass
class AlipayMerchant:
    keys: dict[str, Any]

    def send(self, method: str, biz: object, **changes: str) -> httpx.Response:
        params = {
            "app_id": self.keys["app_id"],
            "method": method,
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": "RSA2",
            "timestamp": f"{now().astimezone(CHINA):%Y-%m-%d %H:%M:%S}",
            "version": "1.0",
            "biz_content": json.dumps(biz),
        } | changes
        text = "&".join(f"{key}={params[key]}" for key in sorted(params) if params[key])
        signed = {"sign": sign(self.keys["app_private_key_pem"], text.encode()), **params}
        content = {"biz_content": signed.pop("biz_content")}
        url = f"{self.keys['gateway_url']}?{urlencode(signed)}"
        return httpx.post(url, data=content, trust_env=False, verify=NO_TLS)

    def call(self, method: str, biz: object, **changes: str) -> dict[str, Any]:
        """Send, verify the signature over the answer's own bytes, return what it says."""
        response = self.send(method, biz, **changes)
        answer = response.json()
        start, end = response.content.index(b":") + 1, response.content.rindex(b',"sign"')
        verify(self.keys["alipay_public_key_pem"], response.content[start:end], answer["sign"])
        said: dict[str, Any] = answer[method.replace(".", "_") + "_response"]
        return said

    def order(self, out_trade_no: str, notify_url: str = "", **changes: Any) -> dict[str, Any]:
        biz = {
            "out_trade_no": out_trade_no,
            "total_amount": "149.00",
            "subject": "Pro 月度订阅",
            "product_code": "QR_CODE_OFFLINE",
        } | changes
        return self.call("alipay.trade.precreate", biz, notify_url=notify_url)

    def query(self, out_trade_no: str) -> dict[str, Any]:
        return self.call("alipay.trade.query", {"out_trade_no": out_trade_no})

    def close(self, out_trade_no: str) -> dict[str, Any]:
        return self.call("alipay.trade.close", {"out_trade_no": out_trade_no})

    def open(self, body: bytes) -> dict[str, str]:
        """Return the notice's form; raises InvalidSignature unless Alipay signed it."""
        form = dict(parse_qsl(body.decode(), strict_parsing=True))
        signed = {key: form[key] for key in sorted(form) if key not in {"sign", "sign_type"}}
        text = "&".join(f"{key}={value}" for key, value in signed.items())
        verify(self.keys["alipay_public_key_pem"], text.encode(), form["sign"])
        return form
