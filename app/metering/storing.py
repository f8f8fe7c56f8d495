"""Usage events in SQL: names to ids, one insert with its roll-up, the read of what keys hold.

Columns travel as array literals, one text each, which PostgreSQL unpacks twice as fast as a
driver binds lists (`docs/decisions/0004-event-keys.md`). No object of the ORM is made here.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from app.core.db import merchant_of
from app.metering.events import ReceivedEvent, is_storable

_NOBODY = "0"
"""An id no row has: what an unknown name stands for when contents are compared."""

_NAMES = """
SELECT 'customer', external_id, id, status = 'active' FROM customers
 WHERE merchant_id = %(merchant)s AND external_id = ANY(%(customers)s::text[])
UNION ALL
SELECT 'metric', code, id, status = 'active' FROM metrics
 WHERE merchant_id = %(merchant)s AND code = ANY(%(metrics)s::text[])
"""

_ROWS = """ROWS FROM (
      unnest(%(keys)s::text[]), unnest(%(customers)s::bigint[]), unnest(%(metrics)s::bigint[]),
      unnest(%(occurred)s::timestamptz[]), unnest(%(quantities)s::numeric[]),
      jsonb_array_elements(%(dimensions)s::jsonb)
    ) WITH ORDINALITY
    AS event (key, customer_id, metric_id, occurred_at, quantity, dimensions, position)"""

# Keys first, then roll-ups, each in order: two batches that overlap lock in the same order.
_INSERT = f"""
WITH fresh AS (
  INSERT INTO usage_events
    (merchant_id, customer_id, metric_id, occurred_at, idempotency_key, quantity, dimensions)
  SELECT %(merchant)s, customer_id, metric_id, occurred_at, key, quantity, dimensions
    FROM {_ROWS}
   ORDER BY key COLLATE "C"
  ON CONFLICT DO NOTHING
  RETURNING id, customer_id, metric_id, occurred_at, idempotency_key, quantity
), rolled_up AS (
  INSERT INTO usage_rollups AS rollup
    (merchant_id, customer_id, metric_id, day, quantity, events, maximum,
     last_at, last_id, last_quantity)
  SELECT %(merchant)s, customer_id, metric_id,
         (occurred_at AT TIME ZONE %(zone)s::text)::date AS day,
         sum(quantity), count(*), max(quantity), max(occurred_at),
         (array_agg(id ORDER BY occurred_at DESC, id DESC))[1],
         (array_agg(quantity ORDER BY occurred_at DESC, id DESC))[1]
    FROM fresh
   GROUP BY customer_id, metric_id, day
   ORDER BY customer_id, metric_id, day
  ON CONFLICT (merchant_id, customer_id, metric_id, day, series_id) DO UPDATE SET
    quantity = rollup.quantity + excluded.quantity,
    events = rollup.events + excluded.events,
    maximum = greatest(rollup.maximum, excluded.maximum),
    last_at = greatest(rollup.last_at, excluded.last_at),
    last_id = CASE WHEN (excluded.last_at, excluded.last_id) > (rollup.last_at, rollup.last_id)
      THEN excluded.last_id ELSE rollup.last_id END,
    last_quantity = CASE
      WHEN (excluded.last_at, excluded.last_id) > (rollup.last_at, rollup.last_id)
      THEN excluded.last_quantity ELSE rollup.last_quantity END
)
SELECT coalesce(array_agg(idempotency_key), '{{}}') FROM fresh
"""  # noqa: S608  # a constant of this module

# Dimensions are compared as text: 1 and "1" are the same, true and "true" too.
_COMPARE = f"""
SELECT position - 1,
       (stored.customer_id, stored.metric_id, stored.occurred_at, stored.quantity)
     = (event.customer_id, event.metric_id, event.occurred_at, event.quantity)
   AND (stored.dimensions = event.dimensions
     OR (SELECT array_agg(pair ORDER BY pair.key) FROM jsonb_each_text(stored.dimensions) pair)
      = (SELECT array_agg(pair ORDER BY pair.key) FROM jsonb_each_text(event.dimensions) pair))
  FROM usage_events AS stored
  JOIN {_ROWS} ON event.key = stored.idempotency_key
 WHERE stored.merchant_id = %(merchant)s
   AND stored.idempotency_key = ANY(%(keys)s::text[])  -- so that no plan reads all the keys
