"""Reading refunds and disputes, and locking them: always after their invoice and their order."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.channels.base import ChannelName
from app.core import db
from app.core.errors import NotFound
from app.core.money import Currency, Money
from app.core.paging import DEFAULT_LIMIT, Page, newest_first
from app.payments.refund_amounts import Part
from app.payments.refund_models import (
    COUNTED,
    UNDER_WAY,
    Dispute,
    DisputeStatus,
    Refund,
    RefundStatus,
)


def get_refund(session: Session, refund_id: int) -> Refund:
    """Return the refund. Raises NotFound."""
    return db.get(session, Refund, refund_id, noun="refund")


def lock_refund(session: Session, refund_id: int) -> Refund:
    """Lock the refund and return it as it is now. Raises NotFound."""
    return db.get_locked(session, Refund, refund_id, noun="refund")


def get_by_refund_no(session: Session, channel: ChannelName, out_refund_no: str) -> Refund:
    """Return the refund that goes by this number at this channel. Raises NotFound."""
    refund = session.scalars(
        select(Refund).where(Refund.out_refund_no == out_refund_no, Refund.channel == channel)
    ).one_or_none()
    if refund is None:
        raise NotFound(f"{channel} has no refund {out_refund_no} of ours")
    return refund


def list_refunds(
    session: Session,
    *,
    invoice_id: int | None = None,
    status: RefundStatus | None = None,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Refund]:
    """Return refunds, newest first; each filter that is given narrows the page. Raises Invalid."""
    statement = select(Refund)
    if invoice_id is not None:
        statement = statement.where(Refund.invoice_id == invoice_id)
    if status is not None:
        statement = statement.where(Refund.status == status)
    return newest_first(session, statement, Refund.id, cursor=cursor, limit=limit)


def list_of_invoice(session: Session, invoice_id: int) -> Sequence[Refund]:
    """Return every refund about an invoice, the first one first."""
    return session.scalars(
        select(Refund).where(Refund.invoice_id == invoice_id).order_by(Refund.id)
    ).all()


def list_of_case(session: Session, case_id: int) -> Sequence[Refund]:
    """Return every attempt to send the money of a case back, the first one first."""
    return session.scalars(
        select(Refund).where(Refund.case_id == case_id).order_by(Refund.id)
    ).all()


def list_counted(session: Session, order_id: int) -> Sequence[Refund]:
    """Return the refunds of a payment that take of it, the first one first."""
    return session.scalars(
        select(Refund)
        .where(Refund.payment_order_id == order_id, Refund.status.in_(COUNTED))
        .order_by(Refund.id)
    ).all()


def given_parts(session: Session, order_id: int) -> list[Part]:
    """Return what of a payment went back or is to: by refunds, and by disputes not won."""
    zero = Money.zero(Currency.CNY)
    refunded = [
        Part(refund.amount, refund.tax, refund.fee, refund.settlement)
        for refund in list_counted(session, order_id)
    ]
    withdrawn = select(Dispute).where(
        Dispute.payment_order_id == order_id, Dispute.status != DisputeStatus.WON
    )
    disputed = [
        Part(dispute.amount, zero, dispute.fee, dispute.settlement)
        for dispute in session.scalars(withdrawn)
    ]
    return refunded + disputed


def lock_due(session: Session, *, now: datetime, limit: int) -> Sequence[Refund]:
    """Lock the refunds whose channel is to be asked, skipping what somebody else holds."""
    return session.scalars(
        select(Refund)
        .where(Refund.next_query_at <= now)
        .order_by(Refund.next_query_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()


def ask_soon(session: Session, order_id: int, *, now: datetime) -> None:
    """Have the channel asked at once about the refunds of a payment that are under way."""
    session.execute(
        update(Refund)
        .where(Refund.payment_order_id == order_id, Refund.status.in_(UNDER_WAY))
        .values(next_query_at=now)
    )


def due_merchants(reader: Session, *, now: datetime) -> Sequence[int]:
    """Return the merchants that have such refunds: asked by the login that reads all."""
    return reader.scalars(
        select(Refund.merchant_id)
        .where(Refund.next_query_at <= now)
        .distinct()
        .execution_options(platform=True)
    ).all()
