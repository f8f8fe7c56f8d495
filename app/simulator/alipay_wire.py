"""Alipay's gateway protocol as bytes: canonical text, signed answers, what a notice says."""

import re
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from urllib.parse import urlencode

import msgspec

from app.simulator.clock import CHINA
from app.simulator.faults import Fault, Kind
from app.simulator.keys import AlipayIdentity, digits, private
from app.simulator.notices import Notice
from app.simulator.orders import LARGEST_MINOR, Order, State
from app.simulator.refunds import Refund, held
from app.simulator.signing import sign

YUAN = re.compile(r"[0-9]{1,9}(\.[0-9]{1,2})?")
STALE = timedelta(minutes=10)
WITH_BARE_SLASHES = {"alipay.data.dataservice.bill.downloadurl.query"}
BUYER_ID, BUYER_LOGON_ID = "2088102122524333", "159****5620"
TRADE_STATUS = {
    State.OPEN: "WAIT_BUYER_PAY",
    State.PAID: "TRADE_SUCCESS",
    State.CLOSED: "TRADE_CLOSED",
}


def canonical(params: Mapping[str, str], *, without: frozenset[str]) -> bytes:
    """Return the text a signature stands for: sorted, empty values dropped, nothing encoded."""
    kept = {key: value for key, value in params.items() if key not in without and value}
    return "&".join(f"{key}={kept[key]}" for key in sorted(kept)).encode()


def answer(
    method: str,
    content: Mapping[str, object],
    identity: AlipayIdentity | None,
    *,
    is_certified: bool = False,
    is_forged: bool = False,
) -> bytes:
    """Return the answer to `method`, signed when there is an identity to sign with.

    What is signed is the object's own bytes, in which slashes are escaped in some answers and
    not in others, as the real gateway does. A merchant in certificate mode is told which
    certificate the signature goes by.
    """
    inner = msgspec.json.encode(content)
    if method not in WITH_BARE_SLASHES:
        inner = inner.replace(b"/", rb"\/")
    key = f"{method.replace('.', '_')}_response".encode()
    if identity is None:
        return b'{"%b":%b}' % (key, inner)
    certified = b""
    if is_certified:
        certified = b'"alipay_cert_sn":"%b",' % identity.certificates.alipay_serial.encode()
    signature = sign(identity.alipay_key, secrets.token_bytes(8) if is_forged else inner).encode()
    return b'{"%b":%b,%b"sign":"%b"}' % (key, inner, certified, signature)


def to_minor(yuan: str) -> int | None:
    """Read an amount of yuan as fen; None when it is none, or outside what can be paid."""
    if YUAN.fullmatch(yuan) is None:
        return None
    minor = int(Decimal(yuan).scaleb(2))
    return minor if 1 <= minor <= LARGEST_MINOR else None


def to_yuan(minor: int) -> str:
    return str(Decimal(minor).scaleb(-2))


def china_time(moment: datetime) -> str:
    return f"{moment.astimezone(CHINA):%Y-%m-%d %H:%M:%S}"


def trade(order: Order, refunded: list[Refund], *, now: datetime) -> dict[str, object]:
    """Describe a scanned order as a query answers it."""
    content: dict[str, object] = {
        "buyer_logon_id": BUYER_LOGON_ID,
        "buyer_user_id": BUYER_ID,
        "out_trade_no": order.out_trade_no,
        "total_amount": to_yuan(order.paid_minor or order.amount_minor),
        "trade_no": order.transaction_id,
        "trade_status": trade_status(order, refunded, now=now),
    }
    if order.state is State.PAID and order.paid_at is not None:
        content |= {**_received(order), "send_pay_date": china_time(order.paid_at)}
        content["fund_bill_list"] = [
            {"amount": content["total_amount"], "fund_channel": "ALIPAYACCOUNT"}
        ]
    return content


def trade_status(order: Order, refunded: list[Refund], *, now: datetime) -> str:
    """Return the trade's state: one that was refunded whole is closed."""
    state = order.state_at(now)
    if state is State.PAID and held(refunded, now=now) == order.paid_minor:
        return TRADE_STATUS[State.CLOSED]
    return TRADE_STATUS[state]


def paid_notice(order: Order, identity: AlipayIdentity, *, now: datetime) -> Notice:
    return _notice(order, identity, {"trade_status": TRADE_STATUS[State.PAID]}, now=now)


