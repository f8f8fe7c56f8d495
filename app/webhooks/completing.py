"""Write down how attempts ended: what arrived in bulk, what failed one by one."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy.orm import Session

from app.core.db import get, get_locked, merchant_of, run_sql
from app.webhooks import endpoints, schedule
from app.webhooks.claiming import Parcel
from app.webhooks.models import (
    DELIVERY,
    DeliveryEvent,
    DeliveryStatus,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
)
from app.webhooks.sending import Attempt

_RECOVER = """
UPDATE webhook_endpoints
   SET failing_since = NULL, warned_at = NULL
 WHERE merchant_id = %(merchant)s AND id = ANY(%(endpoints)s) AND failing_since IS NOT NULL
"""
_LOG = """
INSERT INTO webhook_attempts (merchant_id, delivery_id, endpoint_id, attempted_at, http_status,
                              duration_ms, response_head)
SELECT %(merchant)s, delivery_id, endpoint_id, attempted_at, http_status, duration_ms, response_head
  FROM json_to_recordset(%(attempts)s::json)
    AS attempt (delivery_id bigint, endpoint_id bigint, attempted_at timestamptz,
                http_status bigint, duration_ms bigint, response_head text)
"""
# Whatever a delivery is, it may succeed: an attempt may outlive its lease.
_SUCCEED = """
UPDATE webhook_deliveries
   SET status = %(status)s, attempts = attempts + 1, delivered_at = %(now)s,
       next_attempt_at = NULL
 WHERE merchant_id = %(merchant)s AND id = ANY(%(deliveries)s)
"""


@dataclass(frozen=True, slots=True)
class Sent:
    """One attempt that was made: what was sent, how it ended, and when it began."""

    parcel: Parcel
    attempt: Attempt
    at: datetime


def complete(session: Session, sent: Sequence[Sent], *, now: datetime) -> None:
    """Write down how attempts ended and what follows from it.

    The endpoints are written before the deliveries, in the order `endpoints.disable` takes them.
    """
    # By id: two at once that overlap wait for each other and never deadlock.
    ordered = sorted(sent, key=lambda one: (one.parcel.endpoint_id, one.parcel.delivery_id))
    _succeed(session, [one for one in ordered if one.attempt.is_delivered], now=now)
    for one in ordered:
        if not one.attempt.is_delivered:
            record_failure(session, one, draw=random.uniform(-1, 1), now=now)  # noqa: S311  # jitter


def record_failure(session: Session, sent: Sent, *, draw: float, now: datetime) -> WebhookDelivery:
    """Write down one failed attempt, and plan the next.

    `draw` is the random part of the next delay (`schedule.next_attempt_at`).
    """
    attempt = sent.attempt
    endpoint = get(session, WebhookEndpoint, sent.parcel.endpoint_id, noun="webhook endpoint")
    endpoints.note_failure(session, endpoint, attempt, now=now)
    session.flush()  # the endpoint's row first, then the delivery's lock
    delivery = get_locked(
        session, WebhookDelivery, sent.parcel.delivery_id, noun="webhook delivery"
    )
    session.add(
        WebhookAttempt(
            merchant_id=delivery.merchant_id,
            delivery_id=delivery.id,
            endpoint_id=delivery.endpoint_id,
            attempted_at=sent.at,
            http_status=attempt.status,
            error=attempt.error,
            duration_ms=attempt.duration_ms,
            response_head=attempt.response_head,
        )
    )
    delivery.attempts += 1
    delivery.failures += 1
    next_at = schedule.next_attempt_at(delivery.failures, attempt, draw=draw, now=now)
    event = DeliveryEvent.FAIL if next_at else DeliveryEvent.GIVE_UP
    if not DELIVERY.is_repeat(delivery.status, event):
        delivery.status = DELIVERY.after(delivery.status, event)
        delivery.next_attempt_at = next_at if endpoint.is_active else None
    return delivery


def _succeed(session: Session, sent: Sequence[Sent], *, now: datetime) -> None:
    if not sent:
        return
    known = {"merchant": merchant_of(session)}
    run_sql(session, _RECOVER, known | {"endpoints": sorted({_of(one) for one in sent})})
    deliveries = [one.parcel.delivery_id for one in sent]
    moved = {"status": DeliveryStatus.DELIVERED.value, "now": now, "deliveries": deliveries}
    run_sql(session, _SUCCEED, known | moved)
    attempts = [
        {
            "delivery_id": one.parcel.delivery_id,
            "endpoint_id": _of(one),
            "attempted_at": one.at,
            "http_status": one.attempt.status,
            "duration_ms": one.attempt.duration_ms,
            "response_head": one.attempt.response_head,
        }
        for one in sent
    ]
    run_sql(session, _LOG, known | {"attempts": msgspec.json.encode(attempts).decode()})


def _of(sent: Sent) -> int:
    return sent.parcel.endpoint_id
