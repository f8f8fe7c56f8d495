"""Asking for refunds: what may go back, who lets it, and money that goes back by itself.

Of a payment only so much goes back as was captured: judged on the payment order's own row, under
the lock of its invoice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from sqlalchemy.orm import Session

from app.audit import recording
from app.audit.recording import SYSTEM, Actor, Change
from app.billing import collection
from app.billing import queries as invoices
from app.billing.models import WAS_PAID, Invoice
from app.core import clock, ids
from app.core.errors import Conflict
from app.core.ids import Prefix
from app.core.money import Currency, Money
from app.core.text import clean_name
from app.identity import clocks
from app.payments import queries, refund_moves, refund_queries
from app.payments.models import CaseReason, CaseStatus, PaymentOrder, UnallocatedPayment
from app.payments.refund_amounts import (
    BadRefund,
    Part,
    amount_to_refund,
    check_lines,
    left_to_refund,
    next_part,
    total_of,
)
from app.payments.refund_models import (
    REFUND,
    Refund,
    RefundEvent,
    RefundPurpose,
    RefundStatus,
)
from app.payments.refund_moves import Locked
from app.payments.trade_numbers import new_trade_no
from app.risk import approvals
from app.webhooks.catalogue import EventType

REASON_LENGTH = 80
"""Characters of a reason: what WeChat Pay shows the payer."""

MOST_PARTS = 50
CHANNELS_WINDOW = timedelta(days=365)
"""What channels allow: WeChat Pay 50 refunds of a payment, both of them a year."""

_REASON_TO_SEND_BACK = "重复付款退回 Returned: it paid nothing"


class NotRefundable(Conflict):
    """No channel was paid: what a balance or a credit note paid goes back by a credit note."""

    code = "not_refundable"


class RefundWindowOver(Conflict):
    code = "refund_window_over"


class TooManyRefunds(Conflict):
    code = "too_many_refunds"


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """What to pay back: an amount in fen, or all that is left.

    `lines` may say which lines it is about, by position; then they add up to it.
    """

    reason: str
    amount: Money | None = None
    lines: Mapping[int, Money] | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """What a refund comes to as things are: nothing is written.

    `part.amount` goes to the payer, `part.fee` we give, `part.settlement` the merchant.
    """

    order: PaymentOrder
    part: Part
    left: Money
    window_ends_at: datetime
    fee_is_returned: bool


def work_out(
    session: Session, invoice: Invoice, request: RefundRequest, *, now: datetime
) -> Preview:
    """Return what a refund of the invoice would come to; `now` is the merchant's time.

    Raises NotRefundable, RefundWindowOver, TooManyRefunds, RefundTooLarge and BadRefund.
    """
    order = queries.find_paying(session, invoice.id) if invoice.status in WAS_PAID else None
    if order is None or invoice.paid_at is None:
        raise NotRefundable(f"no channel holds money of an invoice that is {invoice.status}")
    merchant = clocks.get_merchant(session)
    window = min(timedelta(days=merchant.refund_window_days), CHANNELS_WINDOW)
    if now > invoice.paid_at + window:
        raise RefundWindowOver(f"a payment can be refunded for {window.days} days")
    parts = refund_queries.list_counted(session, order.id)
    if len(parts) >= MOST_PARTS:
        raise TooManyRefunds(f"a payment can be refunded in at most {MOST_PARTS} parts")
    left = left_to_refund(invoice)
    amount = amount_to_refund(request.amount, left=left)
    if request.lines is not None:
        _check_lines(session, invoice, request.lines, amount=amount)
    # The first refund of a payment decides for all of them, so that together they add up.
    fee_is_returned = parts[0].fee_is_returned if parts else merchant.returns_fee
    whole = whole_of(invoice, order)
    given = total_of(refund_queries.given_parts(session, order.id), whole)
    part = next_part(whole, given, amount, fee_is_returned=fee_is_returned)
    return Preview(order, part, left, invoice.paid_at + window, fee_is_returned)


def whole_of(invoice: Invoice, order: PaymentOrder) -> Part:
    """Return what the payment that paid an invoice came to; its tax in the proportion of CNY."""
    amount = Money(order.captured_minor or 0, Currency.CNY)
    taxed = Fraction(invoice.tax_minor, invoice.total_minor) if invoice.total_minor else 0
    tax = Money.rounded(amount.minor * taxed, Currency.CNY)
    return Part(amount, tax, invoice.platform_fee, invoice.settlement)


def request_refund(
    session: Session,
    invoice_id: int,
    request: RefundRequest,
    *,
    actor: Actor,
    now: datetime,
) -> Refund:
    """Write a refund down; unless risk has the platform approve it, set its money aside at once.

    Locks the invoice, then its payment order; what risk counts comes last. The channel is told by
    a job, so a crash loses nothing. Emits `refund.created`. Raises NotFound, InvalidText and what
    `work_out` raises.
    """
    reason = clean_name(request.reason, path="reason", max_length=REASON_LENGTH)
    invoice = collection.lock_invoice(session, invoice_id)
    preview = work_out(session, invoice, request, now=now)
    order = queries.lock_order(session, preview.order.id)
    part = preview.part
    refund = _new(order, RefundPurpose.INVOICE, part.amount, reason=reason, actor=actor, now=now)
    refund.tax_minor, refund.fee_minor = part.tax.minor, part.fee.minor
    refund.fee_is_returned = preview.fee_is_returned
    refund.settlement_minor = part.settlement.minor
    refund.settlement_currency = part.settlement.currency
    if request.lines is not None:
        refund.lines = [
            {"position": position, "amount": amount.minor}
            for position, amount in sorted(request.lines.items())
        ]
    session.add(refund)
    Locked(refund, invoice, order).hold()
    session.flush()  # events and journals name it
    _audit(session, refund, "refund.request", actor=actor, now=now)
    refund_moves.emit(session, EventType.REFUND_CREATED, refund, now=now)
    real_now = clocks.to_real(session, now)
    if not approvals.must_be_approved(session, part.amount, now=real_now):
        refund_moves.submit(session, refund, now=now)
    return refund


def approve(session: Session, refund_id: int, *, actor: Actor, now: datetime) -> Refund:
    """Let a refund that waits for it be paid back. Raises NotFound and IllegalMove."""
    refund = refund_moves.lock(session, refund_id).refund
    if not REFUND.is_repeat(refund.status, RefundEvent.APPROVE):
        refund_moves.submit(session, refund, now=now)
        refund.decided_by = actor.name
        _audit(session, refund, "refund.approve", actor=actor, now=now)
    return refund


def reject(session: Session, refund_id: int, *, reason: str, actor: Actor, now: datetime) -> Refund:
    """Refuse a refund that waits for approval; its money may be asked for again.

    Raises NotFound, InvalidText and IllegalMove.
    """
    locked = refund_moves.lock(session, refund_id)
    refund = locked.refund
    if REFUND.is_repeat(refund.status, RefundEvent.REJECT):
        return refund
    refund.status = REFUND.after(refund.status, RefundEvent.REJECT)
    refund.trouble = clean_name(reason, path="reason")
    refund.decided_by, refund.ended_at = actor.name, clock.now()
    locked.let_go()
    _audit(session, refund, "refund.reject", actor=actor, now=now)
    refund_moves.emit(session, EventType.REFUND_FAILED, refund, now=now)
    return refund


def send_back(
    session: Session, case: UnallocatedPayment, *, actor: Actor = SYSTEM, now: datetime
) -> Refund:
    """Return money that paid nothing to who had sent it: all of it, at nobody's cost.

    The order is locked. One that failed may be tried again under a number of its own. Raises
    NotRefundable for money no order can be asked about, and when it is under way already.
    """
    if not can_be_sent_back(case):
        raise NotRefundable("this money can not be addressed at its channel; ask the channel")
    tries = refund_queries.list_of_case(session, case.id)
    if tries and tries[-1].status is not RefundStatus.FAILED:
        raise NotRefundable("this money is on its way back already")
    order = queries.lock_order(session, case.payment_order_id)
    refund = _new(
        order,
        RefundPurpose.SEND_BACK,
        case.amount,
        reason=_REASON_TO_SEND_BACK,
        actor=actor,
        now=now,
    )
    refund.case_id, refund.attempt = case.id, len(tries) + 1
    session.add(refund)
    order.refunded_minor += refund.amount_minor
    session.flush()  # its job names it
    refund_moves.submit(session, refund, now=now)
    return refund


def can_be_sent_back(case: UnallocatedPayment) -> bool:
    """Tell whether the money of a case is what its order captured, and so can be named there."""
    is_second = case.reason is CaseReason.SECOND_TRANSACTION
    return case.status is CaseStatus.OPEN and not is_second and case.currency is Currency.CNY


def _new(
    order: PaymentOrder,
    purpose: RefundPurpose,
    amount: Money,
    *,
    reason: str,
    actor: Actor,
    now: datetime,
) -> Refund:
    return Refund(
        merchant_id=order.merchant_id,
        id=ids.new_id(),
        purpose=purpose,
        invoice_id=order.invoice_id,
        payment_order_id=order.id,
        attempt=1,
        channel=order.channel,
        out_refund_no=new_trade_no(order.merchant_id),
        amount_minor=amount.minor,
        tax_minor=0,
        fee_minor=0,
        fee_is_returned=True,
        settlement_minor=0,
        settlement_currency=Currency.CNY,
        reason=reason,
        status=RefundStatus.REQUESTED,
        created_at=now,
        created_by=actor.name,
        decided_by="",
        queries=0,
        trouble="",
    )


def _check_lines(
    session: Session, invoice: Invoice, of_lines: Mapping[int, Money], *, amount: Money
) -> None:
    known = {line.position for line in invoices.lines_of(session, invoice)}
    if not of_lines.keys() <= known:
        raise BadRefund("the invoice has no such line", path="lines")
    if any(part.minor <= 0 for part in of_lines.values()):
        raise BadRefund("each line gives back more than zero", path="lines")
    check_lines(amount, list(of_lines.values()))


def _audit(session: Session, refund: Refund, action: str, *, actor: Actor, now: datetime) -> None:
    """Write down who did what with a refund; nothing of it was there before the first time."""
    after = {
        "status": refund.status.value,
        "invoice": ids.show(Prefix.INVOICE, refund.invoice_id),
        "amountMinor": refund.amount_minor,
        "reason": refund.reason,
        "trouble": refund.trouble,
    }
    subject = ids.show(Prefix.REFUND, refund.id)
    recording.record(session, actor, action, subject=subject, change=Change({}, after), now=now)
