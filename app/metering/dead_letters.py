"""Dead letters: events that found no customer, metric or contract, kept to be sent again.

They hold no key: whoever mends the cause may send the event himself, or replay it.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.core.db import Work, merchant_of, run_sql
from app.core.decimals import parse_quantity
from app.core.decimals import plain as plain_decimal
from app.metering.events import Dimensions, ItemResult, ReceivedEvent, text_of
from app.metering.literals import plain, texts

# Sorted, and behind every other lock of ingestion.
_KEEP = """
INSERT INTO dead_events AS dead
  (merchant_id, digest, reason, customer_external_id, metric, idempotency_key, occurred_at, body,
   seen)
SELECT %(merchant)s, decode(digest, 'hex'), reason, body ->> 'customerExternalId',
       body ->> 'metric', body ->> 'idempotencyKey', (body ->> 'occurredAt')::timestamptz, body,
       seen
  FROM ROWS FROM (
    unnest(%(digests)s::text[]), unnest(%(reasons)s::text[]),
    jsonb_array_elements(%(bodies)s::jsonb), unnest(%(seen)s::bigint[])
  ) AS event (digest, reason, body, seen)
 ORDER BY digest
ON CONFLICT (merchant_id, digest) DO UPDATE SET
  reason = excluded.reason, seen = dead.seen + excluded.seen, last_seen_at = now(),
  status = 'waiting', resolved_at = NULL, outcome = NULL
"""


@dataclass(frozen=True, slots=True)
class KeptEvent:
    """An event as it came, read from where it was kept."""

    customer_external_id: str
    idempotency_key: str
    metric: str
    quantity: str | int
    occurred_at: datetime
    dimensions: Dimensions | None
    corrects: str | None

    @property
    def dimensions_json(self) -> bytes:
        """The dimensions as a JSON object."""
        return json.dumps(self.dimensions or {}).encode()


def keep(session: Work, unmatched: Iterable[tuple[ReceivedEvent, ItemResult]]) -> None:
    """Keep events with the reasons why they found no place; the same content again is counted.

    What was replayed or discarded waits again when it comes again. Locks the rows, sorted.
    """
    seen: Counter[str] = Counter()
    kept: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for event, why in unmatched:
        digest = digest_of(event)
        seen[digest] += 1
        kept[digest] = why.code, as_sent(event)
    if not kept:
        return
    parameters = {
        "merchant": merchant_of(session),
        "digests": texts(kept),
        "reasons": texts([code for code, _ in kept.values()]),
        "bodies": json.dumps([body for _, body in kept.values()], ensure_ascii=False),
        "seen": plain([str(seen[digest]) for digest in kept]),
    }
    run_sql(session, _KEEP, parameters)


def digest_of(event: ReceivedEvent) -> str:
    """Return the SHA-256 of what an event says, in hex: the same for the same content."""
    content = [
        event.idempotency_key,
        event.customer_external_id,
        event.metric,
        plain_decimal(parse_quantity(event.quantity)),
        event.occurred_at.astimezone(UTC).isoformat(),
        {name: text_of(value) for name, value in (event.dimensions or {}).items()},
        event.corrects,
    ]
    canonical = json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def as_sent(event: ReceivedEvent) -> dict[str, Any]:
    """Write an event as `/api/v1` takes it."""
    body: dict[str, Any] = {
        "customerExternalId": event.customer_external_id,
        "idempotencyKey": event.idempotency_key,
        "metric": event.metric,
        "quantity": event.quantity,
        "occurredAt": event.occurred_at.isoformat().replace("+00:00", "Z"),
    }
    if event.dimensions is not None:
        body["dimensions"] = dict(event.dimensions)
    if event.corrects is not None:
        body["corrects"] = event.corrects
    return body


def read_body(body: Mapping[str, Any]) -> KeptEvent:
    """Read what `as_sent` wrote."""
    return KeptEvent(
        customer_external_id=body["customerExternalId"],
        idempotency_key=body["idempotencyKey"],
        metric=body["metric"],
        quantity=body["quantity"],
        occurred_at=datetime.fromisoformat(body["occurredAt"]),
        dimensions=body.get("dimensions"),
        corrects=body.get("corrects"),
    )
