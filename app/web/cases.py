"""What needs an operator: money that paid nothing, stuck refunds, calls nothing was booked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial

from flask import flash, redirect, request, url_for
from flask_babel import format_timedelta
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.core import clock
from app.core.errors import Refusal
from app.core.ids import Prefix, read, show, show_merchant
from app.core.paging import Page
from app.extensions import reading, ring, transaction
from app.identity import clocks
from app.identity import queries as identity
from app.payments import cases, quarantine
from app.payments.models import ChannelCallback, UnallocatedPayment
from app.payments.refund_models import Refund
from app.web import access, listing, refund_words
from app.web.admin import known_merchant
from app.web.page import page
from app.web.refund_words import Advice
from app.web.refusals import say


class View(StrEnum):
    CASES = "cases"
    REFUNDS = "refunds"
    CALLS = "calls"


CALLS_SHOWN = 100
"""Of the calls that nothing was booked for: more than some mean that an account is set up wrong."""


@dataclass(frozen=True)
class CaseRow:
    """Money that paid nothing: whose it is said to be, how long it waits, what was tried."""

    case: UnallocatedPayment
    merchant: str
    merchant_id: str
    id: str
    why: str
    waiting: str
    last: Refund | None
    can_be_tried: bool


@dataclass(frozen=True)
class StuckRow:
    """A refund that waits for somebody, and what to do about it."""

    refund: Refund
    merchant: str
    id: str
    advice: Advice


@dataclass(frozen=True)
class CallRow:
    """A genuine call of a channel about nothing that we know."""

    call: ChannelCallback
    merchant: str


def admin_cases() -> Response:
    """Show one page of cases, of stuck refunds, or of calls nothing was booked for."""
    view = listing.chosen(View, "view") or View.CASES
    with reading() as session:
        counted = cases.count_all(session)
        calls = quarantine.list_quarantined(session, now=clock.now(), limit=CALLS_SHOWN)
        found = _found(session, view, calls)
    names = [
        (View.CASES.value, _("Paid nothing"), counted.cases),
        (View.REFUNDS.value, _("Stuck refunds"), counted.stuck),
        (View.CALLS.value, _("Unknown calls"), len(calls)),
    ]
    return page(
        "admin/cases.html",
        fragment="rows",
        nav="cases",
        view=view.value,
        rows=found.rows,
        pager=listing.pager(found.next_cursor),
        tabs=listing.tabs("view", names, default=View.CASES.value),
    )


def send_case_back(merchant: str, case_id: str) -> Response:
    """Send the money of a case back once more."""
    merchant_id = known_merchant(merchant)
    try:
        with transaction(merchant_id) as session:
            number, now = read(Prefix.CASE, case_id), clocks.now(session)
            cases.send_back_again(session, number, actor=access.actor(), now=now)
    except Refusal as refusal:
        return _refused(refusal)
    ring()
    return _done(_("It is on its way back."))


def keep_case(merchant: str, case_id: str) -> Response:
    """Close a case with a note of what became of its money."""
    merchant_id, note = known_merchant(merchant), request.form.get("note", "")
    try:
        with transaction(merchant_id) as session:
            number, now = read(Prefix.CASE, case_id), clocks.now(session)
            cases.keep(session, number, note=note, actor=access.actor(), now=now)
    except Refusal as refusal:
        return _refused(refusal)
    return _done(_("The case is closed."))


def _found(
    session: Session, view: View, calls: Sequence[ChannelCallback]
) -> Page[CaseRow] | Page[StuckRow] | Page[CallRow]:
    if view is View.CASES:
        return _cases(session)
    if view is View.REFUNDS:
        return _stuck(session)
    return Page([CallRow(call, _named(call.merchant_id)) for call in calls], None)


def _named(merchant_id: int | None) -> str:
    """Write the merchant that a call's number names: there may be no such merchant."""
    return "" if merchant_id is None else show_merchant(merchant_id)


def _cases(session: Session) -> Page[CaseRow]:
    found = cases.list_all_open(session, cursor=listing.cursor())
    owners = identity.merchants_by_id(session, {case.merchant_id for case in found.rows})
    tries = cases.last_tries(session, [case.id for case in found.rows])
    reasons, real_now = refund_words.reasons_aside(), clock.now()

    def row(case: UnallocatedPayment) -> CaseRow:
        owner, last = owners[case.merchant_id], tries.get(case.id)
        waited = max(real_now + owner.clock_offset - case.opened_at, timedelta())
        return CaseRow(
            case,
            owner.name,
            show_merchant(case.merchant_id),
            show(Prefix.CASE, case.id),
            reasons[case.reason],
            format_timedelta(waited, granularity="minute"),
            last,
            cases.can_be_tried(case, last),
        )

    return found.map(row)


def _stuck(session: Session) -> Page[StuckRow]:
    found = cases.list_all_stuck(session, cursor=listing.cursor())
    owners = identity.merchants_by_id(session, {refund.merchant_id for refund in found.rows})
    shown = partial(show, Prefix.REFUND)
    return found.map(
        lambda refund: StuckRow(
            refund,
            owners[refund.merchant_id].name,
            shown(refund.id),
            refund_words.advice_to_operators(refund),
        )
    )


def _refused(refusal: Refusal) -> Response:
    flash(say(refusal), "bad")
    return redirect(url_for("web.admin_cases"), 303)


def _done(text: str) -> Response:
    flash(text, "ok")
    return redirect(url_for("web.admin_cases"), 303)
