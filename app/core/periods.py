"""Billing periods: half-open, bounded by local midnights of a time zone, kept as UTC instants.

Boundary n is always counted from the anchor, never from the boundary before, and its day is
clamped to the length of the month: 31 January, 29 February, 31 March. Days are counted on the
local calendar, so a day on which the clocks change is one day.
"""

from calendar import monthrange
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TypeVar
from zoneinfo import ZoneInfo

Day = TypeVar("Day", bound=date)  # a date, or a local time of day without zone: both have one


class Unit(StrEnum):
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    HALF_YEAR = "half_year"
    YEAR = "year"


_LENGTH = {Unit.DAY: timedelta(days=1), Unit.WEEK: timedelta(days=7)}
_MONTHS = {Unit.MONTH: 1, Unit.QUARTER: 3, Unit.HALF_YEAR: 6, Unit.YEAR: 12}


class Cycle(StrEnum):
    """How long the periods of a contract are, and what they are aligned to.

    Calendar cycles begin on Mondays, or on the first day of a month, quarter, half-year or year;
    anniversary cycles on the day of the anchor.
    """

    WEEKLY_CALENDAR = "weekly_calendar"
    WEEKLY_ANNIVERSARY = "weekly_anniversary"
    MONTHLY_CALENDAR = "monthly_calendar"
    MONTHLY_ANNIVERSARY = "monthly_anniversary"
    QUARTERLY_CALENDAR = "quarterly_calendar"
    QUARTERLY_ANNIVERSARY = "quarterly_anniversary"
    SEMIANNUAL_CALENDAR = "semiannual_calendar"
    SEMIANNUAL_ANNIVERSARY = "semiannual_anniversary"
    YEARLY_CALENDAR = "yearly_calendar"
    YEARLY_ANNIVERSARY = "yearly_anniversary"

    @property
    def unit(self) -> Unit:
        return _UNIT[self.value.partition("_")[0]]

    @property
    def is_calendar(self) -> bool:
        return self.value.endswith("_calendar")


_UNIT = {
    "weekly": Unit.WEEK,
    "monthly": Unit.MONTH,
    "quarterly": Unit.QUARTER,
    "semiannual": Unit.HALF_YEAR,
    "yearly": Unit.YEAR,
}


@dataclass(frozen=True, slots=True)
class Period:
    """The instants from `start_at` up to, and without, `end_at`; both in UTC."""

    start_at: datetime
    end_at: datetime

    def __post_init__(self) -> None:
        if self.start_at >= self.end_at:
            raise ValueError(f"a period can not end at {self.end_at} and start at {self.start_at}")

    def __contains__(self, instant: datetime) -> bool:
        return self.start_at <= instant < self.end_at

    def days(self, zone: ZoneInfo) -> int:
        """Count the local days of the period."""
        return days_between(self.start_at, self.end_at, zone)


def local_midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the instant, in UTC, at which `day` begins in `zone`."""
    return _instant(datetime.combine(day, time.min), zone)


def local_date(instant: datetime, zone: ZoneInfo) -> date:
    """Return the day it is in `zone` at `instant`."""
    return instant.astimezone(zone).date()


def days_between(start_at: datetime, end_at: datetime, zone: ZoneInfo) -> int:
    """Count the local midnights from one instant to another."""
    return (local_date(end_at, zone) - local_date(start_at, zone)).days


def add_units(day: Day, count: int, unit: Unit) -> Day:
    """Move `day` by `count` units, to the last day of the month where the month is too short.

    Works on dates and on local times without a zone; the time of day stays.
    """
    if unit in _LENGTH:
        return day + count * _LENGTH[unit]
    years, month = divmod(day.month - 1 + count * _MONTHS[unit], 12)
    first = day.replace(year=day.year + years, month=month + 1, day=1)
    return first.replace(day=min(day.day, monthrange(first.year, first.month)[1]))


def elapsed_units(day: Day, until: Day, unit: Unit) -> int:
    """Count the whole units that have ended when it is `until`, counted from `day`."""
    if unit in _LENGTH:
        return (until - day) // _LENGTH[unit]
    months = 12 * (until.year - day.year) + until.month - day.month
    count = months // _MONTHS[unit]
    return count if add_units(day, count, unit) <= until else count - 1


def period_containing(cycle: Cycle, instant: datetime, *, anchor: date, zone: ZoneInfo) -> Period:
    """Return the period of `cycle` that `instant` falls in.

    The first period of a calendar cycle is a stub: it starts on the anchor, the day the contract
    starts, and ends where the calendar says. Periods meet without gap or overlap, also those
    before the anchor; which of them are billed is for the contract to say.
    """
    origin = _calendar_start(anchor, cycle.unit) if cycle.is_calendar else anchor
    whole = _containing(datetime.combine(origin, time.min), instant, unit=cycle.unit, zone=zone)
    start_at = local_midnight(anchor, zone)
    if start_at not in whole or start_at == whole.start_at:
        return whole
    if instant < start_at:
        return replace(whole, end_at=start_at)
    return replace(whole, start_at=start_at)


def next_period(cycle: Cycle, period: Period, *, anchor: date, zone: ZoneInfo) -> Period:
    """Return the period that begins where `period` ends.

    It does so even when `zone` is no longer the one `period` was made in.
    """
    following = period_containing(cycle, period.end_at, anchor=anchor, zone=zone)
    if following.start_at == period.end_at:
        return following
    # Midnights of one day in two zones are at most 26 hours apart, and no cycle is shorter than
    # a week: three days on, we are inside the next period whichever zone the last one ended in.
    inside = period.end_at + timedelta(days=3)
    moved = period_containing(cycle, inside, anchor=anchor, zone=zone)
    return replace(moved, start_at=period.end_at)


def previous_period(cycle: Cycle, period: Period, *, anchor: date, zone: ZoneInfo) -> Period:
    """Return the period before `period`, both made in `zone`."""
    return period_containing(cycle, period.start_at - datetime.resolution, anchor=anchor, zone=zone)


def recurrence_containing(
    unit: Unit, instant: datetime, *, anchor_at: datetime, zone: ZoneInfo
) -> Period:
    """Return the recurrence that `instant` falls in, counted from an anchor with a time of day."""
    return _containing(_local(anchor_at, zone), instant, unit=unit, zone=zone)


def _containing(anchor: datetime, instant: datetime, *, unit: Unit, zone: ZoneInfo) -> Period:
    # The wall clock may repeat an hour, so it only tells us where to look; instants decide.
    count = elapsed_units(anchor, _local(instant, zone), unit) + 1
    while _instant(add_units(anchor, count, unit), zone) > instant:
        count -= 1
    return Period(
        _instant(add_units(anchor, count, unit), zone),
        _instant(add_units(anchor, count + 1, unit), zone),
    )


def _calendar_start(day: date, unit: Unit) -> date:
    if unit is Unit.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(month=day.month - (day.month - 1) % _MONTHS[unit], day=1)


def _local(instant: datetime, zone: ZoneInfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None)


def _instant(local: datetime, zone: ZoneInfo) -> datetime:
    """Read a wall clock: a time that comes twice is the first, one that is skipped comes after.

    A skipped midnight is thus the instant of the change, at which that day begins.
    """
    return local.replace(tzinfo=zone).astimezone(UTC)
