"""How many events there were: by day as already added up, by hour as they stand."""

from datetime import date, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.core.db import Work, merchant_of, run_sql
from app.metering.models import EVERY_SERIES, UsageEvent

HOUR = timedelta(hours=1)


_BY_DAY = """
SELECT day, sum(events)::bigint FROM usage_days
 WHERE merchant_id = %(merchant_id)s AND series_id = %(every_series)s
   AND day >= %(first_day)s AND day < %(end_day)s
 GROUP BY day
"""
_REFRESHED_TO = "SELECT refreshed_to FROM usage_refreshes WHERE merchant_id = %(merchant_id)s"


def events_by_day(session: Work, *, first_day: date, end_day: date) -> dict[date, int]:
    """Return the counted events of each local day, `end_day` exclusive: seconds behind."""
    asked = {"merchant_id": merchant_of(session), "every_series": EVERY_SERIES}
    return dict(run_sql(session, _BY_DAY, asked | {"first_day": first_day, "end_day": end_day}))


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


def refreshed_to(session: Work) -> datetime | None:
    """Return the real time up to which days are added up; None before the first event."""
    found = run_sql(session, _REFRESHED_TO, {"merchant_id": merchant_of(session)})
    return found[0][0] if found else None
