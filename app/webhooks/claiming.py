"""Take endpoints that are owed deliveries for one lease, skipping those that others hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

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
 WHERE merchant_id = %(merchant)s AND next_attempt_at <= %(now)s
   AND endpoint_id IN (SELECT id FROM webhook_endpoints
                        WHERE merchant_id = %(merchant)s AND status <> 'active')
"""
# One statement: who locks the endpoint reads what is due of it, and nobody else does.
_CLAIM = """
WITH free AS (
  SELECT id
    FROM webhook_endpoints AS endpoint
   WHERE merchant_id = %(merchant)s AND status = 'active'
     AND (failing_since IS NOT NULL) = %(failing)s
     AND (leased_until IS NULL OR leased_until <= %(now)s)
     AND EXISTS (SELECT FROM webhook_deliveries
                  WHERE merchant_id = %(merchant)s AND endpoint_id = endpoint.id
                    AND next_attempt_at <= %(now)s)
   LIMIT %(endpoints)s
     FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE webhook_endpoints AS endpoint
   SET leased_until = %(leased_until)s
  FROM free
 WHERE endpoint.merchant_id = %(merchant)s AND endpoint.id = free.id
RETURNING endpoint.id
"""
_DUE = """
SELECT endpoint_id, delivery.id, event_id, payload
  FROM unnest(%(claimed)s::bigint[]) AS claimed
 CROSS JOIN LATERAL (
   SELECT id, event_id, endpoint_id, next_attempt_at
     FROM webhook_deliveries
    WHERE merchant_id = %(merchant)s AND endpoint_id = claimed AND next_attempt_at <= %(now)s
    ORDER BY next_attempt_at, id
    LIMIT %(share)s
 ) AS delivery
  JOIN webhook_events AS event ON event.merchant_id = %(merchant)s AND event.id = event_id
 ORDER BY endpoint_id, next_attempt_at, delivery.id
"""
# Only the own lease: whoever was slower than it must not end that of the next one.
_RELEASE = """
UPDATE webhook_endpoints
   SET leased_until = NULL
 WHERE merchant_id = %(merchant)s AND id = ANY(%(endpoints)s) AND leased_until = %(leased_until)s
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
    leased_until: datetime
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
    """Take endpoints with due deliveries for one lease, and read at most `limit` of what is due.

    `failing` chooses the endpoints that failed last, or those that did not. Each gets an equal
    share, so that the backlog of one does not crowd out the rest; one that somebody holds gets
    none. Raises Unsealable when a secret was sealed with a key we do not have.
    """
    known = {"merchant": merchant_of(session), "now": now}
    run_sql(session, _PARK, known)
    leased_until = now + LEASE
    wanted = {"failing": failing, "endpoints": endpoints, "leased_until": leased_until}
    claimed = [number for (number,) in run_sql(session, _CLAIM, known | wanted)]
    if not claimed:
        return []
    share = max(1, limit // len(claimed))
    read = {"claimed": claimed, "share": min(share, PROBE) if failing else share}
    rows = run_sql(session, _DUE, known | read)
    is_live = not clocks.get_merchant(session).is_sandbox
    named = select(WebhookEndpoint).where(db.among(WebhookEndpoint.id, claimed))
    found = {
        endpoint.id: (endpoint.url, tuple(endpoint_rows.open_secrets(endpoint, keyring, now=now)))
        for endpoint in session.scalars(named)
    }
    held: dict[int, list[Parcel]] = {number: [] for number in claimed}
    for endpoint_id, delivery_id, event_id, payload in rows:
        url, secrets = found[endpoint_id]
        message_id, body = show(Prefix.WEBHOOK_EVENT, event_id), payload.encode()
        parcel = Parcel(delivery_id, endpoint_id, url, is_live, message_id, body, secrets)
        held[endpoint_id].append(parcel)
    return [Claimed(number, failing, leased_until, parcels) for number, parcels in held.items()]


def release(session: Session, claimed: Sequence[Claimed]) -> None:
    """Give endpoints back: what was not sent stays due."""
    for leased_until, group in groupby(claimed, key=lambda each: each.leased_until):
        ended = {"endpoints": [each.endpoint_id for each in group], "leased_until": leased_until}
        run_sql(session, _RELEASE, {"merchant": merchant_of(session)} | ended)
