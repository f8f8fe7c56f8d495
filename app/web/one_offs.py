"""Invoices made by hand: the editor of a draft. Nothing typed is lost, and nothing is sent yet."""

from collections.abc import Sequence
from datetime import date, timedelta

from flask import flash, g, redirect, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.billing import one_off, queries
from app.billing.models import Invoice, InvoiceLine
from app.billing.one_off import Item, OneOff
from app.billing.proration import Days
from app.core.decimals import plain
from app.core.errors import Invalid, Refusal
from app.core.ids import Prefix, read, show
from app.core.money import Currency
from app.customers import queries as customers
from app.customers.models import CustomerStatus
from app.extensions import transaction
from app.web import access
from app.web import taxes as tax_pages
from app.web.amounts import to_major_text, to_minor_text
from app.web.forms import Form, blank
from app.web.page import page

_FIELDS = ("customer", "currency", "note", "period_from", "period_to")
_LINE = ("description", "quantity", "unit_price", "tax_rate")
_FIRST_ROWS = 3


def new_invoice() -> Response:
    """Show an empty editor, for the customer that is named if one is."""
    form = blank(**_empty(_FIRST_ROWS) | {"customer": request.args.get("customer", "")})
    form.values["currency"] = Currency.CNY.value
    return _show(form)


def create_invoice() -> Response:
    return _save(None)


def edit_invoice(invoice_id: str) -> Response:
    """Show the draft as it stands."""
    with transaction(g.merchant_id) as session:
        invoice = queries.get_invoice(session, read(Prefix.INVOICE, invoice_id))
        if not one_off.is_editable(invoice):
            return redirect(url_for("web.invoice", invoice_id=invoice_id), 303)
        lines = queries.lines_of(session, invoice)
        rate_ids = one_off.tax_rates_of(session, invoice, lines)
        form = blank(**_stored(session, invoice, lines))
    for row, rate_id in enumerate(rate_ids):
        form.values[f"tax_rate_{row}"] = tax_pages.chosen_of(rate_id)
    return _show(form, invoice_id=invoice_id, rate_ids=rate_ids)


def replace_invoice(invoice_id: str) -> Response:
    with transaction(g.merchant_id) as session:
        queries.get_invoice(session, read(Prefix.INVOICE, invoice_id))
    return _save(invoice_id)


def _save(invoice_id: str | None) -> Response:
    """Save the draft and show it as an invoice; with its own button, only add lines."""
    form = _typed()
    if request.form.get("action") == "more":
        rows = _rows_of(form) + _FIRST_ROWS
        form = Form(_empty(min(rows, one_off.MAX_ITEMS)) | form.values)
        return _show(form, invoice_id=invoice_id)
    try:
        with transaction(g.merchant_id) as session:
            asked = _asked(session, form)
            if invoice_id is None:
                invoice = one_off.draft(session, asked, now=access.now())
            else:
                number = read(Prefix.INVOICE, invoice_id)
                invoice = one_off.rewrite(session, number, asked, now=access.now())
    except Refusal as refusal:
        refusal.path = _field_of(refusal.path, form)
        return _show(form.refuse(refusal), invoice_id=invoice_id, status=422)
    flash(_("The draft is saved. Look at it, then finalize it."), "ok")
    return redirect(url_for("web.invoice", invoice_id=show(Prefix.INVOICE, invoice.id)), 303)


def _asked(session: Session, form: Form) -> OneOff:
    """Read the form; lines without anything in them are none. Raises Refusal at the field."""
    values = form.values
    external_id = values["customer"].strip()
    found = customers.customers_by_external_id(session, [external_id]).get(external_id)
    if found is None:
        raise Invalid(_("There is no customer with this external id."), path="customer")
    if values["currency"] not in Currency.__members__:
        raise Invalid("choose a currency", path="currency")
    currency = Currency(values["currency"])
    return OneOff(
        customer_id=found.id,
        currency=currency,
        items=[_item(form, row, currency) for row in _filled(form)],
        note=values["note"],
        period=_period(values["period_from"], values["period_to"]),
    )


def _item(form: Form, row: int, currency: Currency) -> Item:
    texts = {name: form.values[f"{name}_{row}"].strip() for name in _LINE}
    return Item(
        texts["description"],
        texts["quantity"],
        to_minor_text(texts["unit_price"], currency),
        read(Prefix.TAX_RATE, texts["tax_rate"]) if texts["tax_rate"] else None,
    )


def _period(first: str, last: str) -> Days | None:
    if not first and not last:
        return None
    try:
        return Days(date.fromisoformat(first), date.fromisoformat(last) + timedelta(days=1))
    except ValueError:
        raise Invalid(_("Choose both days, or none."), path="period_to") from None


def _filled(form: Form) -> list[int]:
    return [
        row
        for row in range(_rows_of(form))
        if any(form.values[f"{name}_{row}"].strip() for name in _LINE[:-1])
    ]


def _field_of(path: str, form: Form) -> str:
    """Return the field that a path of the room is about: `items[1].quantity` the second line's."""
    if not path.startswith("items["):
        return path.replace("customer_id", "customer").replace("items", "description_0")
    index, _dot, name = path.removeprefix("items[").partition("].")
    return f"{name.removesuffix('_id')}_{_filled(form)[int(index)]}"


def _typed() -> Form:
    rows = [int(name[12:]) for name in request.form if name.startswith("description_")]
    count = min(max(rows, default=0) + 1, one_off.MAX_ITEMS)
    return Form({name: request.form.get(name, "") for name in _empty(count)})


def _rows_of(form: Form) -> int:
    return sum(name.startswith("description_") for name in form.values)


def _empty(rows: int) -> dict[str, str]:
    lines = (f"{name}_{row}" for row in range(rows) for name in _LINE)
    return dict.fromkeys((*_FIELDS, *lines), "")


def _stored(session: Session, invoice: Invoice, lines: Sequence[InvoiceLine]) -> dict[str, str]:
    customer = customers.get_customer(session, invoice.customer_id)
    values = _empty(len(lines)) | {
        "customer": customer.external_id,
        "currency": invoice.currency.value,
        "note": invoice.note,
        "period_from": invoice.period_from.isoformat(),
        "period_to": (invoice.period_to - timedelta(days=1)).isoformat(),
    }
    for row, line in enumerate(lines):
        values[f"description_{row}"] = line.description
        values[f"quantity_{row}"] = plain(line.quantity)
        price = line.tiers[0]["unit_price"]
        values[f"unit_price_{row}"] = to_major_text(price, invoice.currency)
    return values


def _show(
    form: Form,
    *,
    invoice_id: str | None = None,
    rate_ids: Sequence[int | None] = (),
    status: int = 200,
) -> Response:
    with transaction(g.merchant_id) as session:
        rates = tax_pages.options(session, *rate_ids)
        known = customers.list_customers(session, status=CustomerStatus.ACTIVE, limit=100).rows
    return page(
        "invoices/edit.html",
        status=status,
        nav="invoices",
        form=form,
        rows=range(_rows_of(form)),
        invoice_id=invoice_id,
        customers=known,
        currencies=[(each.value, each.value) for each in Currency],
        tax_rates=[("", _("As for the customer")), *rates],
    )
