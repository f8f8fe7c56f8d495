"""Tax: the rates under the settings, and what a product or a customer is under."""

from collections.abc import Iterator
from typing import Any

from flask import flash, g, redirect, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.core.decimals import plain
from app.core.errors import Conflict, Invalid, Refusal
from app.core.ids import Prefix, read, show
from app.core.paging import DEFAULT_LIMIT, MAX_LIMIT, Page
from app.customers import customers
from app.extensions import transaction
from app.pricing import taxes
from app.pricing.models import CatalogStatus, TaxRate
from app.web import access, csv, listing
from app.web.forms import Form, blank, typed
from app.web.page import page
from app.web.public_ids import PUBLIC_IDS
from app.web.refusals import say

EXEMPT = "exempt"
_NEW = {"name": "", "code": "", "percent": "", "basis": "inclusive"}
_HEADER = ("id", "code", "name", "percent", "is_inclusive", "is_default", "status")


def tax_rates() -> Response:
    """Show one page of rates, or all that are filtered as a file."""
    if listing.wants_csv():
        return csv.answer("tax-rates", _HEADER, _csv_rows(g.merchant_id))
    return _list()


def create_tax_rate() -> Response:
    form = typed(**_NEW)
    try:
        with transaction(g.merchant_id) as session:
            rate = taxes.create_tax_rate(
                session,
                code=form.values["code"],
                name=form.values["name"],
                percent=form.values["percent"],
                is_inclusive=form.values["basis"] == "inclusive",
                **_by(),
            )
    except Refusal as refusal:
        return _list(form=form.refuse(refusal), status=422)
    flash(_("%(name)s can be given to products and customers.", name=rate.name), "ok")
    return _to_list()


def set_default_tax(tax_rate_id: str) -> Response:
    with transaction(g.merchant_id) as session:
        rate = taxes.set_default(session, read(Prefix.TAX_RATE, tax_rate_id), **_by())
    flash(_("%(name)s is on what has no rate of its own.", name=rate.name), "ok")
    return _to_list()


def clear_default_tax(tax_rate_id: str) -> Response:
    with transaction(g.merchant_id) as session:
        taxes.clear_default(session, read(Prefix.TAX_RATE, tax_rate_id), **_by())
    flash(_("What has no rate of its own is not taxed."), "ok")
    return _to_list()


def archive_tax_rate(tax_rate_id: str) -> Response:
    try:
        with transaction(g.merchant_id) as session:
            taxes.archive_tax_rate(session, read(Prefix.TAX_RATE, tax_rate_id), **_by())
    except Conflict as refusal:
        flash(say(refusal), "bad")
    else:
        flash(_("It is given to nobody any more; who has it, keeps it."), "ok")
    return _to_list()


def restore_tax_rate(tax_rate_id: str) -> Response:
    with transaction(g.merchant_id) as session:
        taxes.restore_tax_rate(session, read(Prefix.TAX_RATE, tax_rate_id), **_by())
    flash(_("It can be given again."), "ok")
    return _to_list()


def set_product_tax(product_id: str) -> Response:
    """Put a product under the chosen rate, or under the default."""
    with transaction(g.merchant_id) as session:
        chosen = request.form.get("tax_rate", "")
        rate_id = _rate_id(chosen)
        taxes.set_product_tax(session, read(Prefix.PRODUCT, product_id), rate_id, **_by())
    flash(_("Saved"), "ok")
    return redirect(url_for("web.product", product_id=product_id), 303)


def set_customer_tax(customer_id: str) -> Response:
    """Put a customer under the chosen rate, under those of the products, or exempt it."""
    chosen = request.form.get("tax_rate", "")
    with transaction(g.merchant_id) as session:
        customers.set_tax(
            session,
            read(Prefix.CUSTOMER, customer_id),
            tax_rate_id=None if chosen == EXEMPT else _rate_id(chosen),
            is_exempt=chosen == EXEMPT,
            **_by(),
        )
    flash(_("Saved"), "ok")
    return redirect(url_for("web.customer", customer_id=customer_id), 303)


def options(session: Session, *current_ids: int | None) -> list[tuple[str, str]]:
    """Return the rates one may choose, with those that are set, as `ui.select` takes them."""
    active = taxes.list_tax_rates(session, status=CatalogStatus.ACTIVE, limit=MAX_LIMIT).rows
    rows = {row.id: row for row in active}
    for current_id in current_ids:
        if current_id is not None and current_id not in rows:
            rows[current_id] = taxes.get_tax_rate(session, current_id)
    return [(show(Prefix.TAX_RATE, row.id), label(row)) for row in rows.values()]


def label(rate: TaxRate) -> str:
    """Return the rate in words: its name, its percent, and whether prices hold it."""
    held = _("included in prices") if rate.is_inclusive else _("on top of prices")
    return f"{rate.name} {plain(rate.percent)}% · {held}"


def chosen_of(tax_rate_id: int | None) -> str:
    """Return the option that stands for what is set."""
    return "" if tax_rate_id is None else show(Prefix.TAX_RATE, tax_rate_id)


def _list(*, form: Form | None = None, status: int = 200) -> Response:
    error = ""
    try:
        with transaction(g.merchant_id) as session:
            found = _find(session, listing.cursor())
    except Invalid as refusal:
        found, status, error = Page([], None), 422, say(refusal)
    return page(
        "settings/taxes.html",
        fragment="rows",
        status=status,
        nav="settings",
        form=form or blank(**_NEW),
        rates=[(row, f"{plain(row.percent)}%") for row in found.rows],
        error=error,
        chosen=request.args.get("status", ""),
        pager=listing.pager(found.next_cursor),
        csv_url=listing.csv_url(),
        **PUBLIC_IDS,
    )


def _find(session: Session, cursor: str | None, *, limit: int = DEFAULT_LIMIT) -> Page[TaxRate]:
    """Return one page of the rates that the address asks for. Raises Invalid."""
    status = listing.chosen(CatalogStatus, "status")
    return taxes.list_tax_rates(session, status=status, cursor=cursor, limit=limit)


def _csv_rows(merchant_id: int) -> Iterator[tuple[object, ...]]:
    def read_page(cursor: str | None) -> Page[TaxRate]:
        with transaction(merchant_id) as session:
            return _find(session, cursor, limit=MAX_LIMIT)

    for rate in csv.all_rows(read_page):
        yield (
            show(Prefix.TAX_RATE, rate.id),
            rate.code,
            rate.name,
            plain(rate.percent),
            rate.is_inclusive,
            rate.is_default,
            rate.status,
        )


def _by() -> dict[str, Any]:
    """Return who changes it, and when: every change of a tax is written down."""
    return {"actor": access.actor(), "now": access.now()}


def _rate_id(chosen: str) -> int | None:
    return read(Prefix.TAX_RATE, chosen) if chosen else None


def _to_list() -> Response:
    return redirect(url_for("web.tax_rates"), 303)
