"""How many events there were: by day as already added up, by hour as they stand."""

from datetime import date, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.metering.models import EVERY_SERIES, UsageDay, UsageEvent, UsageRefresh

HOUR = timedelta(hours=1)


def events_by_day(session: Session, *, first_day: date, end_day: date) -> dict[date, int]:
    """Return the counted events of each local day, `end_day` exclusive: seconds behind."""
    statement = (
        select(UsageDay.day, func.sum(UsageDay.events))
        .where(UsageDay.series_id == EVERY_SERIES)
        .where(UsageDay.day >= first_day, UsageDay.day < end_day)
        .group_by(UsageDay.day)
    )
    return {day: int(events) for day, events in session.execute(statement)}


def events_by_hour(
    session: Session, *, start_at: datetime, end_at: datetime
) -> dict[datetime, int]:
    """Return the stored events of each hour from `start_at` on, voided ones too."""
    hour = func.date_bin(HOUR, UsageEvent.occurred_at, start_at)
    statement = (
        select(hour, func.count())
        .where(UsageEvent.occurred_at >= start_at, UsageEvent.occurred_at < end_at)
        .group_by(hour)
    )
    return dict(session.execute(statement).all())


def refreshed_to(session: Session) -> datetime | None:
    """Return the real time up to which days are added up; None before the first event."""
    return session.scalar(select(UsageRefresh.refreshed_to))
