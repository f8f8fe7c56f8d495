"""What the merchant's pages and the API show of endpoints, deliveries and attempts."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import cast

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session, contains_eager

from app.core import db
from app.core.db import among
from app.core.errors import NotFound
from app.core.paging import DEFAULT_LIMIT, Page, newest_first
from app.webhooks.catalogue import EventType
from app.webhooks.models import (
    DeliveryStatus,
    EndpointStatus,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)

DAY = timedelta(days=1)


def get_endpoint(session: Session, endpoint_id: int) -> WebhookEndpoint:
    """Return an endpoint, deleted ones too: the delivery log links to them. Raises NotFound."""
    return db.get(session, WebhookEndpoint, endpoint_id, noun="webhook endpoint")


def list_endpoints(session: Session) -> Sequence[WebhookEndpoint]:
    """Return all endpoints that were not deleted (20 at most), newest first."""
    return session.scalars(
        select(WebhookEndpoint)
        .where(WebhookEndpoint.status != EndpointStatus.ARCHIVED)
        .order_by(WebhookEndpoint.id.desc())
    ).all()


@dataclass(frozen=True, slots=True)
class Health:
    """How the attempts at an endpoint ended lately; latencies are of those that arrived."""

    attempts: int = 0
    delivered: int = 0
    p50_ms: int | None = None
    p95_ms: int | None = None

    @property
    def percent(self) -> Decimal | None:
        """The share that arrived, in percent to one digit, never rounded up to all; or None."""
        if not self.attempts:
            return None
        share = Decimal(100 * self.delivered) / self.attempts
        return share.quantize(Decimal("0.1"), rounding=ROUND_FLOOR)


def health_of(
    session: Session, endpoint_ids: Collection[int], *, now: datetime
) -> dict[int, Health]:
    """Return how each of these endpoints did within the last day; each has an entry."""
    attempt, arrived = WebhookAttempt, WebhookAttempt.http_status.between(200, 299)
    latency = attempt.duration_ms

    def percentile(part: float) -> ColumnElement[int]:
        found = func.percentile_disc(part).within_group(latency).filter(arrived)
        return cast("ColumnElement[int]", found)

    rows = session.execute(
        select(
            attempt.endpoint_id,
            func.count(),
            func.count().filter(arrived),
            percentile(0.5),
            percentile(0.95),
        )
        .where(among(attempt.endpoint_id, endpoint_ids), attempt.attempted_at > now - DAY)
        .group_by(attempt.endpoint_id)
    )
    found = {endpoint_id: Health(*figures) for endpoint_id, *figures in rows}
    return {endpoint_id: found.get(endpoint_id, Health()) for endpoint_id in endpoint_ids}


def count_waiting(session: Session, endpoint_id: int) -> int:
    """Return how many messages an endpoint is still owed, those given up not among them."""
    open_ones = WebhookDelivery.status.in_([DeliveryStatus.PENDING, DeliveryStatus.FAILED])
    owed = select(func.count(WebhookDelivery.id)).where(
        WebhookDelivery.endpoint_id == endpoint_id, open_ones
    )
    return session.scalar(owed) or 0


def failing_endpoints(session: Session) -> int:
    """Return how many endpoints fail, or were switched off because they did."""
    is_failing = WebhookEndpoint.failing_since.is_not(None)
    known = WebhookEndpoint.status != EndpointStatus.ARCHIVED
    return session.scalar(select(func.count(WebhookEndpoint.id)).where(known, is_failing)) or 0


def list_events(
    session: Session, *, after: int | None = None, limit: int = DEFAULT_LIMIT
) -> Sequence[WebhookEvent]:
    """Return the events made after one, the oldest first; with None the last ones there are.

    An id is made before its transaction commits: an event may appear after younger ones.
    """
    if after is None:
        newest = select(WebhookEvent).order_by(WebhookEvent.id.desc()).limit(limit)
        return session.scalars(newest).all()[::-1]
    return session.scalars(
        select(WebhookEvent).where(WebhookEvent.id > after).order_by(WebhookEvent.id).limit(limit)
    ).all()


def get_delivery(session: Session, delivery_id: int) -> WebhookDelivery:
    """Return a delivery with its `event` and `endpoint`. Raises NotFound."""
    delivery = session.scalar(_deliveries().where(WebhookDelivery.id == delivery_id))
    if delivery is None:
        raise NotFound("there is no webhook delivery of this id")
    return delivery


def list_deliveries(
    session: Session,
    *,
    endpoint_id: int | None = None,
    status: DeliveryStatus | None = None,
    event_type: EventType | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[WebhookDelivery]:
    """Return one page of deliveries with their `event` and `endpoint`, newest first.

    Each filter that is given narrows the page; the time is from `since` up to, and without,
    `until`, by when the event was owed. Raises Invalid and BadCursor.
    """
    statement = _deliveries()
    if endpoint_id is not None:
        statement = statement.where(WebhookDelivery.endpoint_id == endpoint_id)
    if status is not None:
        statement = statement.where(WebhookDelivery.status == status)
    if event_type is not None:
        statement = statement.where(WebhookEvent.event_type == event_type)
    if since is not None:
        statement = statement.where(WebhookDelivery.created_at >= since)
    if until is not None:
        statement = statement.where(WebhookDelivery.created_at < until)
    return newest_first(session, statement, WebhookDelivery.id, cursor=cursor, limit=limit)


def list_attempts(session: Session, delivery_id: int) -> Sequence[WebhookAttempt]:
    """Return every attempt at a delivery, the first one first."""
    return session.scalars(
        select(WebhookAttempt)
        .where(WebhookAttempt.delivery_id == delivery_id)
        .order_by(WebhookAttempt.id)
    ).all()


def _deliveries() -> Select[WebhookDelivery]:
    return (
        select(WebhookDelivery)
        .join(WebhookDelivery.event)
        .join(WebhookDelivery.endpoint)
        .options(contains_eager(WebhookDelivery.event), contains_eager(WebhookDelivery.endpoint))
    )
