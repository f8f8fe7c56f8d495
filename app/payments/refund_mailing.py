"""The mails that told a buyer of a refund, and sending one once more."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.audit.models import AuditEntry
from app.audit.recording import Actor, Change, record
from app.billing import queries as invoices
from app.billing.reminders import CustomerWithoutEmail
from app.billing.resending import PAUSE, MailedJustNow
from app.core import ids, outbox
from app.core.errors import Conflict
from app.core.ids import Prefix
from app.customers import queries as customers
from app.identity import clocks
from app.mail.models import Mail, MailKind
from app.payments import refund_queries
from app.payments.refund_models import Refund, RefundPurpose, RefundStatus
from app.payments.refund_moves import TELL

_RESENT = "refund.resent"


class RefundNotMailable(Conflict):
    """Buyers are told of refunds that were paid, of an invoice that they had paid."""

    code = "refund_not_mailable"


def is_mailable(refund: Refund) -> bool:
    return refund.status is RefundStatus.SUCCEEDED and refund.purpose is RefundPurpose.INVOICE


def resend(session: Session, refund_id: int, *, actor: Actor, now: datetime) -> Refund:
    """Owe another mail that tells the buyer of a refund, to the address he has now.

    Locks the refund. Raises NotFound, RefundNotMailable, CustomerWithoutEmail and MailedJustNow.
    """
    refund = refund_queries.lock_refund(session, refund_id)
    if not is_mailable(refund):
        raise RefundNotMailable(f"a refund that is {refund.status} is not mailed")
    invoice = invoices.get_invoice(session, refund.invoice_id)
    if not customers.get_customer(session, invoice.customer_id).email:
        raise CustomerWithoutEmail("the customer has no e-mail address")
    if _is_resent_since(session, refund, now - PAUSE):
        raise MailedJustNow("it was mailed within the last minute")
    real_now = clocks.to_real(session, now)
    public_id = ids.show(Prefix.REFUND, refund.id)
    again = ids.show(Prefix.INVOICE_RESEND, ids.new_id())
    outbox.owe(session, TELL, now=real_now, refund=public_id, again=again)
    change = Change({}, {"resend": again})
    record(session, actor, _RESENT, subject=public_id, change=change, now=now)
    return refund


def list_mails(session: Session, refund: Refund) -> Sequence[Mail]:
    """Return every mail that told of the refund, the first one first."""
    reference = ids.show(Prefix.REFUND, refund.id)
    return session.scalars(
        select(Mail)
        .where(
            Mail.kind == MailKind.INVOICE_REFUNDED,
            or_(Mail.reference == reference, Mail.reference.startswith(f"{reference} ")),
        )
        .order_by(Mail.id)
    ).all()


def _is_resent_since(session: Session, refund: Refund, since: datetime) -> bool:
    """Tell it from the audit trail, which knows at once; the mail waits for its job."""
    found = select(AuditEntry.id).where(
        AuditEntry.subject == ids.show(Prefix.REFUND, refund.id),
        AuditEntry.action == _RESENT,
        AuditEntry.at > since,
    )
    return session.scalar(found.limit(1)) is not None
