"""Who buys, and on which terms: customers and their contracts."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint
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
    """The merchant's own end-customer, under the merchant's own `external_id`."""

    __tablename__ = "customers"
    __table_args__ = (
        UniqueConstraint("merchant_id", "external_id"),
        one_of("status", CustomerStatus),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    external_id: Mapped[str]
    name: Mapped[str]
    email: Mapped[str] = mapped_column(default="")
    language: Mapped[str] = mapped_column(default="zh_Hans_CN")
    status: Mapped[CustomerStatus] = mapped_column(default=CustomerStatus.ACTIVE)
    created_at: Mapped[datetime]


class Contract(Tenant, Base):
    """Customer × rate card version × billing cycle, between two local dates (end exclusive).

    A contract that was ended before it began ends on the day it starts, and covers nothing.
    `anchor_on` is the date every period is counted from. `next_period_at` and `due_at` bound the
    first period not yet invoiced; a contract that has nothing left to invoice has neither. They
    are changed by `contracts.advance_period` and `contracts.end_contract` only.
    `retry_at` puts off one whose invoice could not be drafted.
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
        CheckConstraint("ends_on IS NULL OR ends_on >= starts_on", name="dates"),
        one_of("status", ContractStatus),
        Index("ix_contracts_customer_id", "merchant_id", "customer_id"),
        Index("ix_contracts_due_at", "merchant_id", "due_at"),
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
    status: Mapped[ContractStatus] = mapped_column(default=ContractStatus.ACTIVE)
    created_at: Mapped[datetime]

    @property
    def open_period(self) -> Period | None:
        """The first period not yet invoiced, cut where the contract ends; None when all are."""
        if self.next_period_at is None or self.due_at is None:
            return None
        return Period(self.next_period_at, self.due_at)
