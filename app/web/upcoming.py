"""Upcoming invoices: what the open period of each active contract comes to so far, or a file."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from flask import g, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.billing import previews
from app.billing.previews import Preview
from app.core.errors import Invalid, Refusal
from app.core.ids import Prefix, show
from app.core.paging import Page
from app.customers import queries as customers
from app.customers.models import Contract, ContractStatus, Customer
from app.extensions import runtime, transaction
from app.web import csv, listing
from app.web.access import now
from app.web.page import page
from app.web.refusals import say
from app.web.usage_names import chosen_customer

_SHOWN = 20  # each is priced anew
_HEADER = (
    "contract",
    "customer_external_id",
    "customer_name",
    "period_from",
    "period_to",
    "lines",
    "currency",
    "total_minor",
    "collection_cny_minor",
    "settlement_currency",
    "settlement_minor",
    "trouble",
)


@dataclass(frozen=True)
class Row:
    """What the next invoice of a contract comes to so far, or why that can not be said."""

    contract: Contract
    customer: Customer
    preview: Preview | None
    refusal: str = ""

    @property
    def last_day(self) -> date | None:
        return self.preview.period_to - timedelta(1) if self.preview else None


def upcoming_invoices() -> Response:
    """Show one page of contracts with what they come to, or all that are filtered as a file."""
    if listing.wants_csv():
        return csv.answer("upcoming-invoices", _HEADER, _csv_rows(g.merchant_id))
    try:
        with transaction(g.merchant_id) as session:
            found = _find(session, chosen_customer(session), listing.cursor())
    except Invalid as refusal:
        return _index(Page([], None), status=422, error=say(refusal))
    return _index(found)


def _index(found: Page[Row], *, status: int = 200, error: str = "") -> Response:
    return page(
        "invoices/upcoming.html",
        fragment="rows",
        status=status,
        nav="invoices",
        rows=found.rows,
        error=error,
        customer=request.args.get("customer", ""),
        pager=listing.pager(found.next_cursor),
        csv_url=listing.csv_url(),
    )


def _find(session: Session, customer_id: int | None, cursor: str | None) -> Page[Row]:
    found = customers.list_contracts(
        session,
        customer_id=customer_id,
        status=ContractStatus.ACTIVE,
        cursor=cursor,
        limit=_SHOWN,
    )
    named = customers.customers_by_id(session, [row.customer_id for row in found.rows])
    return found.map(lambda row: _preview(session, row, named[row.customer_id]))


def _preview(session: Session, contract: Contract, customer: Customer) -> Row:
    try:
        preview = previews.preview(session, contract, rates=runtime().rates, now=now())
    except Refusal as refusal:
        return Row(contract, customer, None, say(refusal))
    return Row(contract, customer, preview)


def _csv_rows(merchant_id: int) -> Iterator[tuple[object, ...]]:
    """Yield a line for each contract; amounts are whole numbers of minor units."""
    with transaction(merchant_id) as session:
        customer_id = chosen_customer(session)

    def read_page(cursor: str | None) -> Page[Row]:
        with transaction(merchant_id) as session:
            return _find(session, customer_id, cursor)

    for row in csv.all_rows(read_page):
        whose = show(Prefix.CONTRACT, row.contract.id), row.customer.external_id, row.customer.name
        yield (*whose, *_figures(row.preview), row.refusal)


def _figures(preview: Preview | None) -> tuple[object, ...]:
    if preview is None:
        return ("",) * 8
    amounts = preview.quote.amounts
    return (
        preview.period_from,
        preview.period_to,
        len(preview.lines),
        amounts.total.currency,
        amounts.total.minor,
        amounts.collect.minor,
        amounts.settlement.currency,
        amounts.settlement.minor,
    )
