"""What the channels answer to somebody who says that he has paid."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import structlog
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter, RateLimiter
from redis import RedisError

from app.channels.base import ChannelName, ChannelRefused, ChannelUnavailable
from app.checkout.visits import Link
from app.core.db import Transaction
from app.extensions import limiter
from app.payments import healing, queries
from app.payments.closing import ChannelOf
from app.payments.healing import Found
from app.payments.models import PaymentStatus

NEWEST = 4  # orders that are asked about: a payer has not scanned more
ASKED_FOR = timedelta(days=1)
PER_INVOICE = RateLimitItemPerMinute(10)
PER_MERCHANT = RateLimitItemPerMinute(300)
"""How often somebody may say that he has paid: channels count what we ask for everybody."""

_SCOPE = "checkout:said"
_own = MovingWindowRateLimiter(MemoryStorage())

log = structlog.get_logger()


class Answer(StrEnum):
    PAID = "paid"
    UNPAID = "unpaid"  # the channels know of no payment
    SILENT = "silent"  # one gave no answer: nobody knows yet
    JUST_ASKED = "just_asked"  # a moment ago; not again so soon
    TOO_OFTEN = "too_often"  # of this invoice, or of all of the merchant's
    NOTHING = "nothing"  # nothing was opened that could have been paid


@dataclass(frozen=True, slots=True)
class Said:
    """The answer, and when it was asked for."""

    answer: Answer
    at: datetime


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
    return Said(answer, now)


def may_ask(link: Link) -> bool:
    """Count that somebody says he has paid, and tell whether the channels are asked for it.

    While Redis is away each process counts for itself.
    """
    try:
        return _count(limiter.limiter, link)
    except RedisError:
        return _count(_own, link)


def _count(counter: RateLimiter, link: Link) -> bool:
    limits = ((PER_INVOICE, link.invoice_id), (PER_MERCHANT, link.merchant_id))
    return all(counter.hit(limit, _SCOPE, str(number)) for limit, number in limits)


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
