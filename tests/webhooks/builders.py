"""What the database tests of this room start from: an endpoint, an event, a due delivery."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec.structs import replace
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.crypto import Keyring
from app.core.db import Transaction, merchant_of
from app.webhooks import claiming, delivering, emitting, endpoints, queries
from app.webhooks.catalogue import EventType
from app.webhooks.draining import Drain, Tally
from app.webhooks.examples import INVOICE
from app.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from app.webhooks.payloads import InvoiceData
from app.webhooks.sending import Sender
from tests.make import NOON
from tests.webhooks.conftest import Receiver

KEYRING = Keyring({1: b"k" * 32})
NOW = timedelta()
SHOP = "https://hooks.shop.com/buffmoney"


def subscribe(
    session: Session, url: str = SHOP, *, event_type: EventType = EventType.INVOICE_PAID
) -> WebhookEndpoint:
    endpoint, _ = endpoints.register(
        session, url, [event_type], keyring=KEYRING, allow_loopback=True, now=NOON
    )
    session.flush()  # deliveries refer to it
    return endpoint


def paid(invoice_id: str = "inv_1") -> InvoiceData:
    return replace(INVOICE, invoice_id=invoice_id, status="paid")


def pay(session: Session, reference: str = "inv_1", *, now: datetime = NOON) -> emitting.Outcome:
    return emitting.emit(
        session, EventType.INVOICE_PAID, paid(reference), reference=reference, now=now
    )


def deliveries(session: Session) -> list[WebhookDelivery]:
    return list(
        session.scalars(
            select(WebhookDelivery)
            .order_by(WebhookDelivery.id)
            .execution_options(populate_existing=True)
        )
    )


def headers_of(request: bytes) -> dict[str, str]:
    lines = request.split(b"\r\n\r\n")[0].decode().splitlines()[1:]
    return {name: value for name, _, value in (line.partition(": ") for line in lines)}


def claim(session: Session, *, now: datetime) -> list[claiming.Parcel]:
    """Take what is due of endpoints that did not fail last."""
    found = claiming.claim(
        session, failing=False, endpoints=20, limit=400, keyring=KEYRING, now=now
    )
    return [parcel for claimed in found for parcel in claimed.parcels]


@dataclass
class Desk:
    """A merchant with one endpoint, the receiver behind it, and a moment to count from.

    The moment is the real time: receivers refuse signatures that are not fresh.
    """

    transaction: Transaction
    receiver: Receiver
    endpoint_id: int
    start: datetime

    def owe(self, count: int = 1) -> int:
        """Emit events and return the id of the last delivery."""
        with self.transaction() as session:
            for serial in range(count):
                pay(session, f"inv_{serial}", now=self.start)
            return deliveries(session)[-1].id

    def deliver(
        self, after: timedelta = NOW, *, sender: Sender | None = None, loopback: bool = True
    ) -> Tally:
        """Claim once what is due, and wait until it is sent."""
        with self.drain(after, sender=sender, loopback=loopback) as drain:
            drain.take(1)
            return drain.finish()

    def drain(
        self, after: timedelta = NOW, *, sender: Sender | None = None, loopback: bool = True
    ) -> Drain:
        return Drain(
            lambda _merchant_id: self.transaction,
            sender or Sender(),
            keyring=KEYRING,
            allow_loopback=loopback,
            started=self.start + after,
        )

    def resend(self, delivery_id: int) -> None:
        with self.transaction() as session:
            delivering.resend(session, delivery_id, now=self.start)

    def claim(self) -> list[claiming.Parcel]:
        with self.transaction() as session:
            return claim(session, now=self.start)

    def make_due(self, delivery_id: int) -> None:
        with self.transaction() as session:
            delivery = session.get_one(WebhookDelivery, (merchant_of(session), delivery_id))
            delivery.next_attempt_at = self.start

    @property
    def delivery(self) -> WebhookDelivery:
        """The only delivery, as it is now."""
        with self.transaction() as session:
            (delivery,) = deliveries(session)
            return delivery

    @property
    def endpoint(self) -> WebhookEndpoint:
        with self.transaction() as session:
            return queries.get_endpoint(session, self.endpoint_id)

    @property
    def attempts(self) -> list[WebhookAttempt]:
        """All attempts at all deliveries, in the order of the deliveries."""
        with self.transaction() as session:
            return [
                attempt
                for delivery in deliveries(session)
                for attempt in queries.list_attempts(session, delivery.id)
            ]

    @property
    def message_ids(self) -> list[str]:
        return [headers_of(request)["webhook-id"] for request in self.receiver.requests]
