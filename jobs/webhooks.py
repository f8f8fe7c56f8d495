"""Deliver what merchants subscribed to, each merchant in a job of its own."""

from datetime import datetime

from rq.exceptions import DuplicateJobError

from app.core import clock
from app.core.ids import find_merchant, show_merchant
from app.extensions import bound, reading, runtime
from app.webhooks import delivering
from app.webhooks.sending import Sender
from jobs import sweep

SENDER = Sender()
TURN_SECONDS = 10.0
"""After which a merchant with more to deliver queues again, behind those who wait."""

RING_SECONDS = 60
"""How long a ring whose worker was killed keeps the next one of that merchant out."""


def deliver() -> None:
    """Ring for every merchant that has due webhooks."""
    ring_due(now=clock.now())


def ring_due(*, now: datetime) -> None:
    """Queue one job for every merchant with due webhooks that has none waiting or running."""
    with reading() as session:
        merchants = delivering.due_merchants(session, now=now)
    slot = int(now.timestamp()) // RING_SECONDS

    def ring(merchant_id: int) -> None:
        _ring(show_merchant(merchant_id), slot)

    sweep.for_each(merchants, ring)


def deliver_merchant(*, merchant: str) -> None:
    """Deliver one merchant's due webhooks, pass after pass while they arrive, for one turn."""
    merchant_id = find_merchant(merchant)
    if merchant_id is None:
        raise ValueError(f"{merchant} is not a merchant's id")
    started = clock.monotonic()
    while _deliver_once(merchant_id) and clock.monotonic() - started < TURN_SECONDS:
        pass


def _ring(merchant: str, slot: int) -> None:
    try:
        runtime().queue("webhooks").enqueue(
            "jobs.webhooks.deliver_merchant",
            kwargs={"merchant": merchant},
            job_id=f"webhooks-{merchant}-{slot}",
            unique=True,
            result_ttl=0,  # an id is taken for as long as its job is remembered
            failure_ttl=3600,
            job_timeout=300,
        )
    except DuplicateJobError:
        return  # it waits already, or runs


def _deliver_once(merchant_id: int) -> int:
    """Make one pass and return how many were delivered."""
    tally = delivering.deliver_due(
        bound(merchant_id),
        SENDER,
        keyring=runtime().keyring,
        allow_loopback=runtime().settings.webhook_allow_loopback,
        now=clock.now(),
    )
    return tally.delivered
