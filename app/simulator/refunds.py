"""Refunds in the book: within what was paid, once per number, and some of them end badly."""

import secrets
import sqlite3
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from app.simulator import faults, triggers
from app.simulator.clock import CHINA
from app.simulator.faults import Fault, Kind, Stage
from app.simulator.keys import digits
from app.simulator.orders import Channel, Order, State

LONGEST_AFTER = timedelta(days=365)
MOST_PARTS = 50
APART = {Channel.WECHAT: timedelta(minutes=1), Channel.ALIPAY: timedelta(seconds=3)}
TAKES = {Channel.WECHAT: timedelta(seconds=15), Channel.ALIPAY: timedelta(0)}
GIVEN_UP_AFTER = timedelta(days=7)  # of waiting for the merchant's balance
SLOW = timedelta(minutes=10)


class Outcome(StrEnum):
    SUCCESS = "success"
    CLOSED = "closed"
    ABNORMAL = "abnormal"


class NotRefundable(Exception):
    """Each channel has its own code for each reason."""


class NotPaid(NotRefundable):
    pass


class TooLate(NotRefundable):
    pass


class TooMuch(NotRefundable):
    """More than is left of what was paid."""


class TooSoon(NotRefundable):
    """Another part was refunded a moment ago."""


class TooManyParts(NotRefundable):
    pass


class NumberUsed(NotRefundable):
    """A refund of that number exists and asks for something else."""


class NotEnough(NotRefundable):
    """The merchant's balance does not cover it."""


class PayerGone(NotRefundable):
    pass


REFUSALS: dict[Kind, type[NotRefundable]] = {
    Kind.REFUND_NOT_ENOUGH: NotEnough,
    Kind.REFUND_REFUSED: PayerGone,
}
OUTCOMES = {Kind.REFUND_ABNORMAL: Outcome.ABNORMAL, Kind.REFUND_CLOSED: Outcome.CLOSED}


@dataclass(frozen=True, slots=True)
class Refund:
    """A part of what was paid, on its way back. Amounts are fen, times the book's.

    It runs until `ends_at`; what comes of it then, `outcome`, is known from the start.
    """

    channel: Channel
    out_trade_no: str
    out_refund_no: str
    refund_id: str
    amount_minor: int
    reason: str
    notify_url: str
    created_at: datetime
    ends_at: datetime
    outcome: Outcome = Outcome.SUCCESS
    ended_at: datetime | None = None

    def outcome_at(self, now: datetime) -> Outcome | None:
        """Return what came of it, or None while it runs."""
        return self.outcome if self.ended_at or now >= self.ends_at else None

    def holds_at(self, now: datetime) -> bool:
        """Say whether its amount can not be refunded another time."""
        return self.outcome_at(now) is not Outcome.CLOSED


@dataclass(frozen=True, slots=True)
class Ask:
    out_refund_no: str
    amount_minor: int
    reason: str
    notify_url: str


def foresee(db: sqlite3.Connection, order: Order, ask: Ask) -> Fault | None:
    """Return what is to go wrong with a new refund. Committed before it does, or it never ends."""
    if any(refund.out_refund_no == ask.out_refund_no for refund in of_order(db, order)):
        return None
    kinds = [kind for kind in faults.of_stage(Stage.REFUND) if kind is not Kind.REFUND_NOTICES]
    return triggers.bite(
        db,
        kinds,
        order.channel,
        out_trade_no=order.out_trade_no,
        amount_minor=order.amount_minor,
        text=ask.reason,
    )


def accept(
    db: sqlite3.Connection,
    order: Order,
    ask: Ask,
    *,
    fault: Fault | None,
    scale: float,
    now: datetime,
) -> tuple[Refund, bool]:
    """Enter the refund, or return the one of that number when it asks for the same.

    Say with it whether it is new. `scale` divides what channels take their time for. Raises
    NotRefundable.
    """
    earlier = of_order(db, order)
    known = next((refund for refund in earlier if refund.out_refund_no == ask.out_refund_no), None)
    if known is not None:
        if known.amount_minor != ask.amount_minor:
            raise NumberUsed
        return known, False
    _check(order, ask, [refund for refund in earlier if refund.holds_at(now)], now=now)
    if earlier and now < earlier[-1].created_at + APART[order.channel] / scale:
        raise TooSoon
    if fault and fault.kind in REFUSALS:
        raise REFUSALS[fault.kind]
    refund = Refund(
        channel=order.channel,
        out_trade_no=order.out_trade_no,
        out_refund_no=ask.out_refund_no,
        refund_id=refund_number(order.channel, now),
        amount_minor=ask.amount_minor,
        reason=ask.reason,
        notify_url=ask.notify_url,
        created_at=now,
        ends_at=now + _duration(order.channel, fault) / scale,
        outcome=OUTCOMES.get(fault.kind, Outcome.SUCCESS) if fault else Outcome.SUCCESS,
    )
    row = asdict(refund)
    columns, values = ", ".join(row), ", ".join(f":{name}" for name in row)
    db.execute(f"INSERT INTO refunds ({columns}) VALUES ({values})", row)  # noqa: S608 — our own field names
    return refund, True