def refund_notice(
    order: Order, refunded: list[Refund], identity: AlipayIdentity, *, now: datetime
) -> Notice:
    """Tell how much was refunded of an order so far, and by which request at last."""
    said = {
        "trade_status": trade_status(order, refunded, now=now),
        "refund_fee": to_yuan(held(refunded, now=now)),
        "gmt_refund": f"{china_time(refunded[-1].created_at)}.000",
        "out_biz_no": refunded[-1].out_refund_no,
    }
    return _notice(order, identity, said, now=now)


def notice_request(
    notice: Notice, identity: AlipayIdentity, *, twist: Fault | None, now: datetime
) -> tuple[Mapping[str, str], bytes]:
    """Sign the notice anew; with a `twist` it is one that must not be believed."""
    wrong = twist.kind if twist else None
    form = {key: str(value) for key, value in notice.content.items()}
    if twist is not None:
        form |= _twisted(form, twist)
    form["notify_time"] = china_time(now - STALE if wrong is Kind.STALE else now)
    text = canonical(form, without=frozenset())
    if wrong in {Kind.BAD_SIGNATURE, Kind.SIGN_TEST}:
        text += secrets.token_bytes(1)
    strangers = wrong is Kind.UNKNOWN_SERIAL
    key = private(identity.app_private_key_pem) if strangers else identity.alipay_key
    if wrong is Kind.TAMPERED:
        form["subject"] += "!"
    signed = {**form, "sign_type": "RSA2", "sign": sign(key, text)}
    content_type = "application/x-www-form-urlencoded; charset=utf-8"
    return {"Content-Type": content_type}, urlencode(signed).encode()


def return_url(order: Order, method: str, identity: AlipayIdentity, *, now: datetime) -> str:
    """Return where the payer goes back to, with what Alipay tells by him, signed."""
    said = {
        "app_id": identity.app_id,
        "auth_app_id": identity.app_id,
        "charset": "utf-8",
        "method": f"{method}.return",
        "out_trade_no": order.out_trade_no,
        "seller_id": identity.seller_id,
        "timestamp": china_time(now),
        "total_amount": to_yuan(order.paid_minor or order.amount_minor),
        "trade_no": order.transaction_id or "",
        "version": "1.0",
    }
    signature = sign(identity.alipay_key, canonical(said, without=frozenset()))
    query = urlencode({**said, "sign_type": "RSA2", "sign": signature})
    return f"{order.return_url}{'&' if '?' in order.return_url else '?'}{query}"


def _notice(
    order: Order, identity: AlipayIdentity, said: Mapping[str, str], *, now: datetime
) -> Notice:
    amount = to_yuan(order.paid_minor or order.amount_minor)
    funds = [{"amount": amount, "fundChannel": "ALIPAYACCOUNT"}]
    notify_id = f"{now.astimezone(CHINA):%Y%m%d}{digits(26)}"
    content: dict[str, object] = {
        "app_id": identity.app_id,
        "auth_app_id": identity.app_id,
        "buyer_id": BUYER_ID,
        "buyer_logon_id": BUYER_LOGON_ID,
        "charset": "utf-8",
        "fund_bill_list": msgspec.json.encode(funds).decode(),
        "gmt_create": china_time(order.scanned_at or now),
        "gmt_payment": china_time(order.paid_at or now),
        "notify_id": notify_id,
        "notify_type": "trade_status_sync",
        "out_trade_no": order.out_trade_no,
        "passback_params": order.attach,
        "seller_id": identity.seller_id,
        "subject": order.description,
        "total_amount": amount,
        "trade_no": order.transaction_id,
        "version": "1.0",
        **_received(order),
        **said,
    }
    filled = {key: value for key, value in content.items() if value}
    return Notice(id=notify_id, url=order.notify_url, content=filled)


def _twisted(form: Mapping[str, str], twist: Fault) -> dict[str, str]:
    field = "refund_fee" if "refund_fee" in form else "total_amount"
    wrong = twist.amount_instead_of(to_minor(form[field]) or 0)
    changes: dict[Kind, dict[str, str]] = {
        Kind.NOTICE_AMOUNT: {field: to_yuan(wrong)},
        Kind.NOTICE_APP: {"app_id": "9021000000000000"},
        Kind.NOTICE_ACCOUNT: {"seller_id": "2088000000000000"},
    }
    return changes.get(twist.kind, {})


def _received(order: Order) -> dict[str, object]:
    amount = to_yuan(order.paid_minor or order.amount_minor)
    return {
        "buyer_pay_amount": amount,
        "invoice_amount": amount,
        "point_amount": "0.00",
        "receipt_amount": amount,
    }
