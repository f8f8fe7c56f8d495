"""What is sold and for how much: products, metrics, rate cards and their immutable versions."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, Tenant, one_of
from app.core.ids import new_id
from app.core.states import Machine


class CatalogStatus(StrEnum):
    ACTIVE = "active"
    ARCHIVED = "archived"


class CatalogEvent(StrEnum):
    ARCHIVE = "archive"
    RESTORE = "restore"


CATALOG = Machine(
    "catalogue entry",
    moves={
        (CatalogStatus.ACTIVE, CatalogEvent.ARCHIVE): CatalogStatus.ARCHIVED,
        (CatalogStatus.ARCHIVED, CatalogEvent.RESTORE): CatalogStatus.ACTIVE,
    },
    repeats=frozenset(
        {
            (CatalogStatus.ARCHIVED, CatalogEvent.ARCHIVE),
            (CatalogStatus.ACTIVE, CatalogEvent.RESTORE),
        }
    ),
)


def moved(status: CatalogStatus, event: CatalogEvent) -> CatalogStatus:
    """Return the status after `event`, which may be a copy of one applied before."""
    return status if CATALOG.is_repeat(status, event) else CATALOG.after(status, event)


class Aggregation(StrEnum):
    """What a period's readings of a metric come to."""

    SUM = "sum"
    COUNT = "count"  # how many readings, whatever their quantity
    MAX = "max"
    LAST = "last"  # the newest by the time it happened, not by the time it arrived
    UNIQUE_COUNT = "unique_count"  # how many different values of one dimension, or quantities
    WEIGHTED_SUM = "weighted_sum"  # the running total, averaged over the time of the period


class Product(Tenant, Base):
    __tablename__ = "products"
    __table_args__ = (
        UniqueConstraint("merchant_id", "code"),
        one_of("status", CatalogStatus),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str]
    name: Mapped[str]
    description: Mapped[str] = mapped_column(default="")
    status: Mapped[CatalogStatus] = mapped_column(default=CatalogStatus.ACTIVE)
    created_at: Mapped[datetime]


class Metric(Tenant, Base):
    """What is measured. Five are built in and made with the merchant.

    `dimensions` declares the names that usage is told apart by, each with the values it may
    have, or null for any. `unique_by` is the dimension whose values `unique_count` counts; null
    is the quantity itself.
    """

    __tablename__ = "metrics"
    __table_args__ = (
        UniqueConstraint("merchant_id", "code"),
        one_of("status", CatalogStatus),
        one_of("aggregation", Aggregation),
        CheckConstraint("unique_by IS NULL OR aggregation = 'unique_count'", name="unique_by"),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str]
    name: Mapped[str]
    unit: Mapped[str]
    aggregation: Mapped[Aggregation]
    dimensions: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    unique_by: Mapped[str | None]
    is_built_in: Mapped[bool] = mapped_column(default=False)
    status: Mapped[CatalogStatus] = mapped_column(default=CatalogStatus.ACTIVE)
    created_at: Mapped[datetime]


class RateCard(Tenant, Base):
    """A price book of one product; its prices live in versions."""

    __tablename__ = "rate_cards"
    __table_args__ = (
        UniqueConstraint("merchant_id", "code"),
        ForeignKeyConstraint(
            ["merchant_id", "product_id"], ["products.merchant_id", "products.id"]
        ),
        Index("ix_rate_cards_product_id", "merchant_id", "product_id"),
        one_of("status", CatalogStatus),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    product_id: Mapped[int]
    code: Mapped[str]
    name: Mapped[str]
    status: Mapped[CatalogStatus] = mapped_column(default=CatalogStatus.ACTIVE)
    created_at: Mapped[datetime]


class RateCardVersion(Tenant, Base):
    """One immutable edition of a rate card: the product's logins may insert it, never change it.

    `content` is one price set per currency, as `price_sets.dump_content` writes it; `sha256`
    is the hash of its canonical JSON. The highest number is the current version.
    """

    __tablename__ = "rate_card_versions"
    __table_args__ = (
        UniqueConstraint(
            "merchant_id", "rate_card_id", "number", name="uq_rate_card_versions_number"
        ),
        ForeignKeyConstraint(
            ["merchant_id", "rate_card_id"], ["rate_cards.merchant_id", "rate_cards.id"]
        ),
        CheckConstraint("number >= 1", name="number"),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    rate_card_id: Mapped[int]
    number: Mapped[int]
    content: Mapped[dict[str, Any]]
    sha256: Mapped[str]
    published_at: Mapped[datetime]


class RateCardDraft(Tenant, Base):
    """The next edition of a rate card while it is written: at most one, always valid in itself.

    `based_on` is the number of the version it was begun from. Publishing it makes the next version.
    """

    __tablename__ = "rate_card_drafts"
    __table_args__ = (
        ForeignKeyConstraint(
            ["merchant_id", "rate_card_id"], ["rate_cards.merchant_id", "rate_cards.id"]
        ),
        {"info": {"scale": "tenant"}},
    )

    rate_card_id: Mapped[int] = mapped_column(primary_key=True)
    content: Mapped[dict[str, Any]]
    based_on: Mapped[int]
    updated_at: Mapped[datetime]
    updated_by: Mapped[str]
