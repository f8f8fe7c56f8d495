"""Days and instants in the browser's language, instants in the merchant's zone."""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel import Locale, dates
from flask import g
from flask_babel import get_locale
from markupsafe import Markup

DEFAULT_ZONE = "Asia/Shanghai"

_TIME = re.compile("HH|mm|ss")
_LEFT_OPEN = {"HH": "'{0:%H}'", "mm": "'{0:%M}'", "ss": "'{0:%S}'"}


def zone_name() -> str:
    """Return the name of the zone that this request's times are told in."""
    merchant = g.get("merchant")
    return str(merchant.time_zone) if merchant else DEFAULT_ZONE


def format_date(day: date, pattern: str = "medium") -> str:
    """Print a day by a pattern of CLDR, or by the name of one of the language's own."""
    return _print_day(day, pattern, get_locale())


def format_datetime(moment: datetime, pattern: str) -> str:
    """Print an instant by a pattern of CLDR, whose time is made of HH, mm and ss."""
    local = moment.astimezone(ZoneInfo(zone_name()))
    return _print_day(local.date(), _leave_time_open(pattern), get_locale()).format(local)


def time_widget(patterns: Mapping[str, str], language: str) -> Callable[..., Markup]:
    """Return what prints an instant by the name of a pattern, its exact UTC time in the title.

    Not a macro, and bound to its language: nothing in it has to be escaped, and a list of fifty
    rows prints a hundred.
    """
    locale = Locale.parse(language)
    opened = {name: _leave_time_open(pattern) for name, pattern in patterns.items()}

    @lru_cache(maxsize=4096)
    def print_day(day: date, style: str) -> str:
        return dates.format_date(day, opened[style], locale=locale)

    def print_time(value: datetime | None, style: str = "minute") -> Markup:
        if value is None:
            return Markup('<span class="t3">—</span>')
        local = value.astimezone(ZoneInfo(zone_name()))
        return Markup(  # noqa: S704  # numbers, and patterns of our own
            f'<time datetime="{value.isoformat()}" title="{value:%Y-%m-%d %H:%M:%S %Z}">'
            f"{print_day(local.date(), style).format(local)}</time>"
        )

    return print_time


@lru_cache(maxsize=4096)
def _print_day(day: date, pattern: str, locale: Locale) -> str:
    """Print the day. Kept, because a list names few days, each many times, and CLDR is slow."""
    return dates.format_date(day, pattern, locale=locale)


@lru_cache(maxsize=64)
def _leave_time_open(pattern: str) -> str:
    """Return the pattern with the time left for `str.format`: all else is the same all day."""
    return _TIME.sub(lambda found: _LEFT_OPEN[found[0]], pattern)
