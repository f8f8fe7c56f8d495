"""Alipay's gateway protocol as bytes: canonical text, signed answers, what a notice says."""

import re
import secrets
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from urllib.parse import urlencode

import msgspec

from app.simulator.clock import CHINA
from app.simulator.keys import AlipayIdentity, digits
from app.simulator.notices import Notice
from app.simulator.orders import LARGEST_MINOR, Order, State
from app.simulator.signing import sign

YUAN = re.compile(r"[0-9]{1,9}(\.[0-9]{1,2})?")
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


def answer(method: str, content: Mapping[str, object], identity: AlipayIdentity | None) -> bytes:
    """Return the answer to `method`, signed when there is an identity to sign with.

    What is signed is the object's own bytes, in which slashes are escaped as the real gateway
    escapes them.
    """
    inner = msgspec.json.encode(content).replace(b"/", rb"\/")
    key = f"{method.replace('.', '_')}_response".encode()
    if identity is None:
        return b'{"%b":%b}' % (key, inner)
    signature = sign(identity.alipay_key, inner).encode()
    return b'{"%b":%b,"sign":"%b"}' % (key, inner, signature)


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


def trade(order: Order, *, now: datetime) -> dict[str, object]:
    """Describe a scanned order as a query answers it."""
    state = order.state_at(now)
    content: dict[str, object] = {
        "buyer_logon_id": BUYER_LOGON_ID,
        "buyer_user_id": BUYER_ID,
        "out_trade_no": order.out_trade_no,
        "total_amount": to_yuan(order.paid_minor or order.amount_minor),
        "trade_no": order.transaction_id,
        "trade_status": TRADE_STATUS[state],
    }
    if state is State.PAID and order.paid_at is not None:
        content |= {**_received(order), "send_pay_date": china_time(order.paid_at)}
        content["fund_bill_list"] = [
            {"amount": content["total_amount"], "fund_channel": "ALIPAYACCOUNT"}
        ]
    return content


def paid_notice(order: Order, identity: AlipayIdentity, *, now: datetime) -> Notice:
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
        "trade_status": TRADE_STATUS[State.PAID],
        "version": "1.0",
        **_received(order),
    }
    filled = {key: value for key, value in content.items() if value}
    return Notice(id=notify_id, url=order.notify_url, content=filled)


def notice_request(
    notice: Notice, identity: AlipayIdentity, *, forged: bool, now: datetime
) -> tuple[Mapping[str, str], bytes]:
    """Sign the notice anew; a `forged` one is signed over something else."""
    form = {key: str(value) for key, value in notice.content.items()}
    form["notify_time"] = china_time(now)
    text = canonical(form, without=frozenset())
    if forged:
        text += secrets.token_bytes(1)
    signed = {**form, "sign_type": "RSA2", "sign": sign(identity.alipay_key, text)}
    content_type = "application/x-www-form-urlencoded; charset=utf-8"
    return {"Content-Type": content_type}, urlencode(signed).encode()


def _received(order: Order) -> dict[str, object]:
    amount = to_yuan(order.paid_minor or order.amount_minor)
    return {
        "buyer_pay_amount": amount,
        "invoice_amount": amount,
        "point_amount": "0.00",
        "receipt_amount": amount,
    }
