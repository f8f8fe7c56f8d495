"""Roll-ups from the events they stand for: counted anew after a void, and checked."""

from collections.abc import Collection, Iterable
from datetime import date, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.core.db import merchant_of, run_sql
from app.core.periods import local_date, local_midnight
from app.metering.models import UsageEvent

_DAY = timedelta(days=1)

_COUNTED = """
       sum(event.quantity) AS quantity, count(*) AS events, max(event.quantity) AS maximum,
       max(event.occurred_at) AS last_at,
       (array_agg(event.id ORDER BY event.occurred_at DESC, event.id DESC))[1] AS last_id,
       (array_agg(event.quantity ORDER BY event.occurred_at DESC, event.id DESC))[1]
         AS last_quantity"""

_NOT_VOIDED = """NOT EXISTS (
       SELECT FROM usage_voids AS void
        WHERE (void.merchant_id, void.occurred_at, void.event_id)
            = (event.merchant_id, event.occurred_at, event.id))"""

_WANTED = """unnest(
         %(customers)s::bigint[], %(metrics)s::bigint[], %(days)s::date[], %(series)s::bigint[],
         %(starts)s::timestamptz[], %(ends)s::timestamptz[])
         AS wanted (customer_id, metric_id, day, series_id, start_at, end_at)"""

# In the order of ingestion, so that neither can wait for the other in a circle.
_LOCK = f"""
SELECT FROM usage_rollups AS rollup
  JOIN {_WANTED} USING (customer_id, metric_id, day, series_id)
 WHERE rollup.merchant_id = %(merchant)s
 ORDER BY customer_id, metric_id, day, series_id
   FOR UPDATE OF rollup
"""

_RECOUNT = f"""
WITH counted AS (
  SELECT wanted.customer_id, wanted.metric_id, wanted.day, wanted.series_id, {_COUNTED}
    FROM {_WANTED}
    JOIN usage_events AS event
      ON event.merchant_id = %(merchant)s
     AND (event.customer_id, event.metric_id, event.series_id)
       = (wanted.customer_id, wanted.metric_id, wanted.series_id)
     AND event.occurred_at >= wanted.start_at AND event.occurred_at < wanted.end_at
   WHERE {_NOT_VOIDED}
   GROUP BY 1, 2, 3, 4
), changed AS (
  UPDATE usage_rollups AS rollup
     SET quantity = counted.quantity, events = counted.events, maximum = counted.maximum,
         last_at = counted.last_at, last_id = counted.last_id,
         last_quantity = counted.last_quantity
    FROM counted
   WHERE rollup.merchant_id = %(merchant)s
     AND (rollup.customer_id, rollup.metric_id, rollup.day, rollup.series_id)
       = (counted.customer_id, counted.metric_id, counted.day, counted.series_id)
)
DELETE FROM usage_rollups AS rollup
 USING {_WANTED}
 WHERE rollup.merchant_id = %(merchant)s
   AND (rollup.customer_id, rollup.metric_id, rollup.day, rollup.series_id)
     = (wanted.customer_id, wanted.metric_id, wanted.day, wanted.series_id)
   AND NOT EXISTS (
       SELECT FROM counted
        WHERE (counted.customer_id, counted.metric_id, counted.day, counted.series_id)
            = (wanted.customer_id, wanted.metric_id, wanted.day, wanted.series_id))
"""  # noqa: S608  # a constant of this module

_CHECK = f"""
WITH counted AS (
  SELECT event.customer_id, event.metric_id,
         (event.occurred_at AT TIME ZONE %(zone)s::text)::date AS day, event.series_id, {_COUNTED}
    FROM usage_events AS event
   WHERE event.merchant_id = %(merchant)s AND {_NOT_VOIDED}
   GROUP BY 1, 2, 3, 4
)
SELECT coalesce(counted.customer_id, stored.customer_id),
       coalesce(counted.metric_id, stored.metric_id),
       coalesce(counted.day, stored.day),
       coalesce(counted.series_id, stored.series_id)
  FROM counted
  FULL JOIN (SELECT * FROM usage_rollups WHERE merchant_id = %(merchant)s) AS stored
    ON (stored.customer_id, stored.metric_id, stored.day, stored.series_id)
     = (counted.customer_id, counted.metric_id, counted.day, counted.series_id)
 WHERE (stored.quantity, stored.events, stored.maximum,
        stored.last_at, stored.last_id, stored.last_quantity)
       IS DISTINCT FROM
       (counted.quantity, counted.events, counted.maximum,
        counted.last_at, counted.last_id, counted.last_quantity)
 ORDER BY 1, 2, 3, 4
"""  # noqa: S608  # a constant of this module


class RollupKey(NamedTuple):
    """Which roll-up: a customer's metric on a local day, of one series."""

    customer_id: int
    metric_id: int
    day: date
    series_id: int


def rollup_of(event: UsageEvent, zone: ZoneInfo) -> RollupKey:
    """Return the roll-up that counts the event."""
    day = local_date(event.occurred_at, zone)
    return RollupKey(event.customer_id, event.metric_id, day, event.series_id)


def recount(session: Session, keys: Collection[RollupKey], *, zone: ZoneInfo) -> None:
    """Count these roll-ups anew from their events, without the voided ones; empty ones go.

    Locks the roll-ups first, so that events that arrive meanwhile are added to the new count.
    """
    if not keys:
        return
    parameters = _columns(sorted(keys), zone) | {"merchant": merchant_of(session)}
    run_sql(session, _LOCK, parameters)
    # A statement of its own: its snapshot has what the others committed while we waited.
    run_sql(session, _RECOUNT, parameters)


def wrong_rollups(session: Session, *, zone: ZoneInfo) -> list[RollupKey]:
    """Return the merchant's roll-ups that are not what their events come to.

    Reads every event of the merchant. None is ever wrong, unless somebody changed the tables.
    """
    parameters = {"merchant": merchant_of(session), "zone": zone.key}
    return [RollupKey(*row) for row in run_sql(session, _CHECK, parameters)]


def _columns(keys: Iterable[RollupKey], zone: ZoneInfo) -> dict[str, Any]:
    rows = [
        (*key, local_midnight(key.day, zone), local_midnight(key.day + _DAY, zone)) for key in keys
    ]
    names = ("customers", "metrics", "days", "series", "starts", "ends")
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
