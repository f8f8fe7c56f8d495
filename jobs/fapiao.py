"""Tell a buyer what became of the fapiao he asked for, with the file if there is one."""

from collections.abc import Callable
from datetime import date

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
from app.mail.messages import Content, Party, shown_name
from app.mail.models import MailKind
from app.mail.rendering import FapiaoMail, MailBrand
from app.mail.sending import StoredFile
from jobs.branding import mail_brand

Render = Callable[[FapiaoMail, Language, MailBrand], Content]


def mail_issued(*, merchant_id: int, fapiao_request: str) -> None:
    """Queue the mail that brings the fapiao."""
    with transaction(merchant_id) as session:
        found = _find(session, fapiao_request)
        _queue(
            session,
            found,
            MailKind.FAPIAO_ISSUED,
            content=_word(
                session,
                found,
                rendering.render_fapiao_issued,
                number=found.number,
                day=found.issued_on,
            ),
            part=FapiaoPart.FAPIAO,
        )


def mail_rejected(*, merchant_id: int, fapiao_request: str) -> None:
    """Queue the mail that says why there is no fapiao."""
    with transaction(merchant_id) as session:
        found = _find(session, fapiao_request)
        content = _word(
            session, found, rendering.render_fapiao_rejected, reason=found.reject_reason
        )
        _queue(session, found, MailKind.FAPIAO_REJECTED, content=content)


def mail_red_lettered(*, merchant_id: int, fapiao_request: str) -> None:
    """Queue the mail that brings the red letter."""
    with transaction(merchant_id) as session:
        found = _find(session, fapiao_request)
        _queue(
            session,
            found,
            MailKind.FAPIAO_RED_LETTERED,
            content=_word(
                session,
                found,
                rendering.render_fapiao_red_lettered,
                number=found.red_number,
                day=found.red_issued_on,
                reason=found.red_letter_reason,
            ),
            part=FapiaoPart.RED_LETTER,
        )


def _find(session: Session, public_id: str) -> FapiaoRequest:
    return fapiao_queries.get_request(session, read(Prefix.FAPIAO_REQUEST, public_id))


def _word(
    session: Session,
    found: FapiaoRequest,
    render: Render,
    *,
    number: str | None = None,
    day: date | None = None,
    reason: str | None = None,
) -> Content:
    """Word a mail in the language of the invoice's customer."""
    merchant = clocks.get_merchant(session)
    invoice = invoices.get_invoice(session, found.invoice_id)
    customer = customers.get_customer(session, found.customer_id)
    language = Language(customer.language)
    mail = FapiaoMail(
        merchant_name=merchant.name,
        buyer=found.title,
        number=str(invoice.number),
        amount=formats.money(found.amount, language),
        link=f"{runtime().settings.base_url}/pay/{collection.link_token(invoice)}",
        reference=str(invoice.number),
        fapiao_number=number or "",
        day=day,
        reason=reason or "",
        is_sandbox=merchant.is_sandbox,
    )
    return render(mail, language, mail_brand(session))


def _queue(
    session: Session,
    found: FapiaoRequest,
    kind: MailKind,
    *,
    content: Content,
    part: FapiaoPart | None = None,
) -> None:
    file = fapiao_queries.get_file(session, found.id, part) if part else None
    sending.queue_mail(
        session,
        content,
        kind=kind,
        reference=show(Prefix.FAPIAO_REQUEST, found.id),
        recipient=Party(found.email, shown_name(found.title)),
        now=clock.now(),
        attachment=StoredFile(fapiao_issuing.file_name(found, file), file.storage_key)
        if file
        else None,
    )
