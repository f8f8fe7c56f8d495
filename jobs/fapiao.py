"""Tell a buyer what became of the fapiao he asked for, with the file if there is one."""

from typing import TypedDict

from sqlalchemy.orm import Session

from app.billing import collection, fapiao_issuing, fapiao_queries
from app.billing import queries as invoices
from app.billing.fapiao_models import FapiaoPart, FapiaoRequest
from app.core import clock
from app.core.ids import Prefix, read, show
from app.core.language import Language
from app.customers import queries as customers
from app.documents import formats
from app.extensions import runtime, transaction
from app.identity import clocks
from app.mail import rendering, sending
from app.mail.messages import Party, shown_name
from app.mail.rendering import FapiaoIssued, FapiaoMail, FapiaoRedLettered, FapiaoRejected
from app.mail.sending import StoredFile
from jobs.branding import mail_brand


def mail_issued(*, merchant_id: int, fapiao_request: str) -> None:
    """Queue the mail that brings the fapiao."""
    with transaction(merchant_id) as session:
        found = _find(session, fapiao_request)
        words = FapiaoIssued(
            **_shared(session, found), fapiao_number=found.number or "", day=found.issued_on
        )
        _queue(session, found, words, part=FapiaoPart.FAPIAO)


def mail_rejected(*, merchant_id: int, fapiao_request: str) -> None:
    """Queue the mail that says why there is no fapiao."""
    with transaction(merchant_id) as session:
        found = _find(session, fapiao_request)
        words = FapiaoRejected(**_shared(session, found), reason=found.reject_reason or "")
        _queue(session, found, words)


def mail_red_lettered(*, merchant_id: int, fapiao_request: str) -> None:
    """Queue the mail that brings the red letter."""
    with transaction(merchant_id) as session:
        found = _find(session, fapiao_request)
        words = FapiaoRedLettered(
            **_shared(session, found),
            fapiao_number=found.red_number or "",
            day=found.red_issued_on,
            reason=found.red_letter_reason or "",
        )
        _queue(session, found, words, part=FapiaoPart.RED_LETTER)


def _find(session: Session, public_id: str) -> FapiaoRequest:
    return fapiao_queries.get_request(session, read(Prefix.FAPIAO_REQUEST, public_id))


class _Shared(TypedDict):
    """What each of these mails says."""

    merchant_name: str
    buyer: str
    number: str
    amount: str
    link: str
    reference: str
    is_sandbox: bool


def _shared(session: Session, found: FapiaoRequest) -> _Shared:
    merchant = clocks.get_merchant(session)
    invoice = invoices.get_invoice(session, found.invoice_id)
    return {
        "merchant_name": merchant.name,
        "buyer": found.title,
        "number": str(invoice.number),
        "amount": formats.money(found.amount, _language(session, found)),
        "link": collection.hosted_url(invoice, runtime().settings.base_url),
        "reference": str(invoice.number),
        "is_sandbox": merchant.is_sandbox,
    }


def _language(session: Session, found: FapiaoRequest) -> Language:
    """Return the language of the invoice's customer."""
    return Language(customers.get_customer(session, found.customer_id).language)


def _queue(
    session: Session, found: FapiaoRequest, words: FapiaoMail, *, part: FapiaoPart | None = None
) -> None:
    file = fapiao_queries.get_file(session, found.id, part) if part else None
    sending.queue_mail(
        session,
        rendering.render(words, _language(session, found), mail_brand(session)),
        kind=words.kind,
        reference=show(Prefix.FAPIAO_REQUEST, found.id),
        recipient=Party(found.email, shown_name(found.title)),
        now=clock.now(),
        attachment=StoredFile(fapiao_issuing.file_name(found, file), file.storage_key)
        if file
        else None,
    )
