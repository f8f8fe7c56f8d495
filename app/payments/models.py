"""Attempts to pay, what the channels told us, and money that found no invoice."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.channels.base import ChannelName, Method
from app.core.db import Base, Tenant, one_of
from app.core.ids import new_id
from app.core.money import Currency, Money
from app.core.states import Machine


class PaymentStatus(StrEnum):
    CREATED = "created"  # written down; the channel may or may not know it
    PENDING = "pending"  # the channel handed out what the payer needs
    CAPTURED = "captured"
    CLOSED = "closed"


class PaymentEvent(StrEnum):
    SUBMIT = "submit"
    CAPTURE = "capture"
    CLOSE = "close"


PAYMENT = Machine(
    "payment order",
    moves={
        (PaymentStatus.CREATED, PaymentEvent.SUBMIT): PaymentStatus.PENDING,
        (PaymentStatus.PENDING, PaymentEvent.CAPTURE): PaymentStatus.CAPTURED,
        # Money received is booked whatever we believed: we crashed after asking, or it came late.
        (PaymentStatus.CREATED, PaymentEvent.CAPTURE): PaymentStatus.CAPTURED,
        (PaymentStatus.CLOSED, PaymentEvent.CAPTURE): PaymentStatus.CAPTURED,
        (PaymentStatus.CREATED, PaymentEvent.CLOSE): PaymentStatus.CLOSED,
        (PaymentStatus.PENDING, PaymentEvent.CLOSE): PaymentStatus.CLOSED,
    },
    repeats=frozenset(
        {
            (PaymentStatus.CAPTURED, PaymentEvent.CAPTURE),
            (PaymentStatus.CLOSED, PaymentEvent.CLOSE),
        }
    ),
)


_IS_OPEN = "status IN ('created', 'pending')"


class PaymentOrder(Tenant, Base):
    """One attempt to pay an invoice through a channel, under our own number there.

    `payload` is what the channel handed out for the payer. `payer_ip` and `openid` are kept only
    while the order is open, to ask the channel for the very same again. All its times are real
    ones: `captured_at` and `raw_state` are the channel's word, `credited_at` is when we booked.
    `next_query_at` is there for as long as we do not know the end: then the channel is asked,
    `queries` times so far. Of what was captured `refunded_minor` went back or is to,
    `disputed_minor` the channel withdrew.
    """

    __tablename__ = "payment_orders"
    __table_args__ = (
        UniqueConstraint("merchant_id", "out_trade_no"),
        ForeignKeyConstraint(
            ["merchant_id", "invoice_id"], ["invoices.merchant_id", "invoices.id"]
        ),
        CheckConstraint("amount_minor > 0", name="amount_minor"),
        CheckConstraint("(status = 'captured') = (captured_at IS NOT NULL)", name="captured_at"),
        CheckConstraint("(status = 'captured') = (credited_at IS NOT NULL)", name="credited_at"),
        CheckConstraint("(payload IS NULL) = (payload_at IS NULL)", name="payload_at"),
        CheckConstraint(f"{_IS_OPEN} OR (payer_ip = '' AND openid = '')", name="payer"),
        CheckConstraint(
            "refunded_minor >= 0 AND disputed_minor >= 0 "
            "AND refunded_minor + disputed_minor <= coalesce(captured_minor, 0)",
            name="refunded_minor",
        ),
        one_of("status", PaymentStatus),
        one_of("channel", ChannelName),
        one_of("method", Method),
        Index("ix_payment_orders_invoice_id", "merchant_id", "invoice_id", "id"),
        Index(
            "uq_payment_orders_open",
            "merchant_id",
            "invoice_id",
            "channel",
            "method",
            unique=True,
            postgresql_where=text(_IS_OPEN),
        ),
        Index(
            "ix_payment_orders_next_query_at",
            "merchant_id",
            "next_query_at",
            postgresql_where=text("next_query_at IS NOT NULL"),
        ),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    invoice_id: Mapped[int]
    channel: Mapped[ChannelName]
    method: Mapped[Method]
    out_trade_no: Mapped[str]
    amount_minor: Mapped[int]
    status: Mapped[PaymentStatus]
    payload: Mapped[str | None]
    payload_at: Mapped[datetime | None]
    payer_ip: Mapped[str] = mapped_column(default="", server_default="")
    openid: Mapped[str] = mapped_column(default="", server_default="")
    return_url: Mapped[str] = mapped_column(default="", server_default="")
    expires_at: Mapped[datetime]
    channel_txn_id: Mapped[str | None]
    captured_minor: Mapped[int | None]
    captured_at: Mapped[datetime | None]
    raw_state: Mapped[str] = mapped_column(default="", server_default="")
    credited_at: Mapped[datetime | None]
    refunded_minor: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    disputed_minor: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    queries: Mapped[int] = mapped_column(default=0)
    queried_at: Mapped[datetime | None]
    next_query_at: Mapped[datetime | None]
    created_at: Mapped[datetime]

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, Currency.CNY)


class ChannelCallback(Base):
    """A verified call of a channel, as received; its notice id makes a copy harmless.

    `booked_at` is there once it, or a copy of it, was acted upon. Times are real.
    """

    __tablename__ = "channel_callbacks"
    __table_args__ = (
        Index(
            "ix_channel_callbacks_unbooked",
            "received_at",
            postgresql_where=text("booked_at IS NULL"),
        ),
        {"info": {"scale": "global"}},
    )

    channel: Mapped[ChannelName] = mapped_column(primary_key=True)
    notice_id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[int | None]
    headers: Mapped[dict[str, Any]]
    body: Mapped[bytes]
    received_at: Mapped[datetime]
    booked_at: Mapped[datetime | None]


class CaseReason(StrEnum):
    AMOUNT_MISMATCH = "amount_mismatch"  # another amount or currency than we asked for
    INVOICE_NOT_PAYABLE = "invoice_not_payable"  # paid by another order before, or void
    SECOND_TRANSACTION = "second_transaction"  # one order, paid twice


class CaseStatus(StrEnum):
    OPEN = "open"
    RETURNED = "returned"  # it went back to who had sent it
    KEPT = "kept"  # an operator decided otherwise, and said what


class CaseEvent(StrEnum):
    RETURN = "return"
    KEEP = "keep"


CASE = Machine(
    "case",
    moves={
        (CaseStatus.OPEN, CaseEvent.RETURN): CaseStatus.RETURNED,
        (CaseStatus.OPEN, CaseEvent.KEEP): CaseStatus.KEPT,
        # The channel is right: it sent the money back after all, whatever we believed.
        (CaseStatus.KEPT, CaseEvent.RETURN): CaseStatus.RETURNED,
    },
)


class UnallocatedPayment(Tenant, Base):
    """Money that came and paid nothing: booked aside (U1), with the case somebody must close."""

    __tablename__ = "unallocated_payments"
    __table_args__ = (
        UniqueConstraint(
            "merchant_id", "channel", "channel_txn_id", name="uq_unallocated_payments_txn"
        ),
        CheckConstraint("(status = 'open') = (closed_at IS NULL)", name="closed_at"),
        one_of("status", CaseStatus),
        one_of("reason", CaseReason),
        ForeignKeyConstraint(
            ["merchant_id", "payment_order_id"],
            ["payment_orders.merchant_id", "payment_orders.id"],
        ),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    payment_order_id: Mapped[int]
    channel: Mapped[ChannelName]
    channel_txn_id: Mapped[str]
    amount_minor: Mapped[int]
    currency: Mapped[Currency]
    reason: Mapped[CaseReason]
    status: Mapped[CaseStatus] = mapped_column(default=CaseStatus.OPEN)
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(default="", server_default="")

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)
