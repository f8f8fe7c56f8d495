"""Open a payment: an order in our books first, then the channel's QR code."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.billing import collection
from app.billing import queries as invoices
from app.channels.base import Ask, Channel, ChannelName, Method
from app.core import ids
from app.core.db import Transaction, merchant_of
from app.core.errors import Conflict
from app.identity import clocks
from app.payments import healing, queries
from app.payments.models import PAYMENT, PaymentEvent, PaymentOrder, PaymentStatus
from app.payments.trade_numbers import new_trade_no

QR_LIFETIME = timedelta(minutes=15)
_QR_CODE = {ChannelName.WECHAT: Method.NATIVE, ChannelName.ALIPAY: Method.PRECREATE}


class InvoiceNotPayable(Conflict):
    code = "invoice_not_payable"


class InvoiceOutdated(Conflict):
    """The exchange rates it locked are too old to be paid at."""

    code = "invoice_outdated"


class NothingToPay(Conflict):
    code = "nothing_to_pay"


@dataclass(frozen=True, slots=True)
class Opening:
    """An order that waits for its payer: draw `qr_payload` as a QR code."""

    order_id: int
    method: Method
    qr_payload: str
    expires_at: datetime


def open_payment(
    transaction: Transaction,
    channel: Channel,
    invoice_id: int,
    *,
    notify_url: str,
    now: datetime,
) -> Opening:
    """Open a payment order for the invoice at `channel`, or return the one that is open there.

    `now` is real. The channel is asked between transactions: no row is locked while we wait for
    it. Without its answer the order stays `created`: whoever comes next, the payer or
    `jobs.payments`, asks about it before anything else is tried, so there is never a second one.

    Raises NotFound, InvoiceNotPayable, InvoiceOutdated, NothingToPay, ChannelUnavailable and
    ChannelRefused.
    """
    with transaction() as session:
        left = _find_unsettled(session, invoice_id, channel, now=now)
    if left is not None:
        healing.settle(transaction, channel, left, now=now)

    with transaction() as session:
        order = _find_or_write(session, invoice_id, channel, now=now)
        if order.qr_payload is not None:
            return _opening(order, order.qr_payload)
        ask = _ask(session, order, notify_url)
    opened = channel.open(ask, now=now)

    with transaction() as session:
        order = queries.lock_order(session, order.id)
        if PAYMENT.allows(order.status, PaymentEvent.SUBMIT):
            order.status = PAYMENT.after(order.status, PaymentEvent.SUBMIT)
            order.qr_payload = opened.payload
        return _opening(order, opened.payload)


def _find_unsettled(
    session: Session, invoice_id: int, channel: Channel, *, now: datetime
) -> healing.Question | None:
    """Return the order whose end has to be known first: no answer yet, or past its time."""
    order = queries.find_newest(session, invoice_id, channel.name)
    if order is None or order.status not in queries.OPEN:
        return None
    is_waiting = order.status is PaymentStatus.PENDING and now < order.expires_at
    return None if is_waiting else healing.Question.about(order)


def _find_or_write(
    session: Session, invoice_id: int, channel: Channel, *, now: datetime
) -> PaymentOrder:
    """Return the open order, or write down a new one; the invoice's lock lets one in at a time."""
    invoice = collection.lock_invoice(session, invoice_id)
    if not collection.is_payable(invoice):
        raise InvoiceNotPayable(f"an invoice that is {invoice.status} can not be paid")
    if not invoice.due:
        raise NothingToPay("nothing is due on this invoice")
    if collection.is_outdated(invoice, now=now + clocks.get_merchant(session).clock_offset):
        raise InvoiceOutdated("its rates held for 30 days; it is to be issued anew")
    order = queries.find_newest(session, invoice_id, channel.name)
    if order is not None and order.status in queries.OPEN and now < order.expires_at:
        return order
    order = PaymentOrder(
        merchant_id=merchant_of(session),
        id=ids.new_id(),
        invoice_id=invoice.id,
        channel=channel.name,
        method=_QR_CODE[channel.name],
        out_trade_no=new_trade_no(merchant_of(session)),
        amount_minor=invoice.due_minor,
        status=PaymentStatus.CREATED,
        expires_at=now + QR_LIFETIME,
        queries=0,
        next_query_at=now + healing.LADDER[0],
        created_at=now,
    )
    session.add(order)
    return order


def _ask(session: Session, order: PaymentOrder, notify_url: str) -> Ask:
    """Return what the channel is asked for: the same every time this order is asked for."""
    merchant = clocks.get_merchant(session)
    invoice = invoices.get_invoice(session, order.invoice_id)
    return Ask(
        out_trade_no=order.out_trade_no,
        amount=order.amount,
        description=f"{merchant.name} {invoice.number}",
        expires_at=order.expires_at,
        notify_url=notify_url,
        attach=ids.show_merchant(order.merchant_id),
        method=order.method,
    )


def _opening(order: PaymentOrder, qr_payload: str) -> Opening:
    return Opening(order.id, order.method, qr_payload, order.expires_at)
