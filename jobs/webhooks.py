"""Deliver what merchants subscribed to; tell their owners when an endpoint stays silent."""

from functools import partial

from rq.exceptions import DuplicateJobError

from app.core import clock
from app.extensions import bound, reading, runtime
from app.webhooks import delivering
from app.webhooks.draining import Drain
from app.webhooks.sending import Sender
from jobs import sweep

SENDER = Sender()
TURN_SECONDS = 60.0
"""For which a drain claims; what comes later is the next one's."""

PROBE_SECONDS = TURN_SECONDS - 2 * SENDER.total_seconds
"""For which it claims of endpoints that failed last: they may hang, and it must not wait."""

ASK_SECONDS = 0.5
"""How often a drain at work asks who else is owed, once nobody was."""

RING_SECONDS = 30
"""How long a ring whose worker was killed keeps the next one out."""


def deliver() -> None:
    """Ring for a drain, if anything is due and none waits or runs."""
    now = clock.now()
    with reading() as session:
        is_due = bool(delivering.due_merchants(session, now=now))
    if is_due:
        _ring(int(now.timestamp()) // RING_SECONDS)


def drain() -> None:
    """Send what is due, of all merchants, until nothing is or the turn is over."""
    started = clock.monotonic()
    with Drain(
        bound,
        SENDER,
        keyring=runtime().keyring,
        allow_loopback=runtime().settings.webhook_allow_loopback,
        started=clock.now(),
    ) as at_work:
        ask_at = 0.0
        while True:
            elapsed = clock.monotonic() - started
            if elapsed < TURN_SECONDS and (at_work.is_idle or elapsed >= ask_at):
                claimed = _take_due(at_work, probes=elapsed < PROBE_SECONDS)
                ask_at = elapsed if claimed else elapsed + ASK_SECONDS
            if at_work.is_idle:
                break
            at_work.step(wait_seconds=ASK_SECONDS)


def _take_due(at_work: Drain, *, probes: bool) -> int:
    """Claim what is due of everybody, first where it will arrive; return how much that was."""
    with reading() as session:
        due = delivering.due_merchants(session, now=at_work.now)
    claimed = 0

    def take(merchant_id: int, *, failing: bool) -> None:
        nonlocal claimed
        claimed += at_work.take(merchant_id, failing=failing)

    for failing in (False, True) if probes else (False,):
        merchants = [each.merchant_id for each in due if each.is_failing is failing]
        sweep.for_each(merchants, partial(take, failing=failing))
    return claimed


def _ring(slot: int) -> None:
    try:
        runtime().queue("webhooks").enqueue(
            "jobs.webhooks.drain",
            job_id=f"webhooks-{slot}",
            unique=True,
            result_ttl=0,  # an id is taken for as long as its job is remembered
            failure_ttl=3600,
            job_timeout=300,
        )
    except DuplicateJobError:
        return  # it waits already, or runs
