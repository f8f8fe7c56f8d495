"""Mail an invoice once more, as it is printed: its receipt once it is paid."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from app.audit.recording import Actor, Change, record
from app.billing import collection
from app.billing.handling_models import InvoiceResend
from app.billing.models import WAS_PAID, Invoice, InvoiceStatus
from app.billing.reminders import CustomerWithoutEmail
from app.core import db, ids, outbox
from app.core.errors import Conflict
from app.core.ids import Prefix
from app.customers import queries as customers
from app.identity import clocks

PAUSE = timedelta(minutes=1)
"""How long, in real time, an invoice is not mailed again: two clicks are one wish."""

_MAILED = {InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE, *WAS_PAID}


class InvoiceNotMailable(Conflict):
    """A draft is nobody's business yet, and nobody is asked to pay what is void."""

    code = "invoice_not_mailable"


class MailedJustNow(Conflict):
    code = "mailed_just_now"


def is_mailable(invoice: Invoice) -> bool:
    return invoice.status in _MAILED


def resend(session: Session, invoice_id: int, *, actor: Actor, now: datetime) -> InvoiceResend:
    """Owe a mail of the invoice to its customer, to the address he has now.

    Locks the invoice. Raises NotFound, InvoiceNotMailable, CustomerWithoutEmail and MailedJustNow.
    """
    invoice = collection.lock_invoice(session, invoice_id)
    if not is_mailable(invoice):
        raise InvoiceNotMailable(f"an invoice that is {invoice.status} is not mailed")
    if not customers.get_customer(session, invoice.customer_id).email:
        raise CustomerWithoutEmail("the customer has no e-mail address")
    real_now = clocks.to_real(session, now)
    if _is_mailed_since(session, invoice, real_now - PAUSE):
        raise MailedJustNow("it was mailed within the last minute")
    asked = InvoiceResend(
        merchant_id=invoice.merchant_id,
        id=ids.new_id(),
        invoice_id=invoice.id,
        created_at=real_now,
        created_by=actor.name,
    )
    session.add(asked)
    public_id = ids.show(Prefix.INVOICE_RESEND, asked.id)
    outbox.owe(session, "jobs.documents.mail_again", now=real_now, resend=public_id)
    subject = ids.show(Prefix.INVOICE, invoice.id)
    change = Change({}, {"resend": public_id})
    record(session, actor, "invoice.resent", subject=subject, change=change, now=now)
    return asked


def get_resend(session: Session, resend_id: int) -> InvoiceResend:
    """Return what was asked for. Raises NotFound."""
    return db.get(session, InvoiceResend, resend_id, noun="resend")


def list_resends(session: Session, invoice: Invoice) -> Sequence[InvoiceResend]:
    """Return the times the invoice was mailed again, the first one first."""
    return session.scalars(
        select(InvoiceResend)
        .where(InvoiceResend.invoice_id == invoice.id)
        .order_by(InvoiceResend.id)
    ).all()


def _is_mailed_since(session: Session, invoice: Invoice, since: datetime) -> bool:
    recent = exists().where(
        InvoiceResend.merchant_id == invoice.merchant_id,
        InvoiceResend.invoice_id == invoice.id,
        InvoiceResend.created_at > since,
    )
    return bool(session.scalar(select(recent)))
