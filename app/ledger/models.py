"""The append-only ledger's tables: what is posted is closed for ever, by constraint.

Line numbers 1…n of a transaction are all taken by its first INSERT, the foreign key fixes n and
the CHECK forbids n+1: nothing can be appended later. One statement trigger refuses entries that
do not balance per book and currency. Only `app.ledger` imports this module.
"""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, Tenant, one_of
from app.core.ids import new_id


class Book(StrEnum):
    PLATFORM = "P"  # money of the platform
    CREDITS = "C"  # credit units; the currency is the unit's code
    REVENUE = "R"  # the merchant's accrual view, in the collection currency


class LedgerAccount(Tenant, Base):
    __tablename__ = "ledger_accounts"
    __table_args__ = (
        UniqueConstraint("merchant_id", "book", "name", "currency"),
        UniqueConstraint("merchant_id", "id", "book", "currency", name="uq_ledger_accounts_entry"),
        one_of("book", Book),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    book: Mapped[Book]
    name: Mapped[str]
    currency: Mapped[str]


class LedgerTransaction(Tenant, Base):
    """One business event. `reference` is its cause; (kind, reference) posts once for ever."""

    __tablename__ = "ledger_transactions"
    __table_args__ = (
        UniqueConstraint(
            "merchant_id", "kind", "reference", name="uq_ledger_transactions_reference"
        ),
        UniqueConstraint("merchant_id", "id", "lines"),
        CheckConstraint("lines >= 2", name="lines"),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]
    reference: Mapped[str]
    lines: Mapped[int]
    occurred_at: Mapped[datetime]
    posted_at: Mapped[datetime]
    invoice_id: Mapped[int | None]


class LedgerEntry(Tenant, Base):
    """One leg: a debit is above zero, a credit below."""

    __tablename__ = "ledger_entries"
    __table_args__ = (
        ForeignKeyConstraint(
            ["merchant_id", "transaction_id", "lines"],
            [
                "ledger_transactions.merchant_id",
                "ledger_transactions.id",
                "ledger_transactions.lines",
            ],
        ),
        ForeignKeyConstraint(
            ["merchant_id", "account_id", "book", "currency"],
            [
                "ledger_accounts.merchant_id",
                "ledger_accounts.id",
                "ledger_accounts.book",
                "ledger_accounts.currency",
            ],
        ),
        CheckConstraint("line BETWEEN 1 AND lines", name="line"),
        CheckConstraint("amount_minor <> 0", name="amount_minor"),
        Index("ix_ledger_entries_account", "merchant_id", "account_id", "transaction_id"),
        {"info": {"scale": "tenant"}},
    )

    transaction_id: Mapped[int] = mapped_column(primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    lines: Mapped[int]
    account_id: Mapped[int]
    book: Mapped[Book]
    currency: Mapped[str]
    amount_minor: Mapped[int]
