"""What stands along a chart: short numbers beside it, a handful of days or hours below."""

from collections.abc import Sequence
from datetime import date, datetime

from flask_babel import gettext as _

from app.web.moments import format_date, format_datetime

LABELS = 6


def short(value: float) -> str:
    """Write the number of a tick with few characters: 2,500,000 as 2.5M."""
    for size, letter in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def axis_days(days: Sequence[date], *, labels: int = LABELS) -> list[str]:
    """Return the labels under a chart: a handful of its days, the first and the last among them."""
    return [format_date(days[index], _("MMM d")) for index in _picked(len(days), labels)]


def axis_hours(hours: Sequence[datetime], *, labels: int = LABELS) -> list[str]:
    """Return a handful of hours, in the merchant's zone, the first and the last among them."""
    return [format_datetime(hours[index], "HH:mm") for index in _picked(len(hours), labels)]


def _picked(count: int, labels: int) -> list[int]:
    if count <= labels:
        return list(range(count))
    return sorted({round(index * (count - 1) / (labels - 1)) for index in range(labels)})
