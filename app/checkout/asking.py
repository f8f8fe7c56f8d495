"""What the channels answer to somebody who says that he has paid."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import structlog

from app.channels.base import ChannelName, ChannelRefused, ChannelUnavailable
from app.core.db import Transaction
from app.payments import healing, queries
from app.payments.closing import ChannelOf
from app.payments.healing import Found
from app.payments.models import PaymentStatus

NEWEST = 4  # orders that are asked about: a payer has not scanned more
ASKED_FOR = timedelta(days=1)

log = structlog.get_logger()


class Answer(StrEnum):
    PAID = "paid"
    UNPAID = "unpaid"  # the channels know of no payment
    SILENT = "silent"  # one gave no answer: nobody knows yet
    JUST_ASKED = "just_asked"  # a moment ago; not again so soon
    NOTHING = "nothing"  # nothing was opened that could have been paid


@dataclass(frozen=True, slots=True)
class Said:
    """The answer, when it was asked for, and the channels it is about."""

    answer: Answer
    at: datetime
    channels: tuple[ChannelName, ...]


def ask(transaction: Transaction, channel_of: ChannelOf, invoice_id: int, *, now: datetime) -> Said:
    """Ask about every order that somebody may have paid, also those we closed; book what came.

    `now` is real. The most certain answer counts: paid, then no answer, then unpaid.
    """
    with transaction() as session:
        found = [
            (order.id, order.channel)
            for order in reversed(queries.list_of_invoice(session, invoice_id))
            if order.status is not PaymentStatus.CAPTURED and now < order.created_at + ASKED_FOR
        ][:NEWEST]
    answers = {_ask_one(transaction, channel_of, order, now=now) for order in found}
    order_of_weight = (Answer.PAID, Answer.SILENT, Answer.UNPAID, Answer.JUST_ASKED)
    answer = next((kind for kind in order_of_weight if kind in answers), Answer.NOTHING)
    return Said(answer, now, tuple(sorted({channel for _, channel in found})))


def _ask_one(
    transaction: Transaction,
    channel_of: ChannelOf,
    order: tuple[int, ChannelName],
    *,
    now: datetime,
) -> Answer:
    order_id, channel = order
    try:
        found = healing.ask(transaction, channel_of(channel), order_id, now=now)
    except (ChannelUnavailable, ChannelRefused) as refusal:
        log.warning("payment not asked about", code=refusal.code, reason=str(refusal))
        return Answer.SILENT
    if found is None:
        return Answer.JUST_ASKED
    return Answer.PAID if found is Found.CAPTURED else Answer.UNPAID
