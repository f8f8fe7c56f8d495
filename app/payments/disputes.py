"""Disputes, as the platform's operators record what a channel decided about a payer's complaint.

What the channel did is written down, never refused: it has the money. Only the amount is held
against what is left of the payment, so that nothing goes back twice in the books.
"""

from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.audit import recording
from app.audit.recording import Actor, Change
from app.billing import collection
from app.billing.models import WAS_PAID, Invoice
from app.core import db, ids
from app.core.errors import Conflict
from app.core.ids import Prefix
from app.core.money import Money
from app.core.text import clean_name
from app.ledger import journals, posting
from app.payments import queries, refund_queries
from app.payments.models import PaymentOrder
from app.payments.refund_amounts import amount_to_refund, left_to_refund, next_part, total_of
from app.payments.refund_models import DISPUTE, Dispute, DisputeEvent, DisputeStatus
from app.payments.refunds import NotRefundable, whole_of
from app.webhooks import emitting
from app.webhooks.catalogue import EventType
from app.webhooks.payloads import Amount, DisputeData


class DisputeRecorded(Conflict):
    """The channel's case number is known already."""

    code = "dispute_recorded"


@dataclass(frozen=True, slots=True)
class Complaint:
    """What the channel says: its case, how much it withdrew, and what the dispute costs.

    `charge` is in the merchant's settlement currency; None is nothing.
    """

    channel_case_no: str
    amount: Money
    reason: str
    charge: Money | None = None


def open_dispute(
    session: Session, invoice_id: int, complaint: Complaint, *, actor: Actor, now: datetime
) -> Dispute:
    """Record a payment as withdrawn and hold the merchant's part of it (D1, and D4 for a charge).

    Locks the invoice, then the order. Emits `dispute.opened`. Raises NotFound, NotRefundable,
    DisputeRecorded, RefundTooLarge, BadRefund and InvalidText.
    """
    invoice = collection.lock_invoice(session, invoice_id)
    found = queries.find_paying(session, invoice.id) if invoice.status in WAS_PAID else None
    if found is None:
        raise NotRefundable(f"no channel holds money of an invoice that is {invoice.status}")
    order = queries.lock_order(session, found.id)
    dispute = _write(session, invoice, order, complaint=complaint)
    dispute.opened_at, dispute.opened_by = now, actor.name
    session.add(dispute)
    order.disputed_minor += dispute.amount_minor
    invoice.claimed_minor += dispute.amount_minor
    session.flush()  # events and journals name it
    posting.post(session, journals.dispute_opened(dispute.money), now=now)
    if dispute.charge:
        reference = ids.show(Prefix.DISPUTE, dispute.id)
        charged = journals.dispute_fee(reference, invoice.id, dispute.charge)
        posting.post(session, charged, now=now)
    _tell(session, dispute, EventType.DISPUTE_OPENED, actor=actor, now=now)
    return dispute


def close_dispute(
    session: Session, dispute_id: int, *, is_won: bool, actor: Actor, now: datetime
) -> Dispute:
    """Record what was decided: what was held goes back to the merchant (D3), or is lost (D2).

    Locks invoice, order and dispute. Emits `dispute.closed`. Raises NotFound and IllegalMove.
    """
    found = get_dispute(session, dispute_id)
    invoice = collection.lock_invoice(session, found.invoice_id)
    order = queries.lock_order(session, found.payment_order_id)
    dispute = db.get_locked(session, Dispute, dispute_id, noun="dispute")
    event = DisputeEvent.WIN if is_won else DisputeEvent.LOSE
    if DISPUTE.is_repeat(dispute.status, event):
        return dispute
    dispute.status = DISPUTE.after(dispute.status, event)
    dispute.closed_at, dispute.closed_by = now, actor.name
    if is_won:
        order.disputed_minor -= dispute.amount_minor
        invoice.claimed_minor -= dispute.amount_minor
        posting.post(session, journals.dispute_won(dispute.money), now=now)
    else:
        posting.post(session, journals.dispute_lost(dispute.money), now=now)
    _tell(session, dispute, EventType.DISPUTE_CLOSED, actor=actor, now=now)
    return dispute


def get_dispute(session: Session, dispute_id: int) -> Dispute:
    """Return the dispute. Raises NotFound."""
    return db.get(session, Dispute, dispute_id, noun="dispute")


def _write(
    session: Session, invoice: Invoice, order: PaymentOrder, *, complaint: Complaint
) -> Dispute:
    """Return the dispute with its parts, which are those of a refund of as much."""
    case_no = clean_name(complaint.channel_case_no, path="channelCaseNo")
    known = select(Dispute.id).where(
        Dispute.channel == order.channel, Dispute.channel_case_no == case_no
    )
    if session.scalar(known) is not None:
        raise DisputeRecorded(f"{case_no} was recorded already")
    amount = amount_to_refund(complaint.amount, left=left_to_refund(invoice))
    whole = whole_of(invoice, order)
    given = total_of(refund_queries.given_parts(session, order.id), whole)
    part = next_part(whole, given, amount, fee_is_returned=True)
    return Dispute(
        merchant_id=invoice.merchant_id,
        id=ids.new_id(),
        invoice_id=invoice.id,
        payment_order_id=order.id,
        channel=order.channel,
        channel_case_no=case_no,
        amount_minor=amount.minor,
        fee_minor=part.fee.minor,
        settlement_minor=part.settlement.minor,
        settlement_currency=part.settlement.currency,
        charge_minor=complaint.charge.minor if complaint.charge else 0,
        reason=clean_name(complaint.reason, path="reason"),
        status=DisputeStatus.OPEN,
        closed_by="",
    )


def _tell(
    session: Session, dispute: Dispute, event: EventType, *, actor: Actor, now: datetime
) -> None:
    """Emit the event and write down who recorded it."""
    settled_in = dispute.settlement_currency
    told = DisputeData(
        dispute_id=ids.show(Prefix.DISPUTE, dispute.id),
        status=dispute.status.value,
        invoice_id=ids.show(Prefix.INVOICE, dispute.invoice_id),
        payment_order_id=ids.show(Prefix.PAYMENT_ORDER, dispute.payment_order_id),
        channel=dispute.channel.value,
        channel_case_no=dispute.channel_case_no,
        reason=dispute.reason,
        amount=Amount.of(dispute.amount),
        held=Amount(amount_minor=dispute.settlement_minor, currency=settled_in),
        charge=Amount(amount_minor=dispute.charge_minor, currency=settled_in),
    )
    reference = ids.show(Prefix.DISPUTE, dispute.id)
    emitting.emit(session, event, told, reference=reference, now=now)
    change = Change({}, msgspec.to_builtins(told))
    recording.record(session, actor, event.value, subject=reference, change=change, now=now)
