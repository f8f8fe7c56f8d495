"""WeChat Pay v3 as bytes: who signed a request, how an answer is signed, what a notice says."""

import base64
import re
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.simulator.clock import CHINA
from app.simulator.faults import Fault, Kind
from app.simulator.keys import WeChatIdentity, digits
from app.simulator.notices import Notice
from app.simulator.orders import Order, Product, State
from app.simulator.refunds import Outcome, Refund
from app.simulator.signers import Signer
from app.simulator.signing import is_signed, sign

SCHEME = "WECHATPAY2-SHA256-RSA2048"
FRESH = timedelta(minutes=5)
PAIR = re.compile(r'([a-z_]+)="([^"]*)"(?:,|$)')
SIGN_TEST = "WECHATPAY/SIGNTEST/"  # base64 too, so that only the key tells
PARTS = {"mchid", "nonce_str", "signature", "timestamp", "serial_no"}
SECONDS = re.compile(r"[0-9]{1,12}")
TRADE_STATE = {State.OPEN: "NOTPAY", State.PAID: "SUCCESS", State.CLOSED: "CLOSED"}
TRADE_STATE_DESC = {State.OPEN: "订单未支付", State.PAID: "支付成功", State.CLOSED: "订单已关闭"}
TRADE_TYPE = {Product.NATIVE: "NATIVE", Product.JSAPI: "JSAPI", Product.H5: "MWEB"}
REFUND_STATUS = {
    None: "PROCESSING",
    Outcome.SUCCESS: "SUCCESS",
    Outcome.CLOSED: "CLOSED",
    Outcome.ABNORMAL: "ABNORMAL",
}
REFUND_SUMMARY = {
    Outcome.SUCCESS: "退款成功",
    Outcome.CLOSED: "退款关闭",
    Outcome.ABNORMAL: "退款异常",
}
INVOCATION = ("appId", "timeStamp", "nonceStr", "package", "signType", "paySign")
PAYER = "oSimulatedPayer0000000000000"
RECEIVED_BY = "支付用户零钱"
STALE = timedelta(minutes=10)
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


def answer_headers(
    body: bytes, signer: Signer, *, twist: Kind | None = None, now: datetime
) -> dict[str, str]:
    """Return the five headers that prove `body` (which may be empty) is ours and fresh.

    A `twist` makes them prove something else.
    """
    moment = now - STALE if twist is Kind.STALE else now
    timestamp, nonce = str(int(moment.timestamp())), secrets.token_hex(16)
    told = secrets.token_bytes(8) if twist is Kind.BAD_SIGNATURE else body
    signature = sign(signer.key, f"{timestamp}\n{nonce}\n".encode() + told + b"\n")
    if twist is Kind.SIGN_TEST:
        signature = SIGN_TEST + signature[len(SIGN_TEST) :]
    unknown = f"PUB_KEY_ID_{digits(28)}"
    return {
        "Wechatpay-Timestamp": timestamp,
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Serial": unknown if twist is Kind.UNKNOWN_SERIAL else signer.serial,
        "Wechatpay-Signature": signature,
        "Wechatpay-Signature-Type": SCHEME,
    }


def is_invocation(params: Mapping[str, str], identity: WeChatIdentity) -> bool:
    """Say whether our merchant signed these parameters of `getBrandWCPayRequest`."""
    if params["appId"] != identity.appid or params["signType"] != "RSA":
        return False
    signed = ("appId", "timeStamp", "nonceStr", "package")
    text = "".join(f"{params[name]}\n" for name in signed).encode()
    return is_signed(identity.merchant_key, text, params["paySign"])


def transaction(
    order: Order, refunded: list[Refund], identity: WeChatIdentity, *, now: datetime
) -> dict[str, object]:
    """Describe the order as a query answers it and as a notice carries it."""
    state = order.state_at(now)
    was_refunded = state is State.PAID and any(refund.holds_at(now) for refund in refunded)
    answer: dict[str, object] = {
        "appid": identity.appid,
        "mchid": identity.mchid,
        "out_trade_no": order.out_trade_no,
        "trade_state": "REFUND" if was_refunded else TRADE_STATE[state],
        "trade_state_desc": "转入退款" if was_refunded else TRADE_STATE_DESC[state],
        "amount": {"total": order.amount_minor, "currency": "CNY"},
    }
    if order.attach:
        answer["attach"] = order.attach
    if state is State.OPEN and order.failures:
        answer["trade_state_desc"] = BANK_REFUSED
    if state is State.PAID and order.paid_at is not None:
        answer |= {
            "transaction_id": order.transaction_id,
            "trade_type": TRADE_TYPE[order.product],
            "bank_type": "OTHERS",
            "success_time": china_time(order.paid_at),
            "payer": {"openid": order.openid or PAYER},
            "promotion_detail": [],
            "amount": {
                "total": order.paid_minor,
                "payer_total": order.paid_minor,
                "currency": "CNY",
                "payer_currency": "CNY",
            },
        }
    return answer


