"""What a channel did and did not tell us is found by asking: callbacks are hints, not truth.

A channel that gives no answer leaves the result unknown, never failed; only its own word, or the
end of the time to pay and a close, ends an order.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.orm import Session

from app.channels.base import (
    Channel,
    ChannelName,
    ChannelRefused,
    ChannelUnavailable,
    Trade,
    TradeState,
)
from app.core.db import Transaction
from app.identity import clocks
from app.payments import capture, queries
from app.payments.models import PAYMENT, PaymentEvent, PaymentOrder

LADDER = tuple(timedelta(seconds=seconds) for seconds in (5, 15, 30, 60, 300, 1800))
"""How long to wait from one question to the next; the last step repeats."""

CLAIM = 50  # orders a call
WATCHED_FROM = timedelta(seconds=4)  # a payer needs that long to scan
WATCHED_EVERY = timedelta(seconds=3)


class Found(StrEnum):
    """What the channel said."""

    CAPTURED = "captured"
    CLOSED = "closed"
    WAITING = "waiting"  # it can still be paid
    NO_ANSWER = "no_answer"  # nothing that can be used; asked again later


@dataclass(frozen=True, slots=True)
class Question:
    """An order to ask about, without a row of the database."""

    order_id: int
    channel: ChannelName
    out_trade_no: str
    expires_at: datetime

    @classmethod
    def about(cls, order: PaymentOrder) -> "Question":
        return cls(order.id, order.channel, order.out_trade_no, order.expires_at)


def heal(
    transaction: Transaction, channels: Mapping[ChannelName, Channel], *, now: datetime
) -> Counter[Found]:
    """Ask about one merchant's due orders and book what came; return how many ended how.

    Each order is claimed by moving its next question up the ladder, so two calls at once share
    the work and a crash costs one step. A channel that does not answer is left alone for the
    rest of the call. `now` is real.
    """
    with transaction() as session:
        due = queries.lock_due(session, now=now, limit=CLAIM)
        for order in due:
            order.queries += 1
            order.queried_at, order.next_query_at = now, next_query_at(order, now=now)
        questions = [Question.about(order) for order in due]
    found: Counter[Found] = Counter()
    silent: set[ChannelName] = set()
    for question in questions:
        if question.channel in silent:
            found[Found.NO_ANSWER] += 1
            continue
        try:
            found[settle(transaction, channels[question.channel], question, now=now)] += 1
        except ChannelUnavailable:
            silent.add(question.channel)
            found[Found.NO_ANSWER] += 1
        except ChannelRefused:
            found[Found.NO_ANSWER] += 1
    return found


def watch(
    transaction: Transaction, channel: Channel, order_id: int, *, now: datetime
) -> Found | None:
    """Ask about an order that a payer is looking at: so a lost callback is found while he waits.

    Returns None, and asks nothing, when the order has ended, is too young, or was asked about a
    moment ago. Raises NotFound, ChannelUnavailable and ChannelRefused.
    """
    with transaction() as session:
        order = queries.lock_order(session, order_id)
        is_young = now < order.created_at + WATCHED_FROM
        is_known = order.queried_at is not None and now < order.queried_at + WATCHED_EVERY
        if order.status not in queries.OPEN or is_young or is_known:
            return None
        order.queried_at = now
        question = Question.about(order)
    return settle(transaction, channel, question, now=now)


def settle(
    transaction: Transaction, channel: Channel, question: Question, *, now: datetime
) -> Found:
    """Ask what became of one order and book it; an order past its time is closed at the channel.

    The channel is asked outside any transaction. Raises ChannelUnavailable and ChannelRefused.
    """
    trade = channel.query(question.out_trade_no, now=now)
    can_be_paid = trade.state in {TradeState.PENDING, TradeState.NOT_FOUND}
    if can_be_paid and now >= question.expires_at:
        trade = _close(channel, trade, now=now)
    if trade.state is TradeState.PAID:
        with transaction() as session:
            merchant_now = now + clocks.get_merchant(session).clock_offset
            capture.record_capture(session, trade, channel=channel.name, now=merchant_now)
        return Found.CAPTURED
    if trade.state is TradeState.CLOSED:
        with transaction() as session:
            _record_close(session, question.order_id)
        return Found.CLOSED
    return Found.WAITING


def next_query_at(order: PaymentOrder, *, now: datetime) -> datetime:
    """Return when to ask again: up the ladder, but at the end of the time to pay in any case."""
    step = LADDER[min(order.queries, len(LADDER)) - 1]
    if now < order.expires_at:
        return min(now + step, order.expires_at)
    return now + step


def _close(channel: Channel, trade: Trade, *, now: datetime) -> Trade:
    """Make the order unpayable. A channel that refuses has its money: it is asked once more."""
    try:
        channel.close(trade.out_trade_no, now=now)
    except ChannelRefused:
        return channel.query(trade.out_trade_no, now=now)
    return Trade(TradeState.CLOSED, trade.out_trade_no, trade.raw_state)


def _record_close(session: Session, order_id: int) -> None:
    order = queries.lock_order(session, order_id)
    if PAYMENT.allows(order.status, PaymentEvent.CLOSE):  # not if it was captured meanwhile
        order.status = PAYMENT.after(order.status, PaymentEvent.CLOSE)
        order.next_query_at = None
