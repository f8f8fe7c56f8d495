"""The channels' side of every signature, written apart from the code under test.

Keys and account numbers are those of the vectors: throw-away, and of no real merchant.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote_plus

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.oid import NameOID

from app.channels.alipay import AlipaySettings
from app.channels.wechat import WechatSettings

_VECTORS = Path(__file__).parents[1] / "vectors"
WECHAT: dict[str, Any] = json.loads((_VECTORS / "wechat.json").read_text("utf-8"))
ALIPAY: dict[str, Any] = json.loads((_VECTORS / "alipay.json").read_text("utf-8"))

NONCE = "593BEC0C930BF1AFEB40B4A08C8FB242"
WECHAT_NOW = datetime(2026, 11, 20, 0, 0, 0, tzinfo=UTC)  # 1795132800, as in the vectors
ALIPAY_NOW = datetime(2026, 11, 20, 2, 0, 0, tzinfo=UTC)  # 10:00:00 in China
ORDER = "INV20261120000001"
PLATFORM_ID: str = WECHAT["platform"]["public_key_id"]
TENPAY = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tenpay.com sign")])
STRANGERS_KEY: str = WECHAT["merchant"]["private_key_pem"]  # a good key that is not theirs


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    seconds_per_byte: float = 0


def rsa_signature(pem: str, message: bytes) -> str:
    key = serialization.load_pem_private_key(pem.encode(), None)
    assert isinstance(key, RSAPrivateKey)
    return base64.b64encode(key.sign(message, PKCS1v15(), hashes.SHA256())).decode()


def wechat_settings(base_url: str = "http://127.0.0.1:1") -> WechatSettings:
    return WechatSettings(
        base_url=base_url,
        mchid=WECHAT["merchant"]["mchid"],
        appid=WECHAT["merchant"]["appid"],
        merchant_serial=WECHAT["merchant"]["api_cert_serial_no"],
        merchant_private_key_pem=WECHAT["merchant"]["private_key_pem"],
        api_v3_key=WECHAT["apiv3_key"],
        platform_public_key_id=PLATFORM_ID,
        platform_public_key_pem=WECHAT["platform"]["public_key_pem"],
    )


def alipay_settings(gateway_url: str = "http://127.0.0.1:1/gateway.do") -> AlipaySettings:
    return AlipaySettings(
        gateway_url=gateway_url,
        app_id=ALIPAY["app_id"],
        seller_id=ALIPAY["seller_id"],
        app_private_key_pem=ALIPAY["app_private_key_pkcs8"],
        alipay_public_key_pem=ALIPAY["alipay_public_key"],
    )


def wechat_headers(
    body: bytes,
    *,
    at: datetime = WECHAT_NOW,
    serial: str = PLATFORM_ID,
    key: str = WECHAT["platform"]["private_key_pem_simulator_only"],
) -> dict[str, str]:
    """Sign as WeChat Pay signs answers and callbacks."""
    timestamp = f"{at.timestamp():.0f}"
    return {
        "Wechatpay-Timestamp": timestamp,
        "Wechatpay-Nonce": NONCE,
        "Wechatpay-Serial": serial,
        "Wechatpay-Signature": rsa_signature(
            key, f"{timestamp}\n{NONCE}\n".encode() + body + b"\n"
        ),
        "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
    }


def wechat_reply(fields: Mapping[str, object] | None, status: int = 200) -> Reply:
    body = b"" if fields is None else json.dumps(fields, ensure_ascii=False).encode()
    return Reply(status, body, wechat_headers(body))


def wechat_error(status: int, code: str) -> Reply:
    return Reply(status, json.dumps({"code": code, "message": "因为"}).encode())


def wechat_trade(**changes: object) -> dict[str, object]:
    """Return the paid order of the vectors, as a query answers it and a callback holds it."""
    return {**json.loads(WECHAT["notifications"][0]["plaintext"]), **changes}


def wechat_refund(**changes: object) -> dict[str, object]:
    """Return the refund of the vectors, as a callback holds it."""
    return {**json.loads(WECHAT["notifications"][1]["plaintext"]), **changes}


def certificate(
    serial: int,
    *,
    key: str = WECHAT["platform"]["private_key_pem_simulator_only"],
    begin: datetime = datetime(2026, 1, 1, tzinfo=UTC),
    end: datetime = datetime(2031, 1, 1, tzinfo=UTC),
    issuer: x509.Name = TENPAY,
) -> str:
    """Issue a certificate over a key that signs as a channel does."""
    signer = serialization.load_pem_private_key(key.encode(), None)
    assert isinstance(signer, RSAPrivateKey)
    made = (
        x509.CertificateBuilder()
        .subject_name(issuer)
        .issuer_name(issuer)
        .public_key(signer.public_key())
        .serial_number(serial)
        .not_valid_before(begin)
        .not_valid_after(end)
        .sign(signer, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


def wechat_certificates(
    certificates: Mapping[str, str], *, api_v3_key: str = WECHAT["apiv3_key"]
) -> dict[str, object]:
    """List certificates by serial as `/v3/certificates` does, each encrypted."""
    cipher = AESGCM(api_v3_key.encode())
    sealed = {
        serial: cipher.encrypt(b"abcdefghijkl", pem.encode(), b"certificate")
        for serial, pem in certificates.items()
    }
    return {
        "data": [
            {
                "serial_no": serial,
                "effective_time": "2026-01-01T08:00:00+08:00",
                "expire_time": "2031-01-01T08:00:00+08:00",
                "encrypt_certificate": {
                    "algorithm": "AEAD_AES_256_GCM",
                    "nonce": "abcdefghijkl",
                    "associated_data": "certificate",
                    "ciphertext": base64.b64encode(ciphertext).decode(),
                },
            }
            for serial, ciphertext in sealed.items()
        ]
    }


def wechat_notice(
    fields: Mapping[str, object],
    *,
    event_type: str = "TRANSACTION.SUCCESS",
    api_v3_key: str = WECHAT["apiv3_key"],
    **envelope: object,
) -> bytes:
    """Encrypt a callback's body; sign it with `wechat_headers`."""
    plain = json.dumps(fields, ensure_ascii=False).encode()
    sealed = AESGCM(api_v3_key.encode()).encrypt(b"abcdefghijkl", plain, b"transaction")
    resource = {
        "original_type": "transaction",
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": base64.b64encode(sealed).decode(),
        "associated_data": "transaction",
        "nonce": "abcdefghijkl",
    }
    return json.dumps(
        {
            "id": "EV-1",
            "event_type": event_type,
            "resource_type": "encrypt-resource",
            "resource": resource,
            **envelope,
        }
    ).encode()


