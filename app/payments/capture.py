"""A buyer paid: turn what a channel verifiably says into a paid invoice, its journals, its events.

The channel is right: money received is always booked. What pays no invoice is put aside (U1). A
payment of what can not be paid, or is paid already, goes back by itself; of any other amount than
was asked for the case stays open until somebody decides.
"""

from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Session

from app.billing import collection
from app.billing.models import Invoice
from app.channels.base import ChannelName, Trade
from app.core import ids
from app.core.db import merchant_of
from app.core.ids import Prefix
from app.core.money import Currency, Money
from app.identity import clocks
from app.ledger import journals, posting
from app.payments import queries, refunds, telling
from app.payments.models import (
    PAYMENT,
    CaseReason,
    PaymentEvent,
    PaymentOrder,
    UnallocatedPayment,
)
from app.risk import reserving
from app.webhooks import emitting
from app.webhooks.catalogue import EventType
from app.webhooks.payloads import Amount, PaymentUnappliedData


class Outcome(StrEnum):
    APPLIED = "applied"  # the invoice is paid
    UNALLOCATED = "unallocated"  # money came that pays nothing; it is put aside
    REPEATED = "repeated"  # this payment was booked before; nothing changed


class NotPaid(ValueError):
    """A trade without money was handed over for booking: a fault in the program, never input."""


def record_capture(
    session: Session, trade: Trade, *, channel: ChannelName, now: datetime
) -> Outcome:
    """Book the payment exactly once, however often and by whichever way we hear of it.

    `now` is the merchant's time, for the books; the order keeps the channel's and the real one.
    Locks the invoice, then the order, until the caller's transaction ends, so that two copies of
    one notice, or two payments of one invoice, can not both pass. Raises NotFound for an order
    that is not ours.
    """
    if trade.paid is None or trade.channel_txn_id is None:
        raise NotPaid(f"{trade.out_trade_no} is {trade.state}")
    order = queries.get_by_trade_no(session, channel, trade.out_trade_no)
    invoice = collection.lock_invoice(session, order.invoice_id)
    order = queries.lock_order(session, order.id)
    if order.channel_txn_id == trade.channel_txn_id:
        return Outcome.REPEATED

    reason = _reason_to_put_aside(order, invoice, trade.paid)
    if reason is not CaseReason.SECOND_TRANSACTION:
        real_now = clocks.to_real(session, now)
        _end(order, trade, trade.paid, real_now=real_now)
        reserving.settle(session, order.id)
    if reason is not None:
        case = UnallocatedPayment(
            merchant_id=merchant_of(session),
            payment_order_id=order.id,
            channel=channel,
            channel_txn_id=trade.channel_txn_id,
            amount_minor=trade.paid.minor,
            currency=trade.paid.currency,
            reason=reason,
            opened_at=now,
        )
        return _put_aside(session, case, invoice, now=now)
    _apply(session, order, invoice, now=now)
    return Outcome.APPLIED


def _end(order: PaymentOrder, trade: Trade, paid: Money, *, real_now: datetime) -> None:
    """Write down what came, by both clocks; what only an open order needs is forgotten."""
    order.status = PAYMENT.after(order.status, PaymentEvent.CAPTURE)
    order.channel_txn_id, order.captured_minor = trade.channel_txn_id, paid.minor
    order.raw_state, order.captured_at = trade.raw_state, trade.paid_at or real_now
    order.credited_at, order.next_query_at = real_now, None
    order.payer_ip = order.openid = ""


def _reason_to_put_aside(order: PaymentOrder, invoice: Invoice, paid: Money) -> CaseReason | None:
    if PAYMENT.is_repeat(order.status, PaymentEvent.CAPTURE):
        return CaseReason.SECOND_TRANSACTION
    if paid != order.amount:
        return CaseReason.AMOUNT_MISMATCH
    if not collection.is_payable(invoice):
        return CaseReason.INVOICE_NOT_PAYABLE
    if paid != invoice.due:  # a credit note has lowered it since the order was opened
        return CaseReason.AMOUNT_MISMATCH
    return None


def _apply(session: Session, order: PaymentOrder, invoice: Invoice, *, now: datetime) -> None:
    """Mark the invoice paid and post T2, T3 and, where currencies change, T4.

    The mark comes first: one that was given up has to be owed again before it is paid.
    """
    collection.mark_paid(session, invoice, now=now)
    captured = journals.payment_captured(invoice.id, order.channel, order.amount)
    posting.post(session, captured, now=now)
    posting.post(session, journals.platform_fee(invoice.id, invoice.platform_fee), now=now)
    if invoice.settlement_currency is not Currency.CNY:
        converted = journals.fx_conversion(
            invoice.id, net=invoice.net, settlement=invoice.settlement
        )
        posting.post(session, converted, now=now)
    reference = ids.show(Prefix.PAYMENT_ORDER, order.id)
    told = telling.payload(order)
    emitting.emit(session, EventType.PAYMENT_SUCCEEDED, told, reference=reference, now=now)


def _put_aside(
    session: Session, case: UnallocatedPayment, invoice: Invoice, *, now: datetime
) -> Outcome:
    """Post U1, open the case and say so. The ledger's key decides whether this is a copy."""
    reference = f"{case.channel}:{case.channel_txn_id}"
    journal = journals.payment_unallocated(
        reference, case.channel, amount=case.amount, invoice_id=invoice.id
    )
    if not posting.post(session, journal, now=now):
        return Outcome.REPEATED
    session.add(case)
    if case.reason is CaseReason.INVOICE_NOT_PAYABLE and case.currency is Currency.CNY:
        session.flush()  # what sends it back refers to it
        refunds.send_back(session, case, now=now)
    data = PaymentUnappliedData(
        invoice_id=ids.show(Prefix.INVOICE, invoice.id),
        payment_order_id=ids.show(Prefix.PAYMENT_ORDER, case.payment_order_id),
        channel=case.channel.value,
        channel_transaction_id=case.channel_txn_id,
        amount=Amount.of(case.amount),
        reason=case.reason.value,
    )
    emitting.emit(session, EventType.PAYMENT_UNAPPLIED, data, reference=reference, now=now)
    return Outcome.UNALLOCATED