"""  # noqa: S608  # a constant of this module


class Names(NamedTuple):
    """The customers and metrics of a batch: their ids by name, and which names take events."""

    customer_ids: Mapping[str, int]
    metric_ids: Mapping[str, int]
    active_customers: AbstractSet[str]
    active_metrics: AbstractSet[str]


def find_names(
    session: Session, *, customers: AbstractSet[str], metrics: AbstractSet[str]
) -> Names:
    """Look up customers and metrics by the merchant's own names, also archived ones.

    A name that PostgreSQL can not even hold is one that is not there.
    """
    parameters = {
        "merchant": merchant_of(session),
        "customers": _texts(filter(is_storable, customers)),
        "metrics": _texts(filter(is_storable, metrics)),
    }
    ids: dict[str, dict[str, int]] = {"customer": {}, "metric": {}}
    active: dict[str, set[str]] = {"customer": set(), "metric": set()}
    for kind, name, row_id, is_active in _execute(session, _NAMES, parameters):
        ids[kind][name] = row_id
        if is_active:
            active[kind].add(name)
    return Names(ids["customer"], ids["metric"], active["customer"], active["metric"])


def insert(
    session: Session, events: Collection[ReceivedEvent], names: Names, *, zone: str
) -> set[str]:
    """Insert the events whose key is not there yet, roll them up, and return their keys.

    No two events may have the same key. `zone` says on which local day an event falls.
    """
    if not events:
        return set()
    parameters = _columns(session, events, names) | {"zone": zone}
    ((fresh,),) = _execute(session, _INSERT, parameters)
    return set(fresh)


def compare(session: Session, events: Collection[ReceivedEvent], names: Names) -> dict[int, bool]:
    """Return, by position, whether an event's key is stored with the same content or other.

    A position whose key is not stored is left out.
    """
    if not events:
        return {}
    rows = _execute(session, _COMPARE, _columns(session, events, names))
    return {position: bool(is_same) for position, is_same in rows}


def _columns(
    session: Session, events: Collection[ReceivedEvent], names: Names
) -> dict[str, str | int]:
    customers = {name: str(row_id) for name, row_id in names.customer_ids.items()}
    metrics = {name: str(row_id) for name, row_id in names.metric_ids.items()}
    return {
        "merchant": merchant_of(session),
        "keys": _texts([event.idempotency_key for event in events]),
        "customers": _plain([customers.get(e.customer_external_id, _NOBODY) for e in events]),
        "metrics": _plain([metrics.get(event.metric, _NOBODY) for event in events]),
        "occurred": _plain([event.occurred_at.isoformat() for event in events]),
        "quantities": _plain([str(event.quantity) for event in events]),
        "dimensions": json.dumps(
            [event.dimensions or {} for event in events], ensure_ascii=False, check_circular=False
        ),
    }


def _execute(session: Session, statement: str, parameters: Mapping[str, object]) -> Sequence[Any]:
    return session.connection().exec_driver_sql(statement, parameters).all()


def _texts(values: Iterable[str]) -> str:
    """Write texts as a PostgreSQL array literal. None may hold NUL, which joins them here."""
    joined = "\0".join(values).replace("\\", "\\\\").replace('"', '\\"')
    return '{"' + joined.replace("\0", '","') + '"}'


def _plain(values: Iterable[str]) -> str:
    """Write numbers or instants as a PostgreSQL array literal."""
    return "{" + ",".join(values) + "}"
