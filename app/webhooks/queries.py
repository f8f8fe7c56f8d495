"""What the merchant's pages and the API show of endpoints, deliveries and attempts."""

from collections.abc import Sequence

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, contains_eager

from app.core import db
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
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[WebhookDelivery]:
    """Return one page of deliveries with their `event` and `endpoint`, newest first.

    Each filter that is given narrows the page. Raises Invalid and BadCursor.
    """
    statement = _deliveries()
    if endpoint_id is not None:
        statement = statement.where(WebhookDelivery.endpoint_id == endpoint_id)
    if status is not None:
        statement = statement.where(WebhookDelivery.status == status)
    if event_type is not None:
        statement = statement.where(WebhookEvent.event_type == event_type)
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
