"""Say that something happened: the event and its deliveries, in the transaction that did it."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.core.db import merchant_of
from app.core.ids import Prefix, new_id, show
from app.identity import clocks
from app.webhooks.catalogue import EventType, envelope
from app.webhooks.models import EndpointStatus, WebhookDelivery, WebhookEndpoint, WebhookEvent


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
    event_id = _keep_event(session, event_type, data, reference=reference, now=now)
    if event_id is None:
        return Outcome.REPEATED

    # A sandbox's clock may run ahead; its deliveries go out in real time all the same.
    due_at = now - clocks.get_merchant(session).clock_offset
    active = select(WebhookEndpoint).where(WebhookEndpoint.status == EndpointStatus.ACTIVE)
    session.add_all(
        WebhookDelivery(
            merchant_id=endpoint.merchant_id,
            event_id=event_id,
            endpoint_id=endpoint.id,
            next_attempt_at=due_at,
            created_at=due_at,
        )
        for endpoint in session.scalars(active)
        if event_type in endpoint.event_types
    )
    return Outcome.EMITTED


def _keep_event(
    session: Session,
    event_type: EventType,
    data: Mapping[str, Any],
    *,
    reference: str,
    now: datetime,
) -> int | None:
    """Insert the event and return its id, or None when its reference has one already."""
    event_id = new_id()
    message_id = show(Prefix.WEBHOOK_EVENT, event_id)
    return session.scalar(
        insert(WebhookEvent)
        .values(
            merchant_id=merchant_of(session),
            id=event_id,
            event_type=event_type,
            reference=reference,
            payload=envelope(message_id, event_type, data, created_at=now),
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=["merchant_id", "event_type", "reference"])
        .returning(WebhookEvent.id)
    )
