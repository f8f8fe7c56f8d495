"""Say that something happened: the event and its deliveries, in the transaction that did it."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.db import merchant_of, run_sql
from app.core.ids import Prefix, new_id, show
from app.identity import clocks
from app.webhooks.catalogue import EventType, envelope
from app.webhooks.models import DeliveryStatus, EndpointStatus, WebhookEndpoint

_EVENTS = """
INSERT INTO webhook_events (merchant_id, id, event_type, reference, payload, created_at)
SELECT %(merchant)s, id, %(type)s, reference, payload, %(now)s
  FROM json_to_recordset(%(events)s::json) AS event (id bigint, reference text, payload text)
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
    data: Mapping[str, Any],
    *,
    reference: str,
    now: datetime,
) -> Outcome:
    """Owe the event to every active endpoint that subscribed to its type.

    Nothing is sent here: the deliveries are due as soon as the caller's transaction commits, and
    gone with it if it does not. `reference` names the cause: one type has one event per reference,
    for ever. `data` is what `catalogue.envelope` takes; `now` is the merchant's time.
    """
    emitted = emit_all(session, event_type, {reference: data}, now=now)
    return Outcome.EMITTED if emitted else Outcome.REPEATED


def emit_all(
    session: Session,
    event_type: EventType,
    told: Mapping[str, Mapping[str, Any]],
    *,
    now: datetime,
) -> set[str]:
    """Owe an event for each reference as `emit` does, in as many statements as one takes.

    Returns the references that had none yet.
    """
    if not told:
        return set()
    # A sandbox's clock may run ahead; its deliveries go out in real time all the same.
    due_at = now - clocks.get_merchant(session).clock_offset
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


def _keep_events(
    session: Session,
    event_type: EventType,
    told: Mapping[str, Mapping[str, Any]],
    *,
    now: datetime,
) -> dict[str, int]:
    """Insert the events of references that have none, and return their ids."""
    events = []
    for reference, data in told.items():
        event_id = new_id()
        message_id = show(Prefix.WEBHOOK_EVENT, event_id)
        payload = envelope(message_id, event_type, data, created_at=now)
        events.append({"id": event_id, "reference": reference, "payload": payload})
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
