"""Usage events in SQL: names to ids, one insert with its roll-up, the read of what keys hold.

Columns travel as array literals. No object of the ORM is made here.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime
from typing import NamedTuple

from app.core.db import Work, merchant_of, run_sql
from app.metering.events import Outcome, ReceivedEvent
from app.metering.literals import instants, plain, texts, texts_or_null
from app.metering.matching import KnownContract, KnownCustomer, KnownMetric, Names, Target
from app.pricing.models import Aggregation

_NAMES = """
SELECT 'customer', external_id, id, status = 'active',
       NULL::text, NULL::text[], NULL::timestamptz, NULL::timestamptz, NULL::timestamptz
  FROM customers
 WHERE merchant_id = %(merchant)s AND external_id = ANY(%(customers)s::text[])
UNION ALL
SELECT 'metric', code, id, status = 'active',
       aggregation, ARRAY(SELECT jsonb_object_keys(dimensions) ORDER BY 1), NULL, NULL, NULL
  FROM metrics
 WHERE merchant_id = %(merchant)s AND code = ANY(%(metrics)s::text[])
UNION ALL
SELECT 'contract', customer.external_id, contract.id, true, NULL, NULL,
       starts_on::timestamp AT TIME ZONE %(zone)s::text,
       ends_on::timestamp AT TIME ZONE %(zone)s::text, next_period_at
  FROM customers AS customer
  JOIN contracts AS contract ON contract.merchant_id = customer.merchant_id
   AND contract.customer_id = customer.id
 WHERE customer.merchant_id = %(merchant)s AND external_id = ANY(%(customers)s::text[])
