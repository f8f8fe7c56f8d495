"""Print what was issued, paid, voided or credited, in both languages, and mail it in one."""

from collections.abc import Callable
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.billing import (
    collection,
    credit_note_printing,
    credit_notes,
    mailings,
    printing,
    reissue,
    resending,
)
from app.billing import queries as invoices
from app.billing.credit_models import CreditNote
from app.billing.models import WAS_PAID, Invoice, InvoiceStatus
from app.channels.base import ChannelName
from app.core import clock
from app.core.ids import Prefix, read, show
from app.core.language import Language
from app.core.money import Money
from app.core.periods import local_date
from app.customers import queries as customers
from app.customers.models import Customer
from app.documents import formats, store
from app.documents.credit_note_print import CreditNotePrint
from app.documents.invoice_print import InvoicePrint, PrintForm, PrintPayment
from app.documents.models import DocumentKind
from app.documents.printing import render_credit_note, render_invoice
from app.extensions import bound, runtime, transaction
from app.identity import clocks
from app.mail import rendering, sending
from app.mail.messages import Party, shown_name
from app.mail.rendering import MailWords
from app.mail.sending import StoredFile
from app.payments import queries as payments
from jobs.branding import mail_brand

CHANNELS = {
    Language.ZH_HANS_CN: {ChannelName.WECHAT: "微信支付", ChannelName.ALIPAY: "支付宝"},
    Language.EN: {ChannelName.WECHAT: "WeChat Pay", ChannelName.ALIPAY: "Alipay"},
}
_FILE_NAMES = {
    DocumentKind.INVOICE_PDF: "{}.pdf",
    DocumentKind.RECEIPT_PDF: "{}-receipt.pdf",
    DocumentKind.VOID_PDF: "{}-void.pdf",
    DocumentKind.CREDIT_NOTE_PDF: "{}.pdf",
}

Copy = Callable[[Session, Language], InvoicePrint | CreditNotePrint]
"""Copies the subject of a document into its print, in a transaction of the caller's."""


def print_invoice(*, merchant_id: int, invoice: str) -> None:
    """Print an issued invoice in both languages and queue the mail in the customer's.

    One that was voided before is printed, for it has its number, and mailed to nobody.
    """
    invoice_id = read(Prefix.INVOICE, invoice)
    stored = _print_invoice(merchant_id, invoice_id, PrintForm.INVOICE)
    with transaction(merchant_id) as session:
        # Locked against being voided meanwhile: whoever gets the one gets the other.
        row = collection.lock_invoice(session, invoice_id)
        customer = customers.get_customer(session, row.customer_id)
        if not customer.email or row.status is InvoiceStatus.VOID:
            return
        _queue(session, _word_invoice(session, row, customer), customer, stored=stored)


def print_receipt(*, merchant_id: int, invoice: str) -> None:
    """Print a paid invoice in both languages and queue the receipt in the customer's."""
    invoice_id = read(Prefix.INVOICE, invoice)
    stored = _print_invoice(merchant_id, invoice_id, PrintForm.RECEIPT)
    with transaction(merchant_id) as session:
        row = invoices.get_invoice(session, invoice_id)
        customer = customers.get_customer(session, row.customer_id)
        if not customer.email:
            return
        _queue(session, _word_receipt(session, row, customer), customer, stored=stored)


def mail_again(*, merchant_id: int, resend: str) -> None:
    """Queue the mail that somebody asked for once more: the receipt if it is paid by now."""
    with transaction(merchant_id) as session:
        asked = resending.get_resend(session, read(Prefix.INVOICE_RESEND, resend))
        row = invoices.get_invoice(session, asked.invoice_id)
    is_paid = row.status in WAS_PAID
    form = PrintForm.RECEIPT if is_paid else PrintForm.INVOICE
    stored = _print_invoice(merchant_id, row.id, form)
    with transaction(merchant_id) as session:
        row = invoices.get_invoice(session, asked.invoice_id)
        customer = customers.get_customer(session, row.customer_id)
        if not customer.email or not resending.is_mailable(row):
            return
        word = _word_receipt if is_paid else _word_invoice
        words = word(session, row, customer)
        _queue(session, words, customer, stored=stored, reference=resend)


def print_void(*, merchant_id: int, invoice: str) -> None:
    """Print, in both languages, that an invoice is void, and mail it to whom it was mailed last."""
    invoice_id = read(Prefix.INVOICE, invoice)
    stored = _print_invoice(merchant_id, invoice_id, PrintForm.VOID)
    with transaction(merchant_id) as session:
        row = invoices.get_invoice(session, invoice_id)
        mails = mailings.list_mails(session, row, ())
        if not mails:
            return
        reader = Party(mails[-1].recipient, mails[-1].recipient_name)
        customer = customers.get_customer(session, row.customer_id)
        words = _word_void(session, row, customer)
        _queue(session, words, customer, stored=stored, reader=reader)


def print_credit_note(*, merchant_id: int, credit_note: str) -> None:
    """Print a credit note in both languages and queue the mail in the customer's."""
    note_id = read(Prefix.CREDIT_NOTE, credit_note)
    stored = _print_all(
        merchant_id,
        note_id,
        DocumentKind.CREDIT_NOTE_PDF,
        copy=lambda session, _language: credit_note_printing.print_model(session, note_id),
    )
    with transaction(merchant_id) as session:
        note = credit_notes.get_credit_note(session, note_id)
        customer = customers.get_customer(session, note.customer_id)
        if not customer.email:
            return
        _queue(session, _word_credit_note(session, note, customer), customer, stored=stored)


