"""A customer's balance: what moved it, and moving it by hand."""

from collections.abc import Iterator
from functools import partial
from zoneinfo import ZoneInfo

from flask import flash, g, redirect, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.billing import balances
from app.billing.balances import EntryFilter
from app.billing.credit_models import BalanceEntry, EntryKind
from app.core.errors import Invalid, NotFound, Refusal
from app.core.ids import Prefix, read, show
from app.core.money import Currency
from app.core.paging import MAX_LIMIT, Page
from app.customers import queries as customers
from app.extensions import transaction
from app.web import access, csv, listing
from app.web.amounts import read_amount
from app.web.day_filters import chosen_span
from app.web.forms import Form, blank, typed
from app.web.page import page
from app.web.public_ids import PUBLIC_IDS
from app.web.refusals import say

_FILTERS = ("kind", "from", "to")
_HEADER = (
    "created_at",
    "kind",
    "amount_cny_minor",
    "balance_cny_minor",
    "invoice_id",
    "credit_note_id",
    "note",
    "created_by",
    "id",
)


def customer_balance(customer_id: str) -> Response:
    """Show one page of what moved the balance, or all that is filtered as a file."""
    if listing.wants_csv():
        rows = _csv_rows(g.merchant_id, read(Prefix.CUSTOMER, customer_id))
        return csv.answer("balance", _HEADER, rows)
    return _show(customer_id, blank(amount="", reason=""))


def adjust_balance(customer_id: str) -> Response:
    """Give the customer credit, or with a minus take it back."""
    form = typed(amount="", reason="")
    try:
        amount = read_amount(form.values["amount"], Currency.CNY, path="amount")
        with transaction(g.merchant_id) as session:
            entry = balances.adjust(
                session,
                read(Prefix.CUSTOMER, customer_id),
                amount,
                reason=form.values["reason"],
                actor=access.actor(),
                now=access.now(),
            )
    except NotFound:
        raise
    except Refusal as refusal:
        refusal.path = refusal.path.removesuffix("_minor")
        return _show(customer_id, form.refuse(refusal), status=422)
    flash(_("The balance is %(balance)s now.", balance=entry.balance), "ok")
    return redirect(url_for("web.customer_balance", customer_id=customer_id), 303)


def kinds() -> dict[str, str]:
    """Return what moved a balance, in words."""
    return {
        EntryKind.CREDIT_NOTE.value: _("Credit note"),
        EntryKind.USED.value: _("Paid for an invoice"),
        EntryKind.RETURNED.value: _("Given back: the invoice is void"),
        EntryKind.ADJUSTMENT.value: _("Adjusted by hand"),
    }


def _show(customer_id: str, form: Form, *, status: int = 200) -> Response:
    number, error = read(Prefix.CUSTOMER, customer_id), ""
    with transaction(g.merchant_id) as session:
        customer = customers.get_customer(session, number)
        balance = balances.balance_of(session, number)
        try:
            found = balances.list_entries(session, number, _wanted(), cursor=listing.cursor())
        except Invalid as refusal:
            found, status, error = Page([], None), 422, say(refusal)
    values = {name: request.args.get(name, "") for name in _FILTERS}
    return page(
        "customers/balance.html",
        fragment="rows",
        status=status,
        nav="customers",
        customer=customer,
        balance=balance,
        entries=found.rows,
        error=error,
        kinds=kinds(),
        values=values,
        is_filtered=any(values.values()),
        pager=listing.pager(found.next_cursor),
        csv_url=listing.csv_url(),
        form=form,
        credit_note_id=partial(show, Prefix.CREDIT_NOTE),
        **PUBLIC_IDS,
    )


def _wanted() -> EntryFilter:
    """Read the filter from the address. Raises Invalid."""
    from_at, until_at = chosen_span(ZoneInfo(g.merchant.time_zone))
    return EntryFilter(kind=listing.chosen(EntryKind, "kind"), from_at=from_at, until_at=until_at)


def _csv_rows(merchant_id: int, customer_id: int) -> Iterator[tuple[object, ...]]:
    """Yield a line for each entry; amounts are fen."""
    with transaction(merchant_id) as session:
        customers.get_customer(session, customer_id)
    wanted = _wanted()

    def read_page(cursor: str | None) -> Page[BalanceEntry]:
        with transaction(merchant_id) as session:
            return balances.list_entries(
                session, customer_id, wanted, cursor=cursor, limit=MAX_LIMIT
            )

    for entry in csv.all_rows(read_page):
        yield (
            csv.moment(entry.created_at),
            entry.kind,
            entry.amount_minor,
            entry.balance_minor,
            _shown(Prefix.INVOICE, entry.invoice_id),
            _shown(Prefix.CREDIT_NOTE, entry.credit_note_id),
            entry.note,
            entry.created_by,
            show(Prefix.BALANCE_ENTRY, entry.id),
        )


def _shown(prefix: Prefix, number: int | None) -> str:
    return "" if number is None else show(prefix, number)
