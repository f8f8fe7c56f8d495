"""Say that something happened: the event and its deliveries, in the transaction that did it."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.db import merchant_of, run_sql
from app.core.ids import Prefix, new_id, show
from app.identity import clocks
from app.webhooks.catalogue import EventType, envelope
from app.webhooks.models import (
    DeliveryStatus,
    EndpointNotActive,
    EndpointStatus,
    WebhookDelivery,
    WebhookEndpoint,
)
from app.webhooks.payloads import Payload, WebhookTestData

_LAST = """
SELECT object_id, max(sequence)
  FROM webhook_events
 WHERE merchant_id = %(merchant)s AND object_id = ANY(%(objects)s)
 GROUP BY object_id
"""
_EVENTS = """
INSERT INTO webhook_events
  (merchant_id, id, event_type, reference, payload, object_id, sequence, created_at)
SELECT %(merchant)s, id, %(type)s, reference, payload, object_id, sequence, %(now)s
  FROM json_to_recordset(%(events)s::json)
    AS event (id bigint, reference text, payload text, object_id text, sequence bigint)
 ORDER BY reference  -- writers that overlap wait for each other and never deadlock
ON CONFLICT (merchant_id, event_type, reference) DO NOTHING
RETURNING id, reference
"""
_DELIVERIES = """
INSERT INTO webhook_deliveries
  (merchant_id, event_id, endpoint_id, status, attempts, failures, next_attempt_at, created_at)
SELECT %(merchant)s, event_id, endpoint_id, %(status)s, 0, 0, %(due)s, %(due)s
  FROM unnest(%(events)s::bigint[]) AS event_id, unnest(%(endpoints)s::bigint[]) AS endpoint_id
"""


class Outcome(StrEnum):
    EMITTED = "emitted"
    REPEATED = "repeated"  # this event was emitted before; nothing changed


def emit(
    session: Session,
    event_type: EventType,
    data: Payload,
    *,
    reference: str,
    now: datetime,
) -> Outcome:
    """Owe the event to every active endpoint that subscribed to its type.

    Nothing is sent here: the deliveries are due as soon as the caller's transaction commits, and
    gone with it if it does not. `reference` names the cause: one type has one event per reference,
    for ever. `data` is of the event's own type; `now` is the merchant's time. The caller holds the
    lock of the object it tells of: under it the events of one object are counted.
    """
    emitted = emit_all(session, event_type, {reference: data}, now=now)
    return Outcome.EMITTED if emitted else Outcome.REPEATED


def emit_all(
    session: Session,
    event_type: EventType,
    told: Mapping[str, Payload],
    *,
    now: datetime,
) -> set[str]:
    """Owe an event for each reference as `emit` does, in as many statements as one takes.

    Returns the references that had none yet.
    """
    if not told:
        return set()
    due_at = clocks.to_real(session, now)
    active = select(WebhookEndpoint).where(WebhookEndpoint.status == EndpointStatus.ACTIVE)
    endpoints = [each.id for each in session.scalars(active) if event_type in each.event_types]
    kept = _keep_events(session, event_type, told, now=now)
    if endpoints and kept:
        parameters = {
            "merchant": merchant_of(session),
            "events": list(kept.values()),
            "endpoints": endpoints,
            "status": DeliveryStatus.PENDING.value,
            "due": due_at,
        }
        run_sql(session, _DELIVERIES, parameters)
    return set(kept)


def emit_changes(
    session: Session, event_type: EventType, told: Sequence[Payload], *, now: datetime
) -> None:
    """Owe an event for each of these, however often their objects changed before."""
    emit_all(
        session, event_type, {f"{each.object_id}/{new_id():x}": each for each in told}, now=now
    )


def send_test(session: Session, endpoint: WebhookEndpoint, *, now: datetime) -> WebhookDelivery:
    """Owe one endpoint a message that means nothing, whatever it subscribed to.

    `now` is real. Raises EndpointNotActive.
    """
    if not endpoint.is_active:
        raise EndpointNotActive(f"this endpoint is {endpoint.status}")
    told = WebhookTestData(webhook_endpoint_id=show(Prefix.WEBHOOK_ENDPOINT, endpoint.id))
    reference = f"{told.object_id}/{new_id():x}"
    kept = _keep_events(session, EventType.WEBHOOK_TEST, {reference: told}, now=now)
    delivery = WebhookDelivery(
        merchant_id=endpoint.merchant_id,
        event_id=kept[reference],
        endpoint_id=endpoint.id,
        next_attempt_at=now,
        created_at=now,
    )
    session.add(delivery)
    session.flush()  # the database makes its id
    return delivery


def _keep_events(
    session: Session,
    event_type: EventType,
    told: Mapping[str, Payload],
    *,
    now: datetime,
) -> dict[str, int]:
    """Insert the events of references that have none, and return their ids."""
    last = _last_sequences(session, {data.object_id for data in told.values()})
    events = []
    for reference, data in told.items():
        event_id, object_id = new_id(), data.object_id
        last[object_id] = sequence = last.get(object_id, 0) + 1
        payload = envelope(
            show(Prefix.WEBHOOK_EVENT, event_id),
            event_type,
            data,
            sequence=sequence,
            created_at=now,
        )
        known = {"id": event_id, "object_id": object_id, "sequence": sequence}
        events.append(known | {"reference": reference, "payload": payload})
    rows = run_sql(
        session,
        _EVENTS,
        {
            "merchant": merchant_of(session),
            "type": event_type.value,
            "events": msgspec.json.encode(events).decode(),
            "now": now,
        },
    )
    return {reference: event_id for event_id, reference in rows}


def _last_sequences(session: Session, objects: Collection[str]) -> dict[str, int]:
    """Return the number of the newest event of each of these objects that has one."""
    known = {"merchant": merchant_of(session), "objects": list(objects)}
    return dict(run_sql(session, _LAST, known))
