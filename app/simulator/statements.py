"""A Chinese day of the book as lines of a statement, and what is made wrong with them."""

import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal

from app.simulator import faults, orders, refunds, triggers
from app.simulator.clock import CHINA
from app.simulator.faults import Fault, Kind
from app.simulator.orders import Channel, Order
from app.simulator.refunds import Refund

RATE = Decimal("0.006")
READY = time(9, tzinfo=CHINA)  # of the next morning
ROW_KINDS = (Kind.ROW_MISSING, Kind.ROW_EXTRA, Kind.ROW_AMOUNT, Kind.ROW_FEE)
EXTRA_MINOR = 1_00


@dataclass(frozen=True, slots=True)
class Line:
    """A payment, or a refund of one.

    `amount_minor` is fen above zero; `fee` is yuan, below zero for a refund, which gives it back.
    """

    order: Order
    refund: Refund | None
    amount_minor: int
    fee: Decimal
    at: datetime

    def is_of(self, out_trade_no: str) -> bool:
        return self.order.out_trade_no == out_trade_no


@dataclass(frozen=True, slots=True)
class Day:
    """What the file of a day says; `wrong` is what is wrong with the file as a whole."""

    channel: Channel
    day: date
    lines: list[Line]
    wrong: frozenset[Kind]
    made_at: datetime

    @property
    def end(self) -> datetime:
        return bounds(self.day)[1]

    def sums(self, *, of_refunds: bool) -> int:
        """Return the sum of all payments or of all refunds, in fen."""
        return sum(line.amount_minor for line in self.lines if bool(line.refund) is of_refunds)


def is_ready(day: date, *, now: datetime) -> bool:
    return now >= datetime.combine(day + timedelta(days=1), READY)


def bounds(day: date) -> tuple[datetime, datetime]:
    start = datetime.combine(day, time(tzinfo=CHINA))
    return start, start + timedelta(days=1)


def fee_of(minor: int) -> Decimal:
    """Return what the channel keeps of a payment, in yuan."""
    return (Decimal(minor).scaleb(-2) * RATE).quantize(Decimal("0.01"), ROUND_HALF_UP)


def draw_up(db: sqlite3.Connection, channel: Channel, day: date, *, now: datetime) -> Day:
    """Collect what was paid and refunded on a day, and make wrong what is to be wrong."""
    start, end = bounds(day)
    lines = [
        Line(order, None, order.paid_minor, fee_of(order.paid_minor), order.paid_at)
        for order in orders.paid_between(db, channel, start=start, end=end)
        if order.paid_minor is not None and order.paid_at is not None
    ]
    for refund in refunds.accepted_between(db, channel, start=start, end=end):
        order = orders.find(db, channel, refund.out_trade_no)
        if order is not None:
            minor = refund.amount_minor
            lines.append(Line(order, refund, minor, -fee_of(minor), refund.created_at))
    lines.sort(key=lambda line: line.at)
    wrong = set()
    for fault_id, fault in faults.switched_on(db).items():
        if fault.channel not in {None, channel} or fault.kind.stage is not faults.Stage.STATEMENT:
            continue
        if fault.kind not in ROW_KINDS:
            wrong.add(fault.kind)
        elif (changed := _changed(lines, fault, start)) is not None:
            lines = changed
        else:
            continue
        faults.use(db, fault_id)
    lines = _as_asked(lines, start)
    return Day(channel, day, lines, frozenset(wrong), now)


def _as_asked(lines: Sequence[Line], start: datetime) -> list[Line]:
    """Make wrong the lines whose orders ask for it by a test value."""
    changed = list(lines)
    for line in lines:
        meant = triggers.meant_by(line.order.amount_minor, line.order.description)
        if meant and meant[0] in ROW_KINDS:
            fault = Fault(kind=meant[0], out_trade_no=line.order.out_trade_no)
            changed = _changed(changed, fault, start) or []
    return changed


def _changed(lines: Sequence[Line], fault: Fault, start: datetime) -> list[Line] | None:
    """Return the lines with one of them made wrong, or None when the one meant is not there."""
    if fault.kind is Kind.ROW_EXTRA:
        return [*lines, _strangers(lines[0].order if lines else None, fault, start)]
    meant = [line for line in lines if fault.out_trade_no is None or line.is_of(fault.out_trade_no)]
    if not meant:
        return None
    line = meant[0]
    if fault.kind is Kind.ROW_MISSING:
        return [other for other in lines if other is not line]
    if fault.kind is Kind.ROW_AMOUNT:
        wrong = replace(line, amount_minor=fault.amount_instead_of(line.amount_minor))
    else:
        wrong = replace(line, fee=line.fee + Decimal("0.01"))
    return [wrong if other is line else other for other in lines]


def _strangers(like: Order | None, fault: Fault, start: datetime) -> Line:
    """Return a payment nobody ordered here."""
    channel = Channel.WECHAT if like is None else like.channel
    at = start + timedelta(hours=12)
    number = orders.transaction_number(at) if channel is Channel.WECHAT else orders.trade_number(at)
    minor = fault.amount_minor or EXTRA_MINOR
    order = Order(
        channel=channel,
        product=orders.Product.NATIVE,
        out_trade_no=f"X{secrets.token_hex(11)}",
        fingerprint="",
        description="?",
        amount_minor=minor,
        notify_url="",
        attach="",
        created_at=at,
        payable_until=at,
        closes_at=None,
        transaction_id=number,
    )
    return Line(order, None, minor, fee_of(minor), at)
