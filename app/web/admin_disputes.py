"""Disputes over all merchants, as operators record what a channel tells us, and its decision."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from flask import flash, redirect, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.core.errors import Invalid, NotFound, Refusal
from app.core.ids import Prefix, read, show, show_merchant
from app.core.money import Currency
from app.core.paging import DEFAULT_LIMIT, MAX_LIMIT, Page
from app.extensions import reading, transaction
from app.identity import clocks
from app.identity import queries as identity
from app.payments import dispute_queries, disputes
from app.payments.dispute_queries import DisputeFilter
from app.payments.disputes import Complaint
from app.payments.refund_models import Dispute, DisputeStatus
from app.web import access, admin_filters, csv, listing
from app.web.admin import known_merchant, merchant_names
from app.web.amounts import read_amount
from app.web.disputes import tabs
from app.web.forms import Form, blank, typed
from app.web.page import page
from app.web.refusals import say

_BLANK = {"merchant": "", "number": "", "amount": "", "case_no": "", "charge": "", "reason": ""}
_FIELDS = {"amountMinor": "amount", "channelCaseNo": "case_no"}
"""What refusals call the fields of the form."""

_HEADER = (
    "id",
    "merchant_id",
    "merchant",
    "status",
    "channel",
    "channel_case_no",
    "amount_cny_minor",
    "settlement_currency",
    "settlement_minor",
    "charge_minor",
    "reason",
    "opened_at",
    "opened_by",
    "closed_at",
    "closed_by",
)


class Row(NamedTuple):
    """A dispute, and whose it is."""

    dispute: Dispute
    merchant: str
    merchant_id: str
    id: str


def admin_disputes() -> Response:
    """Show one page of disputes over all merchants, or all that are filtered as a file."""
    try:
        wanted = _wanted()
        if listing.wants_csv():
            return csv.answer("disputes", _HEADER, _csv_rows(wanted))
        with reading() as session:
            found = _find(session, wanted, listing.cursor())
            counted = dispute_queries.count_all(session, wanted)
    except (Invalid, NotFound) as refusal:
        return _index(Page([], None), {}, status=422, error=say(refusal))
    return _index(found, counted)


def new_dispute() -> Response:
    return _form(blank(**_BLANK | {"merchant": request.args.get("merchant", "")}))


def record_dispute() -> Response:
    """Record what a channel withdrew; where that can not be, the form says why."""
    form = typed(**_BLANK)
    try:
        _record(form)
    except Refusal as refusal:
        refusal.path = _FIELDS.get(refusal.path or "", refusal.path)
        return _form(form.refuse(refusal), status=422)
    flash(_("The dispute is recorded; the merchant’s part is held."), "ok")
    return redirect(url_for("web.admin_disputes"), 303)


def close_dispute(merchant: str, dispute_id: str) -> Response:
    """Record how a dispute was decided."""
    merchant_id, is_won = known_merchant(merchant), request.form.get("decided") == "won"
    try:
        with transaction(merchant_id) as session:
            number, now = read(Prefix.DISPUTE, dispute_id), clocks.now(session)
            disputes.close_dispute(session, number, is_won=is_won, actor=access.actor(), now=now)
    except Refusal as refusal:
        flash(say(refusal), "bad")
    else:
        flash(_("The dispute is won.") if is_won else _("The dispute is lost."), "ok")
    return redirect(url_for("web.admin_disputes"), 303)


def _index(
    found: Page[Row], counted: Mapping[DisputeStatus, int], *, status: int = 200, error: str = ""
) -> Response:
    return page(
        "admin/disputes.html",
        fragment="rows",
        status=status,
        nav="disputes",
        rows=found.rows,
        error=error,
        pager=listing.pager(found.next_cursor),
        tabs=listing.tabs("status", tabs(counted)),
        csv_url=listing.csv_url(),
        **admin_filters.fields("q", "status", "merchant", "channel"),
    )


def _wanted() -> DisputeFilter:
    """Read the filter from the address. Raises Invalid and NotFound."""
    chosen = admin_filters.chosen()
    return DisputeFilter(
        merchant_id=chosen.merchant_id,
        channel=chosen.channel,
        status=listing.chosen(DisputeStatus, "status"),
        q=listing.searched(),
    )


def _find(
    session: Session, wanted: DisputeFilter, cursor: str | None, *, limit: int = DEFAULT_LIMIT
) -> Page[Row]:
    found = dispute_queries.list_all(session, wanted, cursor=cursor, limit=limit)
    named = merchant_names(session, (each.merchant_id for each in found.rows))
    return found.map(
        lambda each: Row(
            each,
            named[each.merchant_id],
            show_merchant(each.merchant_id),
            show(Prefix.DISPUTE, each.id),
        )
    )


def _csv_rows(wanted: DisputeFilter) -> Iterator[tuple[object, ...]]:
    """Yield a line for each dispute; amounts are whole numbers of minor units."""

    def read_page(cursor: str | None) -> Page[Row]:
        with reading() as session:
            return _find(session, wanted, cursor, limit=MAX_LIMIT)

    for row in csv.all_rows(read_page):
        each = row.dispute
        yield (
            row.id,
            row.merchant_id,
            row.merchant,
            each.status,
            each.channel,
            each.channel_case_no,
            each.amount_minor,
            each.settlement_currency,
            each.settlement_minor,
            each.charge_minor,
            each.reason,
            csv.moment(each.opened_at),
            each.opened_by,
            csv.moment(each.closed_at),
            each.closed_by,
        )


def _record(form: Form) -> None:
    values = {name: value.strip() for name, value in form.values.items()}
    merchant_id = known_merchant(values["merchant"])
    with transaction(merchant_id) as session:
        invoice = dispute_queries.find_disputed(session, values["number"])
        charge = None
        if values["charge"]:
            charge = read_amount(values["charge"], invoice.settlement_currency, path="charge")
        complaint = Complaint(
            values["case_no"],
            read_amount(values["amount"], Currency.CNY, path="amount"),
            values["reason"],
            charge,
        )
        now = clocks.now(session)
        disputes.open_dispute(session, invoice.id, complaint, actor=access.actor(), now=now)


def _form(form: Form, *, status: int = 200) -> Response:
    with reading() as session:
        choices = identity.newest_merchants(session)
    known: list[tuple[str, Any]] = [
        (show_merchant(row.merchant_id), f"{row.name} · {row.mode}") for row in choices
    ]
    return page("admin/new_dispute.html", status=status, nav="disputes", form=form, merchants=known)
