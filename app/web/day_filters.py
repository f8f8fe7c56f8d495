"""The days that an address narrows a list to."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from flask import request
from flask_babel import gettext as _

from app.core.errors import Invalid
from app.core.periods import local_midnight


def chosen_day(name: str) -> date | None:
    """Return the filter `name` as a day, or None when it is not set. Raises Invalid."""
    text = request.args.get(name, "")
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise _no_day(name) from error


def chosen_span(zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
    """Return when the day `from` begins in `zone`, and when the day `to` is over there.

    What is not set is None. Raises Invalid.
    """
    return _midnight("from", zone), _midnight("to", zone, after=timedelta(days=1))


def _midnight(name: str, zone: ZoneInfo, *, after: timedelta = timedelta()) -> datetime | None:
    day = chosen_day(name)
    try:
        return local_midnight(day + after, zone) if day else None
    except OverflowError as error:  # the first or the last day there is
        raise _no_day(name) from error


def _no_day(name: str) -> Invalid:
    return Invalid(_("must be a day such as 2026-05-31"), path=name)
