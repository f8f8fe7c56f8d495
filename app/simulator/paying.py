"""A payer pays: money in the book and a notice on its way, in one transaction."""

import sqlite3
from collections.abc import Mapping
from datetime import datetime

from app.simulator import alipay_wire, notices, orders, wechat_wire
from app.simulator.keys import Identity
from app.simulator.notices import Notice, Sending
from app.simulator.orders import Channel, Order, Plan


def pay(
    db: sqlite3.Connection, order: Order, identity: Identity, *, plan: Plan, now: datetime
) -> Order:
    """Take the money for `order` as `plan` says and queue its notice. Raises NotPayable."""
    paid = orders.pay(db, order, plan, now=now)
    if paid.notify_url:
        notices.queue(db, paid, _paid_notice(paid, identity, now), plan=plan, now=now)
    return paid


def request_for(
    sending: Sending, identity: Identity, *, now: datetime
) -> tuple[Mapping[str, str], bytes]:
    """Return headers and body of one attempt, signed as of `now`."""
    if sending.channel is Channel.WECHAT:
        return wechat_wire.notice_request(
            sending.notice, identity.wechat, forged=sending.forged, now=now
        )
    return alipay_wire.notice_request(
        sending.notice, identity.alipay, forged=sending.forged, now=now
    )


def is_heard(sending: Sending, status: int, body: bytes) -> bool:
    """Say whether the merchant's answer ends the ladder: each channel has its own idea of yes."""
    if sending.channel is Channel.WECHAT:
        return status in {200, 204}
    return status == 200 and body == b"success"  # noqa: PLR2004 — a status speaks for itself


def _paid_notice(order: Order, identity: Identity, now: datetime) -> Notice:
    if order.channel is Channel.WECHAT:
        return wechat_wire.paid_notice(order, identity.wechat, now=now)
    return alipay_wire.paid_notice(order, identity.alipay, now=now)
