"""Keep the days of charts up with the usage that arrives."""

from collections.abc import Collection
from datetime import datetime

from app.core import clock
from app.extensions import reading, transaction
from app.identity.queries import list_merchant_ids
from app.metering import days
from app.metering.days import MetricDay
from jobs import sweep


def refresh_days() -> None:
    """Add up again, for every merchant, the days of the events that arrived since the last time.

    The very first time all days of all merchants are added up.
    """
    now = clock.now()
    with reading() as session:
        last = days.last_refresh(session)
        touched: dict[int, set[MetricDay]] = (
            days.touched_days(session, since=last)
            if last
            else {merchant_id: set() for merchant_id in list_merchant_ids(session)}
        )
    sweep.for_each(touched, lambda merchant_id: _refresh(merchant_id, touched[merchant_id], now))


def _refresh(merchant_id: int, touched: Collection[MetricDay], now: datetime) -> None:
    with transaction(merchant_id) as session:
        days.refresh(session, touched, now=now)
