"""Coupons of contracts, and their redemptions by invoices."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, Tenant, one_of
from app.core.money import Currency, Money
from app.core.states import Machine


class RedemptionStatus(StrEnum):
    RESERVED = "reserved"  # by a draft
    COUNTED = "counted"  # by an invoice that is out
    RELEASED = "released"  # the invoice is void, or makes no use of it after all


class RedemptionEvent(StrEnum):
    RESERVE = "reserve"
    COUNT = "count"
    RELEASE = "release"


REDEMPTION = Machine(
    "redemption",
    moves={
        (RedemptionStatus.RESERVED, RedemptionEvent.COUNT): RedemptionStatus.COUNTED,
        (RedemptionStatus.RESERVED, RedemptionEvent.RELEASE): RedemptionStatus.RELEASED,
        (RedemptionStatus.COUNTED, RedemptionEvent.RELEASE): RedemptionStatus.RELEASED,
        (RedemptionStatus.RELEASED, RedemptionEvent.RESERVE): RedemptionStatus.RESERVED,
    },
    repeats=frozenset(
        {
            (RedemptionStatus.RESERVED, RedemptionEvent.RESERVE),
            (RedemptionStatus.COUNTED, RedemptionEvent.COUNT),
            (RedemptionStatus.RELEASED, RedemptionEvent.RELEASE),
        }
    ),
)


class ContractCoupon(Tenant, Base):
    """A coupon that the invoices of a contract use, in the order of the positions."""

    __tablename__ = "contract_coupons"
    __table_args__ = (
        UniqueConstraint("merchant_id", "contract_id", "coupon_id", name="uq_contract_coupons"),
        ForeignKeyConstraint(
            ["merchant_id", "contract_id"], ["contracts.merchant_id", "contracts.id"]
        ),
        ForeignKeyConstraint(["merchant_id", "coupon_id"], ["coupons.merchant_id", "coupons.id"]),
        Index("ix_contract_coupons_coupon_id", "merchant_id", "coupon_id"),
        {"info": {"scale": "tenant"}},
    )

    contract_id: Mapped[int] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    coupon_id: Mapped[int]
    attached_at: Mapped[datetime]


class CouponRedemption(Tenant, Base):
    """The use of a coupon by one invoice, and what it took off.

    However many invoices of a contract use a coupon, they are one redemption of it: limits count
    contracts. `applied_on` is the day of the invoice, from which a repeating coupon runs;
    `position` tells the order in which its coupons were taken off.
    """

    __tablename__ = "coupon_redemptions"
    __table_args__ = (
        ForeignKeyConstraint(["merchant_id", "coupon_id"], ["coupons.merchant_id", "coupons.id"]),
        ForeignKeyConstraint(
            ["merchant_id", "invoice_id"], ["invoices.merchant_id", "invoices.id"]
        ),
        CheckConstraint("amount_minor >= 0", name="amount"),
        one_of("status", RedemptionStatus),
        Index("ix_coupon_redemptions_contract_id", "merchant_id", "coupon_id", "contract_id"),
        Index("ix_coupon_redemptions_customer_id", "merchant_id", "coupon_id", "customer_id"),
        Index("ix_coupon_redemptions_invoice_id", "merchant_id", "invoice_id"),
        {"info": {"scale": "tenant"}},
    )

    coupon_id: Mapped[int] = mapped_column(primary_key=True)
    invoice_id: Mapped[int] = mapped_column(primary_key=True)
    contract_id: Mapped[int]
    customer_id: Mapped[int]
    status: Mapped[RedemptionStatus]
    applied_on: Mapped[date]
    position: Mapped[int]
    amount_minor: Mapped[int]
    currency: Mapped[Currency]

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)
