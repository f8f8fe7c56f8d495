"""A merchant's ladder of reminders: read it, change it."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.audit.recording import Actor, Change, record
from app.billing.models import Invoice, InvoiceStatus
from app.billing.reminder_ladder import EARLIEST, LATEST, MAX_STEPS, Ladder
from app.billing.reminder_models import ReminderSettings
from app.core import ids
from app.core.db import merchant_of
from app.core.errors import Invalid


class InvalidReminderSteps(Invalid):
    """No step, more than ten, the same day twice, or a day too far from the one it is due."""

    code = "invalid_reminder_steps"


def get_ladder(session: Session) -> Ladder:
    """Return the ladder of the session's merchant: its own, or the default."""
    found = session.get(ReminderSettings, merchant_of(session))
    return Ladder(found.is_on, tuple(found.steps)) if found else Ladder()


def set_ladder(
    session: Session, *, is_on: bool, steps: Sequence[int], actor: Actor, now: datetime
) -> Ladder:
    """Replace the ladder; every open invoice is looked at again. `now` is the real time.

    Raises InvalidReminderSteps, naming the step.
    """
    before, ladder = get_ladder(session), Ladder(is_on, _checked(steps))
    if ladder == before:
        return before
    written = {"is_on": is_on, "steps": list(ladder.steps), "updated_at": now}
    session.execute(
        insert(ReminderSettings)
        .values(merchant_id=merchant_of(session), **written)
        .on_conflict_do_update(index_elements=["merchant_id"], set_=written)
    )
    session.execute(
        update(Invoice).where(Invoice.status == InvoiceStatus.OPEN).values(remind_at=None)
    )
    record(
        session,
        actor,
        "reminder_settings.changed",
        subject=ids.show_merchant(merchant_of(session)),
        change=Change(_told(before), _told(ladder)),
        now=now,
    )
    return ladder


def _checked(steps: Sequence[int]) -> tuple[int, ...]:
    for place, days in enumerate(steps):
        if not EARLIEST <= days <= LATEST:
            raise InvalidReminderSteps(
                f"must be from {EARLIEST} to {LATEST} days", path=f"steps[{place}]"
            )
        if days in steps[:place]:
            raise InvalidReminderSteps("stands there twice", path=f"steps[{place}]")
    if not 1 <= len(steps) <= MAX_STEPS:
        raise InvalidReminderSteps(f"must have 1 to {MAX_STEPS} steps", path="steps")
    return tuple(sorted(steps))


def _told(ladder: Ladder) -> dict[str, object]:
    return {"is_on": ladder.is_on, "steps": list(ladder.steps)}