def alipay_reply(
    method: str,
    fields: Mapping[str, object],
    *,
    key: str | None = ALIPAY["alipay_private_key_simulator_only"],
    wrapper: str = "",
    cert_sn: str = "",
) -> Reply:
    """Answer a call as the gateway does: slashes escaped, the inner object signed as sent."""
    inner = json.dumps(fields, ensure_ascii=False).replace("/", "\\/")
    name = wrapper or f"alipay_trade_{method}_response"
    sign = "" if key is None else f',"sign":"{rsa_signature(key, inner.encode())}"'
    named = f',"alipay_cert_sn":"{cert_sn}"' if cert_sn else ""
    body = f'{{"{name}":{inner}{named}{sign}}}'.encode()
    return Reply(200, body, {"Content-Type": "text/html"})


def alipay_notice(
    changes: Mapping[str, str | None] = MappingProxyType({}),
    *,
    key: str = ALIPAY["alipay_private_key_simulator_only"],
) -> bytes:
    """Sign the paid notification of the vectors with some fields changed, or left out."""
    form = {**ALIPAY["notifications"][0]["form"], **changes}
    form = {name: value for name, value in form.items() if value is not None and name != "sign"}
    signed = sorted(f"{name}={value}" for name, value in form.items() if name != "sign_type")
    form["sign"] = rsa_signature(key, "&".join(signed).encode())
    return "&".join(f"{name}={quote_plus(value)}" for name, value in form.items()).encode()