def refund(order: Order, refunded: Refund, *, now: datetime) -> dict[str, object]:
    """Describe a refund as its query answers it."""
    outcome = refunded.outcome_at(now)
    amounts = _refund_amounts(order, refunded)
    answer: dict[str, object] = {
        "refund_id": refunded.refund_id,
        "out_refund_no": refunded.out_refund_no,
        "transaction_id": order.transaction_id,
        "out_trade_no": order.out_trade_no,
        "channel": "ORIGINAL",
        "user_received_account": RECEIVED_BY,
        "create_time": china_time(refunded.created_at),
        "status": REFUND_STATUS[outcome],
        "funds_account": "AVAILABLE",
        "promotion_detail": [],
        "amount": {
            **amounts,
            "currency": "CNY",
            "settlement_refund": amounts["refund"],
            "settlement_total": amounts["total"],
            "discount_refund": 0,
            "refund_fee": 0,
            "from": [],
        },
    }
    if outcome is Outcome.SUCCESS:
        answer["success_time"] = china_time(refunded.ends_at)
    return answer


def paid_notice(order: Order, identity: WeChatIdentity, *, now: datetime) -> Notice:
    return Notice(
        id=f"EV-{uuid.uuid4()}",
        url=order.notify_url,
        content={
            "create_time": china_time(now),
            "event_type": "TRANSACTION.SUCCESS",
            "summary": "支付成功",
            "original_type": "transaction",
            "resource": transaction(order, [], identity, now=now),
        },
    )


def refund_notice(
    order: Order, refunded: Refund, identity: WeChatIdentity, *, now: datetime
) -> Notice:
    status = REFUND_STATUS[refunded.outcome]
    resource: dict[str, object] = {
        "mchid": identity.mchid,
        "transaction_id": order.transaction_id,
        "out_trade_no": order.out_trade_no,
        "refund_id": refunded.refund_id,
        "out_refund_no": refunded.out_refund_no,
        "refund_status": status,
        "user_received_account": RECEIVED_BY,
        "amount": _refund_amounts(order, refunded),
    }
    if refunded.outcome is Outcome.SUCCESS:
        resource["success_time"] = china_time(refunded.ends_at)
    return Notice(
        id=f"EV-{uuid.uuid4()}",
        url=refunded.notify_url,
        content={
            "create_time": china_time(now),
            "event_type": f"REFUND.{status}",
            "summary": REFUND_SUMMARY[refunded.outcome],
            "original_type": "refund",
            "resource": resource,
        },
    )


def notice_request(
    notice: Notice, identity: WeChatIdentity, signer: Signer, *, twist: Fault | None, now: datetime
) -> tuple[Mapping[str, str], bytes]:
    """Encrypt and sign the notice anew; with a `twist` it is one that must not be believed."""
    resource, kind = notice.content["resource"], notice.content["original_type"]
    if twist is not None:
        resource = _twisted(resource, twist)
    body = msgspec.json.encode(
        {
            "id": notice.id,
            "create_time": notice.content["create_time"],
            "event_type": notice.content["event_type"],
            "resource_type": "encrypt-resource",
            "summary": notice.content["summary"],
            "resource": {
                "original_type": kind,
                **sealed(msgspec.json.encode(resource), kind, identity),
            },
        }
    )
    wrong = twist.kind if twist else None
    headers = answer_headers(body, signer, twist=wrong, now=now)
    if wrong is Kind.TAMPERED:
        body = body.replace(b'"id":"EV-', b'"id":"EV+')
    return {"Content-Type": "application/json", **headers}, body


def sealed(secret: bytes, associated: str, identity: WeChatIdentity) -> dict[str, str]:
    """Encrypt with the merchant's API v3 key; `associated` is what it is part of."""
    nonce = secrets.token_hex(6)
    cipher = AESGCM(identity.api_v3_key.encode())
    encrypted = cipher.encrypt(nonce.encode(), secret, associated.encode())
    return {
        "algorithm": "AEAD_AES_256_GCM",
        "nonce": nonce,
        "associated_data": associated,
        "ciphertext": base64.b64encode(encrypted).decode(),
    }


def china_time(moment: datetime) -> str:
    return moment.astimezone(CHINA).isoformat(timespec="seconds")


def _refund_amounts(order: Order, refunded: Refund) -> dict[str, int]:
    total = order.paid_minor or order.amount_minor
    return {
        "total": total,
        "refund": refunded.amount_minor,
        "payer_total": total,
        "payer_refund": refunded.amount_minor,
    }


def _twisted(resource: dict[str, Any], twist: Fault) -> dict[str, Any]:
    amount = resource["amount"]
    field = "refund" if "refund" in amount else "total"
    wrong = twist.amount_instead_of(amount[field])
    changes: dict[Kind, dict[str, Any]] = {
        Kind.NOTICE_AMOUNT: {"amount": amount | {field: wrong, f"payer_{field}": wrong}},
        Kind.NOTICE_CURRENCY: {"amount": amount | {"currency": "USD", "payer_currency": "USD"}},
        Kind.NOTICE_APP: {"appid": "wx0000000000000000"},
        Kind.NOTICE_ACCOUNT: {"mchid": "1000000000"},
    }
    return resource | changes.get(twist.kind, {})


def _is_fresh(timestamp: int, now: datetime) -> bool:
    return abs(now.timestamp() - timestamp) <= FRESH.total_seconds()


def _targets(request: Received) -> set[str]:
    # The server hands the path over decoded, and clients disagree on whether `|` travels as `%7C`.
    query = f"?{request.query}" if request.query else ""
    return {quote(request.path, safe=safe) + query for safe in ("/*", "/*|")}
