"""Credit notes: the list, its file, one of them, and the form with its preview."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from zoneinfo import ZoneInfo

from flask import flash, g, redirect, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.billing import credit_note_lists, credit_notes, queries
from app.billing.credit_amounts import Rest
from app.billing.credit_models import CreditNote, CreditReason
from app.billing.credit_note_lists import CreditNoteFilter
from app.billing.credit_notes import Credit, CreditRequest
from app.billing.models import Invoice
from app.core import clock
from app.core.errors import Invalid, NotFound, Refusal
from app.core.ids import Prefix, read, show
from app.core.language import Language
from app.core.money import Money
from app.core.paging import DEFAULT_LIMIT, MAX_LIMIT, Page
from app.customers import queries as customers
from app.customers.queries import CustomerName
from app.documents import store
from app.documents.models import Document, DocumentKind
from app.extensions import bound, runtime, transaction
from app.payments import closing
from app.web import access, csv, listing
from app.web.addresses import url_of_each
from app.web.amounts import read_amount
from app.web.day_filters import chosen_span
from app.web.forms import Form, blank, typed
from app.web.page import LANGUAGE_NAMES, page
from app.web.public_ids import PUBLIC_IDS
from app.web.refusals import say
from app.web.usage_names import chosen_customer

_FILTERS = ("q", "reason", "customer", "from", "to")
_HEADER = (
    "number",
    "reason",
    "note",
    "invoice",
    "customer_external_id",
    "customer_name",
    "currency",
    "discount_minor",
    "tax_minor",
    "total_minor",
    "amount_cny_minor",
    "balance_cny_minor",
    "created_at",
    "created_by",
    "id",
)


@dataclass(frozen=True)
class Row:
    """One line of the list: a credit note, whom it is for, which invoice it corrects, its page."""

    note: CreditNote
    customer: CustomerName
    invoice_number: str
    href: str


@dataclass(frozen=True)
class Part:
    """What was credited of one line."""

    description: str
    amount: Money
    discount: Money
    tax: Money


def credit_notes_index() -> Response:
    """Show one page of credit notes, or all that are filtered as a file."""
    if listing.wants_csv():
        return csv.answer("credit-notes", _HEADER, _csv_rows(g.merchant_id))
    try:
        with transaction(g.merchant_id) as session:
            found = _find(session, _wanted(session), listing.cursor())
    except Invalid as refusal:
        return _index(Page([], None), status=422, error=say(refusal))
    return _index(found)


def credit_note(credit_note_id: str) -> Response:
    with transaction(g.merchant_id) as session:
        note = credit_notes.get_credit_note(session, read(Prefix.CREDIT_NOTE, credit_note_id))
        invoice = queries.get_invoice(session, note.invoice_id)
        customer = customers.get_customer(session, note.customer_id)
        prints = [
            (language, document)
            for language in Language
            if (document := _print_of(session, note, language))
        ]
    return page(
        "credit_notes/show.html",
        nav="invoices",
        invoice=invoice,
        customer=customer,
        prints=[
            (LANGUAGE_NAMES[language], show(Prefix.DOCUMENT, document.id))
            for language, document in prints
        ],
        note=note,
        parts=[_part(line, note) for line in note.lines],
        reasons=reasons(),
        public_id=credit_note_id,
        **PUBLIC_IDS,
    )


def _print_of(session: Session, note: CreditNote, language: Language) -> Document | None:
    kind = DocumentKind.CREDIT_NOTE_PDF
    return store.find_document(session, kind=kind, subject_id=note.id, language=language)


def credit_invoice(invoice_id: str) -> Response:
    return _form(invoice_id, _blank())


def create_credit_note(invoice_id: str) -> Response:
    """Give it, or with the button beside work out what it would come to."""
    number = read(Prefix.INVOICE, invoice_id)
    with transaction(g.merchant_id) as session:
        invoice = queries.get_invoice(session, number)
        rests = credit_notes.rests_of(session, invoice)
    form = typed(reason="", note="", total="", **{_field(rest): "" for rest in rests})
    try:
        asked = _request(form, invoice, rests)
        if request.form.get("action") == "preview":
            return _form(invoice_id, form, asked=asked)
        note = _give(number, asked)
    except NotFound:
        raise
    except Refusal as refusal:
        return _form(invoice_id, form.refuse(refusal), status=422)
    flash(_("Credit note %(number)s is out.", number=note.number), "ok")
    shown = show(Prefix.CREDIT_NOTE, note.id)
    return redirect(url_for("web.credit_note", credit_note_id=shown), 303)


def reasons() -> dict[str, str]:
    """Return what each reason is called."""
    return {
        CreditReason.CORRECTION.value: _("A mistake on the invoice"),
        CreditReason.SERVICE_FAILURE.value: _("The service failed"),
        CreditReason.GOODWILL.value: _("Goodwill"),
        CreditReason.RETURNED.value: _("Returned"),
        CreditReason.OTHER.value: _("Another reason"),
        CreditReason.LATE_USAGE.value: _("Usage was taken back late"),
    }


def _give(invoice_id: int, asked: CreditRequest) -> CreditNote:
    channel_of = partial(runtime().channel, mode=g.merchant.mode)
    closing.close_open_orders(bound(g.merchant_id), channel_of, invoice_id, now=clock.now())
    with transaction(g.merchant_id) as session:
        return closing.issue_credit_note(
            session, invoice_id, asked, actor=access.actor(), now=access.now()
        )


def _request(form: Form, invoice: Invoice, rests: Sequence[Rest]) -> CreditRequest:
    """Read the form: a total, or amounts of lines. Raises Invalid at the field."""
    values = form.values
    if values["reason"] not in reasons():
        raise Invalid("choose a reason", path="reason")
    reason = CreditReason(values["reason"])
    if values["total"].strip():
        total = read_amount(values["total"], invoice.currency, path="total")
        return CreditRequest(reason, values["note"], total_minor=total.minor)
    lines = {
        rest.position: read_amount(values[_field(rest)], invoice.currency, path=_field(rest)).minor
        for rest in rests
        if values[_field(rest)].strip()
    }
    if not lines:
        raise Invalid(_("Type a total, or the amount of a line."), path="total")
    return CreditRequest(reason, values["note"], lines=lines)


def _form(
    invoice_id: str, form: Form, *, asked: CreditRequest | None = None, status: int = 200
) -> Response:
    with transaction(g.merchant_id) as session:
        invoice = queries.get_invoice(session, read(Prefix.INVOICE, invoice_id))
        credit, form = _work_out(session, invoice, form=form, asked=asked)
        rests = credit_notes.rests_of(session, invoice)
        return page(
            "credit_notes/new.html",
            status=422 if form.error or any(form.errors.values()) else status,
            nav="invoices",
            invoice=invoice,
            public_id=invoice_id,
            customer=customers.get_customer(session, invoice.customer_id),
            left=credit_notes.left_to_credit(session, invoice),
            rests=[(rest, _field(rest)) for rest in rests if rest.amount.minor > 0],
            reasons=[
                (value, label)
                for value, label in reasons().items()
                if value != CreditReason.LATE_USAGE
            ],
            form=form,
            credit=credit,
            **PUBLIC_IDS,
        )


def _work_out(
    session: Session, invoice: Invoice, *, form: Form, asked: CreditRequest | None
) -> tuple[Credit | None, Form]:
    """Return what the request comes to, or the form with why it comes to nothing."""
    if asked is None:
        return None, form
    try:
        return credit_notes.work_out(session, invoice, asked), form
    except Refusal as refusal:
        return None, form.refuse(refusal)


def _blank() -> Form:
    return blank(reason="", note="", total="")


def _field(rest: Rest) -> str:
    return f"line_{rest.position}"


def _index(found: Page[Row], *, status: int = 200, error: str = "") -> Response:
    values = {name: request.args.get(name, "") for name in _FILTERS}
    return page(
        "credit_notes/index.html",
        fragment="rows",
        status=status,
        nav="invoices",
        rows=found.rows,
        error=error,
        reasons=reasons(),
        values=values,
        is_filtered=any(values.values()),
        pager=listing.pager(found.next_cursor),
        csv_url=listing.csv_url(),
        **PUBLIC_IDS,
    )


def _wanted(session: Session) -> CreditNoteFilter:
    """Read the filter from the address. Raises Invalid and NotFound."""
    from_at, until_at = chosen_span(ZoneInfo(g.merchant.time_zone))
    return CreditNoteFilter(
        customer_id=chosen_customer(session),
        reason=listing.chosen(CreditReason, "reason"),
        from_at=from_at,
        until_at=until_at,
        q=listing.searched(),
    )


def _find(
    session: Session, wanted: CreditNoteFilter, cursor: str | None, *, limit: int = DEFAULT_LIMIT
) -> Page[Row]:
    found = credit_note_lists.list_credit_notes(session, wanted, cursor=cursor, limit=limit)
    named = customers.customer_names(session, {note.customer_id for note in found.rows})
    numbers = credit_note_lists.invoice_numbers(session, {note.invoice_id for note in found.rows})
    url_of = url_of_each("web.credit_note", "credit_note_id")
    return found.map(
        lambda note: Row(
            note,
            named[note.customer_id],
            numbers[note.invoice_id],
            url_of(show(Prefix.CREDIT_NOTE, note.id)),
        )
    )


def _csv_rows(merchant_id: int) -> Iterator[tuple[object, ...]]:
    """Yield a line for each credit note; amounts are whole numbers of minor units."""
    with transaction(merchant_id) as session:
        wanted = _wanted(session)

    def read_page(cursor: str | None) -> Page[Row]:
        with transaction(merchant_id) as session:
            return _find(session, wanted, cursor, limit=MAX_LIMIT)

    for row in csv.all_rows(read_page):
        note = row.note
        yield (
            note.number,
            note.reason,
            note.note,
            row.invoice_number,
            row.customer.external_id,
            row.customer.name,
            note.currency,
            note.discount_minor,
            note.tax_minor,
            note.pricing_minor,
            note.amount_minor,
            note.balance_minor,
            csv.moment(note.created_at),
            note.created_by,
            show(Prefix.CREDIT_NOTE, note.id),
        )


def _part(line: dict[str, object], note: CreditNote) -> Part:
    amount, discount, tax = (
        Money(int(str(line[name])), note.currency) for name in ("amount", "discount", "tax")
    )
    return Part(str(line["description"]), amount, discount, tax)
