"""Refunds of all merchants that wait for the platform: let them go, or refuse with a reason."""

from dataclasses import dataclass

from flask import flash, redirect, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.core.errors import Refusal
from app.core.ids import Prefix, read, show, show_merchant
from app.extensions import reading, transaction
from app.identity import clocks
from app.payments import refunds, waiting
from app.payments.refund_models import Refund
from app.web import access, listing
from app.web.admin import known_merchant, merchant_names
from app.web.page import page
from app.web.refusals import say


@dataclass(frozen=True)
class WaitingRow:
    """A refund that waits, whose it is, and of which invoice."""

    refund: Refund
    id: str
    merchant: str
    merchant_id: str
    invoice_number: str


def admin_refunds() -> Response:
    """Show one page of the refunds that wait."""
    with reading() as session:
        found = waiting.list_all_waiting(session, cursor=listing.cursor())
        named = merchant_names(session, (row.refund.merchant_id for row in found.rows))
    return page(
        "admin/refunds.html",
        fragment="rows",
        nav="refunds",
        rows=[
            WaitingRow(
                row.refund,
                show(Prefix.REFUND, row.refund.id),
                named[row.refund.merchant_id],
                show_merchant(row.refund.merchant_id),
                row.invoice_number,
            )
            for row in found.rows
        ],
        pager=listing.pager(found.next_cursor),
    )


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
