"""Endpoints, events, deliveries, attempts: who wants to hear, what happened, and every try."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Identity,
    Index,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.core.db import Base, Tenant, one_of
from app.core.errors import Conflict
from app.core.ids import new_id
from app.core.states import Machine
from app.webhooks.catalogue import EventType
from app.webhooks.sending import AttemptError


class EndpointStatus(StrEnum):
    ACTIVE = "active"
    DISABLED = "disabled"  # hears nothing; what it is still owed waits
    ARCHIVED = "archived"  # deleted by the merchant; kept for the delivery log


class EndpointNotActive(Conflict):
    code = "webhook_endpoint_not_active"


class EndpointEvent(StrEnum):
    DISABLE = "disable"
    ENABLE = "enable"
    ARCHIVE = "archive"


class DisabledReason(StrEnum):
    MERCHANT = "merchant"
    GONE = "gone"  # it answered 410
    FAILING = "failing"  # nothing but failures for days


ENDPOINT = Machine(
    "webhook endpoint",
    moves={
        (EndpointStatus.ACTIVE, EndpointEvent.DISABLE): EndpointStatus.DISABLED,
        (EndpointStatus.DISABLED, EndpointEvent.ENABLE): EndpointStatus.ACTIVE,
        (EndpointStatus.ACTIVE, EndpointEvent.ARCHIVE): EndpointStatus.ARCHIVED,
        (EndpointStatus.DISABLED, EndpointEvent.ARCHIVE): EndpointStatus.ARCHIVED,
    },
    repeats=frozenset(
        {
            (EndpointStatus.DISABLED, EndpointEvent.DISABLE),
            (EndpointStatus.ACTIVE, EndpointEvent.ENABLE),
            (EndpointStatus.ARCHIVED, EndpointEvent.ARCHIVE),
        }
    ),
)


class DeliveryStatus(StrEnum):
    PENDING = "pending"  # not tried yet
    DELIVERED = "delivered"
    FAILED = "failed"  # the last attempt failed; another one is planned
    DEAD = "dead"  # out of attempts; only the merchant can resend it


class DeliveryEvent(StrEnum):
    SUCCEED = "succeed"
    FAIL = "fail"
    GIVE_UP = "give up"
    RESEND = "resend"


DELIVERY = Machine(
    "webhook delivery",
    moves={
        (DeliveryStatus.PENDING, DeliveryEvent.SUCCEED): DeliveryStatus.DELIVERED,
        (DeliveryStatus.PENDING, DeliveryEvent.FAIL): DeliveryStatus.FAILED,
        (DeliveryStatus.PENDING, DeliveryEvent.GIVE_UP): DeliveryStatus.DEAD,
        (DeliveryStatus.FAILED, DeliveryEvent.SUCCEED): DeliveryStatus.DELIVERED,
        (DeliveryStatus.FAILED, DeliveryEvent.FAIL): DeliveryStatus.FAILED,
        (DeliveryStatus.FAILED, DeliveryEvent.GIVE_UP): DeliveryStatus.DEAD,
        # An attempt may outlive its lease, so its end may come after that of another attempt.
        (DeliveryStatus.DEAD, DeliveryEvent.SUCCEED): DeliveryStatus.DELIVERED,
        (DeliveryStatus.DELIVERED, DeliveryEvent.RESEND): DeliveryStatus.PENDING,
        (DeliveryStatus.FAILED, DeliveryEvent.RESEND): DeliveryStatus.PENDING,
        (DeliveryStatus.DEAD, DeliveryEvent.RESEND): DeliveryStatus.PENDING,
    },
    repeats=frozenset(
        {
            (DeliveryStatus.PENDING, DeliveryEvent.RESEND),
            (DeliveryStatus.DELIVERED, DeliveryEvent.SUCCEED),
            (DeliveryStatus.DELIVERED, DeliveryEvent.FAIL),
            (DeliveryStatus.DELIVERED, DeliveryEvent.GIVE_UP),
            (DeliveryStatus.DEAD, DeliveryEvent.FAIL),
            (DeliveryStatus.DEAD, DeliveryEvent.GIVE_UP),
        }
    ),
)


class WebhookEndpoint(Tenant, Base):
    """A URL of the merchant and the events it wants. The secrets are sealed.

    While `previous_secret` has not expired, messages carry a signature by it too.
    `failing_since` is the first failure after the last success, `warned_at` when the owners were
    told that it lasts. Until `leased_until` somebody sends to it, and nobody else does.
    """

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        one_of("status", EndpointStatus),
        CheckConstraint(
            "(previous_secret IS NULL) = (previous_secret_expires_at IS NULL)",
            name="previous_secret",
        ),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    url: Mapped[str]
    description: Mapped[str] = mapped_column(default="")
    event_types: Mapped[list[str]]
    status: Mapped[EndpointStatus] = mapped_column(default=EndpointStatus.ACTIVE)
    disabled_reason: Mapped[DisabledReason | None]
    secret: Mapped[str]
    previous_secret: Mapped[str | None]
    previous_secret_expires_at: Mapped[datetime | None]
    failing_since: Mapped[datetime | None]
    warned_at: Mapped[datetime | None]
    leased_until: Mapped[datetime | None]
    created_at: Mapped[datetime]

    @property
    def is_active(self) -> bool:
        return self.status is EndpointStatus.ACTIVE


class WebhookEvent(Tenant, Base):
    """One thing that happened. `payload` is the very text that is signed and sent, every time.

    `sequence` counts the events of `object_id`; those from before there was one have neither.
    """

    __tablename__ = "webhook_events"
    __table_args__ = (
        UniqueConstraint(
            "merchant_id", "event_type", "reference", name="uq_webhook_events_reference"
        ),
        Index("ix_webhook_events_object", "merchant_id", "object_id", "sequence"),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    event_type: Mapped[EventType]
    reference: Mapped[str]
    payload: Mapped[str]
    object_id: Mapped[str | None]
    sequence: Mapped[int | None]
    created_at: Mapped[datetime]


class WebhookDelivery(Tenant, Base):
    """One event owed to one endpoint. Its times are on the real clock, also in a sandbox.

    Due when `next_attempt_at` has come and nobody holds its endpoint; None means nothing is
    planned. `failures` counts since the (re)sending, `attempts` for ever.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        ForeignKeyConstraint(
            ["merchant_id", "event_id"], ["webhook_events.merchant_id", "webhook_events.id"]
        ),
        ForeignKeyConstraint(
            ["merchant_id", "endpoint_id"],
            ["webhook_endpoints.merchant_id", "webhook_endpoints.id"],
        ),
        UniqueConstraint(
            "merchant_id", "event_id", "endpoint_id", name="uq_webhook_deliveries_event"
        ),
        one_of("status", DeliveryStatus),
        Index("ix_webhook_deliveries_endpoint", "merchant_id", "endpoint_id", "id"),
        Index(
            "ix_webhook_deliveries_due",
            "merchant_id",
            "endpoint_id",
            "next_attempt_at",
            postgresql_where=text("next_attempt_at IS NOT NULL"),
        ),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    event_id: Mapped[int]
    endpoint_id: Mapped[int]
    status: Mapped[DeliveryStatus] = mapped_column(default=DeliveryStatus.PENDING)
    attempts: Mapped[int] = mapped_column(default=0)
    failures: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    created_at: Mapped[datetime]

    event: Mapped[WebhookEvent] = relationship(viewonly=True, lazy="raise")
    endpoint: Mapped[WebhookEndpoint] = relationship(viewonly=True, lazy="raise")


class WebhookAttempt(Tenant, Base):
    """One try of one delivery, as it ended: an HTTP status or an error, never both.

    `endpoint_id` repeats that of the delivery, for the figures of a day.
    """

    __tablename__ = "webhook_attempts"
    __table_args__ = (
        ForeignKeyConstraint(
            ["merchant_id", "delivery_id"],
            ["webhook_deliveries.merchant_id", "webhook_deliveries.id"],
        ),
        CheckConstraint("(http_status IS NULL) <> (error IS NULL)", name="one_end"),
        Index("ix_webhook_attempts_delivery", "merchant_id", "delivery_id", "id"),
        Index("ix_webhook_attempts_day", "merchant_id", "endpoint_id", "attempted_at"),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    delivery_id: Mapped[int]
    endpoint_id: Mapped[int]
    attempted_at: Mapped[datetime]
    http_status: Mapped[int | None]
    error: Mapped[AttemptError | None]
    duration_ms: Mapped[int]
    response_head: Mapped[str]
