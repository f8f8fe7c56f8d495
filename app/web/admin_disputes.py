"""Disputes over all merchants, as operators record what a channel tells us, and its decision."""

from typing import Any

from flask import flash, redirect, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.core.errors import Refusal
from app.core.ids import Prefix, read, show, show_merchant
from app.core.money import Currency
from app.extensions import reading, transaction
from app.identity import clocks
from app.identity import queries as identity
from app.payments import dispute_queries, disputes
from app.payments.disputes import Complaint
from app.payments.refund_models import DisputeStatus
from app.web import access, listing
from app.web.admin import known_merchant, merchant_names
from app.web.amounts import read_amount
from app.web.disputes import tabs
from app.web.forms import Form, blank, typed
from app.web.page import page
from app.web.refusals import say

_BLANK = {"merchant": "", "number": "", "amount": "", "case_no": "", "charge": "", "reason": ""}
_FIELDS = {"amountMinor": "amount", "channelCaseNo": "case_no"}
"""What refusals call the fields of the form."""


def admin_disputes() -> Response:
    """Show one page of disputes over all merchants."""
    status = listing.chosen(DisputeStatus, "status")
    with reading() as session:
        found = dispute_queries.list_all(session, status=status, cursor=listing.cursor())
        counted = dispute_queries.count_all(session)
        named = merchant_names(session, (row.merchant_id for row in found.rows))
    return page(
        "admin/disputes.html",
        fragment="rows",
        nav="disputes",
        rows=[
            (
                row,
                named[row.merchant_id],
                show_merchant(row.merchant_id),
                show(Prefix.DISPUTE, row.id),
            )
            for row in found.rows
        ],
        pager=listing.pager(found.next_cursor),
        tabs=listing.tabs("status", tabs(counted)),
    )


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
