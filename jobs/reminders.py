"""Remind the customers whose invoices are due, or soon will be."""

from app.billing import reminders
from app.core import clock
from app.extensions import bound, reading, runtime, transaction
from app.identity import clocks
from jobs import sweep


def remind() -> None:
    """Decide for every merchant, at its own time, about the steps of its ladder that are due."""
    with reading() as session:
        merchants = reminders.due_merchants(session, now=clock.now())
    sweep.for_each(merchants, _remind)


def _remind(merchant_id: int) -> None:
    with transaction(merchant_id) as session:
        now = clocks.now(session)
    reminders.remind_due(bound(merchant_id), base_url=runtime().settings.base_url, now=now)
