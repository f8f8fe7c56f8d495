"""Who buys, and on which terms: customers and their contracts."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, Tenant, one_of
from app.core.ids import new_id
from app.core.money import Currency
from app.core.periods import Cycle, Period
from app.core.states import Machine


class CustomerStatus(StrEnum):
    ACTIVE = "active"
    ARCHIVED = "archived"


class CustomerEvent(StrEnum):
    ARCHIVE = "archive"
    RESTORE = "restore"


CUSTOMER = Machine(
    "customer",
    moves={
        (CustomerStatus.ACTIVE, CustomerEvent.ARCHIVE): CustomerStatus.ARCHIVED,
        (CustomerStatus.ARCHIVED, CustomerEvent.RESTORE): CustomerStatus.ACTIVE,
    },
    repeats=frozenset(
        {
            (CustomerStatus.ARCHIVED, CustomerEvent.ARCHIVE),
            (CustomerStatus.ACTIVE, CustomerEvent.RESTORE),
        }
    ),
)


class ContractStatus(StrEnum):
    ACTIVE = "active"
    ENDED = "ended"


class ContractEvent(StrEnum):
    END = "end"


CONTRACT = Machine(
    "contract",
    moves={(ContractStatus.ACTIVE, ContractEvent.END): ContractStatus.ENDED},
    repeats=frozenset({(ContractStatus.ENDED, ContractEvent.END)}),
)


class Customer(Tenant, Base):
    """The merchant's own end-customer, under the merchant's own `external_id`.

    `tax_rate_id` is the tax of all it buys, null for that of each product; an exempt one pays none.
    One that is not reminded still gets its invoices.
    """

    __tablename__ = "customers"
    __table_args__ = (
        UniqueConstraint("merchant_id", "external_id"),
        ForeignKeyConstraint(
            ["merchant_id", "tax_rate_id"], ["tax_rates.merchant_id", "tax_rates.id"]
        ),
        CheckConstraint("NOT is_tax_exempt OR tax_rate_id IS NULL", name="tax"),
        one_of("status", CustomerStatus),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    external_id: Mapped[str]
    name: Mapped[str]
    email: Mapped[str] = mapped_column(default="")
    language: Mapped[str] = mapped_column(default="zh_Hans_CN")
    tax_rate_id: Mapped[int | None]
    is_tax_exempt: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    is_reminded: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    status: Mapped[CustomerStatus] = mapped_column(default=CustomerStatus.ACTIVE)
    created_at: Mapped[datetime]


class Contract(Tenant, Base):
    """Customer × rate card version × billing cycle, between two local dates (end exclusive).

    A contract that was ended before it began ends on the day it starts, and covers nothing.
    `anchor_on` is the date every period is counted from. `next_period_at` and `due_at` bound the
    first period not yet invoiced; a contract that has nothing left to invoice has neither. They
    are changed by `contracts.advance_period` and `contracts.end_contract` only.
    `retry_at` puts off one whose invoice could not be drafted. `billed_to` is the end of the last
    period whose invoice is out; `late_from` the first local day of usage that came after its
    invoice and is not billed yet. `next_version_id` replaces the version with the first period
    that starts on or after `next_version_on`.
    """

    __tablename__ = "contracts"
    __table_args__ = (
        ForeignKeyConstraint(
            ["merchant_id", "customer_id"], ["customers.merchant_id", "customers.id"]
        ),
        ForeignKeyConstraint(
            ["merchant_id", "rate_card_version_id"],
            ["rate_card_versions.merchant_id", "rate_card_versions.id"],
        ),
        ForeignKeyConstraint(
            ["merchant_id", "next_version_id"],
            ["rate_card_versions.merchant_id", "rate_card_versions.id"],
            name="fk_contracts_next_version",
        ),
        CheckConstraint("ends_on IS NULL OR ends_on >= starts_on", name="dates"),
        CheckConstraint(
            "(next_version_id IS NULL) = (next_version_on IS NULL)", name="next_version"
        ),
        one_of("status", ContractStatus),
        Index("ix_contracts_customer_id", "merchant_id", "customer_id"),
        Index("ix_contracts_due_at", "merchant_id", "due_at"),
        Index("ix_contracts_rate_card_version", "merchant_id", "rate_card_version_id"),
        Index(
            "ix_contracts_late_from",
            "merchant_id",
            "late_from",
            postgresql_where=text("late_from IS NOT NULL"),
        ),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    customer_id: Mapped[int]
    rate_card_version_id: Mapped[int]
    currency: Mapped[Currency]
    cycle: Mapped[Cycle]
    starts_on: Mapped[date]
    ends_on: Mapped[date | None]
    anchor_on: Mapped[date]
    next_period_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    retry_at: Mapped[datetime | None]
    billed_to: Mapped[datetime | None]
    late_from: Mapped[date | None]
    next_version_id: Mapped[int | None]
    next_version_on: Mapped[date | None]
    status: Mapped[ContractStatus] = mapped_column(default=ContractStatus.ACTIVE)
    created_at: Mapped[datetime]

    @property
    def open_period(self) -> Period | None:
        """The first period not yet invoiced, cut where the contract ends; None when all are."""
        if self.next_period_at is None or self.due_at is None:
            return None
        return Period(self.next_period_at, self.due_at)
