"""Refunds: the list and its file, one of them with all that happened, and its mail once more."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from flask import flash, g, redirect, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.billing import queries as invoices
from app.channels.base import ChannelName
from app.core.errors import Conflict, Invalid
from app.core.ids import Prefix, read, show
from app.core.money import Currency, Money
from app.core.paging import DEFAULT_LIMIT, MAX_LIMIT, Page
from app.customers import queries as customers
from app.customers.queries import CustomerName
from app.extensions import transaction
from app.ledger import queries as ledger
from app.payments import queries as payments
from app.payments import refund_lists, refund_mailing, refund_queries
from app.payments.refund_lists import RefundFilter
from app.payments.refund_models import Refund, RefundStatus
from app.web import access, csv, listing, refund_story, refund_words
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
    "purpose",
    "invoice",
    "customer_external_id",
    "customer_name",
    "channel",
    "amount_cny_minor",
    "tax_cny_minor",
    "platform_fee_returned_cny_minor",
    "settlement_currency",
    "settlement_minor",
    "reason",
    "trouble",
    "out_refund_no",
    "channel_refund_id",
    "created_at",
    "created_by",
    "submitted_at",
    "succeeded_at",
    "ended_at",
)


@dataclass(frozen=True)
class Row:
    """One line of the list: a refund, its invoice, whose it is, and the address of its page."""

    refund: Refund
    number: str
    customer: CustomerName
    href: str


@dataclass(frozen=True)
class Part:
    """What of a refund is about one line of the invoice."""

    description: str
    amount: Money


def refunds() -> Response:
    """Show one page of refunds, or all that are filtered as a file."""
    if listing.wants_csv():
        return csv.answer("refunds", _HEADER, _csv_rows(g.merchant_id))
    try:
        with transaction(g.merchant_id) as session:
            wanted = _wanted(session)
            found = _find(session, wanted, listing.cursor())
            counted = refund_lists.counts(session, wanted)
    except Invalid as refusal:
        return _index(Page([], None), {}, status=422, error=say(refusal))
    return _index(found, counted)


def refund(refund_id: str) -> Response:
    """Show one refund with its entries in the books and all that happened."""
    with transaction(g.merchant_id) as session:
        found = refund_queries.get_refund(session, read(Prefix.REFUND, refund_id))
        context = _context(session, found)
    return page("refunds/show.html", nav="refunds", public_id=refund_id, **context)


def resend_refund(refund_id: str) -> Response:
    """Mail the buyer of a refund once more; where that is refused, say why on its page."""
    try:
        with transaction(g.merchant_id) as session:
            number = read(Prefix.REFUND, refund_id)
            refund_mailing.resend(session, number, actor=access.actor(), now=access.now())
    except Conflict as refusal:
        flash(say(refusal), "bad")
    else:
        flash(_("The mail is on its way."), "ok")
    return redirect(url_for("web.refund", refund_id=refund_id), 303)


def parts_of(session: Session, found: Refund) -> list[Part]:
    """Return what the refund says of the lines of its invoice, if it says something."""
    if found.lines is None:
        return []
    invoice = invoices.get_invoice(session, found.invoice_id)
    names = {line.position: line.description for line in invoices.lines_of(session, invoice)}
    return [
        Part(names[part["position"]], Money(part["amount"], Currency.CNY)) for part in found.lines
    ]


def _context(session: Session, found: Refund) -> dict[str, Any]:
    invoice = invoices.get_invoice(session, found.invoice_id)
    posted = ledger.list_transactions(session, reference=show(Prefix.REFUND, found.id)).rows
    return {
        "found": found,
        "invoice_number": invoice.number,
        "invoice_url": url_for("web.invoice", invoice_id=show(Prefix.INVOICE, invoice.id)),
        "customer": customers.get_customer(session, invoice.customer_id),
        "customer_url": url_for(
            "web.customer", customer_id=show(Prefix.CUSTOMER, invoice.customer_id)
        ),
        "order": payments.get_order(session, found.payment_order_id),
        "advice": refund_words.advice_of(found),
        "parts": parts_of(session, found),
        "groups": list(reversed(groups_of(posted))),
        "timeline": refund_story.story_of(found, refund_mailing.list_mails(session, found)),
        "can_resend": refund_mailing.is_mailable(found),
    }


def _index(
    found: Page[Row], counted: Mapping[RefundStatus, int], *, status: int = 200, error: str = ""
) -> Response:
    values = {name: request.args.get(name, "") for name in _FILTERS}
    return page(
        "refunds/index.html",
        fragment="rows",
        status=status,
        nav="refunds",
        rows=found.rows,
        error=error,
        pager=listing.pager(found.next_cursor),
        tabs=listing.tabs("status", _tabs(counted)),
        values=values,
        channels=refund_words.channels(),
        is_filtered=any(values.values()),
        csv_url=listing.csv_url(),
    )


def _tabs(counted: Mapping[RefundStatus, int]) -> list[tuple[str, str, int | None]]:
    everything = ("", _("All"), sum(counted.values()) if counted else None)
    names = refund_words.statuses().items()
    return [everything, *((status.value, name, counted.get(status)) for status, name in names)]


def _wanted(session: Session) -> RefundFilter:
    """Read the filter from the address. Raises Invalid and NotFound."""
    from_at, until_at = chosen_span(ZoneInfo(g.merchant.time_zone))
    return RefundFilter(
        status=listing.chosen(RefundStatus, "status"),
        channel=listing.chosen(ChannelName, "channel"),
        customer_id=chosen_customer(session),
        from_at=from_at,
        until_at=until_at,
        q=listing.searched(),
    )


def _find(
    session: Session, wanted: RefundFilter, cursor: str | None, *, limit: int = DEFAULT_LIMIT
) -> Page[Row]:
    found = refund_lists.list_refunds(session, wanted, cursor=cursor, limit=limit)
    about = refund_lists.abouts(session, found.rows)
    named = customers.customer_names(session, {each.customer_id for each in about.values()})
    url_of = url_of_each("web.refund", "refund_id")

    def row(each: Refund) -> Row:
        number, customer_id = about[each.invoice_id]
        return Row(each, number, named[customer_id], url_of(show(Prefix.REFUND, each.id)))

    return found.map(row)


def _csv_rows(merchant_id: int) -> Iterator[tuple[object, ...]]:
    """Yield a line for each refund; amounts are whole numbers of minor units."""
    with transaction(merchant_id) as session:
        wanted = _wanted(session)

    def read_page(cursor: str | None) -> Page[Row]:
        with transaction(merchant_id) as session:
            return _find(session, wanted, cursor, limit=MAX_LIMIT)

    for row in csv.all_rows(read_page):
        each = row.refund
        yield (
            show(Prefix.REFUND, each.id),
            each.status,
            each.purpose,
            row.number,
            row.customer.external_id,
            row.customer.name,
            each.channel,
            each.amount_minor,
            each.tax_minor,
            each.fee_minor,
            each.settlement_currency,
            each.settlement_minor,
            each.reason,
            each.trouble,
            each.out_refund_no,
            each.channel_refund_id,
            csv.moment(each.created_at),
            each.created_by,
            csv.moment(each.submitted_at),
            csv.moment(each.succeeded_at),
            csv.moment(each.ended_at),
        )
