"""What becomes of a notice between us and the merchant; and refunds that ended, to be told of."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.simulator import (
    alipay_wire,
    faults,
    notices,
    orders,
    refunds,
    signers,
    triggers,
    wechat_wire,
)
from app.simulator.faults import Fault, Kind, Stage
from app.simulator.keys import Identity
from app.simulator.notices import Notice, Sending
from app.simulator.orders import Channel, Plan
from app.simulator.refunds import Refund
from app.simulator.signers import Signer

DELAY = timedelta(seconds=30)
HELD_AT_MOST = timedelta(minutes=1)
COPIES = 3
LOST = "lost on its way"


@dataclass(frozen=True, slots=True)
class Delivery:
    """An attempt that is made: what is wrong with it, and the key that signs it at WeChat Pay."""

    sending: Sending
    fault: Fault | None
    signer: Signer


def take(
    db: sqlite3.Connection, identity: Identity, *, scale: float, now: datetime
) -> Delivery | Sending | None:
    """Take the attempt that is due longest; a Sending says that nothing is sent this time."""
    sending = notices.claim(db, now=now)
    if sending is None:
        return None
    fault = _planned(sending) or _bite(db, sending)
    if fault and fault.kind is Kind.DROP:
        notices.settle(db, sending, LOST, heard=False, scale=scale, now=now)
        return sending
    if fault and fault.kind in {Kind.DELAY, Kind.REORDER}:
        is_held = fault.kind is Kind.REORDER
        wait = (HELD_AT_MOST if is_held else DELAY) / scale
        if fault.seconds is not None:
            wait = timedelta(seconds=fault.seconds)
        notices.put_off(db, sending, until=now + wait, is_held=is_held)
        return sending
    if fault and fault.kind is Kind.DUPLICATE:
        notices.copy(db, sending.notice.id, times=(fault.copies or COPIES) - 1, now=now)
    if fault:
        notices.note(db, sending, fault.kind)
    return Delivery(sending, fault, signers.signer(db, identity.wechat))


def request_for(
    delivery: Delivery, identity: Identity, *, now: datetime
) -> tuple[Mapping[str, str], bytes]:
    """Return headers and body of one attempt, signed as of `now`."""
    notice, fault = delivery.sending.notice, delivery.fault
    if delivery.sending.channel is Channel.WECHAT:
        return wechat_wire.notice_request(
            notice, identity.wechat, delivery.signer, twist=fault, now=now
        )
    return alipay_wire.notice_request(notice, identity.alipay, twist=fault, now=now)


def is_heard(sending: Sending, status: int, body: bytes) -> bool:
    """Say whether the merchant's answer ends the ladder: each channel has its own idea of yes."""
    if sending.channel is Channel.WECHAT:
        return status in {200, 204}
    return status == 200 and body == b"success"  # noqa: PLR2004 — a status speaks for itself


def end_refunds(
    db: sqlite3.Connection, identity: Identity, *, book_now: datetime, now: datetime
) -> int:
    """End the refunds whose time has come by the book, and queue what is told of them."""
    ended = refunds.end_ripe(db, now=book_now)
    for refund in ended:
        notice = _refund_notice(db, refund, identity, now=book_now)
        order = orders.find(db, refund.channel, refund.out_trade_no)
        if notice is not None and order is not None:
            notices.queue(db, order, notice, plan=Plan(), now=now)
    return len(ended)


def _refund_notice(
    db: sqlite3.Connection, refund: Refund, identity: Identity, *, now: datetime
) -> Notice | None:
    order = orders.find(db, refund.channel, refund.out_trade_no)
    if order is None:
        return None
    if refund.channel is Channel.WECHAT:
        if not refund.notify_url:
            return None
        return wechat_wire.refund_notice(order, refund, identity.wechat, now=now)
    kinds = [Kind.REFUND_NOTICES]
    wanted = faults.bite(db, kinds, order.channel, out_trade_no=order.out_trade_no)
    if wanted is None or not order.notify_url:
        return None
    # In the order they were asked for, and none that came after this one.
    so_far = [other for other in refunds.of_order(db, order) if other.ended_at is not None]
    return alipay_wire.refund_notice(order, so_far, identity.alipay, now=now)


def _planned(sending: Sending) -> Fault | None:
    is_known = sending.twist in set(Kind)
    return Fault(kind=Kind(sending.twist)) if is_known else None


def _bite(db: sqlite3.Connection, sending: Sending) -> Fault | None:
    """Find a fault for an attempt of the ladder that has not waited for one before."""
    if sending.step is None or sending.twist == notices.WAITED:
        return None
    order = orders.find(db, sending.channel, sending.out_trade_no)
    if order is None:
        return None
    return triggers.bite(
        db,
        faults.of_stage(Stage.NOTICE),
        sending.channel,
        out_trade_no=sending.out_trade_no,
        amount_minor=order.amount_minor,
        text=order.description,
    )
