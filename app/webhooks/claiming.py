"""Take due deliveries for one lease, in bulk, skipping what others hold."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core import db
from app.core.crypto import Keyring
from app.core.db import merchant_of, run_sql
from app.core.ids import Prefix, show
from app.identity import clocks
from app.webhooks import endpoints as endpoint_rows
from app.webhooks.models import WebhookEndpoint

LEASE = timedelta(seconds=60)
PROBE = 20
"""Most deliveries taken of an endpoint that failed last: it has to answer before it gets more."""

_PARK = """
UPDATE webhook_deliveries
   SET next_attempt_at = NULL
 WHERE merchant_id = %(merchant)s AND next_attempt_at <= %(now)s AND leased_until IS NULL
   AND endpoint_id IN (SELECT id FROM webhook_endpoints
                        WHERE merchant_id = %(merchant)s AND status <> 'active')
"""
# The endpoints' lock makes two claims at once see each other's leases.
_CLAIM = """
WITH free AS (
  SELECT id
    FROM webhook_endpoints AS endpoint
   WHERE merchant_id = %(merchant)s AND status = 'active'
     AND (failing_since IS NOT NULL) = %(failing)s
     AND EXISTS (SELECT FROM webhook_deliveries
                  WHERE merchant_id = %(merchant)s AND endpoint_id = endpoint.id
                    AND next_attempt_at <= %(now)s)
     AND NOT EXISTS (SELECT FROM webhook_deliveries
                      WHERE merchant_id = %(merchant)s AND endpoint_id = endpoint.id
                        AND leased_until > %(now)s)
   LIMIT %(endpoints)s
     FOR NO KEY UPDATE SKIP LOCKED
), due AS (
  SELECT delivery.id
    FROM free
   CROSS JOIN LATERAL (
     SELECT id
       FROM webhook_deliveries
      WHERE merchant_id = %(merchant)s AND endpoint_id = free.id AND next_attempt_at <= %(now)s
      ORDER BY next_attempt_at, id
      LIMIT %(limit)s / (SELECT greatest(count(*), 1) FROM free)
        FOR UPDATE SKIP LOCKED
   ) AS delivery
), taken AS (
  UPDATE webhook_deliveries AS delivery
     SET leased_until = %(leased_until)s
    FROM due
   WHERE delivery.merchant_id = %(merchant)s AND delivery.id = due.id
  RETURNING delivery.id, event_id, endpoint_id, next_attempt_at
)
SELECT taken.id, event_id, endpoint_id, payload
  FROM taken
  JOIN webhook_events AS event ON event.merchant_id = %(merchant)s AND event.id = event_id
 ORDER BY endpoint_id, next_attempt_at, taken.id
"""
_RELEASE = """
UPDATE webhook_deliveries
   SET leased_until = NULL
 WHERE merchant_id = %(merchant)s AND id = ANY(%(deliveries)s)
"""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One claimed delivery, with all that sending it takes and no row of the database."""

    delivery_id: int
    endpoint_id: int
    url: str
    is_live: bool
    message_id: str
    body: bytes
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Claimed:
    """The parcels of one endpoint, the longest due first."""

    endpoint_id: int
    is_failing: bool
    parcels: list[Parcel]


def claim(
    session: Session,
    *,
    failing: bool,
    endpoints: int,
    limit: int,
    keyring: Keyring,
    now: datetime,
) -> list[Claimed]:
    """Take at most `limit` due deliveries of at most so many active endpoints, for one lease.

    `failing` chooses those endpoints that failed last, or those that did not. Each gets an equal
    share, so that the backlog of one does not crowd out the rest; one that somebody holds a lease
    of gets none. Raises Unsealable when a secret was sealed with a key we do not have.
    """
    known = {"merchant": merchant_of(session), "now": now}
    run_sql(session, _PARK, known)
    wanted = known | {
        "failing": failing,
        "endpoints": endpoints,
        "limit": min(limit, PROBE * endpoints) if failing else limit,
        "leased_until": now + LEASE,
    }
    rows = run_sql(session, _CLAIM, wanted)
    if not rows:
        return []
    is_live = not clocks.get_merchant(session).is_sandbox
    named = db.among(WebhookEndpoint.id, {row.endpoint_id for row in rows})
    found = []
    for endpoint in session.scalars(select(WebhookEndpoint).where(named)):
        secrets = tuple(endpoint_rows.open_secrets(endpoint, keyring, now=now))
        parcels = [
            Parcel(
                row.id,
                endpoint.id,
                endpoint.url,
                is_live,
                show(Prefix.WEBHOOK_EVENT, row.event_id),
                row.payload.encode(),
                secrets,
            )
            for row in rows
            if row.endpoint_id == endpoint.id
        ]
        found.append(Claimed(endpoint.id, failing, parcels))
    return found


def release(session: Session, delivery_ids: list[int]) -> None:
    """Give back what was claimed and not tried: it stays due."""
    if delivery_ids:
        known = {"merchant": merchant_of(session), "deliveries": delivery_ids}
        run_sql(session, _RELEASE, known)
