"""Limits as they were set, uses as they are counted, who was stopped, and what was refused."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, Tenant, one_of
from app.core.ids import new_id
from app.core.money import Currency, Money
from app.core.states import Machine
from app.identity.models import REFERENCE
from app.risk.rules import OF_PAYERS, Rule


class RiskLimit(Base):
    """A maximum that an admin has set: the platform's own rows, of merchant 0, are for all."""

    __tablename__ = "risk_limits"
    __table_args__ = (CheckConstraint("maximum >= 0", name="maximum"), REFERENCE)

    for_merchant_id: Mapped[int] = mapped_column(primary_key=True)
    rule: Mapped[Rule] = mapped_column(primary_key=True)
    maximum: Mapped[int]


class RiskCounter(Tenant, Base):
    """What of one limit is used within one window: fen or times. Written by `counting` only."""

    __tablename__ = "risk_counters"
    __table_args__ = (
        CheckConstraint("used >= 0", name="used"),
        Index("ix_risk_counters_window_at", "merchant_id", "window_at"),
        {"info": {"scale": "tenant"}},
    )

    rule: Mapped[Rule] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    window_at: Mapped[datetime] = mapped_column(primary_key=True)
    used: Mapped[int]


class ReservationStatus(StrEnum):
    RESERVED = "reserved"  # opened and not paid yet
    RELEASED = "released"  # closed: its amount may be used by others
    SETTLED = "settled"  # paid


class ReservationEvent(StrEnum):
    RELEASE = "release"
    SETTLE = "settle"


RESERVATION = Machine(
    "reservation",
    moves={
        (ReservationStatus.RESERVED, ReservationEvent.RELEASE): ReservationStatus.RELEASED,
        (ReservationStatus.RESERVED, ReservationEvent.SETTLE): ReservationStatus.SETTLED,
        # Money that comes after the close is booked, and so it counts again.
        (ReservationStatus.RELEASED, ReservationEvent.SETTLE): ReservationStatus.SETTLED,
    },
    repeats=frozenset(
        {
            (ReservationStatus.RELEASED, ReservationEvent.RELEASE),
            (ReservationStatus.SETTLED, ReservationEvent.SETTLE),
            (ReservationStatus.SETTLED, ReservationEvent.RELEASE),
        }
    ),
)


class RiskReservation(Tenant, Base):
    """What one payment order takes of the limits of the day on which it was opened."""

    __tablename__ = "risk_reservations"
    __table_args__ = (
        one_of("status", ReservationStatus),
        CheckConstraint("amount_minor > 0", name="amount_minor"),
        {"info": {"scale": "tenant"}},
    )

    payment_order_id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int]
    channel: Mapped[str]
    amount_minor: Mapped[int]
    day_at: Mapped[datetime]
    status: Mapped[ReservationStatus]


class Switch(StrEnum):
    """What of a merchant can be stopped, each by itself."""

    CHECKOUT = "checkout"  # no payment is opened
    PAYOUTS = "payouts"  # nothing is paid out to him
    REFUNDS = "refunds"  # every refund waits for the platform


class RiskFreeze(Tenant, Base):
    """Whether one thing is stopped, since when, by whom and why; times are real."""

    __tablename__ = "risk_freezes"
    __table_args__ = (
        one_of("switch", Switch),
        CheckConstraint("(frozen_at IS NULL) = (reason = '')", name="reason"),
        {"info": {"scale": "tenant"}},
    )

    switch: Mapped[Switch] = mapped_column(primary_key=True)
    frozen_at: Mapped[datetime | None]
    frozen_by: Mapped[str] = mapped_column(default="", server_default=text("''"))
    reason: Mapped[str] = mapped_column(default="", server_default=text("''"))


class RiskHit(Tenant, Base):
    """Something a rule did not let through: what, how much, and when by the real clock.

    `subject` is whom the rule counts: a customer's public id, a payer's address, a channel, or
    what of the merchant is frozen. `maximum` is the limit as it was, nothing for a freeze. Only a
    payer's address changes: it is emptied once it is no longer kept.
    """

    __tablename__ = "risk_hits"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount_minor"),
        Index("ix_risk_hits_rule", "merchant_id", "rule", "id"),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    rule: Mapped[Rule]
    subject: Mapped[str]
    amount_minor: Mapped[int]
    maximum: Mapped[int | None]
    at: Mapped[datetime]

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, Currency.CNY)

    @property
    def is_forgotten(self) -> bool:
        """Whether it counted a payer whose address is no longer kept."""
        return self.rule in OF_PAYERS and not self.subject
