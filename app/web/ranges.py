"""The days a page of usage is about, in the merchant's zone, as the address says."""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from flask import g, request
from flask_babel import gettext as _

from app.core.errors import Invalid
from app.core.periods import local_date, local_midnight
from app.web.access import now
from app.web.moments import format_date

DEFAULT = "30"

_DAY = timedelta(days=1)
_ROLLING = {"2": 2, "7": 7, "30": 30, "90": 90}
_HOURLY = {"2"}
_DAYS = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})\.\.([0-9]{4}-[0-9]{2}-[0-9]{2})", re.ASCII)
_LONGEST = timedelta(days=400)


@dataclass(frozen=True)
class Range:
    """Some local days; `end_day` is exclusive. `key` is how the address says it."""

    key: str
    first_day: date
    end_day: date
    zone: ZoneInfo

    @property
    def days(self) -> list[date]:
        return [self.first_day + n * _DAY for n in range((self.end_day - self.first_day).days)]

    @property
    def is_hourly(self) -> bool:
        """Whether the days are few enough to be shown by the hour."""
        return self.key in _HOURLY

    @property
    def start_at(self) -> datetime:
        return local_midnight(self.first_day, self.zone)

    @property
    def end_at(self) -> datetime:
        return local_midnight(self.end_day, self.zone)


def chosen_range() -> Range:
    """Return the days the address asks for, today included. Raises Invalid."""
    key = request.args.get("range", DEFAULT)
    zone = ZoneInfo(g.merchant.time_zone)
    today = local_date(now(), zone)
    this_month = today.replace(day=1)
    if key in _ROLLING:
        return Range(key, today - (_ROLLING[key] - 1) * _DAY, today + _DAY, zone)
    if key == "month":
        return Range(key, this_month, today + _DAY, zone)
    if key == "last_month":
        return Range(key, (this_month - _DAY).replace(day=1), this_month, zone)
    if chosen := _chosen_days(key):
        first, last = chosen
        return Range(key, first, last + _DAY, zone)
    names = ", ".join([*_ROLLING, "month", "last_month"])
    raise Invalid(f"range must be one of {names}, or days such as 2026-05-01..2026-05-31")


def days_key(first: date, last: date) -> str:
    """Return how an address names these days, both included."""
    return f"{first}..{last}"


def range_options() -> list[tuple[str, str]]:
    """Return what a page offers to choose from, and the days that are chosen already."""
    key = request.args.get("range", DEFAULT)
    chosen = _chosen_days(key)
    return [
        *([(key, f"{format_date(chosen[0])} – {format_date(chosen[1])}")] if chosen else []),
        ("2", _("Today and yesterday")),
        ("7", _("7 days")),
        ("30", _("30 days")),
        ("90", _("90 days")),
        ("month", _("This month")),
        ("last_month", _("Last month")),
    ]


def _chosen_days(key: str) -> tuple[date, date] | None:
    """Read what `days_key` wrote, or None: another text, or more days than anything is shown of."""
    found = _DAYS.fullmatch(key)
    if not found:
        return None
    try:
        first, last = (date.fromisoformat(day) for day in found.groups())
    except ValueError:
        return None
    return (first, last) if timedelta(0) <= last - first < _LONGEST else None
