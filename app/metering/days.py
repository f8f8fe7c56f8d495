"""The days of charts: what all customers together used, a few seconds behind the roll-ups.

Whoever stores events adds nothing here: one row for all events of a day would make every writer
wait for every other. Days are added up again whole, so doing it twice changes nothing.
"""

from collections import defaultdict
from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.core.db import merchant_of, run_sql
from app.metering.models import EVERY_SERIES, UsageRefresh

NEVER = datetime(1970, 1, 1, tzinfo=UTC)

OVERLAP = timedelta(minutes=1)
"""How long a transaction may take to commit the events that it stored."""

_TOUCHED = """
SELECT DISTINCT event.merchant_id, event.metric_id,
       (event.occurred_at AT TIME ZONE merchant.time_zone)::date
  FROM usage_events AS event
  JOIN merchants AS merchant USING (merchant_id)
 WHERE event.received_at >= %(since)s
"""

_EVERY_DAY = """
SELECT metric_id, day FROM usage_rollups WHERE merchant_id = %(merchant)s
 UNION
SELECT metric_id, day FROM usage_days WHERE merchant_id = %(merchant)s
"""

# What customers come to is added up: each by himself, in one series or over all of them.
_COUNTED = """
WITH wanted AS (
  SELECT metric_id, day, aggregation
    FROM unnest(%(metrics)s::bigint[], %(days)s::date[]) AS wanted (metric_id, day)
    JOIN metrics ON metrics.merchant_id = %(merchant)s AND metrics.id = metric_id
), used AS (
  SELECT wanted.metric_id, wanted.day, rollup.series_id, rollup.customer_id,
         CASE wanted.aggregation
           WHEN 'count' THEN rollup.events
           WHEN 'max' THEN rollup.maximum
           WHEN 'last' THEN rollup.last_quantity
           ELSE rollup.quantity END AS quantity,
         rollup.events, wanted.aggregation, rollup.last_at, rollup.last_id
    FROM wanted
    JOIN usage_rollups AS rollup
      ON (rollup.merchant_id, rollup.day, rollup.metric_id)
       = (%(merchant)s, wanted.day, wanted.metric_id)
), together AS (
  SELECT metric_id, day, customer_id, sum(events) AS events,
         CASE min(aggregation)
           WHEN 'max' THEN max(quantity)
           WHEN 'last' THEN (array_agg(quantity ORDER BY last_at DESC, last_id DESC))[1]
           ELSE sum(quantity) END AS quantity
    FROM used
   GROUP BY metric_id, day, customer_id
), counted AS (
  SELECT metric_id, day, series_id, sum(quantity) AS quantity, sum(events) AS events,
         count(*) AS customers
    FROM used
   GROUP BY metric_id, day, series_id
   UNION ALL
  SELECT metric_id, day, %(every)s, sum(quantity), sum(events), count(*)
    FROM together
   GROUP BY metric_id, day
)"""

# EXCEPT is hashed or sorted: NOT EXISTS becomes a loop over both on a database without statistics,
# and all that time nothing can be voided.
_ADD_UP = f"""{_COUNTED}, gone AS (
  DELETE FROM usage_days AS stored
   USING (SELECT metric_id, day, series_id
            FROM usage_days JOIN wanted USING (metric_id, day)
           WHERE merchant_id = %(merchant)s
          EXCEPT
          SELECT metric_id, day, series_id FROM counted) AS left_over
   WHERE stored.merchant_id = %(merchant)s
     AND (stored.metric_id, stored.day, stored.series_id)
       = (left_over.metric_id, left_over.day, left_over.series_id)
)
INSERT INTO usage_days AS stored
  (merchant_id, metric_id, day, series_id, quantity, events, customers)
SELECT %(merchant)s, metric_id, day, series_id, quantity, events, customers
  FROM counted
 ORDER BY metric_id, day, series_id
ON CONFLICT (merchant_id, metric_id, day, series_id) DO UPDATE
   SET quantity = excluded.quantity, events = excluded.events, customers = excluded.customers
 WHERE (stored.quantity, stored.events, stored.customers)
    IS DISTINCT FROM (excluded.quantity, excluded.events, excluded.customers)
"""  # noqa: S608  # a constant of this module

_CHECK = f"""{_COUNTED}
SELECT DISTINCT metric_id, day
  FROM counted
  FULL JOIN (SELECT * FROM usage_days WHERE merchant_id = %(merchant)s) AS stored
 USING (metric_id, day, series_id)
 WHERE (stored.quantity, stored.events, stored.customers)
    IS DISTINCT FROM (counted.quantity, counted.events, counted.customers)
 ORDER BY metric_id, day
"""  # noqa: S608  # a constant of this module


class MetricDay(NamedTuple):
    """A metric on one local day of the merchant."""

    metric_id: int
    day: date


def last_refresh(reader: Session) -> datetime | None:
    """Return when days were last added up, of whichever merchant; None before the first time."""
    newest = select(func.max(UsageRefresh.refreshed_to))
    last = reader.scalar(newest.execution_options(platform=True))
    return None if last == NEVER else last


def touched_days(reader: Session, *, since: datetime) -> dict[int, set[MetricDay]]:
    """Return by merchant the days of events that arrived since then: asked across merchants.

    Events that were stored by then and committed later are found within a minute. Where nothing
    arrived, nothing is read.
    """
    found: dict[int, set[MetricDay]] = defaultdict(set)
    for merchant_id, *touched in run_sql(reader, _TOUCHED, {"since": since - OVERLAP}):
        found[merchant_id].add(MetricDay(*touched))
    return dict(found)


def refresh(session: Session, touched: Collection[MetricDay], *, now: datetime) -> None:
    """Add up these days of the merchant again, and remember that it was done at `now`.

    The first time all days are added up. `now` is the real time.
    """
    last = _lock(session)
    _add_up(session, every_day(session) if last == NEVER else touched)
    session.execute(update(UsageRefresh).values(refreshed_to=max(last, now)))


def recount_days(session: Session, days: Collection[MetricDay]) -> None:
    """Add up these days again because their roll-ups were changed, not because events came."""
    _lock(session)
    _add_up(session, days)


def every_day(session: Session) -> list[MetricDay]:
    """Return all days on which the merchant's customers used anything, or once did."""
    rows = run_sql(session, _EVERY_DAY, {"merchant": merchant_of(session)})
    return [MetricDay(*row) for row in rows]


def wrong_days(session: Session) -> list[MetricDay]:
    """Return the days that are not what their roll-ups add up to.

    Those of the last seconds may be among them, until they are refreshed.
    """
    rows = run_sql(session, _CHECK, _columns(session, every_day(session)))
    return [MetricDay(*row) for row in rows]


def _lock(session: Session) -> datetime:
    """Let nobody else add up this merchant's days; return when that was last done, or NEVER.

    The later of two reads what the first has committed, and so has the last word.
    """
    first = insert(UsageRefresh).values(merchant_id=merchant_of(session), refreshed_to=NEVER)
    session.execute(first.on_conflict_do_nothing())
    locking = select(UsageRefresh).with_for_update().execution_options(populate_existing=True)
    return session.scalars(locking).one().refreshed_to


def _add_up(session: Session, days: Collection[MetricDay]) -> None:
    if days:
        run_sql(session, _ADD_UP, _columns(session, days))


def _columns(session: Session, days: Collection[MetricDay]) -> dict[str, object]:
    return {
        "merchant": merchant_of(session),
        "metrics": [day.metric_id for day in days],
        "days": [day.day for day in days],
        "every": EVERY_SERIES,
    }
