"""A refund on its way: what moves, moves with its status, and the channel's word decides.

Set aside when it is submitted (F1), gone when the channel has paid it (F2), back when it never
will. Money that paid nothing leaves its account when the channel has returned it (U2).
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec.structs import asdict
from sqlalchemy.orm import Session

from app.billing import collection, fapiao
from app.billing import queries as invoices
from app.billing.models import INVOICE, Invoice, InvoiceEvent
from app.channels import base as channels
from app.channels.base import RefundState
from app.core import clock, db, ids, outbox
from app.core.ids import Prefix
from app.core.money import Currency, Money
from app.customers import queries as customers
from app.identity import clocks
from app.ledger import journals, posting
from app.payments import queries, refund_queries
from app.payments.models import CASE, CaseEvent, PaymentOrder, UnallocatedPayment
from app.payments.refund_amounts import left_to_refund
from app.payments.refund_models import REFUND, Refund, RefundEvent, RefundPurpose, RefundStatus
from app.webhooks import emitting
from app.webhooks.catalogue import EventType
from app.webhooks.payloads import Amount, InvoiceRefundedData, RefundData

SETTLE = "jobs.refunds.settle"
TELL = "jobs.refunds.mail"
_UNTIL_THERE_IS_ROOM = timedelta(minutes=5)
_TOLD_OF_REFUND = "款项已退回 The payment was refunded"


class Locked(NamedTuple):
    """A refund with its invoice and the payment it is of, all of them locked."""

    refund: Refund
    invoice: Invoice
    order: PaymentOrder

    @property
    def has_room(self) -> bool:
        """Whether what it takes is held for it, or can be."""
        if self.refund.status is not RefundStatus.FAILED:
            return True
        taken = self.order.refunded_minor + self.order.disputed_minor
        left = Money((self.order.captured_minor or 0) - taken, Currency.CNY)
        if self.refund.purpose is RefundPurpose.INVOICE:
            left = min(left, left_to_refund(self.invoice))
        return not self.refund.amount > left

    def hold(self) -> None:
        """Count the refund against what is left of its payment."""
        self._count(self.refund.amount_minor)

    def let_go(self) -> None:
        """Count the refund no more: what it held may be asked for again."""
        self._count(-self.refund.amount_minor)

    def _count(self, minor: int) -> None:
        self.order.refunded_minor += minor
        if self.refund.purpose is RefundPurpose.INVOICE:
            self.invoice.claimed_minor += minor


def submit(session: Session, refund: Refund, *, now: datetime) -> None:
    """Set the money of a refund aside (F1) and owe telling its channel.

    `now` is the merchant's time. Raises IllegalMove.
    """
    real_now = clocks.to_real(session, now)
    refund.status = REFUND.after(refund.status, RefundEvent.APPROVE)
    refund.submitted_at = refund.next_query_at = real_now
    if refund.purpose is RefundPurpose.INVOICE:
        posting.post(session, journals.refund_submitted(refund.money), now=now)
    outbox.owe(session, SETTLE, now=real_now, refund=ids.show(Prefix.REFUND, refund.id))


def record(
    session: Session, refund_id: int, answer: channels.Refund, *, now: datetime
) -> RefundStatus:
    """Do what the channel says of a refund, once, however often it says so; return its status.

    `now` is the merchant's time. Locks invoice, order and refund. Raises NotFound.
    """
    locked = lock(session, refund_id)
    refund = locked.refund
    refund.channel_refund_id = answer.channel_refund_id or refund.channel_refund_id
    if answer.state is RefundState.SUCCEEDED and answer.amount not in {None, refund.amount}:
        _stall(refund, f"the channel refunded {answer.amount}, not {refund.amount}")
    elif answer.state is RefundState.SUCCEEDED and not locked.has_room:
        _wait_for_room(refund)
    elif answer.state is RefundState.SUCCEEDED:
        if refund.status is RefundStatus.FAILED:
            _recover(session, locked, now=now)
        refund.succeeded_at = refund.succeeded_at or answer.succeeded_at or clock.now()
        _succeed(session, locked, now=now)
    elif answer.state is RefundState.ABNORMAL:
        _stall(refund, answer.raw_state)
    elif answer.state is RefundState.FAILED:
        _fail(session, locked, why=answer.raw_state, now=now)
    return refund.status


def record_refusal(session: Session, refund_id: int, why: str, *, now: datetime) -> RefundStatus:
    """Write down that the channel refuses a refund for good: what was set aside is back."""
    locked = lock(session, refund_id)
    _fail(session, locked, why=why, now=now)
    return locked.refund.status


def lock(session: Session, refund_id: int) -> Locked:
    """Lock a refund after its invoice and its order. Raises NotFound."""
    found = refund_queries.get_refund(session, refund_id)
    invoice = collection.lock_invoice(session, found.invoice_id)
    order = queries.lock_order(session, found.payment_order_id)
    return Locked(refund_queries.lock_refund(session, refund_id), invoice, order)


def emit(session: Session, event_type: EventType, refund: Refund, *, now: datetime) -> None:
    """Tell of a refund, once for each type of event."""
    reference = ids.show(Prefix.REFUND, refund.id)
    emitting.emit(session, event_type, payload(refund), reference=reference, now=now)


def payload(refund: Refund) -> RefundData:
    """Return a refund as events tell of it."""
    return RefundData(
        refund_id=ids.show(Prefix.REFUND, refund.id),
        status=refund.status.value,
        purpose=refund.purpose.value,
        invoice_id=ids.show(Prefix.INVOICE, refund.invoice_id),
        payment_order_id=ids.show(Prefix.PAYMENT_ORDER, refund.payment_order_id),
        channel=refund.channel.value,
        reason=refund.reason,
        trouble=refund.trouble or None,
        channel_refund_id=refund.channel_refund_id,
        amount=Amount.of(refund.amount),
        tax=Amount.of(refund.tax),
        platform_fee_returned=Amount.of(refund.fee),
        settlement=Amount.of(refund.settlement),
    )


def _wait_for_room(refund: Refund) -> None:
    """Have the channel asked on about a refund that it paid after all, until that can be booked.

    Something else was given the money since. What the channel still refuses of it makes room; if
    it does not, an operator sees it.
    """
    refund.trouble = "the channel paid this after all, and what it paid is held for something else"
    refund.next_query_at = clock.now() + _UNTIL_THERE_IS_ROOM


def _recover(session: Session, locked: Locked, *, now: datetime) -> None:
    """Set the money of a refund aside again that was thought to have failed."""
    locked.hold()
    if locked.refund.purpose is RefundPurpose.INVOICE:
        posting.post(session, journals.refund_recovered(locked.refund.money), now=now)


def _succeed(session: Session, locked: Locked, *, now: datetime) -> None:
    """Book that the payer has the money."""
    refund = locked.refund
    if REFUND.is_repeat(refund.status, RefundEvent.SUCCEED):
        return
    refund.status = REFUND.after(refund.status, RefundEvent.SUCCEED)
    refund.ended_at, refund.next_query_at, refund.trouble = clock.now(), None, ""
    if refund.purpose is RefundPurpose.SEND_BACK:
        _close_case(session, refund, now=now)
    else:
        posting.post(session, journals.refund_succeeded(refund.money), now=now)
        _mark_refunded(session, locked.invoice, refund, now=now)
    emit(session, EventType.REFUND_SUCCEEDED, refund, now=now)


def _mark_refunded(session: Session, invoice: Invoice, refund: Refund, *, now: datetime) -> None:
    """Let the invoice say what of it went back, and tell merchant, buyer and fapiao."""
    refunded = invoice.refunded_minor + refund.amount_minor
    is_all = refunded == invoice.due_minor
    event = InvoiceEvent.REFUND_ALL if is_all else InvoiceEvent.REFUND_PART
    invoice.status = INVOICE.after(invoice.status, event)
    invoice.refunded_minor = refunded
    customer = customers.get_customer(session, invoice.customer_id)
    told = InvoiceRefundedData(
        **asdict(collection.payload(invoice, customer, invoices.lines_of(session, invoice))),
        refunded=Amount.of(Money(refunded, Currency.CNY)),
        refund=payload(refund),
    )
    reference = ids.show(Prefix.REFUND, refund.id)
    emitting.emit(session, EventType.INVOICE_REFUNDED, told, reference=reference, now=now)
    fapiao.follow_correction(session, invoice, reason=_TOLD_OF_REFUND, now=now)
    real_now = clocks.to_real(session, now)
    outbox.owe(session, TELL, now=real_now, refund=ids.show(Prefix.REFUND, refund.id))


def _close_case(session: Session, refund: Refund, *, now: datetime) -> None:
    journal = journals.payment_returned(
        ids.show(Prefix.REFUND, refund.id),
        refund.channel.value,
        amount=refund.amount,
        invoice_id=refund.invoice_id,
    )
    posting.post(session, journal, now=now)
    case = db.get_locked(session, UnallocatedPayment, refund.case_id or 0, noun="case")
    case.status = CASE.after(case.status, CaseEvent.RETURN)
    case.closed_at = now


def _stall(refund: Refund, why: str) -> None:
    """Note that somebody has to act; the channel is asked on, for it may end well."""
    if not REFUND.is_repeat(refund.status, RefundEvent.STALL):
        refund.status = REFUND.after(refund.status, RefundEvent.STALL)
    if refund.next_query_at is not None:
        refund.trouble = why


def _fail(session: Session, locked: Locked, *, why: str, now: datetime) -> None:
    refund = locked.refund
    if not REFUND.is_repeat(refund.status, RefundEvent.FAIL):
        refund.status = REFUND.after(refund.status, RefundEvent.FAIL)
        refund.trouble, refund.ended_at, refund.next_query_at = why, clock.now(), None
        locked.let_go()
        if refund.purpose is RefundPurpose.INVOICE:
            posting.post(session, journals.refund_failed(refund.money), now=now)
        emit(session, EventType.REFUND_FAILED, refund, now=now)
    elif refund.status is RefundStatus.FAILED:
        refund.next_query_at = None
