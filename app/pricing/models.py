"""What is sold and for how much: products, metrics, rate cards and their immutable versions."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Numeric,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, Tenant, one_of
from app.core.ids import new_id
from app.core.money import Currency, Money
from app.core.states import Machine
from app.pricing.discounts import AmountOff, Duration, PercentOff, Reduction
from app.pricing.limits import Limits


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
    """What a bill names. `tax_rate_id` is the tax it is under, null for the merchant's default."""

    __tablename__ = "products"
    __table_args__ = (
        UniqueConstraint("merchant_id", "code"),
        ForeignKeyConstraint(
            ["merchant_id", "tax_rate_id"], ["tax_rates.merchant_id", "tax_rates.id"]
        ),
        one_of("status", CatalogStatus),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str]
    name: Mapped[str]
    description: Mapped[str] = mapped_column(default="")
    tax_rate_id: Mapped[int | None]
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


class TaxRate(Tenant, Base):
    """A tax that invoices show: its percent never changes, so that a rate is what it always was.

    With an inclusive one, prices hold the tax already. At most one rate is the default, which is
    what products and customers without a rate of their own are under.
    """

    __tablename__ = "tax_rates"
    __table_args__ = (
        UniqueConstraint("merchant_id", "code"),
        CheckConstraint("percent BETWEEN 0 AND 100", name="percent"),
        CheckConstraint("NOT is_default OR status = 'active'", name="is_default"),
        one_of("status", CatalogStatus),
        Index(
            "uq_tax_rates_default",
            "merchant_id",
            unique=True,
            postgresql_where=text("is_default"),
        ),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str]
    name: Mapped[str]
    percent: Mapped[Decimal] = mapped_column(Numeric(9, 4))
    is_inclusive: Mapped[bool]
    is_default: Mapped[bool] = mapped_column(default=False)
    status: Mapped[CatalogStatus] = mapped_column(default=CatalogStatus.ACTIVE)
    created_at: Mapped[datetime]


class Coupon(Tenant, Base):
    """What takes something off invoices: `percent`, or `amount_minor` of `currency`, never both.

    What it gives never changes. It covers the lines of the products and metrics it names, all
    when it names none. It is redeemed once by each contract that uses it, for as long as its
    duration says; `redeem_by` is the merchant's last day to attach it to one.
    """

    __tablename__ = "coupons"
    __table_args__ = (
        UniqueConstraint("merchant_id", "code"),
        CheckConstraint("num_nonnulls(percent, amount_minor) = 1", name="reduction"),
        CheckConstraint("percent > 0 AND percent <= 100", name="percent"),
        CheckConstraint("amount_minor > 0", name="amount"),
        CheckConstraint("minimum_minor > 0", name="minimum"),
        CheckConstraint(
            "(currency IS NULL) = (num_nonnulls(amount_minor, minimum_minor) = 0)", name="currency"
        ),
        CheckConstraint("(duration = 'repeating') = (months IS NOT NULL)", name="months"),
        CheckConstraint("max_redemptions > 0 AND max_per_customer > 0", name="limits"),
        one_of("duration", Duration),
        one_of("status", CatalogStatus),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str]
    name: Mapped[str]
    percent: Mapped[Decimal | None] = mapped_column(Numeric(5, 2))
    amount_minor: Mapped[int | None]
    currency: Mapped[Currency | None]
    minimum_minor: Mapped[int | None]
    duration: Mapped[Duration]
    months: Mapped[int | None]
    product_codes: Mapped[list[str]]
    metric_codes: Mapped[list[str]]
    redeem_by: Mapped[date | None]
    max_redemptions: Mapped[int | None]
    max_per_customer: Mapped[int | None]
    is_for_new_customers: Mapped[bool]
    status: Mapped[CatalogStatus] = mapped_column(default=CatalogStatus.ACTIVE)
    created_at: Mapped[datetime]

    @property
    def reduction(self) -> Reduction:
        if self.percent is not None:
            return PercentOff(self.percent)
        if self.amount is None:
            raise ValueError(f"coupon {self.code} gives nothing")
        return AmountOff(self.amount)

    @property
    def amount(self) -> Money | None:
        """What it takes off, None for a percentage."""
        return self._money(self.amount_minor)

    @property
    def minimum(self) -> Money | None:
        """What the lines of an invoice come to at least for the coupon to apply."""
        return self._money(self.minimum_minor)

    @property
    def limits(self) -> Limits:
        return Limits(
            redeem_by=self.redeem_by,
            max_redemptions=self.max_redemptions,
            max_per_customer=self.max_per_customer,
            is_for_new_customers=self.is_for_new_customers,
        )

    def covers(self, product_code: str, metric_code: str) -> bool:
        """Tell whether it applies to a line; one without metric has the empty code."""
        is_product = not self.product_codes or product_code in self.product_codes
        return is_product and (not self.metric_codes or metric_code in self.metric_codes)

    def _money(self, minor: int | None) -> Money | None:
        return None if minor is None or self.currency is None else Money(minor, self.currency)
