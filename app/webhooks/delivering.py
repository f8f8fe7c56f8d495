"""Make deliveries due again, by hand, and find out who is owed any."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from app.core.db import get, get_locked
from app.webhooks.models import (
    DELIVERY,
    DeliveryEvent,
    DeliveryStatus,
    EndpointNotActive,
    EndpointStatus,
    WebhookDelivery,
    WebhookEndpoint,
)

RESEND_AT_ONCE = 10_000
"""Most deliveries one call makes due again."""


@dataclass(frozen=True, slots=True)
class Due:
    """A merchant that is owed deliveries, by whether their endpoints failed last."""

    merchant_id: int
    is_failing: bool


def resend(session: Session, delivery_id: int, *, now: datetime) -> WebhookDelivery:
    """Make a delivery due now, whatever became of it: same message id, the whole schedule again.

    The receiver sees a repeat of what it may already know. Raises NotFound and, for an endpoint
    that is disabled or deleted, EndpointNotActive.
    """
    delivery = get_locked(session, WebhookDelivery, delivery_id, noun="webhook delivery")
    _check_active(session, delivery.endpoint_id)
    if not DELIVERY.is_repeat(delivery.status, DeliveryEvent.RESEND):
        delivery.status = DELIVERY.after(delivery.status, DeliveryEvent.RESEND)
    delivery.failures, delivery.next_attempt_at, delivery.delivered_at = 0, now, None
    return delivery


def resend_all(
    session: Session,
    endpoint_id: int,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    only_failed: bool,
    now: datetime,
) -> int:
    """Make the endpoint's deliveries of a time due now, as `resend` does, and return how many.

    The time is from `since` up to, and without, `until`, by when the event was owed; with
    `only_failed` those that are being retried or were given up. The oldest RESEND_AT_ONCE: while
    there are more, call again. Raises NotFound and EndpointNotActive.
    """
    _check_active(session, endpoint_id)
    chosen = select(WebhookDelivery.id).where(WebhookDelivery.endpoint_id == endpoint_id)
    if only_failed:
        failed = [DeliveryStatus.FAILED, DeliveryStatus.DEAD]
        chosen = chosen.where(WebhookDelivery.status.in_(failed))
    if since is not None:
        chosen = chosen.where(WebhookDelivery.created_at >= since)
    if until is not None:
        chosen = chosen.where(WebhookDelivery.created_at < until)
    oldest = chosen.order_by(WebhookDelivery.id).limit(RESEND_AT_ONCE).with_for_update()
    numbers = session.scalars(oldest.execution_options(populate_existing=True)).all()
    session.execute(
        update(WebhookDelivery)
        .where(WebhookDelivery.id.in_(numbers))
        .values(  # from wherever it is, RESEND leads to pending
            status=DeliveryStatus.PENDING, failures=0, next_attempt_at=now, delivered_at=None
        )
        .execution_options(synchronize_session=False)
    )
    return len(numbers)


def due_merchants(reader: Session, *, now: datetime) -> list[Due]:
    """Return the merchants with due deliveries of endpoints that nobody holds.

    Asked by the login that reads all.
    """
    is_free = or_(WebhookEndpoint.leased_until.is_(None), WebhookEndpoint.leased_until <= now)
    found = reader.execute(
        select(WebhookDelivery.merchant_id, WebhookEndpoint.failing_since.is_not(None))
        .join(WebhookDelivery.endpoint)
        .where(WebhookDelivery.next_attempt_at <= now, is_free)
        .distinct()
        .execution_options(platform=True)
    )
    return [Due(merchant_id, is_failing) for merchant_id, is_failing in found]


def _check_active(session: Session, endpoint_id: int) -> None:
    endpoint = get(session, WebhookEndpoint, endpoint_id, noun="webhook endpoint")
    if endpoint.status is not EndpointStatus.ACTIVE:
        raise EndpointNotActive(f"the endpoint of this delivery is {endpoint.status}")
