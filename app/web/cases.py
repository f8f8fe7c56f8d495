"""What needs an operator: money that paid nothing, stuck refunds, calls nothing was booked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from flask import flash, redirect, request, url_for
from flask_babel import format_timedelta
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.core import clock
from app.core.errors import Invalid, NotFound, Refusal
from app.core.ids import Prefix, read, show, show_merchant
from app.core.paging import DEFAULT_LIMIT, MAX_LIMIT, Page
from app.extensions import reading, ring, transaction
from app.identity import clocks
from app.identity import queries as identity
from app.payments import cases, quarantine
from app.payments.models import ChannelCallback, UnallocatedPayment
from app.payments.platform_filter import PlatformFilter
from app.payments.refund_models import Refund
from app.web import access, admin_filters, csv, listing, refund_words
from app.web.admin import known_merchant
from app.web.page import page
from app.web.refund_words import Advice
from app.web.refusals import say


class View(StrEnum):
    CASES = "cases"
    REFUNDS = "refunds"
    CALLS = "calls"


_CASE_HEADER = (
    "id",
    "merchant_id",
    "merchant",
    "reason",
    "channel",
    "channel_txn_id",
    "currency",
    "amount_minor",
    "opened_at",
    "last_try",
    "last_trouble",
)
_STUCK_HEADER = (
    "id",
    "merchant_id",
    "merchant",
    "status",
    "channel",
    "out_refund_no",
    "channel_refund_id",
    "amount_cny_minor",
    "trouble",
    "created_at",
)
_CALL_HEADER = ("channel", "notice", "merchant_id", "received_at")


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
    merchant_id: str
    id: str
    advice: Advice


@dataclass(frozen=True)
class CallRow:
    """A genuine call of a channel about nothing that we know."""

    call: ChannelCallback
    merchant: str


def admin_cases() -> Response:
    """Show one page of cases, of stuck refunds or of unknown calls, or all of them as a file."""
    view = listing.chosen(View, "view") or View.CASES
    try:
        wanted = admin_filters.chosen()
        if listing.wants_csv():
            return _file(view, wanted)
        with reading() as session:
            found = _find(session, view, wanted, cursor=listing.cursor())
            counted = _counts(session, wanted)
    except (Invalid, NotFound) as refusal:
        return _index(view, Page([], None), {}, status=422, error=say(refusal))
    return _index(view, found, counted)


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


def _index(
    view: View,
    found: Page[Any],
    counted: Mapping[View, int],
    *,
    status: int = 200,
    error: str = "",
) -> Response:
    names = {
        View.CASES: _("Paid nothing"),
        View.REFUNDS: _("Stuck refunds"),
        View.CALLS: _("Unknown calls"),
    }
    tabs = [(each.value, name, counted.get(each)) for each, name in names.items()]
    return page(
        "admin/cases.html",
        fragment="rows",
        status=status,
        nav="cases",
        view=view.value,
        rows=found.rows,
        error=error,
        pager=listing.pager(found.next_cursor),
        tabs=listing.tabs("view", tabs, default=View.CASES.value),
        csv_url=listing.csv_url(),
        **admin_filters.fields("merchant", "channel"),
    )


def _counts(session: Session, wanted: PlatformFilter) -> dict[View, int]:
    waiting = cases.count_all(session, wanted)
    calls = quarantine.count_quarantined(session, wanted, now=clock.now())
    return {View.CASES: waiting.cases, View.REFUNDS: waiting.stuck, View.CALLS: calls}


def _find(
    session: Session,
    view: View,
    wanted: PlatformFilter,
    *,
    cursor: str | None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Any]:
    """Return one page of rows as this view shows them."""
    if view is View.CASES:
        found = cases.list_all_open(session, wanted, cursor=cursor, limit=limit)
        return Page(_case_rows(session, found.rows), found.next_cursor)
    if view is View.REFUNDS:
        stuck = cases.list_all_stuck(session, wanted, cursor=cursor, limit=limit)
        return Page(_stuck_rows(session, stuck.rows), stuck.next_cursor)
    calls = quarantine.list_quarantined(
        session, wanted, now=clock.now(), cursor=cursor, limit=limit
    )
    return calls.map(lambda call: CallRow(call, _named(call.merchant_id)))


def _named(merchant_id: int | None) -> str:
    """Write the merchant that a call's number names: there may be no such merchant."""
    return "" if merchant_id is None else show_merchant(merchant_id)


def _case_rows(session: Session, found: Sequence[UnallocatedPayment]) -> list[CaseRow]:
    owners = identity.merchants_by_id(session, {case.merchant_id for case in found})
    tries = cases.last_tries(session, [case.id for case in found])
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

    return [row(case) for case in found]


def _stuck_rows(session: Session, found: Sequence[Refund]) -> list[StuckRow]:
    owners = identity.merchants_by_id(session, {refund.merchant_id for refund in found})
    return [
        StuckRow(
            refund,
            owners[refund.merchant_id].name,
            show_merchant(refund.merchant_id),
            show(Prefix.REFUND, refund.id),
            refund_words.advice_to_operators(refund),
        )
        for refund in found
    ]


def _file(view: View, wanted: PlatformFilter) -> Response:
    """Answer a view as a file; amounts are whole numbers of minor units."""

    def read_page(cursor: str | None) -> Page[Any]:
        with reading() as session:
            return _find(session, view, wanted, cursor=cursor, limit=MAX_LIMIT)

    rows = csv.all_rows(read_page)
    if view is View.CASES:
        return csv.answer("cases", _CASE_HEADER, map(_case_line, rows))
    if view is View.REFUNDS:
        return csv.answer("stuck-refunds", _STUCK_HEADER, map(_stuck_line, rows))
    return csv.answer("unknown-calls", _CALL_HEADER, map(_call_line, rows))


def _case_line(row: CaseRow) -> tuple[object, ...]:
    case, last = row.case, row.last
    return (
        row.id,
        row.merchant_id,
        row.merchant,
        case.reason,
        case.channel,
        case.channel_txn_id,
        case.currency,
        case.amount_minor,
        csv.moment(case.opened_at),
        last.status if last else "",
        last.trouble if last else "",
    )


def _stuck_line(row: StuckRow) -> tuple[object, ...]:
    refund = row.refund
    return (
        row.id,
        row.merchant_id,
        row.merchant,
        refund.status,
        refund.channel,
        refund.out_refund_no,
        refund.channel_refund_id,
        refund.amount_minor,
        refund.trouble,
        csv.moment(refund.created_at),
    )


def _call_line(row: CallRow) -> tuple[object, ...]:
    call = row.call
    return call.channel, call.notice_id, row.merchant, csv.moment(call.received_at)


def _refused(refusal: Refusal) -> Response:
    flash(say(refusal), "bad")
    return redirect(url_for("web.admin_cases"), 303)


def _done(text: str) -> Response:
    flash(text, "ok")
    return redirect(url_for("web.admin_cases"), 303)