"""

_ROWS = """ROWS FROM (
      unnest(%(keys)s::text[]), unnest(%(customers)s::bigint[]), unnest(%(metrics)s::bigint[]),
      unnest(%(occurred)s::timestamptz[]), unnest(%(quantities)s::numeric[]),
      jsonb_array_elements(%(dimensions)s::jsonb), unnest(%(corrects)s::text[])
    ) WITH ORDINALITY
    AS event (key, customer_id, metric_id, occurred_at, quantity, dimensions, corrects, position)"""

# Keys first, then roll-ups, each in order: two batches that overlap lock in the same order.
# Most batches are all fresh: then no key is sent back.
_INSERT = """
WITH fresh AS (
  INSERT INTO usage_events
    (merchant_id, customer_id, metric_id, series_id, occurred_at, idempotency_key, quantity,
     dimensions, corrects, is_late)
  SELECT %(merchant)s, customer_id, metric_id, series_id, occurred_at, key, quantity,
         dimensions, corrects, is_late
    FROM ROWS FROM (
      unnest(%(keys)s::text[]), unnest(%(customers)s::bigint[]), unnest(%(metrics)s::bigint[]),
      unnest(%(occurred)s::timestamptz[]), unnest(%(quantities)s::numeric[]),
      jsonb_array_elements(%(dimensions)s::jsonb), unnest(%(corrects)s::text[]),
      unnest(%(series)s::bigint[]), unnest(%(late)s::boolean[])
    ) AS event
      (key, customer_id, metric_id, occurred_at, quantity, dimensions, corrects, series_id, is_late)
   ORDER BY key COLLATE "C"
  ON CONFLICT (merchant_id, idempotency_key) DO NOTHING
  RETURNING id, customer_id, metric_id, series_id, occurred_at, idempotency_key, quantity
), rolled_up AS (
  INSERT INTO usage_rollups AS rollup
    (merchant_id, customer_id, metric_id, day, series_id, quantity, events, maximum,
     last_at, last_id, last_quantity)
  SELECT %(merchant)s, customer_id, metric_id,
         (occurred_at AT TIME ZONE %(zone)s::text)::date AS day, series_id,
         sum(quantity), count(*), max(quantity), max(occurred_at),
         (array_agg(id ORDER BY occurred_at DESC, id DESC))[1],
         (array_agg(quantity ORDER BY occurred_at DESC, id DESC))[1]
    FROM fresh
   GROUP BY customer_id, metric_id, day, series_id
   ORDER BY customer_id, metric_id, day, series_id
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
SELECT CASE WHEN count(*) < %(size)s THEN coalesce(array_agg(idempotency_key), '{}') END FROM fresh
"""

# Dimensions are compared as text: 1 and "1" are the same, true and "true" too.
_COMPARE = f"""
SELECT position - 1,
       (stored.customer_id, stored.metric_id, stored.occurred_at, stored.quantity)
     = (event.customer_id, event.metric_id, event.occurred_at, event.quantity)
   AND stored.corrects IS NOT DISTINCT FROM event.corrects
   AND (stored.dimensions = event.dimensions
     OR (SELECT array_agg(pair ORDER BY pair.key) FROM jsonb_each_text(stored.dimensions) pair)
      = (SELECT array_agg(pair ORDER BY pair.key) FROM jsonb_each_text(event.dimensions) pair))
  FROM usage_events AS stored
  JOIN {_ROWS} ON event.key = stored.idempotency_key
 WHERE stored.merchant_id = %(merchant)s
   AND stored.idempotency_key = ANY(%(keys)s::text[])  -- so that no plan reads all the keys
"""  # noqa: S608  # a constant of this module

_OWNERS = """
SELECT idempotency_key, customer_id, metric_id
  FROM usage_events AS event
 WHERE merchant_id = %(merchant)s AND idempotency_key = ANY(%(keys)s::text[])
   AND NOT EXISTS (
     SELECT FROM usage_voids AS void
      WHERE void.merchant_id = event.merchant_id
        AND void.occurred_at = event.occurred_at AND void.event_id = event.id)
"""

_LOCK_CONTRACTS = """
SELECT id, billed_to FROM contracts
 WHERE merchant_id = %(merchant)s AND id = ANY(%(contracts)s::bigint[])
 ORDER BY id FOR NO KEY UPDATE
"""

_NOTE_LATE = """
UPDATE contracts AS contract SET late_from = least(late_from, noted.day)
  FROM ROWS FROM (unnest(%(contracts)s::bigint[]), unnest(%(days)s::date[])) AS noted (id, day)
 WHERE contract.merchant_id = %(merchant)s AND contract.id = noted.id
"""

_TALLY = """
INSERT INTO ingest_tallies (merchant_id, duplicates, conflicts, late, unmatched, invalid)
VALUES (%(merchant)s, %(duplicate)s, %(conflict)s, %(late)s, %(unmatched)s, %(invalid)s)
"""


class Home(NamedTuple):
    """Where the events of one source belong: the ids as they are written to the server."""

    customer: str
    metric: str
    series: str

    @classmethod
    def of(cls, target: Target, series_id: int) -> "Home":
        """Write the ids of a target and a series."""
        return cls(str(target.customer.id), str(target.metric.id), str(series_id))


def find_names(
    session: Work, *, customers: AbstractSet[str], metrics: AbstractSet[str], zone: str
) -> Names:
    """Look up customers, with their contracts, and metrics by the merchant's own names.

    `zone` is the merchant's: contracts begin and end at its midnights.
    """
    parameters = {
        "merchant": merchant_of(session),
        "customers": texts(customers),
        "metrics": texts(metrics),
        "zone": zone,
    }
    found: dict[str, KnownCustomer] = {}
    known: dict[str, KnownMetric] = {}
    contracts: dict[str, list[KnownContract]] = defaultdict(list)
    for kind, name, row_id, is_active, aggregation, names, start_at, end_at, open_from in run_sql(
        session, _NAMES, parameters
    ):
        if kind == "customer":
            found[name] = KnownCustomer(row_id, is_active)
        elif kind == "metric":
            known[name] = KnownMetric(row_id, is_active, aggregation == Aggregation.SUM, (*names,))
        else:
            contracts[name].append(KnownContract(row_id, start_at, end_at, open_from))
    for name, terms in contracts.items():
        found[name] = found[name]._replace(contracts=(*terms,))
    return Names(found, known)


def insert(
    session: Work,
    events: Collection[ReceivedEvent],
    homes: Iterable[Home],
    *,
    late: Iterable[bool],
    zone: str,
) -> set[str]:
    """Insert the events whose key is not there yet, roll them up, and return their keys.

    No two events may have the same key; `homes` and `late` tell for each where it belongs, and
    whether its period is invoiced. `zone` says on which local day an event falls. Locks the keys,
    then the roll-ups, both sorted.
    """
    if not events:
        return set()
    customers, metrics, series = zip(*homes, strict=True)
    parameters = _columns(session, events) | {
        "customers": plain(customers),
        "metrics": plain(metrics),
        "series": plain(series),
        "late": plain(["t" if is_late else "f" for is_late in late]),
        "zone": zone,
        "size": len(events),
    }
    ((fresh,),) = run_sql(session, _INSERT, parameters)
    return {event.idempotency_key for event in events} if fresh is None else set(fresh)


def compare(session: Work, events: Collection[ReceivedEvent], names: Names) -> dict[int, bool]:
    """Return, by position, whether an event's key is stored with the same content or other.

    A position whose key is not stored is left out.
    """
    if not events:
        return {}
    customers, metrics = names
    parameters = _columns(session, events) | {
        "customers": plain([_id(customers.get(e.customer_external_id)) for e in events]),
        "metrics": plain([_id(metrics.get(event.metric)) for event in events]),
    }
    rows = run_sql(session, _COMPARE, parameters)
    return {position: bool(is_same) for position, is_same in rows}


def find_owners(session: Work, keys: AbstractSet[str]) -> dict[str, tuple[int, int]]:
    """Return the customer and the metric of each key that is stored and counts."""
    parameters = {"merchant": merchant_of(session), "keys": texts(keys)}
    return {
        key: (customer, metric) for key, customer, metric in run_sql(session, _OWNERS, parameters)
    }


def lock_contracts(session: Work, contract_ids: Iterable[int]) -> dict[int, datetime | None]:
    """Lock contracts, sorted, until the transaction ends; return up to when each is invoiced.

    Nothing can be finalised for them meanwhile.
    """
    parameters = {
        "merchant": merchant_of(session),
        "contracts": plain([str(contract_id) for contract_id in contract_ids]),
    }
    return dict(run_sql(session, _LOCK_CONTRACTS, parameters))


def note_late(session: Work, days: Mapping[int, date]) -> None:
    """Note on contracts, which are locked, the first day of usage their invoices lack."""
    parameters = {
        "merchant": merchant_of(session),
        "contracts": plain([str(contract_id) for contract_id in days]),
        "days": plain([day.isoformat() for day in days.values()]),
    }
    run_sql(session, _NOTE_LATE, parameters)


def tally(session: Work, counts: Mapping[Outcome, int]) -> None:
    """Write down what one request had besides plainly accepted events."""
    by_outcome = {outcome.value: counts.get(outcome, 0) for outcome in Outcome}
    run_sql(session, _TALLY, {"merchant": merchant_of(session)} | by_outcome)


def _id(known: KnownCustomer | KnownMetric | None) -> str:
    """Return the id behind a name; an unknown one stands for nobody when contents are compared."""
    return "0" if known is None else str(known.id)


def _columns(session: Work, events: Collection[ReceivedEvent]) -> dict[str, object]:
    times = [event.occurred_at for event in events]
    dimensions = b",".join([event.dimensions_json for event in events])
    return {
        "merchant": merchant_of(session),
        "keys": texts([event.idempotency_key for event in events]),
        "occurred": instants(times),
        "quantities": plain(map(str, [event.quantity for event in events])),
        "dimensions": "[" + dimensions.decode() + "]",
        "corrects": texts_or_null([event.corrects for event in events]),
    }
