"""Reading payment orders, and locking them: always after their invoice."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, exists, select
from sqlalchemy.orm import Session

from app.channels.base import ChannelName, Method
from app.core import db
from app.core.errors import NotFound
from app.core.paging import DEFAULT_LIMIT, Page, newest_first
from app.payments.models import (
    PaymentOrder,
    PaymentStatus,
    UnallocatedPayment,
)

OPEN = (PaymentStatus.CREATED, PaymentStatus.PENDING)
"""The statuses in which we do not know the end yet."""


def get_order(session: Session, order_id: int) -> PaymentOrder:
    """Return the order. Raises NotFound."""
    return db.get(session, PaymentOrder, order_id, noun="payment order")


def lock_order(session: Session, order_id: int) -> PaymentOrder:
    """Lock the order and return it as it is now. Raises NotFound."""
    return db.get_locked(session, PaymentOrder, order_id, noun="payment order")


def get_by_trade_no(session: Session, channel: ChannelName, out_trade_no: str) -> PaymentOrder:
    """Return the order that goes by this number at this channel. Raises NotFound."""
    order = session.scalars(
        select(PaymentOrder).where(
            PaymentOrder.out_trade_no == out_trade_no, PaymentOrder.channel == channel
        )
    ).one_or_none()
    if order is None:
        raise NotFound(f"{channel} has no order {out_trade_no} of ours")
    return order


def find_newest(
    session: Session,
    invoice_id: int,
    channel: ChannelName | None = None,
    *,
    method: Method | None = None,
) -> PaymentOrder | None:
    """Return the last attempt to pay the invoice: at one channel, by one method, or any."""
    statement = select(PaymentOrder).where(PaymentOrder.invoice_id == invoice_id)
    if channel is not None:
        statement = statement.where(PaymentOrder.channel == channel)
    if method is not None:
        statement = statement.where(PaymentOrder.method == method)
    return session.scalars(statement.order_by(PaymentOrder.id.desc()).limit(1)).one_or_none()


def find_return_url(session: Session, invoice_id: int) -> str:
    """Return the page the merchant last wanted a payer of the invoice to go back to, or ""."""
    said = select(PaymentOrder.return_url).where(
        PaymentOrder.invoice_id == invoice_id, PaymentOrder.return_url != ""
    )
    return session.scalar(said.order_by(PaymentOrder.id.desc()).limit(1)) or ""


def find_paying(session: Session, invoice_id: int) -> PaymentOrder | None:
    """Return the order whose money paid the invoice: captured, and not put aside."""
    was_put_aside = exists().where(
        UnallocatedPayment.merchant_id == PaymentOrder.merchant_id,
        UnallocatedPayment.payment_order_id == PaymentOrder.id,
        UnallocatedPayment.channel_txn_id == PaymentOrder.channel_txn_id,
    )
    return session.scalars(
        select(PaymentOrder).where(
            PaymentOrder.invoice_id == invoice_id,
            PaymentOrder.status == PaymentStatus.CAPTURED,
            ~was_put_aside,
        )
    ).one_or_none()


def list_of_invoice(session: Session, invoice_id: int) -> Sequence[PaymentOrder]:
    """Return every attempt to pay the invoice, the first one first."""
    return session.scalars(
        select(PaymentOrder).where(PaymentOrder.invoice_id == invoice_id).order_by(PaymentOrder.id)
    ).all()


def list_orders(
    session: Session,
    *,
    invoice_id: int | None = None,
    status: PaymentStatus | None = None,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[PaymentOrder]:
    """Return orders, newest first; each filter that is given narrows the page. Raises Invalid."""
    statement = select(PaymentOrder)
    if invoice_id is not None:
        statement = statement.where(PaymentOrder.invoice_id == invoice_id)
    if status is not None:
        statement = statement.where(PaymentOrder.status == status)
    return newest_first(session, statement, PaymentOrder.id, cursor=cursor, limit=limit)


def list_open(session: Session, invoice_id: int) -> Sequence[PaymentOrder]:
    """Return the orders of the invoice whose end we do not know yet, the first one first."""
    return [order for order in list_of_invoice(session, invoice_id) if order.status in OPEN]


def list_unallocated(session: Session) -> Sequence[UnallocatedPayment]:
    """Return the money that paid nothing, the oldest case first."""
    return session.scalars(select(UnallocatedPayment).order_by(UnallocatedPayment.id)).all()


def list_aside(session: Session, invoice_id: int) -> Sequence[UnallocatedPayment]:
    """Return the money that came for the invoice and paid nothing, the oldest case first."""
    of_invoice = (
        UnallocatedPayment.merchant_id == PaymentOrder.merchant_id,
        UnallocatedPayment.payment_order_id == PaymentOrder.id,
    )
    return session.scalars(
        select(UnallocatedPayment)
        .join(PaymentOrder, and_(*of_invoice))
        .where(PaymentOrder.invoice_id == invoice_id)
        .order_by(UnallocatedPayment.id)
    ).all()


def lock_due(session: Session, *, now: datetime, limit: int) -> Sequence[PaymentOrder]:
    """Lock the orders whose channel is to be asked, skipping what somebody else holds."""
    return session.scalars(
        select(PaymentOrder)
        .where(PaymentOrder.next_query_at <= now)
        .order_by(PaymentOrder.next_query_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()


def due_merchants(reader: Session, *, now: datetime) -> Sequence[int]:
    """Return the merchants that have such orders: asked by the login that reads all."""
    return reader.scalars(
        select(PaymentOrder.merchant_id)
        .where(PaymentOrder.next_query_at <= now)
        .distinct()
        .execution_options(platform=True)
    ).all()
