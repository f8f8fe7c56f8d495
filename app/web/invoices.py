"""Invoices: the list, one of them with all that led to it, its PDF, voiding, and running now."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from flask import abort, flash, g, redirect, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.billing import collection, previews, queries, runs
from app.billing.models import Invoice, InvoiceKind, InvoiceStatus
from app.billing.previews import Preview
from app.billing.run_models import InvoiceRun, RunTrigger
from app.core.errors import Invalid, Refusal
from app.core.ids import Prefix, read, show
from app.core.language import Language
from app.core.paging import MAX_LIMIT, Page
from app.customers import queries as customers
from app.customers.models import Contract, ContractStatus, Customer
from app.customers.queries import CustomerName
from app.documents import store
from app.documents.models import Document, DocumentKind
from app.extensions import bound, runtime, transaction
from app.web import csv, invoice_page, listing
from app.web.access import now
from app.web.addresses import url_of_each
from app.web.page import LANGUAGES, page
from app.web.refusals import say

_UPCOMING = 20
_HEADER = (
    "number",
    "kind",
    "status",
    "customer_external_id",
    "customer_name",
    "period_from",
    "period_to",
    "currency",
    "subtotal_minor",
    "collection_cny_minor",
    "platform_fee_cny_minor",
    "settlement_currency",
    "settlement_minor",
    "finalized_at",
    "due_at",
    "paid_at",
    "id",
)


@dataclass(frozen=True)
class Row:
    """One line of the list: an invoice, whom it is for, and the address of its page."""

    invoice: Invoice
    customer: CustomerName
    href: str


@dataclass(frozen=True)
class Upcoming:
    """What the next invoice of a contract comes to so far, or why that can not be said."""

    contract: Contract
    customer: Customer
    preview: Preview | None
    refusal: str = ""

    @property
    def last_day(self) -> date | None:
        return self.preview.period_to - timedelta(1) if self.preview else None


def invoices() -> Response:
    """Show one page of invoices, or all that are filtered as a file."""
    if listing.wants_csv():
        return csv.answer("invoices", _HEADER, _csv_rows(g.merchant_id))
    with transaction(g.merchant_id) as session:
        found = _find(session, listing.cursor())
        customer = _wanted_customer(session)
        counts = queries.counts_by_status(session)
    return page(
        "invoices/index.html",
        fragment="rows",
        nav="invoices",
        rows=found.rows,
        pager=listing.pager(found.next_cursor),
        current=request.args.get("status", ""),
        q=request.args.get("q", ""),
        customer=customer,
        tabs=listing.tabs("status", _tabs(counts)),
        total=sum(counts.values()),
        is_filtered=any(request.args.get(name) for name in ("q", "status", "kind", "customer")),
        csv_url=listing.csv_url(),
    )


def invoice(invoice_id: str) -> Response:
    """Show one invoice."""
    return _show(invoice_id)


def void_invoice(invoice_id: str) -> Response:
    """Cancel an open invoice; without a reason nothing happens and the dialog is open again."""
    reason = request.form.get("reason", "")
    try:
        with transaction(g.merchant_id) as session:
            found = collection.lock_invoice(session, read(Prefix.INVOICE, invoice_id))
            collection.void(session, found, reason=reason, now=now())
    except Invalid:
        error = _("Say why, in one line of at most 200 characters.")
        return _show(invoice_id, status=422, reason=reason, reason_error=error)
    flash(_("Invoice %(number)s is void.", number=found.number), "ok")
    return redirect(url_for("web.invoice", invoice_id=invoice_id), 303)


def invoice_pdf(invoice_id: str) -> Response:
    """Hand out the stored print, verified by its SHA-256, or say that it is not there yet."""
    language = LANGUAGES.get(request.args.get("language", "zh"))
    if language is None:
        abort(404)
    with transaction(g.merchant_id) as session:
        found = queries.get_invoice(session, read(Prefix.INVOICE, invoice_id))
        document = _find_print(session, found, Language(language))
    if document is None:
        flash(_("This PDF is being printed. Try again in a few seconds."), "info")
        return redirect(url_for("web.invoice", invoice_id=invoice_id), 303)
    return pdf(document, f"{found.number}-{language[:2]}.pdf")


def run_invoicing() -> Response:
    """Invoice now what is due; a live merchant's invoices are made by the clock alone."""
    if not g.merchant.is_sandbox:
        abort(404)
    run = runs.run_due(
        bound(g.merchant_id), runtime().rates, trigger=RunTrigger.MERCHANT, now=now()
    )
    flash(*told(run))
    return redirect(url_for("web.invoices"), 303)


