"""The ladder of reminders: which of its steps are due for an invoice, and when to look again."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from app.core.periods import local_date

DEFAULT_STEPS = (-3, 0, 3, 7, 14)
MAX_STEPS = 10
EARLIEST, LATEST = -30, 90
"""The days around the day an invoice is due on which a step may stand."""

MORNING = time(9)
"""When a step is due, in the zone of the invoice."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """Days relative to the day an invoice is due, in rising order; off, none of them counts."""

    is_on: bool = True
    steps: tuple[int, ...] = DEFAULT_STEPS


@dataclass(frozen=True, slots=True)
class Dates:
    """The instants of an invoice that its ladder stands on, and the zone it counts days in."""

    finalized_at: datetime
    due_at: datetime
    zone: ZoneInfo

    @property
    def due_on(self) -> date:
        return local_date(self.due_at, self.zone)

    def morning(self, days: int) -> datetime:
        """Return the instant, in UTC, at which the step of so many days is due."""
        day = self.due_on + timedelta(days=days)
        return datetime.combine(day, MORNING, tzinfo=self.zone).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now: at most one step, those given up, and when the next one is due."""

    step: int | None
    skipped: tuple[int, ...]
    next_at: datetime | None


def plan(ladder: Ladder, dates: Dates, *, done: Collection[int], now: datetime) -> Plan:
    """Choose among the steps that are not `done` yet.

    Of those whose morning has come, the newest is the one; the others are given up, and so is
    it when a later one was done, or when the invoice itself only went out after that morning.
    """
    open_steps = [days for days in ladder.steps if days not in done] if ladder.is_on else []
    passed = [days for days in open_steps if dates.morning(days) <= now]
    ahead = [dates.morning(days) for days in open_steps if dates.morning(days) > now]
    next_at = min(ahead, default=None)
    newest = max(passed, default=None)
    if newest is None:
        return Plan(None, (), next_at)
    is_overtaken = newest < max(done, default=EARLIEST - 1)
    if is_overtaken or dates.morning(newest) <= dates.finalized_at:
        return Plan(None, tuple(passed), next_at)
    return Plan(newest, tuple(days for days in passed if days != newest), next_at)