def of_order(db: sqlite3.Connection, order: Order) -> list[Refund]:
    """Return the order's refunds, the oldest first."""
    rows = db.execute(
        "SELECT * FROM refunds WHERE channel = ? AND out_trade_no = ? ORDER BY created_at, rowid",
        (order.channel, order.out_trade_no),
    )
    return [_refund(row) for row in rows]


def find(db: sqlite3.Connection, channel: Channel, out_refund_no: str) -> Refund | None:
    """Return the refund of a number that is used once for all orders, as WeChat Pay wants it."""
    row = db.execute(
        "SELECT * FROM refunds WHERE channel = ? AND out_refund_no = ?", (channel, out_refund_no)
    ).fetchone()
    return _refund(row) if row else None


def accepted_between(
    db: sqlite3.Connection, channel: Channel, *, start: datetime, end: datetime
) -> list[Refund]:
    rows = db.execute(
        "SELECT * FROM refunds WHERE channel = ? AND created_at >= ? AND created_at < ?"
        " ORDER BY created_at",
        (channel, start, end),
    )
    return [_refund(row) for row in rows]


def send_elsewhere(db: sqlite3.Connection, refund: Refund, *, now: datetime) -> Refund:
    """Pay an abnormal refund to another account: it succeeds after all, and is told of again.

    Raises NotRefundable when it is not abnormal.
    """
    if refund.outcome_at(now) is not Outcome.ABNORMAL:
        raise NotRefundable
    db.execute(
        "UPDATE refunds SET outcome = ?, ends_at = ?, ended_at = NULL"
        " WHERE channel = ? AND out_trade_no = ? AND out_refund_no = ?",
        (Outcome.SUCCESS, now, refund.channel, refund.out_trade_no, refund.out_refund_no),
    )
    return replace(refund, outcome=Outcome.SUCCESS, ends_at=now, ended_at=None)


def end_ripe(db: sqlite3.Connection, *, now: datetime) -> list[Refund]:
    """End the refunds whose time has come, and return them: the merchant is to be told."""
    rows = db.execute(
        "SELECT * FROM refunds WHERE ended_at IS NULL AND ends_at <= ?", (now,)
    ).fetchall()
    db.execute(
        "UPDATE refunds SET ended_at = ends_at WHERE ended_at IS NULL AND ends_at <= ?", (now,)
    )
    return [_refund(row) for row in rows]


def next_end(db: sqlite3.Connection) -> datetime | None:
    row = db.execute(
        "SELECT ends_at FROM refunds WHERE ended_at IS NULL ORDER BY ends_at"
    ).fetchone()
    return row["ends_at"] if row else None


def held(refunds: list[Refund], *, now: datetime) -> int:
    """Return how much of an order is refunded, or on its way to be, in fen."""
    return sum(refund.amount_minor for refund in refunds if refund.holds_at(now))


def refund_number(channel: Channel, now: datetime) -> str:
    """Make a WeChat refund id of 29 digits; Alipay names none, so that this one is ours."""
    if channel is Channel.WECHAT:
        return f"50300{digits(6)}{now.astimezone(CHINA):%Y%m%d}{digits(10)}"
    return secrets.token_hex(16)


def _check(order: Order, ask: Ask, holding: list[Refund], *, now: datetime) -> None:
    if order.state is not State.PAID or order.paid_at is None or order.paid_minor is None:
        raise NotPaid
    if now > order.paid_at + LONGEST_AFTER:
        raise TooLate
    if held(holding, now=now) + ask.amount_minor > order.paid_minor:
        raise TooMuch
    if len(holding) >= MOST_PARTS:
        raise TooManyParts


def _duration(channel: Channel, fault: Fault | None) -> timedelta:
    if fault and fault.kind is Kind.REFUND_SLOW:
        return timedelta(seconds=fault.seconds) if fault.seconds is not None else SLOW
    if fault and fault.kind is Kind.REFUND_CLOSED:
        return GIVEN_UP_AFTER
    if fault:
        return max(TAKES[channel], timedelta(seconds=1))
    return TAKES[channel]


def _refund(row: sqlite3.Row) -> Refund:
    kinds = {"channel": Channel, "outcome": Outcome}
    return Refund(**{**dict(row), **{name: kind(row[name]) for name, kind in kinds.items()}})
