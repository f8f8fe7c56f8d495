"""Invoices: the only thing that ever gets paid. Lines, counters, runs, and their states."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Computed,
    ForeignKeyConstraint,
    Index,
    Numeric,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, composite, mapped_column

from app.core.db import Base, Tenant, one_of
from app.core.ids import new_id
from app.core.money import Currency, Money
from app.core.states import Machine


class InvoiceKind(StrEnum):
    USAGE = "usage"
    LATE = "late"  # usage that came late, of a contract that has no next invoice
    ONE_OFF = "one_off"  # made by hand, of no contract


class InvoiceStatus(StrEnum):
    DRAFT = "draft"
    OPEN = "open"
    PAID = "paid"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"  # given up; it may still be paid
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"


class InvoiceEvent(StrEnum):
    FINALIZE = "finalize"
    PAY = "pay"
    VOID = "void"
    GIVE_UP = "give_up"
    REFUND_PART = "refund_part"
    REFUND_ALL = "refund_all"


INVOICE = Machine(
    "invoice",
    moves={
        (InvoiceStatus.DRAFT, InvoiceEvent.FINALIZE): InvoiceStatus.OPEN,
        (InvoiceStatus.OPEN, InvoiceEvent.PAY): InvoiceStatus.PAID,
        (InvoiceStatus.OPEN, InvoiceEvent.VOID): InvoiceStatus.VOID,
        (InvoiceStatus.OPEN, InvoiceEvent.GIVE_UP): InvoiceStatus.UNCOLLECTIBLE,
        (InvoiceStatus.UNCOLLECTIBLE, InvoiceEvent.PAY): InvoiceStatus.PAID,
        (InvoiceStatus.UNCOLLECTIBLE, InvoiceEvent.VOID): InvoiceStatus.VOID,
        (InvoiceStatus.PAID, InvoiceEvent.REFUND_PART): InvoiceStatus.PARTIALLY_REFUNDED,
        (InvoiceStatus.PAID, InvoiceEvent.REFUND_ALL): InvoiceStatus.REFUNDED,
        (
            InvoiceStatus.PARTIALLY_REFUNDED,
            InvoiceEvent.REFUND_PART,
        ): InvoiceStatus.PARTIALLY_REFUNDED,
        (InvoiceStatus.PARTIALLY_REFUNDED, InvoiceEvent.REFUND_ALL): InvoiceStatus.REFUNDED,
    },
    repeats=frozenset(
        {
            *(
                (status, InvoiceEvent.FINALIZE)
                for status in InvoiceStatus
                if status is not InvoiceStatus.DRAFT
            ),
            (InvoiceStatus.PAID, InvoiceEvent.PAY),
            (InvoiceStatus.VOID, InvoiceEvent.VOID),
            (InvoiceStatus.UNCOLLECTIBLE, InvoiceEvent.GIVE_UP),
        }
    ),
)
"""Only a draft changes; one made by hand may also be thrown away, and then its row is gone."""

WAS_PAID = (InvoiceStatus.PAID, InvoiceStatus.PARTIALLY_REFUNDED, InvoiceStatus.REFUNDED)
"""The statuses of an invoice that was paid, whatever went back since."""


@dataclass(frozen=True, slots=True)
class FxSnapshot:
    """The rates an invoice locked: CNY per 100 units as published, CNY per unit as applied."""

    publisher: str
    published_at: datetime
    spread_bps: int
    pricing_midpoint: Decimal
    pricing_rate: Decimal
    settlement_midpoint: Decimal
    settlement_rate: Decimal


class Invoice(Tenant, Base):
    """One bill. From finalisation on only its status changes, and what credit notes lower.

    In the pricing `currency`: `discount_minor` is what coupons took off the lines,
    `subtotal_minor` the lines after them and without tax, `total_minor` with it. In CNY:
    `collection_minor` is the total at the locked rate, `balance_minor` what the customer's balance
    paid of it, `due_minor` the rest, which a channel collects; `platform_fee_minor` is taken from
    what is due, and so is `settlement_minor`, in `settlement_currency`.

    A draft has the lines and the subtotal of the usage so far; what finalisation locks is zero
    until then, and `fx` is None. `finalize_at` is when that is due: after the grace, or at the
    next attempt. One made by hand has neither that nor a contract and its prices.

    `credited_minor` is what credit notes gave of the collection so far, `claimed_minor` what of the
    money goes or went back, by refunds that did not fail and disputes not won; `refunded_minor` of
    it arrived. Issued anew with later rates, it has the next `issue`, and names the one replaced.
    """

    __tablename__ = "invoices"
    __table_args__ = (
        UniqueConstraint(
            "merchant_id",
            "contract_id",
            "period_start_at",
            "kind",
            "issue",
            name="uq_invoices_period",
        ),
        UniqueConstraint("merchant_id", "reissue_of_id"),
        ForeignKeyConstraint(
            ["merchant_id", "reissue_of_id"], ["invoices.merchant_id", "invoices.id"]
        ),
        UniqueConstraint("merchant_id", "number"),
        ForeignKeyConstraint(
            ["merchant_id", "customer_id"], ["customers.merchant_id", "customers.id"]
        ),
        ForeignKeyConstraint(
            ["merchant_id", "contract_id"], ["contracts.merchant_id", "contracts.id"]
        ),
        CheckConstraint("period_end_at > period_start_at", name="period"),
        CheckConstraint("discount_minor >= 0", name="discount"),
        CheckConstraint("total_minor = subtotal_minor + tax_minor", name="total"),
        CheckConstraint(  # credit notes lower it
            "due_minor BETWEEN greatest(0, collection_minor - balance_minor - credited_minor) "
            "AND collection_minor - balance_minor",
            name="due",
        ),
        CheckConstraint("balance_minor BETWEEN 0 AND collection_minor", name="balance"),
        CheckConstraint("(status = 'draft') = (number IS NULL)", name="number"),
        CheckConstraint("(status = 'draft') = (finalized_at IS NULL)", name="finalized_at"),
        CheckConstraint(
            "(status IN ('paid', 'partially_refunded', 'refunded')) = (paid_at IS NOT NULL)",
            name="paid_at",
        ),
        CheckConstraint("(status = 'void') = (voided_at IS NOT NULL)", name="voided_at"),
        CheckConstraint(
            "status <> 'uncollectible' OR uncollectible_at IS NOT NULL", name="uncollectible_at"
        ),
        CheckConstraint("(kind = 'one_off') = (contract_id IS NULL)", name="contract_id"),
        CheckConstraint("(kind = 'one_off') = (finalize_at IS NULL)", name="finalize_at"),
        CheckConstraint(
            "num_nulls(rate_card_version_id, rate_card, rate_card_sha256) "
            "= CASE kind WHEN 'one_off' THEN 3 ELSE 0 END",
            name="rate_card",
        ),
        CheckConstraint("(issue = 1) = (reissue_of_id IS NULL)", name="issue"),
        CheckConstraint("credited_minor BETWEEN 0 AND collection_minor", name="credited_minor"),
        CheckConstraint(
            "CASE status WHEN 'partially_refunded' THEN refunded_minor > 0 "
            "AND refunded_minor < due_minor WHEN 'refunded' THEN refunded_minor > 0 "
            "AND refunded_minor = due_minor ELSE refunded_minor = 0 END",
            name="refunded_minor",
        ),
        CheckConstraint(
            "claimed_minor BETWEEN refunded_minor AND due_minor "
            "AND claimed_minor + credited_minor <= collection_minor",
            name="claimed_minor",
        ),
        CheckConstraint(
            "num_nulls(fx_publisher, fx_published_at, fx_spread_bps, fx_pricing_midpoint, "
            "fx_pricing_rate, fx_settlement_midpoint, fx_settlement_rate) "
            "= CASE status WHEN 'draft' THEN 7 ELSE 0 END",
            name="fx",
        ),
        one_of("status", InvoiceStatus),
        one_of("kind", InvoiceKind),
        Index("ix_invoices_customer_id", "merchant_id", "customer_id", "id"),
        Index("ix_invoices_status", "merchant_id", "status", "id"),
        Index(
            "ix_invoices_number_reversed",
            "merchant_id",
            "number_reversed",
            postgresql_where=text("number_reversed IS NOT NULL"),
        ),
        Index("ix_invoices_by_due", "merchant_id", "due_at", "id"),
        Index("ix_invoices_by_amount", "merchant_id", "collection_minor", "id"),
        Index(
            "ix_invoices_drafts",
            "merchant_id",
            "finalize_at",
            postgresql_where=text("status = 'draft'"),
        ),
        Index(
            "ix_invoices_due_at",
            "merchant_id",
            "due_at",
            postgresql_where=text("status = 'open'"),
        ),
        Index(
            "ix_invoices_remind_at",
            "merchant_id",
            "remind_at",
            postgresql_where=text("status = 'open'"),
        ),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[InvoiceKind]
    status: Mapped[InvoiceStatus]
    number: Mapped[str | None] = mapped_column(Text(collation="C"))
    number_reversed: Mapped[str | None] = mapped_column(  # what a number ends with is found by it
        Text(collation="C"), Computed("reverse(number)", persisted=True), deferred=True
    )
    customer_id: Mapped[int]
    contract_id: Mapped[int | None]
    period_start_at: Mapped[datetime]
    period_end_at: Mapped[datetime]
    period_from: Mapped[date]
    period_to: Mapped[date]
    time_zone: Mapped[str]
    currency: Mapped[Currency]
    discount_minor: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    subtotal_minor: Mapped[int]
    tax_minor: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    total_minor: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    collection_minor: Mapped[int] = mapped_column(default=0)
    balance_minor: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    due_minor: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    platform_fee_minor: Mapped[int] = mapped_column(default=0)
    net_minor: Mapped[int] = mapped_column(default=0)
    settlement_currency: Mapped[Currency]
    settlement_minor: Mapped[int] = mapped_column(default=0)
    fee_bps: Mapped[int] = mapped_column(default=0)
    fee_fixed_minor: Mapped[int] = mapped_column(default=0)
    fx_publisher: Mapped[str | None]
    fx_published_at: Mapped[datetime | None]
    fx_spread_bps: Mapped[int | None]
    fx_pricing_midpoint: Mapped[Decimal | None] = mapped_column(Numeric())  # as published
    fx_pricing_rate: Mapped[Decimal | None] = mapped_column(Numeric(20, 10))
    fx_settlement_midpoint: Mapped[Decimal | None] = mapped_column(Numeric())
    fx_settlement_rate: Mapped[Decimal | None] = mapped_column(Numeric(20, 10))
    fx: Mapped[FxSnapshot | None] = composite(
        "fx_publisher",
        "fx_published_at",
        "fx_spread_bps",
        "fx_pricing_midpoint",
        "fx_pricing_rate",
        "fx_settlement_midpoint",
        "fx_settlement_rate",
    )
    rate_card_version_id: Mapped[int | None]
    rate_card: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    rate_card_sha256: Mapped[str | None]
    link_secret: Mapped[str]
    created_at: Mapped[datetime]
    drafted_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    finalize_at: Mapped[datetime | None]
    finalized_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    remind_at: Mapped[datetime | None]  # the next look at its reminders; null: at once
    paid_at: Mapped[datetime | None]
    voided_at: Mapped[datetime | None]
    void_reason: Mapped[str | None]
    uncollectible_at: Mapped[datetime | None]
    credited_minor: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    claimed_minor: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    refunded_minor: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    issue: Mapped[int] = mapped_column(SmallInteger(), default=1, server_default=text("1"))
    reissue_of_id: Mapped[int | None]
    note: Mapped[str] = mapped_column(default="", server_default="")

    @property
    def discount(self) -> Money:
        return Money(self.discount_minor, self.currency)

    @property
    def subtotal(self) -> Money:
        """The lines after coupons, without tax."""
        return Money(self.subtotal_minor, self.currency)

    @property
    def tax(self) -> Money:
        return Money(self.tax_minor, self.currency)

    @property
    def total(self) -> Money:
        return Money(self.total_minor, self.currency)

    @property
    def collection(self) -> Money:
        """The total in CNY."""
        return Money(self.collection_minor, Currency.CNY)

    @property
    def balance_used(self) -> Money:
        """What the customer's balance paid of the collection, in CNY."""
        return Money(self.balance_minor, Currency.CNY)

    @property
    def due(self) -> Money:
        """What is left to be paid through a channel, in CNY."""
        return Money(self.due_minor, Currency.CNY)

    @property
    def credited(self) -> Money:
        """What credit notes gave of the collection so far, in CNY."""
        return Money(self.credited_minor, Currency.CNY)

    @property
    def platform_fee(self) -> Money:
        return Money(self.platform_fee_minor, Currency.CNY)

    @property
    def net(self) -> Money:
        """What is left of the amount due after the platform's fee, in CNY."""
        return Money(self.net_minor, Currency.CNY)

    @property
    def settlement(self) -> Money:
        """What the merchant is owed, in the settlement currency."""
        return Money(self.settlement_minor, self.settlement_currency)

    def earlier_period(self, line: "InvoiceLine") -> tuple[date, date] | None:
        """Return the first and last day a line is about when it is not this invoice's period."""
        if self.kind is not InvoiceKind.LATE and line.period_from == self.period_from:
            return None
        return line.period_from, line.period_to - timedelta(days=1)


