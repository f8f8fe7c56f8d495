"""A customer's balance: what moved it, and moving it by hand."""

from functools import partial

from flask import flash, g, redirect, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.billing import balances
from app.billing.credit_models import EntryKind
from app.core.errors import NotFound, Refusal
from app.core.ids import Prefix, read, show
from app.core.money import Currency
from app.customers import queries as customers
from app.extensions import transaction
from app.web import access, listing
from app.web.amounts import read_amount
from app.web.forms import Form, blank, typed
from app.web.page import page
from app.web.public_ids import PUBLIC_IDS


def customer_balance(customer_id: str) -> Response:
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
    number = read(Prefix.CUSTOMER, customer_id)
    with transaction(g.merchant_id) as session:
        customer = customers.get_customer(session, number)
        balance = balances.balance_of(session, number)
        found = balances.list_entries(session, number, cursor=listing.cursor())
    return page(
        "customers/balance.html",
        fragment="rows",
        status=status,
        nav="customers",
        customer=customer,
        balance=balance,
        entries=found.rows,
        kinds=kinds(),
        pager=listing.pager(found.next_cursor),
        form=form,
        credit_note_id=partial(show, Prefix.CREDIT_NOTE),
        **PUBLIC_IDS,
    )
