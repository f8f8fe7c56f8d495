"""What the database tests of this room start from: an endpoint, an event, a due delivery."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.crypto import Keyring
from app.webhooks import emitting, endpoints
from app.webhooks.catalogue import EventType
from app.webhooks.models import WebhookDelivery, WebhookEndpoint
from tests.make import NOON

KEYRING = Keyring({1: b"k" * 32})
SHOP = "https://hooks.shop.com/buffmoney"


def subscribe(
    session: Session, url: str = SHOP, *, event_type: EventType = EventType.INVOICE_PAID
) -> WebhookEndpoint:
    endpoint, _ = endpoints.register(
        session, url, [event_type], keyring=KEYRING, allow_loopback=True, now=NOON
    )
    session.flush()  # deliveries refer to it
    return endpoint


def pay(session: Session, reference: str = "inv_1", *, now: datetime = NOON) -> emitting.Outcome:
    return emitting.emit(
        session, EventType.INVOICE_PAID, {"invoiceId": reference}, reference=reference, now=now
    )


def deliveries(session: Session) -> list[WebhookDelivery]:
    return list(
        session.scalars(
            select(WebhookDelivery)
            .order_by(WebhookDelivery.id)
            .execution_options(populate_existing=True)
        )
    )
