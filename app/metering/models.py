"""What was measured: events for ever, what was counted of them, and what found no place.

Events are append-only. What is counted of them stands in roll-ups: a customer's metric on one
local day of the merchant, by series, which is one combination of the metric's dimensions.
"""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Identity,
    Index,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, Tenant, one_of
from app.core.states import Machine

OTHER_SERIES = 0
"""The series of events whose dimensions are not told apart: it has no row of its own."""

EVERY_SERIES = -1
"""In `usage_days` only: all series of a metric together."""


class UsageEvent(Tenant, Base):
    """One measurement. Nothing references it, and its dedupe key is unique for ever.

    The primary key puts a merchant's events in the order they happened, which is how they are
    listed and billed; an event is found by its id through the arrival index, which costs nothing
    to keep. The key is kept as written, in C collation: time-ordered keys then stay next to each
    other in the index, which a hash would throw away (`docs/decisions/0004-event-keys.md`).

    `is_late`: it came when the invoice of its period was out. `corrects` is the key of the event
    that a quantity below zero takes back from.
    """

    __tablename__ = "usage_events"
    __table_args__ = (
        UniqueConstraint("merchant_id", "idempotency_key"),
        CheckConstraint("length(idempotency_key) BETWEEN 1 AND 200", name="idempotency_key"),
        # NaN sorts above Infinity in PostgreSQL: this refuses all three.
        CheckConstraint("quantity < 'Infinity' AND quantity > '-Infinity'", name="quantity"),
        CheckConstraint("quantity >= 0 OR corrects IS NOT NULL", name="corrects"),
        Index("ix_usage_events_customer", "merchant_id", "customer_id", "occurred_at", "id"),
        Index(
            "ix_usage_events_arrival",
            "id",
            "received_at",
            postgresql_using="brin",
            postgresql_with={"autosummarize": "on", "pages_per_range": "32"},
        ),
        # Holds corrections only: the other events, nearly all, cost it nothing.
        Index(
            "ix_usage_events_corrects",
            "merchant_id",
            "corrects",
            postgresql_where=text("corrects IS NOT NULL"),
        ),
        {"info": {"scale": "tenant"}},
    )

    occurred_at: Mapped[datetime] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    customer_id: Mapped[int]
    metric_id: Mapped[int]
    series_id: Mapped[int] = mapped_column(server_default=text("0"))
    received_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    idempotency_key: Mapped[str] = mapped_column(Text(collation="C"))
    quantity: Mapped[Decimal]
    dimensions: Mapped[dict[str, Any]]
    corrects: Mapped[str | None]
    is_late: Mapped[bool] = mapped_column(server_default=text("false"))


class UsageSeries(Tenant, Base):
    """One combination of a metric's declared dimensions. Never changed, never deleted.

    `names` are those the metric declared when the series was made, sorted; `dimensions` has the
    values as texts, without the names an event did not have. A series so says which dimensions
    it can answer for. `digest` is the SHA-256 of both.
    """

    __tablename__ = "usage_series"
    __table_args__ = (
        UniqueConstraint("merchant_id", "metric_id", "digest"),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    metric_id: Mapped[int]
    names: Mapped[list[str]]
    dimensions: Mapped[dict[str, Any]]
    digest: Mapped[bytes]


class UsageRollup(Tenant, Base):
    """A customer's metric on one local day of the merchant: what invoices and charts read."""

    __tablename__ = "usage_rollups"
    __table_args__ = (
        Index("ix_usage_rollups_day", "merchant_id", "day", "metric_id"),
        {"info": {"scale": "tenant"}, "postgresql_with": {"fillfactor": "80"}},
    )

    customer_id: Mapped[int] = mapped_column(primary_key=True)
    metric_id: Mapped[int] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    series_id: Mapped[int] = mapped_column(primary_key=True, server_default=text("0"))
    quantity: Mapped[Decimal]
    events: Mapped[int]
    maximum: Mapped[Decimal]
    last_at: Mapped[datetime]
    last_id: Mapped[int]
    last_quantity: Mapped[Decimal]


class UsageDay(Tenant, Base):
    """All customers' usage of a metric on one day, for charts: a few seconds behind the roll-ups.

    `quantity` adds up what each customer came to on that day by the metric's aggregation, in one
    series, or in the row of EVERY_SERIES over all of them: the highest of two series is not their
    sum. Roll-ups do not know what is different or how long it was there, so for unique_count and
    weighted_sum it is the plain sum of the readings.
    """

    __tablename__ = "usage_days"
    __table_args__ = ({"info": {"scale": "tenant"}, "postgresql_with": {"fillfactor": "80"}},)

    metric_id: Mapped[int] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    series_id: Mapped[int] = mapped_column(primary_key=True)
    quantity: Mapped[Decimal]
    events: Mapped[int]
    customers: Mapped[int]


class UsageRefresh(Tenant, Base):
    """Up to which arrival a merchant's days have been added up."""

    __tablename__ = "usage_refreshes"
    __table_args__ = ({"info": {"scale": "tenant"}},)

    refreshed_to: Mapped[datetime]


class UsageVoid(Tenant, Base):
    """An event that counts no longer: it was taken back before its invoice was out.

    The event itself stays as it came, and so does its key.
    """

    __tablename__ = "usage_voids"
    __table_args__ = (
        Index("ix_usage_voids_customer", "merchant_id", "customer_id", "occurred_at"),
        {"info": {"scale": "tenant"}},
    )

    occurred_at: Mapped[datetime] = mapped_column(primary_key=True)
    event_id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int]
    metric_id: Mapped[int]
    idempotency_key: Mapped[str] = mapped_column(Text(collation="C"))
    reason: Mapped[str]
    voided_at: Mapped[datetime]
    actor: Mapped[str]


