"""What was measured: usage events for ever, roll-ups per customer, metric and local day."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, Identity, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, Tenant


class UsageEvent(Tenant, Base):
    """One measurement. Nothing references it, and its dedupe key is unique for ever.

    Ids are given without a cache, so that a larger one was stored later, whoever stored it.
    The key is kept as written, in C collation: time-ordered keys then stay next to each other
    in the index, which a hash would throw away (`docs/decisions/0004-event-keys.md`).
    """

    __tablename__ = "usage_events"
    __table_args__ = (
        UniqueConstraint("merchant_id", "idempotency_key"),
        CheckConstraint("length(idempotency_key) BETWEEN 1 AND 200", name="idempotency_key"),
        # NaN sorts above Infinity in PostgreSQL: this refuses all three.
        CheckConstraint("quantity < 'Infinity' AND quantity > '-Infinity'", name="quantity"),
        Index("ix_usage_events_customer_id", "merchant_id", "customer_id", "id"),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    customer_id: Mapped[int]
    metric_id: Mapped[int]
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    idempotency_key: Mapped[str] = mapped_column(Text(collation="C"))
    quantity: Mapped[Decimal]
    dimensions: Mapped[dict[str, Any]]


class UsageRollup(Tenant, Base):
    """A customer's metric on one local day of the merchant: what invoices and charts read."""

    __tablename__ = "usage_rollups"
    __table_args__ = ({"info": {"scale": "tenant"}, "postgresql_with": {"fillfactor": "80"}},)

    customer_id: Mapped[int] = mapped_column(primary_key=True)
    metric_id: Mapped[int] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    quantity: Mapped[Decimal]
    events: Mapped[int]
    maximum: Mapped[Decimal]
    last_at: Mapped[datetime]
    last_id: Mapped[int]
    last_quantity: Mapped[Decimal]
