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
from app.payments import capture, queries, telling
from app.payments.models import PAYMENT, PaymentEvent, PaymentOrder, PaymentStatus
from app.risk import reserving
from app.webhooks.catalogue import EventType

LADDER = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 60, 180, 300, 600, 1800))
"""When to ask, after an order was opened and again after its time to pay: as WeChat Pay advises.

The last step repeats.
"""

CLAIM = 50  # orders a call
WATCHED_FROM = timedelta(seconds=4)  # a payer needs that long to scan
WATCHED_EVERY = timedelta(seconds=3)
ASKED_EVERY = timedelta(seconds=1)  # however often somebody says that he has paid
LAST_LOOK = timedelta(minutes=1)
"""How long after its time a code is looked at again that nobody had come to when it was closed.

Alipay closes only what was scanned: such a code can be paid until its time ends.
"""


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
        if question.channel in silent or question.channel not in channels:
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
        if order.status not in queries.OPEN or is_young or _was_asked(order, WATCHED_EVERY, now):
            return None
        order.queried_at = now
        question = Question.about(order)
    return settle(transaction, channel, question, now=now)


def ask(
    transaction: Transaction, channel: Channel, order_id: int, *, now: datetime
) -> Found | None:
    """Ask about an order because somebody says that it was paid: also one that we closed.

    Returns None, and asks nothing, when it is captured or was asked about within a second.
    Raises NotFound, ChannelUnavailable and ChannelRefused.
    """
    with transaction() as session:
        order = queries.lock_order(session, order_id)
        if order.status is PaymentStatus.CAPTURED or _was_asked(order, ASKED_EVERY, now):
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
    was_met = trade.state is not TradeState.NOT_FOUND
    can_be_paid = trade.state in {TradeState.PENDING, TradeState.NOT_FOUND}
    if can_be_paid and now >= question.expires_at:
        trade = _close(channel, trade, now=now)
    if trade.state is TradeState.PAID:
        with transaction() as session:
            merchant_now = clocks.to_merchant(session, now)
            capture.record_capture(session, trade, channel=channel.name, now=merchant_now)
        return Found.CAPTURED
    if trade.state is TradeState.CLOSED:
        with transaction() as session:
            _record_close(session, question.order_id, was_met=was_met, now=now)
        return Found.CLOSED
    return Found.WAITING


def next_query_at(order: PaymentOrder, *, now: datetime) -> datetime:
    """Return when to ask again: up the ladder, but at the end of the time to pay in any case."""
    if now < order.expires_at:
        return min(_next_rung(order.created_at, now), order.expires_at)
    return _next_rung(order.expires_at, now)


def _next_rung(since: datetime, now: datetime) -> datetime:
    return next((since + step for step in LADDER if since + step > now), now + LADDER[-1])


def _was_asked(order: PaymentOrder, within: timedelta, now: datetime) -> bool:
    return order.queried_at is not None and now < order.queried_at + within


def _close(channel: Channel, trade: Trade, *, now: datetime) -> Trade:
    """Make the order unpayable. A channel that refuses has its money: it is asked once more."""
    try:
        channel.close(trade.out_trade_no, now=now)
    except ChannelRefused:
        return channel.query(trade.out_trade_no, now=now)
    return Trade(TradeState.CLOSED, trade.out_trade_no, trade.raw_state)


def _record_close(session: Session, order_id: int, *, was_met: bool, now: datetime) -> None:
    """Write down that an order has ended unpaid, unless it was captured meanwhile.

    `was_met` says whether its channel knew of it: else it is looked at once more.
    """
    order = queries.lock_order(session, order_id)
    if PAYMENT.allows(order.status, PaymentEvent.CLOSE):
        order.status = PAYMENT.after(order.status, PaymentEvent.CLOSE)
        order.payer_ip = order.openid = ""
        order.next_query_at = None if was_met else max(order.expires_at, now) + LAST_LOOK
        reserving.release(session, order.id)
        telling.tell(session, EventType.PAYMENT_CLOSED, order, now=now)
    elif order.status is PaymentStatus.CLOSED:
        order.next_query_at = None