class LineKind(StrEnum):
    USAGE = "usage"
    LATE = "late"  # what usage of an earlier period adds to what was billed for it
    COMMITMENT = "commitment"  # what is missing to the committed minimum
    ITEM = "item"  # written by hand


class InvoiceLine(Tenant, Base):
    """One part of one metric's price; `tiers` shows which tier took how much, in minor units.

    `amount_minor` is what it was rated at. `discount_minor` is its share of the coupons; of the
    rest, `tax_minor` is a part if the tax is inclusive, and else comes on top of it.

    `part` says which: `{}` the default price, `{"filter": 0}` the first filter of the price,
    `{"group": {"region": "cn"}}` one of its groups. `period_from` and `period_to`, exclusive, are
    the days whose usage it is about. Usage without a price is a line of zero that `is_priced`
    tells apart: the bucket `unpriced`. A commitment has no metric, nor has an item.
    """

    __tablename__ = "invoice_lines"
    __table_args__ = (
        ForeignKeyConstraint(
            ["merchant_id", "invoice_id"], ["invoices.merchant_id", "invoices.id"]
        ),
        one_of("kind", LineKind),
        CheckConstraint("(kind IN ('commitment', 'item')) = (metric_id IS NULL)", name="metric_id"),
        {"info": {"scale": "tenant"}},
    )

    invoice_id: Mapped[int] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[LineKind] = mapped_column(server_default=LineKind.USAGE.value)
    part: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    period_from: Mapped[date]
    period_to: Mapped[date]
    metric_id: Mapped[int | None]
    metric_code: Mapped[str]
    description: Mapped[str]
    unit: Mapped[str]
    quantity: Mapped[Decimal]
    events: Mapped[int]
    amount_minor: Mapped[int]
    discount_minor: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    tax_percent: Mapped[Decimal | None] = mapped_column(Numeric(9, 4))
    tax_is_inclusive: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    tax_minor: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    is_priced: Mapped[bool]
    tiers: Mapped[list[Any]]


class InvoiceCounter(Tenant, Base):
    """The last number given in a series: one row, taken inside the finalising transaction."""

    __tablename__ = "invoice_counters"
    __table_args__ = ({"info": {"scale": "tenant"}},)

    series: Mapped[str] = mapped_column(primary_key=True)
    last: Mapped[int]
