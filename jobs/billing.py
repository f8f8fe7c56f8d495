"""Draft and finalise what has fallen due; replay usage at prices that are not published yet."""

from app.billing import overdue, runs
from app.billing import replay as replays
from app.billing.run_models import RunTrigger
from app.core import clock
from app.core.ids import Prefix, read
from app.extensions import bound, reading, ring, runtime, transaction
from app.identity import clocks
from jobs import sweep


def run_due() -> None:
    """Run every merchant that has something due, each at its own time."""
    with reading() as session:
        merchants = runs.due_merchants(session, now=clock.now())
    sweep.for_each(merchants, lambda merchant_id: catch_up(merchant_id=merchant_id))


def catch_up(*, merchant_id: int, trigger: str = RunTrigger.SCHEDULE.value) -> None:
    """Run one merchant up to its own time: its clock was moved, or something fell due."""
    with transaction(merchant_id) as session:
        now = clocks.now(session)
    runs.run_due(bound(merchant_id), runtime().rates, trigger=RunTrigger(trigger), now=now)
    ring()  # the run owes prints and mails: do not make a newcomer wait for the next beat


def give_up_overdue() -> None:
    """Mark uncollectible what nobody paid for long, each merchant's by its own time."""
    with reading() as session:
        merchants = overdue.due_merchants(session, now=clock.now())
    sweep.for_each(merchants, _give_up)


def _give_up(merchant_id: int) -> None:
    with transaction(merchant_id) as session:
        now = clocks.now(session)
    overdue.give_up_overdue(bound(merchant_id), now=now)


def replay_prices(*, merchant_id: int, replay: str) -> None:
    """Go on with a price replay where the last job of it ended."""
    with transaction(merchant_id) as session:
        now = clocks.now(session)
    replays.run(bound(merchant_id), read(Prefix.PRICE_REPLAY, replay), now=now)
