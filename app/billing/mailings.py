"""The mails that carried an invoice, its receipt, its void notice or its credit notes."""

from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.billing import resending
from app.billing.credit_models import CreditNote
from app.billing.models import Invoice
from app.core.ids import Prefix, show
from app.documents.models import Document, DocumentKind
from app.mail.models import Mail, MailKind

_KINDS = (
    MailKind.INVOICE_ISSUED,
    MailKind.INVOICE_PAID,
    MailKind.INVOICE_VOIDED,
    MailKind.INVOICE_CREDITED,
)


def list_mails(
    session: Session, invoice: Invoice, credit_notes: Iterable[CreditNote]
) -> Sequence[Mail]:
    """Return those mails, the first one first: of each document, and what was mailed again."""
    documents = list_documents(session, invoice, credit_notes)
    again = resending.list_resends(session, invoice)
    references = [
        *(document.storage_key for document in documents),
        *(show(Prefix.INVOICE_RESEND, asked.id) for asked in again),
    ]
    statement = select(Mail).where(Mail.kind.in_(_KINDS), Mail.reference.in_(references))
    return session.scalars(statement.order_by(Mail.id)).all()


def list_documents(
    session: Session, invoice: Invoice, credit_notes: Iterable[CreditNote]
) -> Sequence[Document]:
    """Return what was printed of the invoice and of its credit notes, the first one first."""
    subjects = [invoice.id, *(note.id for note in credit_notes)]
    kinds = list(DocumentKind)  # they open the index
    statement = select(Document).where(Document.kind.in_(kinds), Document.subject_id.in_(subjects))
    return session.scalars(statement.order_by(Document.id)).all()
