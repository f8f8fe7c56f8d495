"""Disputes as a merchant sees them: the list, and one of them with its entries in the books."""

from dataclasses import dataclass

from flask import g, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.billing import queries as invoices
from app.core.ids import Prefix, read, show
from app.core.paging import Page
from app.customers import queries as customers
from app.customers.queries import CustomerName
from app.extensions import transaction
from app.ledger import queries as ledger
from app.payments import disputes as records
from app.payments import queries as payments
from app.payments import refund_lists, refund_queries
from app.payments.refund_models import Dispute, DisputeStatus
from app.web import listing, refund_words
from app.web.addresses import url_of_each
from app.web.ledger import groups_of
from app.web.page import page


@dataclass(frozen=True)
class Row:
    """One line of the list: a dispute, its invoice, whose it is, and the address of its page."""

    dispute: Dispute
    number: str
    customer: CustomerName
    href: str


def disputes() -> Response:
    """Show one page of disputes."""
    with transaction(g.merchant_id) as session:
        found = _find(session)
        counted = refund_lists.count_disputes(session)
    return page(
        "disputes/index.html",
        fragment="rows",
        nav="disputes",
        rows=found.rows,
        pager=listing.pager(found.next_cursor),
        tabs=listing.tabs("status", tabs(counted)),
        is_filtered=bool(request.args.get("status")),
    )


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


def tabs(counted: dict[DisputeStatus, int]) -> list[tuple[str, str, int | None]]:
    """Return the tabs of a list of disputes."""
    names = refund_words.dispute_statuses()
    everything = ("", _("All"), sum(counted.values()))
    return [everything, *((status.value, names[status], counted[status]) for status in names)]


def _find(session: Session) -> Page[Row]:
    status = listing.chosen(DisputeStatus, "status")
    found = refund_queries.list_disputes(session, status=status, cursor=listing.cursor())
    about = refund_lists.abouts(session, found.rows)
    named = customers.customer_names(session, {each.customer_id for each in about.values()})
    url_of = url_of_each("web.dispute", "dispute_id")

    def row(each: Dispute) -> Row:
        number, customer_id = about[each.invoice_id]
        return Row(each, number, named[customer_id], url_of(show(Prefix.DISPUTE, each.id)))

    return found.map(row)
