"""Money on its way back to payers: refunds, and payments that their channel withdrew."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.channels.base import ChannelName
from app.core.db import Base, Tenant, one_of
from app.core.ids import Prefix, new_id, show
from app.core.money import Currency, Money
from app.core.states import Machine
from app.ledger.journals import MoneyBack


class RefundPurpose(StrEnum):
    INVOICE = "invoice"  # of what an invoice was paid with
    SEND_BACK = "send_back"  # of money that paid nothing


class RefundStatus(StrEnum):
    REQUESTED = "requested"  # waits for the platform's approval; nothing has moved
    REJECTED = "rejected"
    SUBMITTED = "submitted"  # set aside; the channel is being told, or is at it
    ABNORMAL = "abnormal"  # the payer's account does not take it: somebody has to act
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class RefundEvent(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"
    SUCCEED = "succeed"
    STALL = "stall"
    FAIL = "fail"


REFUND = Machine(
    "refund",
    moves={
        (RefundStatus.REQUESTED, RefundEvent.APPROVE): RefundStatus.SUBMITTED,
        (RefundStatus.REQUESTED, RefundEvent.REJECT): RefundStatus.REJECTED,
        (RefundStatus.SUBMITTED, RefundEvent.SUCCEED): RefundStatus.SUCCEEDED,
        (RefundStatus.SUBMITTED, RefundEvent.STALL): RefundStatus.ABNORMAL,
        (RefundStatus.SUBMITTED, RefundEvent.FAIL): RefundStatus.FAILED,
        (RefundStatus.ABNORMAL, RefundEvent.SUCCEED): RefundStatus.SUCCEEDED,
        (RefundStatus.ABNORMAL, RefundEvent.FAIL): RefundStatus.FAILED,
        # The channel is right: money that left after all is booked, whatever we believed.
        (RefundStatus.FAILED, RefundEvent.SUCCEED): RefundStatus.SUCCEEDED,
    },
    repeats=frozenset(
        {
            (RefundStatus.SUBMITTED, RefundEvent.APPROVE),
            (RefundStatus.REJECTED, RefundEvent.REJECT),
            (RefundStatus.ABNORMAL, RefundEvent.STALL),
            (RefundStatus.SUCCEEDED, RefundEvent.SUCCEED),
            # The channel's last word stands: an older answer that arrives later changes nothing.
            (RefundStatus.SUCCEEDED, RefundEvent.STALL),
            (RefundStatus.SUCCEEDED, RefundEvent.FAIL),
            (RefundStatus.FAILED, RefundEvent.FAIL),
            (RefundStatus.FAILED, RefundEvent.STALL),
        }
    ),
)

UNDER_WAY = (RefundStatus.SUBMITTED, RefundStatus.ABNORMAL)
"""Set aside, and not known to have arrived."""

COUNTED = (RefundStatus.REQUESTED, *UNDER_WAY, RefundStatus.SUCCEEDED)
"""What takes of the money that may still go back."""


class Refund(Tenant, Base):
    """One part of a payment that goes back, under our own number at the channel.

    In CNY `amount_minor` is what the payer gets and `tax_minor` the tax within, `fee_minor` what
    we give of it; `settlement_minor` is what the merchant gives, in his settlement currency at the
    rate of the invoice's lock. What is sent back because it paid nothing costs nobody anything.
    `lines` says which lines it is about, if somebody said so. `created_at` is the merchant's time,
    all others are real, `succeeded_at` is the channel's word. `next_query_at` is there for as long
    as the end is not known, or not booked.
    """

    __tablename__ = "refunds"
    __table_args__ = (
        UniqueConstraint("merchant_id", "out_refund_no"),
        UniqueConstraint("merchant_id", "case_id", "attempt", name="uq_refunds_case"),
        ForeignKeyConstraint(
            ["merchant_id", "invoice_id"], ["invoices.merchant_id", "invoices.id"]
        ),
        ForeignKeyConstraint(
            ["merchant_id", "payment_order_id"],
            ["payment_orders.merchant_id", "payment_orders.id"],
        ),
        ForeignKeyConstraint(
            ["merchant_id", "case_id"],
            ["unallocated_payments.merchant_id", "unallocated_payments.id"],
        ),
        CheckConstraint("amount_minor > 0", name="amount_minor"),
        CheckConstraint("fee_minor BETWEEN 0 AND amount_minor", name="fee_minor"),
        CheckConstraint("settlement_minor >= 0", name="settlement_minor"),
        CheckConstraint("tax_minor BETWEEN 0 AND amount_minor", name="tax_minor"),
        CheckConstraint("(purpose = 'send_back') = (case_id IS NOT NULL)", name="case_id"),
        CheckConstraint("(status = 'succeeded') = (succeeded_at IS NOT NULL)", name="succeeded_at"),
        CheckConstraint(
            "status = 'failed' "  # and the channel may say that it paid after all
            "OR (status IN ('submitted', 'abnormal')) = (next_query_at IS NOT NULL)",
            name="next_query_at",
        ),
        one_of("purpose", RefundPurpose),
        one_of("channel", ChannelName),
        one_of("status", RefundStatus),
        Index("ix_refunds_invoice_id", "merchant_id", "invoice_id", "id"),
        Index("ix_refunds_status", "merchant_id", "status", "id"),
        Index("ix_refunds_payment_order_id", "merchant_id", "payment_order_id", "id"),
        Index(
            "ix_refunds_next_query_at",
            "merchant_id",
            "next_query_at",
            postgresql_where=text("next_query_at IS NOT NULL"),
        ),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    purpose: Mapped[RefundPurpose]
    invoice_id: Mapped[int]
    payment_order_id: Mapped[int]
    case_id: Mapped[int | None]
    attempt: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    channel: Mapped[ChannelName]
    out_refund_no: Mapped[str]
    amount_minor: Mapped[int]
    tax_minor: Mapped[int]
    fee_minor: Mapped[int]
    fee_is_returned: Mapped[bool]
    settlement_minor: Mapped[int]
    settlement_currency: Mapped[Currency]
    reason: Mapped[str]
    lines: Mapped[list[Any] | None] = mapped_column(JSONB(none_as_null=True))
    status: Mapped[RefundStatus]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    decided_by: Mapped[str] = mapped_column(default="", server_default="")
    submitted_at: Mapped[datetime | None]
    asked_at: Mapped[datetime | None]
    queries: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    next_query_at: Mapped[datetime | None]
    channel_refund_id: Mapped[str | None]
    trouble: Mapped[str] = mapped_column(default="", server_default="")
    succeeded_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, Currency.CNY)

    @property
    def tax(self) -> Money:
        return Money(self.tax_minor, Currency.CNY)

    @property
    def fee(self) -> Money:
        """What we give of our fee."""
        return Money(self.fee_minor, Currency.CNY)

    @property
    def settlement(self) -> Money:
        """What the merchant gives, in the settlement currency."""
        return Money(self.settlement_minor, self.settlement_currency)

    @property
    def money(self) -> MoneyBack:
        """What the journals of this refund are about."""
        return MoneyBack(
            show(Prefix.REFUND, self.id),
            self.invoice_id,
            self.channel.value,
            self.amount,
            self.fee,
            self.settlement,
        )


class DisputeStatus(StrEnum):
    OPEN = "open"
    WON = "won"
    LOST = "lost"


class DisputeEvent(StrEnum):
    WIN = "win"
    LOSE = "lose"


DISPUTE = Machine(
    "dispute",
    moves={
        (DisputeStatus.OPEN, DisputeEvent.WIN): DisputeStatus.WON,
        (DisputeStatus.OPEN, DisputeEvent.LOSE): DisputeStatus.LOST,
    },
    repeats=frozenset(
        {
            (DisputeStatus.WON, DisputeEvent.WIN),
            (DisputeStatus.LOST, DisputeEvent.LOSE),
        }
    ),
)


class Dispute(Tenant, Base):
    """A payment, or a part of it, that its channel withdrew on the payer's complaint.

    Amounts are those of a refund of as much; `charge_minor`, in the settlement currency, is what
    the dispute itself costs the merchant. `opened_at` and `closed_at` are the merchant's time.
    """

    __tablename__ = "disputes"
    __table_args__ = (
        UniqueConstraint("merchant_id", "channel", "channel_case_no", name="uq_disputes_case_no"),
        ForeignKeyConstraint(
            ["merchant_id", "invoice_id"], ["invoices.merchant_id", "invoices.id"]
        ),
        ForeignKeyConstraint(
            ["merchant_id", "payment_order_id"],
            ["payment_orders.merchant_id", "payment_orders.id"],
        ),
        CheckConstraint("amount_minor > 0", name="amount_minor"),
        CheckConstraint("fee_minor BETWEEN 0 AND amount_minor", name="fee_minor"),
        CheckConstraint("settlement_minor >= 0 AND charge_minor >= 0", name="settlement_minor"),
        CheckConstraint("(status = 'open') = (closed_at IS NULL)", name="closed_at"),
        one_of("channel", ChannelName),
        one_of("status", DisputeStatus),
        Index("ix_disputes_invoice_id", "merchant_id", "invoice_id", "id"),
        Index("ix_disputes_payment_order_id", "merchant_id", "payment_order_id", "id"),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    invoice_id: Mapped[int]
    payment_order_id: Mapped[int]
    channel: Mapped[ChannelName]
    channel_case_no: Mapped[str]
    amount_minor: Mapped[int]
    fee_minor: Mapped[int]
    settlement_minor: Mapped[int]
    settlement_currency: Mapped[Currency]
    charge_minor: Mapped[int]
    reason: Mapped[str]
    status: Mapped[DisputeStatus]
    opened_at: Mapped[datetime]
    opened_by: Mapped[str]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str] = mapped_column(default="", server_default="")

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, Currency.CNY)

    @property
    def settlement(self) -> Money:
        """What is held of the merchant's, in the settlement currency."""
        return Money(self.settlement_minor, self.settlement_currency)

    @property
    def fee(self) -> Money:
        """What we lose of our fee with it."""
        return Money(self.fee_minor, Currency.CNY)

    @property
    def charge(self) -> Money:
        return Money(self.charge_minor, self.settlement_currency)

    @property
    def money(self) -> MoneyBack:
        """What the journals of this dispute are about."""
        return MoneyBack(
            show(Prefix.DISPUTE, self.id),
            self.invoice_id,
            self.channel.value,
            self.amount,
            self.fee,
            self.settlement,
        )