def upcoming_invoices() -> Response:
    """Show what the open period of each active contract comes to so far."""
    with transaction(g.merchant_id) as session:
        found = customers.list_contracts(
            session, status=ContractStatus.ACTIVE, cursor=listing.cursor(), limit=_UPCOMING
        )
        named = customers.customers_by_id(session, [row.customer_id for row in found.rows])
        rows = [_preview(session, row, named[row.customer_id]) for row in found.rows]
    return page(
        "invoices/upcoming.html",
        nav="invoices",
        rows=rows,
        pager=listing.pager(found.next_cursor),
    )


def pdf(document: Document, name: str) -> Response:
    """Answer a stored PDF as a download. Raises DocumentDamaged when it is not what was stored."""
    response = Response(
        store.read_document(runtime().storage, document), mimetype="application/pdf"
    )
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    response.headers["ETag"] = f'"{document.sha256}"'
    return response


def told(run: InvoiceRun) -> tuple[str, str]:
    """Return what to say of a run, and in which tone."""
    if run.failed:
        text = _("%(count)s could not be made: %(error)s", count=run.failed, error=run.last_error)
        return text, "bad"
    if not run.drafted and not run.finalized:
        return _("Nothing is due yet: no period has ended, or its grace still runs."), "info"
    text = _(
        "%(drafted)s drafted, %(finalized)s finalized.",
        drafted=run.drafted,
        finalized=run.finalized,
    )
    return text, "ok"


def _show(
    invoice_id: str, *, status: int = 200, reason: str = "", reason_error: str = ""
) -> Response:
    with transaction(g.merchant_id) as session:
        found = queries.get_invoice(session, read(Prefix.INVOICE, invoice_id))
        context = invoice_page.context_of(session, found)
    return page(
        "invoices/show.html",
        status=status,
        nav="invoices",
        reason=reason,
        reason_error=reason_error,
        **context,
    )


def _find(session: Session, cursor: str | None, *, limit: int = 50) -> Page[Row]:
    wanted = request.args.get("customer")
    found = queries.list_invoices(
        session,
        status=listing.chosen(InvoiceStatus, "status"),
        kind=listing.chosen(InvoiceKind, "kind"),
        customer_id=read(Prefix.CUSTOMER, wanted) if wanted else None,
        q=request.args.get("q", ""),
        is_brief=True,
        cursor=cursor,
        limit=limit,
    )
    named = customers.customer_names(session, {row.customer_id for row in found.rows})
    url_of = url_of_each("web.invoice", "invoice_id")
    return found.map(
        lambda row: Row(row, named[row.customer_id], url_of(show(Prefix.INVOICE, row.id)))
    )


def _wanted_customer(session: Session) -> Customer | None:
    wanted = request.args.get("customer")
    return customers.get_customer(session, read(Prefix.CUSTOMER, wanted)) if wanted else None


def _tabs(counts: dict[InvoiceStatus, int]) -> list[tuple[str, str, int | None]]:
    names = {
        InvoiceStatus.DRAFT: _("Draft"),
        InvoiceStatus.OPEN: _("Open"),
        InvoiceStatus.PAID: _("Paid"),
        InvoiceStatus.VOID: _("Void"),
    }
    everything = ("", _("All"), sum(counts.values()))
    return [everything, *((status.value, names[status], counts[status]) for status in names)]


def _csv_rows(merchant_id: int) -> Iterator[tuple[object, ...]]:
    def read_page(cursor: str | None) -> Page[Row]:
        with transaction(merchant_id) as session:
            return _find(session, cursor, limit=MAX_LIMIT)

    for row in csv.all_rows(read_page):
        bill = row.invoice
        yield (
            bill.number,
            bill.kind,
            bill.status,
            row.customer.external_id,
            row.customer.name,
            bill.period_from,
            bill.period_to,
            bill.currency,
            bill.subtotal_minor,
            bill.collection_minor,
            bill.platform_fee_minor,
            bill.settlement_currency,
            bill.settlement_minor,
            _moment(bill.finalized_at),
            _moment(bill.due_at),
            _moment(bill.paid_at),
            show(Prefix.INVOICE, bill.id),
        )


def _moment(value: datetime | None) -> str:
    return value.isoformat(timespec="seconds") if value else ""


def _find_print(session: Session, bill: Invoice, language: Language) -> Document | None:
    """Return the receipt of a paid invoice when it is printed, else the invoice as issued."""
    for kind in (DocumentKind.RECEIPT_PDF, DocumentKind.INVOICE_PDF):
        found = store.find_document(session, kind=kind, subject_id=bill.id, language=language)
        if found is not None:
            return found
    return None


def _preview(session: Session, contract: Contract, customer: Customer) -> Upcoming:
    try:
        preview = previews.preview(session, contract, rates=runtime().rates, now=now())
    except Refusal as refusal:
        return Upcoming(contract, customer, None, say(refusal))
    return Upcoming(contract, customer, preview)
