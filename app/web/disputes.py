"""Disputes as a merchant sees them: the list, its file, and one with its entries in the books."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from flask import g, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.billing import queries as invoices
from app.channels.base import ChannelName
from app.core.errors import Invalid
from app.core.ids import Prefix, read, show
from app.core.paging import DEFAULT_LIMIT, MAX_LIMIT, Page
from app.customers import queries as customers
from app.customers.queries import CustomerName
from app.extensions import transaction
from app.ledger import queries as ledger
from app.payments import dispute_queries, refund_lists
from app.payments import disputes as records
from app.payments import queries as payments
from app.payments.dispute_queries import DisputeFilter
from app.payments.refund_models import Dispute, DisputeStatus
from app.web import csv, listing, refund_words
from app.web.addresses import url_of_each
from app.web.day_filters import chosen_span
from app.web.ledger import groups_of
from app.web.page import page
from app.web.refusals import say
from app.web.usage_names import chosen_customer

_FILTERS = ("q", "status", "channel", "customer", "from", "to")
_HEADER = (
    "id",
    "status",
    "invoice",
    "customer_external_id",
    "customer_name",
    "channel",
    "channel_case_no",
    "amount_cny_minor",
    "platform_fee_returned_cny_minor",
    "settlement_currency",
    "settlement_minor",
    "charge_minor",
    "reason",
    "opened_at",
    "closed_at",
)


@dataclass(frozen=True)
class Row:
    """One line of the list: a dispute, its invoice, whose it is, and the address of its page."""

    dispute: Dispute
    number: str
    customer: CustomerName
    href: str


def disputes() -> Response:
    """Show one page of disputes, or all that are filtered as a file."""
    if listing.wants_csv():
        return csv.answer("disputes", _HEADER, _csv_rows(g.merchant_id))
    try:
        with transaction(g.merchant_id) as session:
            wanted = _wanted(session)
            found = _find(session, wanted, listing.cursor())
            counted = dispute_queries.counts(session, wanted)
    except Invalid as refusal:
        return _index(Page([], None), {}, status=422, error=say(refusal))
    return _index(found, counted)


def dispute(dispute_id: str) -> Response:
    """Show one dispute."""
    with transaction(g.merchant_id) as session:
        found = records.get_dispute(session, read(Prefix.DISPUTE, dispute_id))
        invoice = invoices.get_invoice(session, found.invoice_id)
        posted = ledger.list_transactions(session, reference=dispute_id).rows
        customer = customers.get_customer(session, invoice.customer_id)
        order = payments.get_order(session, found.payment_order_id)
    return page(
        "disputes/show.html",
        nav="disputes",
        public_id=dispute_id,
        found=found,
        invoice_number=invoice.number,
        invoice_url=url_for("web.invoice", invoice_id=show(Prefix.INVOICE, invoice.id)),
        customer=customer,
        customer_url=url_for("web.customer", customer_id=show(Prefix.CUSTOMER, customer.id)),
        order=order,
        groups=list(reversed(groups_of(posted))),
    )


def tabs(counted: Mapping[DisputeStatus, int]) -> list[tuple[str, str, int | None]]:
    """Return the tabs of a list of disputes; nothing is counted where a filter is refused."""
    names = refund_words.dispute_statuses().items()
    everything = ("", _("All"), sum(counted.values()) if counted else None)
    return [everything, *((status.value, name, counted.get(status)) for status, name in names)]


def _index(
    found: Page[Row], counted: Mapping[DisputeStatus, int], *, status: int = 200, error: str = ""
) -> Response:
    values = {name: request.args.get(name, "") for name in _FILTERS}
    return page(
        "disputes/index.html",
        fragment="rows",
        status=status,
        nav="disputes",
        rows=found.rows,
        error=error,
        pager=listing.pager(found.next_cursor),
        tabs=listing.tabs("status", tabs(counted)),
        values=values,
        channels=refund_words.channels(),
        is_filtered=any(values.values()),
        csv_url=listing.csv_url(),
    )


def _wanted(session: Session) -> DisputeFilter:
    """Read the filter from the address. Raises Invalid and NotFound."""
    from_at, until_at = chosen_span(ZoneInfo(g.merchant.time_zone))
    return DisputeFilter(
        status=listing.chosen(DisputeStatus, "status"),
        channel=listing.chosen(ChannelName, "channel"),
        customer_id=chosen_customer(session),
        from_at=from_at,
        until_at=until_at,
        q=listing.searched(),
    )


def _find(
    session: Session, wanted: DisputeFilter, cursor: str | None, *, limit: int = DEFAULT_LIMIT
) -> Page[Row]:
    found = dispute_queries.list_disputes(session, wanted, cursor=cursor, limit=limit)
    about = refund_lists.abouts(session, found.rows)
    named = customers.customer_names(session, {each.customer_id for each in about.values()})
    url_of = url_of_each("web.dispute", "dispute_id")

    def row(each: Dispute) -> Row:
        number, customer_id = about[each.invoice_id]
        return Row(each, number, named[customer_id], url_of(show(Prefix.DISPUTE, each.id)))

    return found.map(row)


def _csv_rows(merchant_id: int) -> Iterator[tuple[object, ...]]:
    """Yield a line for each dispute; amounts are whole numbers of minor units."""
    with transaction(merchant_id) as session:
        wanted = _wanted(session)

    def read_page(cursor: str | None) -> Page[Row]:
        with transaction(merchant_id) as session:
            return _find(session, wanted, cursor, limit=MAX_LIMIT)

    for row in csv.all_rows(read_page):
        each = row.dispute
        yield (
            show(Prefix.DISPUTE, each.id),
            each.status,
            row.number,
            row.customer.external_id,
            row.customer.name,
            each.channel,
            each.channel_case_no,
            each.amount_minor,
            each.fee_minor,
            each.settlement_currency,
            each.settlement_minor,
            each.charge_minor,
            each.reason,
            csv.moment(each.opened_at),
            csv.moment(each.closed_at),
        )