def _print_invoice(
    merchant_id: int, invoice_id: int, form: PrintForm
) -> dict[Language, StoredFile]:
    def copy(session: Session, language: Language) -> InvoicePrint:
        payment = _payment(session, invoice_id, language) if form is PrintForm.RECEIPT else None
        return printing.print_model(
            session, invoice_id, language=language, form=form, payment=payment
        )

    return _print_all(merchant_id, invoice_id, DocumentKind(f"{form}_pdf"), copy=copy)


def _print_all(
    merchant_id: int, subject_id: int, kind: DocumentKind, *, copy: Copy
) -> dict[Language, StoredFile]:
    """Print what is not printed yet, outside any transaction, and return every file.

    Fails as a whole when a file can not be written, such as on a full disk: the job runs again,
    and finds the languages that are done.
    """
    files = {}
    for language in Language:
        with transaction(merchant_id) as session:
            found = store.find_document(
                session, kind=kind, subject_id=subject_id, language=language
            )
            page = copy(session, language)
        document = found or store.store_document(
            bound(merchant_id),
            runtime().storage,
            _render(page, language),
            kind=kind,
            subject_id=subject_id,
            language=language,
            now=clock.now(),
        )
        files[language] = StoredFile(_FILE_NAMES[kind].format(page.number), document.storage_key)
    return files


def _render(page: InvoicePrint | CreditNotePrint, language: Language) -> bytes:
    if isinstance(page, InvoicePrint):
        return render_invoice(page, language=language)
    return render_credit_note(page, language=language)


def _payment(session: Session, invoice_id: int, language: Language) -> PrintPayment | None:
    order = payments.find_paying(session, invoice_id)
    if order is None or order.channel_txn_id is None or order.captured_at is None:
        return None
    return PrintPayment(CHANNELS[language][order.channel], order.channel_txn_id, order.captured_at)


def _word_invoice(session: Session, row: Invoice, customer: Customer) -> MailWords:
    merchant, language = clocks.get_merchant(session), Language(customer.language)
    due = row.collection - row.balance_used
    return rendering.InvoiceIssued(
        merchant_name=merchant.name,
        customer_name=customer.name,
        number=str(row.number),
        amount=formats.money(due, language),
        due_on=_day(row, row.due_at) if row.due_at and due else None,
        is_due=bool(due),
        link=_link(row),
        reference=show(Prefix.INVOICE, row.id),
        is_sandbox=merchant.is_sandbox,
    )


def _word_receipt(session: Session, row: Invoice, customer: Customer) -> MailWords:
    merchant, language = clocks.get_merchant(session), Language(customer.language)
    payment = _payment(session, row.id, language)
    return rendering.InvoicePaid(
        merchant_name=merchant.name,
        customer_name=customer.name,
        number=str(row.number),
        amount=formats.money(row.due, language),
        paid_on=_day(row, row.paid_at or row.created_at),
        channel=payment.channel if payment else "—",
        transaction=payment.transaction if payment else "—",
        link=_link(row),
        reference=show(Prefix.INVOICE, row.id),
        is_sandbox=merchant.is_sandbox,
    )


def _word_void(session: Session, row: Invoice, customer: Customer) -> MailWords:
    merchant, language = clocks.get_merchant(session), Language(customer.language)
    successor = reissue.find_successor(session, row)
    return rendering.InvoiceVoided(
        merchant_name=merchant.name,
        customer_name=customer.name,
        number=str(row.number),
        amount=formats.money(row.collection, language),
        voided_on=_day(row, row.voided_at or row.created_at),
        reason=row.void_reason or "",
        replaced_by=str(successor.number) if successor else "",
        link=_link(row),
        reference=show(Prefix.INVOICE, row.id),
        is_sandbox=merchant.is_sandbox,
    )


def _word_credit_note(session: Session, note: CreditNote, customer: Customer) -> MailWords:
    merchant, language = clocks.get_merchant(session), Language(customer.language)
    row = invoices.get_invoice(session, note.invoice_id)
    return rendering.InvoiceCredited(
        merchant_name=merchant.name,
        customer_name=customer.name,
        number=note.number,
        invoice_number=str(row.number),
        amount=formats.money(note.amount, language),
        to_balance=_money_or_nothing(note.to_balance, language),
        off_due=_money_or_nothing(note.amount - note.to_balance, language),
        issued_on=_day(row, note.created_at),
        link=_link(row),
        reference=show(Prefix.CREDIT_NOTE, note.id),
        is_sandbox=merchant.is_sandbox,
    )


def _money_or_nothing(amount: Money, language: Language) -> str:
    return formats.money(amount, language) if amount else ""


def _day(row: Invoice, moment: datetime) -> date:
    return local_date(moment, ZoneInfo(row.time_zone))


def _link(row: Invoice) -> str:
    return collection.hosted_url(row, runtime().settings.base_url)


def _queue(
    session: Session,
    words: MailWords,
    customer: Customer,
    *,
    stored: dict[Language, StoredFile],
    reader: Party | None = None,
    reference: str = "",
) -> None:
    """Queue a mail to the customer, or to that reader, with the document in their language.

    There is one per document, or per `reference` where one is given.
    """
    language = Language(customer.language)
    file = stored[language]
    sending.queue_mail(
        session,
        rendering.render(words, language, mail_brand(session)),
        kind=words.kind,
        reference=reference or file.key,
        recipient=reader or Party(customer.email, shown_name(customer.name)),
        now=clock.now(),
        attachment=file,
    )
