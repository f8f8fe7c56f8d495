"""Print an invoice once it is issued, a receipt once it is paid, and mail each."""

from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.billing import collection, printing
from app.billing import queries as invoices
from app.billing.models import Invoice
from app.channels.base import ChannelName
from app.core import clock
from app.core.ids import Prefix, read, show
from app.core.language import Language
from app.core.periods import local_date
from app.customers import queries as customers
from app.customers.models import Customer
from app.documents import formats, store
from app.documents.invoice_print import PrintForm, PrintPayment
from app.documents.models import DocumentKind
from app.documents.printing import render_invoice
from app.extensions import bound, runtime, transaction
from app.identity import clocks
from app.identity.models import Merchant
from app.mail import rendering, sending
from app.mail.messages import Content, Party
from app.mail.models import MailKind
from app.mail.sending import StoredFile
from app.payments import queries as payments

_CHANNELS = {
    Language.ZH_HANS_CN: {ChannelName.WECHAT: "微信支付", ChannelName.ALIPAY: "支付宝"},
    Language.EN: {ChannelName.WECHAT: "WeChat Pay", ChannelName.ALIPAY: "Alipay"},
}

_FORMS = {
    DocumentKind.INVOICE_PDF: PrintForm.INVOICE,
    DocumentKind.RECEIPT_PDF: PrintForm.RECEIPT,
}


def print_invoice(*, merchant_id: int, invoice: str) -> None:
    """Print an issued invoice in both languages and queue the mail in the customer's."""
    invoice_id = read(Prefix.INVOICE, invoice)
    stored = _print_all(merchant_id, invoice_id, kind=DocumentKind.INVOICE_PDF)
    with transaction(merchant_id) as session:
        row = invoices.get_invoice(session, invoice_id)
        customer = customers.get_customer(session, row.customer_id)
        if not customer.email:
            return
        language = Language(customer.language)
        content = _word_invoice(clocks.get_merchant(session), row, customer)
        _queue(session, content, MailKind.INVOICE_ISSUED, customer=customer, file=stored[language])


def print_receipt(*, merchant_id: int, invoice: str) -> None:
    """Print a paid invoice in both languages and queue the receipt in the customer's."""
    invoice_id = read(Prefix.INVOICE, invoice)
    stored = _print_all(merchant_id, invoice_id, kind=DocumentKind.RECEIPT_PDF)
    with transaction(merchant_id) as session:
        row = invoices.get_invoice(session, invoice_id)
        customer = customers.get_customer(session, row.customer_id)
        if not customer.email:
            return
        language = Language(customer.language)
        content = _word_receipt(session, row, customer)
        _queue(session, content, MailKind.INVOICE_PAID, customer=customer, file=stored[language])


def _print_all(
    merchant_id: int, invoice_id: int, *, kind: DocumentKind
) -> dict[Language, StoredFile]:
    """Print what is not printed yet, outside any transaction, and return every file."""
    files = {}
    for language in Language:
        with transaction(merchant_id) as session:
            found = store.find_document(
                session, kind=kind, subject_id=invoice_id, language=language
            )
            form, payment = _FORMS[kind], None
            if form is PrintForm.RECEIPT:
                payment = _payment(session, invoice_id, language)
            page = printing.print_model(
                session, invoice_id, language=language, form=form, payment=payment
            )
        document = found or store.store_document(
            bound(merchant_id),
            runtime().storage,
            render_invoice(page, language=language),
            kind=kind,
            subject_id=invoice_id,
            language=language,
            now=clock.now(),
        )
        files[language] = StoredFile(f"{page.number}.pdf", document.storage_key)
    return files


def _payment(session: Session, invoice_id: int, language: Language) -> PrintPayment | None:
    order = payments.find_paying(session, invoice_id)
    if order is None or order.channel_txn_id is None or order.captured_at is None:
        return None
    return PrintPayment(_CHANNELS[language][order.channel], order.channel_txn_id, order.captured_at)


def _word_invoice(merchant: Merchant, row: Invoice, customer: Customer) -> Content:
    language = Language(customer.language)
    zone = ZoneInfo(row.time_zone)
    mail = rendering.InvoiceIssued(
        merchant_name=merchant.name,
        customer_name=customer.name,
        number=str(row.number),
        amount=formats.money(row.collection, language),
        due_on=local_date(row.due_at, zone) if row.due_at else None,
        pay_url=_link(row),
        reference=show(Prefix.INVOICE, row.id),
        is_sandbox=merchant.is_sandbox,
    )
    return rendering.render_invoice_issued(mail, language)


def _word_receipt(session: Session, row: Invoice, customer: Customer) -> Content:
    merchant, language = clocks.get_merchant(session), Language(customer.language)
    payment = _payment(session, row.id, language)
    paid_at = row.paid_at or row.created_at
    mail = rendering.InvoicePaid(
        merchant_name=merchant.name,
        customer_name=customer.name,
        number=str(row.number),
        amount=formats.money(row.collection, language),
        paid_on=local_date(paid_at, ZoneInfo(row.time_zone)),
        channel=payment.channel if payment else "—",
        transaction=payment.transaction if payment else "—",
        invoice_url=_link(row),
        reference=show(Prefix.INVOICE, row.id),
        is_sandbox=merchant.is_sandbox,
    )
    return rendering.render_invoice_paid(mail, language)


def _link(row: Invoice) -> str:
    return f"{runtime().settings.base_url}/pay/{collection.link_token(row)}"


def _queue(
    session: Session, content: Content, kind: MailKind, *, customer: Customer, file: StoredFile
) -> None:
    sending.queue_mail(
        session,
        content,
        kind=kind,
        reference=file.key,
        recipient=Party(customer.email, customer.name),
        now=clock.now(),
        attachment=file,
    )
