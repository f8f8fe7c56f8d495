"""Invoices: the list, one of them with all that led to it, its PDF, voiding, and running now."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from flask import abort, flash, g, redirect, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.billing import bulk, collection, invoice_lists, previews, queries, resending, runs
from app.billing.invoice_lists import ListedInvoice
from app.billing.models import InvoiceStatus
from app.billing.run_models import InvoiceRun, RunTrigger
from app.core.errors import Conflict, Invalid, Unavailable
from app.core.ids import Prefix, read, show
from app.core.language import Language
from app.core.paging import DEFAULT_LIMIT, MAX_LIMIT, Page
from app.customers import queries as customers
from app.customers.queries import CustomerName
from app.documents import store
from app.documents.formats import percent
from app.documents.models import Document
from app.extensions import bound, runtime, transaction
from app.web import csv, invoice_filters, invoice_page, listing
from app.web.access import actor, now
from app.web.addresses import url_of_each
from app.web.invoice_filters import Wanted
from app.web.invoice_workings import Figures, workings
from app.web.page import LANGUAGES, page
from app.web.refusals import say

_HEADER = (
    "number",
    "kind",
    "status",
    "customer_external_id",
    "customer_name",
    "period_from",
    "period_to",
    "currency",
    "discount_minor",
    "subtotal_minor",
    "tax_minor",
    "total_minor",
    "collection_cny_minor",
    "balance_used_cny_minor",
    "due_cny_minor",
    "credited_cny_minor",
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

    invoice: ListedInvoice
    customer: CustomerName
    public_id: str
    href: str


def invoices() -> Response:
    """Show one page of invoices, or all that are filtered as a file."""
    if listing.wants_csv():
        return csv.answer("invoices", _HEADER, _csv_rows(g.merchant_id))
    try:
        with transaction(g.merchant_id) as session:
            wanted = invoice_filters.chosen(session)
            found = _find(session, wanted, listing.cursor())
            counted = invoice_lists.counts(session, wanted.filter, now=now())
    except Invalid as refusal:
        return _index(Page([], None), {}, status=422, error=say(refusal))
    return _index(found, counted)


def invoice(invoice_id: str) -> Response:
    """Show one invoice."""
    return _show(invoice_id)


def void_invoice(invoice_id: str) -> Response:
    """Cancel an open invoice; without a reason nothing happens and the dialog is open again."""
    reason = request.form.get("reason", "")
    try:
        with transaction(g.merchant_id) as session:
            found = collection.lock_invoice(session, read(Prefix.INVOICE, invoice_id))
            collection.void(session, found, reason=reason, actor=actor(), now=now())
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
        document = bulk.find_print(session, found.id, Language(language))
    if document is None:
        flash(_("This PDF is being printed. Try again in a few seconds."), "info")
        return redirect(url_for("web.invoice", invoice_id=invoice_id), 303)
    return pdf(document, f"{found.number}-{language[:2]}.pdf")


def document_pdf(document_id: str) -> Response:
    """Hand out any stored document of the merchant, verified by its SHA-256."""
    with transaction(g.merchant_id) as session:
        document = store.get_document(session, read(Prefix.DOCUMENT, document_id))
    name = f"{document.kind.removesuffix('_pdf')}-{document_id}-{document.language[:2]}.pdf"
    return pdf(document, name)


def resend_invoice(invoice_id: str) -> Response:
    """Mail the invoice, or its receipt, once more; where that is refused, say why on its page."""
    try:
        with transaction(g.merchant_id) as session:
            number = read(Prefix.INVOICE, invoice_id)
            resending.resend(session, number, actor=actor(), now=now())
    except Conflict as refusal:
        flash(say(refusal), "bad")
    else:
        flash(_("The mail is on its way."), "ok")
    return redirect(url_for("web.invoice", invoice_id=invoice_id), 303)


def preview_invoice(invoice_id: str) -> Response:
    """Show what a draft would be if it were finalised now, before anybody does it."""
    try:
        with transaction(g.merchant_id) as session:
            found = queries.get_invoice(session, read(Prefix.INVOICE, invoice_id))
            customer = customers.get_customer(session, found.customer_id)
            preview = previews.preview_draft(session, found, rates=runtime().rates, now=now())
    except (Conflict, Invalid, Unavailable) as refusal:
        flash(say(refusal), "bad")
        return redirect(url_for("web.invoice", invoice_id=invoice_id), 303)
    return page(
        "invoices/preview.html",
        nav="invoices",
        invoice=found,
        public_id=invoice_id,
        customer=customer,
        preview=preview,
        amounts=preview.quote.amounts,
        fee_percent=percent(preview.quote.terms.fee_bps),
        workings=workings(Figures.quoted(preview.quote)),
    )


def run_invoicing() -> Response:
    """Invoice now what is due; a live merchant's invoices are made by the clock alone."""
    if not g.merchant.is_sandbox:
        abort(404)
    run = runs.run_due(
        bound(g.merchant_id), runtime().rates, trigger=RunTrigger.MERCHANT, now=now()
    )
    flash(*told(run))
    return redirect(url_for("web.invoices"), 303)


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


def _index(
    found: Page[Row], counted: Mapping[str, int], *, status: int = 200, error: str = ""
) -> Response:
    current = request.args.get("status", "")
    everything = sum(counted.get(each, 0) for each in InvoiceStatus)
    total = counted.get(current, everything)
    return page(
        "invoices/index.html",
        fragment="rows",
        status=status,
        nav="invoices",
        rows=found.rows,
        error=error,
        pager=listing.pager(found.next_cursor),
        total=total,
        shown_total=invoice_filters.shown(total),
        has_uncounted=invoice_filters.has_uncounted(total),
        tabs=invoice_filters.tabs(counted),
        is_filtered=invoice_filters.is_filtered(),
        csv_url=listing.csv_url(),
        bulk_url=listing.address_of("web.start_bulk"),
        bulk_most=bulk.MAX_INVOICES,
        **invoice_filters.fields(),
    )


def _find(
    session: Session, wanted: Wanted, cursor: str | None, *, limit: int = DEFAULT_LIMIT
) -> Page[Row]:
    found = invoice_lists.list_invoices(
        session, wanted.filter, sort=wanted.sort, cursor=cursor, limit=limit
    )
    named = customers.customer_names(session, {row.customer_id for row in found.rows})
    url_of = url_of_each("web.invoice", "invoice_id")
    rows = [(row, show(Prefix.INVOICE, row.id)) for row in found.rows]
    return Page(
        [Row(row, named[row.customer_id], shown, url_of(shown)) for row, shown in rows],
        found.next_cursor,
    )


def _csv_rows(merchant_id: int) -> Iterator[tuple[object, ...]]:
    with transaction(merchant_id) as session:
        wanted = invoice_filters.chosen(session)

    def read_page(cursor: str | None) -> Page[Row]:
        with transaction(merchant_id) as session:
            return _find(session, wanted, cursor, limit=MAX_LIMIT)

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
            bill.discount_minor,
            bill.subtotal_minor,
            bill.tax_minor,
            bill.total_minor,
            bill.collection_minor,
            bill.balance_minor,
            bill.due_minor,
            bill.credited_minor,
            bill.platform_fee_minor,
            bill.settlement_currency,
            bill.settlement_minor,
            csv.moment(bill.finalized_at),
            csv.moment(bill.due_at),
            csv.moment(bill.paid_at),
            row.public_id,
        )
