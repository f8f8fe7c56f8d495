"""WeChat Pay v3 as bytes: who signed a request, how an answer is signed, what a notice says."""

import base64
import re
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.simulator.clock import CHINA
from app.simulator.keys import WeChatIdentity
from app.simulator.notices import Notice
from app.simulator.orders import Order, State
from app.simulator.signing import is_signed, sign

SCHEME = "WECHATPAY2-SHA256-RSA2048"
FRESH = timedelta(minutes=5)
PAIR = re.compile(r'([a-z_]+)="([^"]*)"(?:,|$)')
SIGN_TEST = "WECHATPAY/SIGNTEST/"  # base64 too, so that only the key tells
PARTS = {"mchid", "nonce_str", "signature", "timestamp", "serial_no"}
SECONDS = re.compile(r"[0-9]{1,12}")
TRADE_STATE = {State.OPEN: "NOTPAY", State.PAID: "SUCCESS", State.CLOSED: "CLOSED"}
TRADE_STATE_DESC = {State.OPEN: "订单未支付", State.PAID: "支付成功", State.CLOSED: "订单已关闭"}
BANK_REFUSED = "支付失败,可重新支付"


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came over the wire. `path` is decoded, `query` and `body` are not."""

    method: str
    path: str
    query: str
    body: bytes
    authorization: str


def whats_wrong(request: Received, identity: WeChatIdentity, *, now: datetime) -> str:
    """Return why this request is not our merchant's, or nothing when it is."""
    scheme, _, rest = request.authorization.partition(" ")
    given = dict(PAIR.findall(rest))
    if scheme != SCHEME or not given.keys() >= PARTS:
        return "Authorization 格式错误"
    if (given["mchid"], given["serial_no"]) != (identity.mchid, identity.merchant_serial):
        return "商户号或证书序列号有误"
    if not SECONDS.fullmatch(given["timestamp"]) or not _is_fresh(int(given["timestamp"]), now):
        return "时间戳超出允许的偏差"
    for target in _targets(request):
        head = f"{request.method}\n{target}\n{given['timestamp']}\n{given['nonce_str']}\n"
        text = head.encode() + request.body + b"\n"
        if is_signed(identity.merchant_key, text, given["signature"]):
            return ""
    return "签名错误"


def answer_headers(body: bytes, identity: WeChatIdentity, *, now: datetime) -> dict[str, str]:
    """Return the five headers that prove `body` (which may be empty) is ours and fresh."""
    timestamp, nonce = str(int(now.timestamp())), secrets.token_hex(16)
    text = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
    return {
        "Wechatpay-Timestamp": timestamp,
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Serial": identity.platform_public_key_id,
        "Wechatpay-Signature": sign(identity.platform_key, text),
        "Wechatpay-Signature-Type": SCHEME,
    }


def transaction(order: Order, identity: WeChatIdentity, *, now: datetime) -> dict[str, object]:
    """Describe the order as a query answers it and as a notice carries it."""
    state = order.state_at(now)
    answer: dict[str, object] = {
        "appid": identity.appid,
        "mchid": identity.mchid,
        "out_trade_no": order.out_trade_no,
        "trade_state": TRADE_STATE[state],
        "trade_state_desc": TRADE_STATE_DESC[state],
        "amount": {"total": order.amount_minor, "currency": "CNY"},
    }
    if order.attach:
        answer["attach"] = order.attach
    if state is State.OPEN and order.failures:
        answer["trade_state_desc"] = BANK_REFUSED
    if state is State.PAID and order.paid_at is not None:
        answer |= {
            "transaction_id": order.transaction_id,
            "trade_type": "NATIVE",
            "bank_type": "OTHERS",
            "success_time": order.paid_at.astimezone(CHINA).isoformat(timespec="seconds"),
            "payer": {"openid": "oSimulatedPayer0000000000000"},
            "promotion_detail": [],
            "amount": {
                "total": order.paid_minor,
                "payer_total": order.paid_minor,
                "currency": "CNY",
                "payer_currency": "CNY",
            },
        }
    return answer


def paid_notice(order: Order, identity: WeChatIdentity, *, now: datetime) -> Notice:
    return Notice(
        id=f"EV-{uuid.uuid4()}",
        url=order.notify_url,
        content={
            "create_time": now.astimezone(CHINA).isoformat(timespec="seconds"),
            "transaction": transaction(order, identity, now=now),
        },
    )


def notice_request(
    notice: Notice, identity: WeChatIdentity, *, forged: bool, now: datetime
) -> tuple[Mapping[str, str], bytes]:
    """Encrypt and sign the notice anew; a `forged` one bears the signature that must not pass."""
    nonce, associated = secrets.token_hex(6), "transaction"
    cipher = AESGCM(identity.api_v3_key.encode())
    secret = cipher.encrypt(
        nonce.encode(), msgspec.json.encode(notice.content["transaction"]), associated.encode()
    )
    body = msgspec.json.encode(
        {
            "id": notice.id,
            "create_time": notice.content["create_time"],
            "event_type": "TRANSACTION.SUCCESS",
            "resource_type": "encrypt-resource",
            "summary": "支付成功",
            "resource": {
                "original_type": "transaction",
                "algorithm": "AEAD_AES_256_GCM",
                "ciphertext": base64.b64encode(secret).decode(),
                "associated_data": associated,
                "nonce": nonce,
            },
        }
    )
    headers = answer_headers(body, identity, now=now)
    if forged:
        headers["Wechatpay-Signature"] = (
            SIGN_TEST + headers["Wechatpay-Signature"][len(SIGN_TEST) :]
        )
    return {"Content-Type": "application/json", **headers}, body


def _is_fresh(timestamp: int, now: datetime) -> bool:
    return abs(now.timestamp() - timestamp) <= FRESH.total_seconds()


def _targets(request: Received) -> set[str]:
    # The server hands the path over decoded, and clients disagree on whether `|` travels as `%7C`.
    query = f"?{request.query}" if request.query else ""
    return {quote(request.path, safe=safe) + query for safe in ("/*", "/*|")}
