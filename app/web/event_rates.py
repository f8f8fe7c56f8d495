"""Small charts of how many events there were, by day and by hour."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from flask import g
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from app.core.periods import local_date
from app.metering import rates
from app.web import axes, charts
from app.web.access import now
from app.web.charts import BarChart
from app.web.moments import format_date, format_datetime

DAYS, HOURS = 30, 24


@dataclass(frozen=True)
class Rate:
    """A drawing of counts, as `usage/_rate.html` shows it; `as_of` when it is behind."""

    id: str
    title: str
    drawing: BarChart
    counts: Sequence[int]
    labels: Sequence[str]
    x_labels: Sequence[str]
    as_of: datetime | None = None

    @property
    def total(self) -> str:
        return f"{sum(self.counts):,}"

    @property
    def columns(self) -> list[str]:
        return [self.title, _("Events")]

    @property
    def table(self) -> list[tuple[str, str]]:
        counted = zip(self.labels, self.counts, strict=True)
        return [(label, f"{count:,}") for label, count in counted]

    @property
    def y_labels(self) -> list[str]:
        return [axes.short(tick) for tick in self.drawing.ticks]


def by_day(session: Session) -> Rate:
    """Draw the last 30 days of the merchant, today included."""
    end_day = local_date(now(), ZoneInfo(g.merchant.time_zone)) + timedelta(1)
    days = [end_day - timedelta(n) for n in range(DAYS, 0, -1)]
    found = rates.events_by_day(session, first_day=days[0], end_day=end_day)
    counts, pattern = [found.get(day, 0) for day in days], _("MMM d")
    return Rate(
        id="days",
        title=_("Events per day"),
        drawing=_bars(counts),
        counts=counts,
        labels=[format_date(day, pattern) for day in days],
        x_labels=axes.axis_days(days),
        as_of=as_of(session),
    )


def by_hour(session: Session) -> Rate:
    """Draw the last 24 hours, as they begin on the merchant's clock."""
    local = now().astimezone(ZoneInfo(g.merchant.time_zone))
    end_at = local.replace(minute=0, second=0, microsecond=0) + rates.HOUR
    hours = [end_at - n * rates.HOUR for n in range(HOURS, 0, -1)]
    found = rates.events_by_hour(session, start_at=hours[0], end_at=end_at)
    counts, pattern = [found.get(hour, 0) for hour in hours], _("MMM d, HH:mm")
    return Rate(
        id="hours",
        title=_("Events per hour"),
        drawing=_bars(counts),
        counts=counts,
        labels=[format_datetime(hour, pattern) for hour in hours],
        x_labels=axes.axis_hours(hours),
    )


def as_of(session: Session) -> datetime | None:
    """Return how far days are added up, on the merchant's clock."""
    refreshed = rates.refreshed_to(session)
    return refreshed + g.merchant.clock_offset if refreshed else None


def _bars(counts: Sequence[int]) -> BarChart:
    return charts.bar_chart([[float(count) for count in counts]])
