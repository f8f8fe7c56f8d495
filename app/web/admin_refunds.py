"""Refunds of all merchants that wait for the platform: let them go, or refuse with a reason."""

from collections.abc import Iterator
from dataclasses import dataclass

from flask import flash, redirect, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.core.errors import Invalid, NotFound, Refusal
from app.core.ids import Prefix, read, show, show_merchant
from app.core.paging import DEFAULT_LIMIT, MAX_LIMIT, Page
from app.extensions import reading, transaction
from app.identity import clocks
from app.payments import refunds, waiting
from app.payments.platform_filter import PlatformFilter
from app.payments.refund_models import Refund
from app.web import access, admin_filters, csv, listing
from app.web.admin import known_merchant, merchant_names
from app.web.page import page
from app.web.refusals import say

_HEADER = (
    "id",
    "merchant_id",
    "merchant",
    "invoice",
    "channel",
    "amount_cny_minor",
    "reason",
    "created_at",
    "created_by",
)


@dataclass(frozen=True)
class WaitingRow:
    """A refund that waits, whose it is, and of which invoice."""

    refund: Refund
    id: str
    merchant: str
    merchant_id: str
    invoice_number: str


def admin_refunds() -> Response:
    """Show one page of the refunds that wait, or all that are filtered as a file."""
    try:
        wanted = admin_filters.chosen()
        if listing.wants_csv():
            return csv.answer("refunds-to-approve", _HEADER, _csv_rows(wanted))
        with reading() as session:
            found = _find(session, wanted, listing.cursor())
    except (Invalid, NotFound) as refusal:
        return _index(Page([], None), status=422, error=say(refusal))
    return _index(found)


def approve_refund(merchant: str, refund_id: str) -> Response:
    """Let a refund go to its channel."""
    merchant_id = known_merchant(merchant)
    try:
        with transaction(merchant_id) as session:
            number, now = read(Prefix.REFUND, refund_id), clocks.now(session)
            refunds.approve(session, number, actor=access.actor(), now=now)
    except Refusal as refusal:
        flash(say(refusal), "bad")
    else:
        flash(_("Approved: the channel is being told."), "ok")
    return redirect(url_for("web.admin_refunds"), 303)


def reject_refund(merchant: str, refund_id: str) -> Response:
    """Refuse a refund; the merchant sees the reason."""
    merchant_id, reason = known_merchant(merchant), request.form.get("reason", "")
    try:
        with transaction(merchant_id) as session:
            number, now = read(Prefix.REFUND, refund_id), clocks.now(session)
            refunds.reject(session, number, reason=reason, actor=access.actor(), now=now)
    except Refusal as refusal:
        flash(say(refusal), "bad")
    else:
        flash(_("Rejected. Nothing was moved; the merchant is told why."), "ok")
    return redirect(url_for("web.admin_refunds"), 303)


def _index(found: Page[WaitingRow], *, status: int = 200, error: str = "") -> Response:
    return page(
        "admin/refunds.html",
        fragment="rows",
        status=status,
        nav="refunds",
        rows=found.rows,
        error=error,
        pager=listing.pager(found.next_cursor),
        csv_url=listing.csv_url(),
        **admin_filters.fields("merchant", "channel"),
    )


def _find(
    session: Session, wanted: PlatformFilter, cursor: str | None, *, limit: int = DEFAULT_LIMIT
) -> Page[WaitingRow]:
    found = waiting.list_all_waiting(session, wanted, cursor=cursor, limit=limit)
    named = merchant_names(session, (row.refund.merchant_id for row in found.rows))
    return found.map(
        lambda row: WaitingRow(
            row.refund,
            show(Prefix.REFUND, row.refund.id),
            named[row.refund.merchant_id],
            show_merchant(row.refund.merchant_id),
            row.invoice_number,
        )
    )


def _csv_rows(wanted: PlatformFilter) -> Iterator[tuple[object, ...]]:
    """Yield a line for each refund; amounts are fen."""

    def read_page(cursor: str | None) -> Page[WaitingRow]:
        with reading() as session:
            return _find(session, wanted, cursor, limit=MAX_LIMIT)

    for row in csv.all_rows(read_page):
        each = row.refund
        yield (
            row.id,
            row.merchant_id,
            row.merchant,
            row.invoice_number,
            each.channel,
            each.amount_minor,
            each.reason,
            csv.moment(each.created_at),
            each.created_by,
        )