class DeadReason(StrEnum):
    UNKNOWN_CUSTOMER = "unknown_customer"
    UNKNOWN_METRIC = "unknown_metric"
    NO_CONTRACT = "no_contract"  # none of the customer's contracts covers the instant


class DeadStatus(StrEnum):
    WAITING = "waiting"
    REPLAYED = "replayed"
    DISCARDED = "discarded"


class DeadMove(StrEnum):
    REPLAY = "replay"
    DISCARD = "discard"
    RETURN = "return"  # the same event came again and still found no place


DEAD_EVENT = Machine(
    "dead event",
    moves={
        (DeadStatus.WAITING, DeadMove.REPLAY): DeadStatus.REPLAYED,
        (DeadStatus.WAITING, DeadMove.DISCARD): DeadStatus.DISCARDED,
        (DeadStatus.DISCARDED, DeadMove.RETURN): DeadStatus.WAITING,
        (DeadStatus.REPLAYED, DeadMove.RETURN): DeadStatus.WAITING,
    },
    repeats=frozenset(
        {
            (DeadStatus.REPLAYED, DeadMove.REPLAY),
            (DeadStatus.DISCARDED, DeadMove.DISCARD),
            (DeadStatus.WAITING, DeadMove.RETURN),
        }
    ),
)


class DeadEvent(Tenant, Base):
    """An event that found no customer, metric or contract, as it was sent. It holds no key.

    The same event sent again is counted in `seen`: one row per content, told by its digest.
    """

    __tablename__ = "dead_events"
    __table_args__ = (
        UniqueConstraint("merchant_id", "digest"),
        one_of("reason", DeadReason),
        one_of("status", DeadStatus),
        Index("ix_dead_events_status", "merchant_id", "status", "id"),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    digest: Mapped[bytes]
    reason: Mapped[DeadReason]
    customer_external_id: Mapped[str]
    metric: Mapped[str]
    idempotency_key: Mapped[str] = mapped_column(Text(collation="C"))
    occurred_at: Mapped[datetime]
    body: Mapped[dict[str, Any]]
    status: Mapped[DeadStatus] = mapped_column(server_default=DeadStatus.WAITING.value)
    seen: Mapped[int] = mapped_column(server_default=text("1"))
    received_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    last_seen_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    resolved_at: Mapped[datetime | None]
    outcome: Mapped[str | None]


class DeadReplay(Tenant, Base):
    """The merchant's last replay of many dead events: which ones, and how far it is.

    It tries the events up to `up_to_id` that waited when it began, in the order they came;
    `after_id` is the last one tried. No reason, or no name, means every one.
    """

    __tablename__ = "dead_replays"
    __table_args__ = ({"info": {"scale": "tenant"}},)

    reason: Mapped[DeadReason | None]
    name: Mapped[str]
    after_id: Mapped[int]
    up_to_id: Mapped[int]
    total: Mapped[int]
    tried: Mapped[int]
    taken: Mapped[int]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class IngestTally(Tenant, Base):
    """What one request had besides plainly accepted events: one row, if it had any."""

    __tablename__ = "ingest_tallies"
    __table_args__ = ({"info": {"scale": "tenant"}},)

    received_at: Mapped[datetime] = mapped_column(primary_key=True, server_default=text("now()"))
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    duplicates: Mapped[int]
    conflicts: Mapped[int]
    late: Mapped[int]
    unmatched: Mapped[int]
    invalid: Mapped[int]
