"""Telling channels to refund, and finding out what became of it: an unknown result is asked for.

The same number every time, so nothing is ever paid back twice; and only the channel's own word
ends a refund. What is set aside stays aside until then.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.orm import Session

from app.channels.base import (
    Channel,
    ChannelName,
    ChannelRefused,
    ChannelShort,
    ChannelUnavailable,
    RefundAsk,
    RefundState,
)
from app.channels.base import Refund as Answer
from app.core.db import Transaction
from app.core.money import Currency, Money
from app.identity import clocks
from app.payments import queries, refund_moves, refund_queries
from app.payments.refund_models import UNDER_WAY, Refund, RefundStatus

LADDER = tuple(timedelta(minutes=minutes) for minutes in (1, 1, 1, 1, 1, 5, 10, 20, 30))
"""How long to wait from one question to the next, as WeChat Pay advises; the last step repeats."""

CLAIM = 50  # refunds a call
LONGEST = timedelta(days=7)
"""After this a refund that is still under way is one that somebody has to look at.

A bank takes days; Alipay never tells of a refund that went wrong.
"""

ChannelOf = Callable[[ChannelName], Channel]
NotifyUrl = Callable[[ChannelName], str]
"""Names the address at which a channel tells us what became of a refund."""


class Found(StrEnum):
    """What became of a refund that was looked after."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    WAITING = "waiting"  # the channel is at it, or somebody has to act
    NO_ANSWER = "no_answer"  # nothing that can be used; asked again later


_FOUND = {
    RefundStatus.SUCCEEDED: Found.SUCCEEDED,
    RefundStatus.FAILED: Found.FAILED,
    RefundStatus.SUBMITTED: Found.WAITING,
    RefundStatus.ABNORMAL: Found.WAITING,
}


@dataclass(frozen=True, slots=True)
class Task:
    """A refund to tell a channel of, without a row of the database."""

    refund_id: int
    channel: ChannelName
    ask: RefundAsk
    was_asked: bool
    is_under_way: bool
    is_overdue: bool


def settle(
    transaction: Transaction,
    channel_of: ChannelOf,
    refund_id: int,
    *,
    notify_url: NotifyUrl,
    now: datetime,
) -> Found | None:
    """Tell the channel of one refund, or ask what became of it, and book the answer.

    `now` is real. Returns None, and asks nothing, when the refund has ended or waits for its
    approval. Raises NotFound.
    """
    with transaction() as session:
        refund = refund_moves.lock(session, refund_id).refund
        if refund.status not in UNDER_WAY:
            return None
        task = _begin(session, refund, notify_url(refund.channel), now=now)
    return _settle(transaction, channel_of(task.channel), task, now=now)


def heal(
    transaction: Transaction, channel_of: ChannelOf, *, notify_url: NotifyUrl, now: datetime
) -> Counter[Found]:
    """Look after one merchant's due refunds; return how many ended how. `now` is real.

    Each is claimed by moving its next question up the ladder, so two calls at once share the work
    and a crash costs one step.
    """
    with transaction() as session:
        due = refund_queries.lock_due(session, now=now, limit=CLAIM)
        tasks = [_begin(session, refund, notify_url(refund.channel), now=now) for refund in due]
    return Counter(_settle(transaction, channel_of(task.channel), task, now=now) for task in tasks)


def next_query_at(refund: Refund, *, now: datetime) -> datetime:
    """Return when to ask again, up the ladder."""
    return now + LADDER[min(refund.queries, len(LADDER)) - 1]


def _begin(session: Session, refund: Refund, notify_url: str, *, now: datetime) -> Task:
    was_asked = refund.asked_at is not None
    is_overdue = refund.submitted_at is not None and now >= refund.submitted_at + LONGEST
    order = queries.get_order(session, refund.payment_order_id)
    refund.queries += 1
    refund.asked_at, refund.next_query_at = now, next_query_at(refund, now=now)
    ask = RefundAsk(
        out_refund_no=refund.out_refund_no,
        out_trade_no=order.out_trade_no,
        amount=refund.amount,
        total=Money(order.captured_minor or 0, Currency.CNY),
        reason=refund.reason,
        notify_url=notify_url,
    )
    is_under_way = refund.status in UNDER_WAY
    return Task(refund.id, refund.channel, ask, was_asked, is_under_way, is_overdue)


def _settle(transaction: Transaction, channel: Channel, task: Task, *, now: datetime) -> Found:
    """Ask outside any transaction; what the channel says is booked in one."""
    try:
        answer = _answer(channel, task, now=now)
    except ChannelUnavailable:
        return Found.NO_ANSWER
    except ChannelShort as short:
        _note(transaction, task, str(short))
        return Found.WAITING
    except ChannelRefused as refusal:
        with transaction() as session:
            why = f"{refusal.channel_code} {refusal.channel_message}".strip()
            refund_moves.record_refusal(session, task.refund_id, why, now=clocks.now(session))
        return Found.FAILED
    if task.is_overdue and answer.state is RefundState.PROCESSING:
        why = f"{answer.raw_state} for more than {LONGEST.days} days"
        answer = replace(answer, state=RefundState.ABNORMAL, raw_state=why)
    with transaction() as session:
        status = refund_moves.record(session, task.refund_id, answer, now=clocks.now(session))
    return _FOUND[status]


def _answer(channel: Channel, task: Task, *, now: datetime) -> Answer:
    """Query what was asked before; tell the channel only what it does not know, and is to do."""
    if task.was_asked:
        answer = channel.query_refund(task.ask, now=now)
        if answer.state is not RefundState.NOT_FOUND or not task.is_under_way:
            return answer
    return channel.refund(task.ask, now=now)


def _note(transaction: Transaction, task: Task, trouble: str) -> None:
    """Say why nothing goes on: the same ask succeeds once our account there is filled."""
    with transaction() as session:
        refund = refund_moves.lock(session, task.refund_id).refund
        if refund.status in UNDER_WAY:
            refund.trouble = trouble
