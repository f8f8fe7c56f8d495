"""What customers have to their credit, and the credit notes that correct invoices."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, Tenant, one_of
from app.core.ids import new_id
from app.core.money import Currency, Money


class Disposition(StrEnum):
    """Where the amount of a credit note goes."""

    INVOICE = "invoice"  # it lowers what is due
    BALANCE = "balance"  # to the customer's balance, for the next invoices


class CreditReason(StrEnum):
    """Why a credit note is given."""

    CORRECTION = "correction"
    GOODWILL = "goodwill"
    SERVICE_FAILURE = "service_failure"
    RETURNED = "returned"
    LATE_USAGE = "late_usage"  # by the product: usage of an ended contract was taken back
    OTHER = "other"


class CreditNote(Tenant, Base):
    """A correction of an issued invoice; append-only, in a series of numbers of its own.

    `pricing_minor` is the total with tax in the pricing `currency`, of which `tax_minor` is tax
    and `discount_minor` the share of the coupons taken off. `amount_minor` is what that is in CNY
    at the invoice's locked rate; `balance_minor` of it went to the customer's balance, the rest
    lowered what was due. `lines` has for each line its position and its part, in minor units.
    """

    __tablename__ = "credit_notes"
    __table_args__ = (
        UniqueConstraint("merchant_id", "number"),
        ForeignKeyConstraint(
            ["merchant_id", "invoice_id"], ["invoices.merchant_id", "invoices.id"]
        ),
        ForeignKeyConstraint(
            ["merchant_id", "customer_id"], ["customers.merchant_id", "customers.id"]
        ),
        CheckConstraint("pricing_minor > 0", name="pricing_minor"),
        CheckConstraint("balance_minor BETWEEN 0 AND amount_minor", name="balance_minor"),
        one_of("disposition", Disposition),
        one_of("reason", CreditReason),
        Index("ix_credit_notes_invoice_id", "merchant_id", "invoice_id", "id"),
        Index("ix_credit_notes_customer_id", "merchant_id", "customer_id", "id"),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    number: Mapped[str]
    invoice_id: Mapped[int]
    customer_id: Mapped[int]
    reason: Mapped[CreditReason]
    note: Mapped[str]
    currency: Mapped[Currency]
    pricing_minor: Mapped[int]
    discount_minor: Mapped[int]
    tax_minor: Mapped[int]
    amount_minor: Mapped[int]
    balance_minor: Mapped[int]
    disposition: Mapped[Disposition]
    lines: Mapped[list[Any]]
    created_at: Mapped[datetime]
    created_by: Mapped[str]

    @property
    def total(self) -> Money:
        """What is credited, with tax, in the pricing currency."""
        return Money(self.pricing_minor, self.currency)

    @property
    def discount(self) -> Money:
        return Money(self.discount_minor, self.currency)

    @property
    def tax(self) -> Money:
        return Money(self.tax_minor, self.currency)

    @property
    def amount(self) -> Money:
        """What is credited in CNY, at the rate that the invoice locked."""
        return Money(self.amount_minor, Currency.CNY)

    @property
    def to_balance(self) -> Money:
        return Money(self.balance_minor, Currency.CNY)


class CustomerBalance(Tenant, Base):
    """What a customer has to his credit, in CNY: the row whose lock keeps it from going below 0.

    The entries are the truth: it is the sum of theirs.
    """

    __tablename__ = "customer_balances"
    __table_args__ = (
        ForeignKeyConstraint(
            ["merchant_id", "customer_id"], ["customers.merchant_id", "customers.id"]
        ),
        CheckConstraint("balance_minor >= 0", name="balance_minor"),
        {"info": {"scale": "tenant"}},
    )

    customer_id: Mapped[int] = mapped_column(primary_key=True)
    balance_minor: Mapped[int]


class EntryKind(StrEnum):
    """What moved a customer's balance."""

    CREDIT_NOTE = "credit_note"
    USED = "used"  # it paid a part of an invoice
    RETURNED = "returned"  # the invoice it had paid a part of is void
    ADJUSTMENT = "adjustment"  # by the merchant


class BalanceEntry(Tenant, Base):
    """One movement of a customer's balance, and what it stood at afterwards; append-only."""

    __tablename__ = "customer_balance_entries"
    __table_args__ = (
        ForeignKeyConstraint(
            ["merchant_id", "customer_id"],
            ["customer_balances.merchant_id", "customer_balances.customer_id"],
            name="fk_balance_entries_balances",
        ),
        ForeignKeyConstraint(
            ["merchant_id", "invoice_id"],
            ["invoices.merchant_id", "invoices.id"],
            name="fk_balance_entries_invoices",
        ),
        ForeignKeyConstraint(
            ["merchant_id", "credit_note_id"],
            ["credit_notes.merchant_id", "credit_notes.id"],
            name="fk_balance_entries_credit_notes",
        ),
        CheckConstraint("amount_minor <> 0", name="amount_minor"),
        CheckConstraint("balance_minor >= 0", name="balance_minor"),
        CheckConstraint("(kind = 'adjustment') = (invoice_id IS NULL)", name="invoice_id"),
        CheckConstraint(
            "(kind = 'credit_note') = (credit_note_id IS NOT NULL)", name="credit_note"
        ),
        one_of("kind", EntryKind),
        Index("ix_balance_entries_customer", "merchant_id", "customer_id", "id"),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    customer_id: Mapped[int]
    kind: Mapped[EntryKind]
    amount_minor: Mapped[int]
    balance_minor: Mapped[int]
    invoice_id: Mapped[int | None]
    credit_note_id: Mapped[int | None]
    note: Mapped[str]
    created_at: Mapped[datetime]
    created_by: Mapped[str]

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, Currency.CNY)

    @property
    def balance(self) -> Money:
        return Money(self.balance_minor, Currency.CNY)
