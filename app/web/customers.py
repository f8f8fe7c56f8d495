"""Customers: who is billed, with what they used this month and what they owe."""

from collections.abc import Iterator

from flask import flash, g, redirect, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.billing import balances
from app.core.errors import Refusal
from app.core.ids import Prefix, read, show
from app.core.paging import MAX_LIMIT, Page
from app.customers import customers, queries
from app.customers.models import Customer, CustomerStatus
from app.extensions import transaction
from app.web import (
    access,
    contract_lists,
    csv,
    customer_usage,
    cycles,
    invoice_rows,
    listing,
    snippets,
    taxes,
)
from app.web.contract_lists import ContractFilter
from app.web.forms import Form, blank, typed
from app.web.page import page
from app.web.public_ids import PUBLIC_IDS

_NEW = {"external_id": "", "name": "", "email": "", "language": "zh_Hans_CN"}
_EXAMPLE = {"externalId": "user_42", "name": "Acme", "email": "finance@example.com"}


def index() -> Response:
    if listing.wants_csv():
        header = ("id", "external_id", "name", "email", "language", "status", "created_at")
        return csv.answer("customers", header, _csv_rows())
    return _list()


def create() -> Response:
    form = typed(**_NEW)
    try:
        with transaction(g.merchant_id) as session:
            customer = customers.create_customer(
                session,
                external_id=form.values["external_id"],
                name=form.values["name"],
                email=form.values["email"],
                language=form.values["language"],
                now=access.now(),
            )
    except Refusal as refusal:
        return _list(form=form.refuse(refusal), status=422)
    flash(_("%(name)s is added. A contract is next.", name=customer.name), "ok")
    return _to_customer(customer.id)


def show_customer(customer_id: str) -> Response:
    return _show(customer_id)


def update(customer_id: str) -> Response:
    form = typed(name="", email="", language="", remind="")
    try:
        with transaction(g.merchant_id) as session:
            number = read(Prefix.CUSTOMER, customer_id)
            customers.update_customer(
                session,
                number,
                name=form.values["name"],
                email=form.values["email"],
                language=form.values["language"],
                is_reminded=bool(form.values["remind"]),
                now=access.now(),
            )
    except Refusal as refusal:
        return _show(customer_id, form=form.refuse(refusal), status=422)
    flash(_("Saved"), "ok")
    return _to_customer(number)


def archive(customer_id: str) -> Response:
    try:
        with transaction(g.merchant_id) as session:
            customer = customers.archive_customer(
                session, read(Prefix.CUSTOMER, customer_id), now=access.now()
            )
    except customers.CustomerHasContracts as refusal:
        form = Form({}).refuse(refusal)
        return _show(customer_id, problem=form.error, status=409)
    flash(_("%(name)s is archived.", name=customer.name), "ok")
    return _to_customer(customer.id)


def restore(customer_id: str) -> Response:
    with transaction(g.merchant_id) as session:
        customer = customers.restore_customer(
            session, read(Prefix.CUSTOMER, customer_id), now=access.now()
        )
    flash(_("%(name)s is active again.", name=customer.name), "ok")
    return _to_customer(customer.id)


def _list(*, form: Form | None = None, status: int = 200) -> Response:
    with transaction(g.merchant_id) as session:
        found = queries.list_customers(
            session,
            status=listing.chosen(CustomerStatus, "status"),
            q=request.args.get("q", ""),
            cursor=listing.cursor(),
        )
        next_url, prev_url = listing.pager(found.next_cursor)
        ids = [row.id for row in found.rows]
        return page(
            "customers/index.html",
            fragment="rows",
            status=status,
            nav="customers",
            customers=found.rows,
            contracts=contract_lists.active_by_customer(session, ids),
            form=form or blank(**_NEW | {"external_id": request.args.get("external_id", "")}),
            next_url=next_url,
            prev_url=prev_url,
            csv_url=listing.csv_url(),
            curl=snippets.curl("/api/v1/customers", _EXAMPLE),
            **PUBLIC_IDS,
        )


def _show(
    customer_id: str, *, form: Form | None = None, problem: str = "", status: int = 200
) -> Response:
    with transaction(g.merchant_id) as session:
        customer = queries.get_customer(session, read(Prefix.CUSTOMER, customer_id))
        stored = {
            "name": customer.name,
            "email": customer.email,
            "language": customer.language,
            "remind": "1" if customer.is_reminded else "",
        }
        contracts = contract_lists.list_contracts(session, ContractFilter(customer_id=customer.id))
        due = [row.contract.due_at for row in contracts.rows if row.contract.due_at]
        return page(
            "customers/show.html",
            status=status,
            nav="customers",
            customer=customer,
            contracts=contracts.rows,
            cycle_names=cycles.words(),
            next_due=min(due, default=None),
            invoices=invoice_rows.newest(session, customer_id=customer.id, limit=10),
            form=form or blank(**stored),
            problem=problem,
            balance=balances.balance_of(session, customer.id),
            taxes=taxes.options(session, customer.tax_rate_id),
            tax=taxes.EXEMPT if customer.is_tax_exempt else taxes.chosen_of(customer.tax_rate_id),
            is_archived=customer.status is CustomerStatus.ARCHIVED,
            **customer_usage.usage_of(session, customer),
            **PUBLIC_IDS,
        )


def _to_customer(number: int) -> Response:
    return redirect(url_for("web.customer", customer_id=show(Prefix.CUSTOMER, number)), 303)


def _csv_rows() -> Iterator[tuple[object, ...]]:
    status, q = listing.chosen(CustomerStatus, "status"), request.args.get("q", "")

    def read_page(cursor: str | None) -> Page[Customer]:
        with transaction(g.merchant_id) as session:
            return queries.list_customers(
                session, status=status, q=q, cursor=cursor, limit=MAX_LIMIT
            )

    for row in csv.all_rows(read_page):
        yield (
            show(Prefix.CUSTOMER, row.id),
            row.external_id,
            row.name,
            row.email,
            row.language,
            row.status,
            row.created_at.isoformat(),
        )
