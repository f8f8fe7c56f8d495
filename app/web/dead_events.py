"""Unmatched usage: why it waits, the way to mend it, and trying it again."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from flask import flash, g, redirect, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.core import clock
from app.core.errors import Conflict, NotFound
from app.core.ids import Prefix, read, show
from app.core.paging import MAX_LIMIT, Page
from app.core.periods import local_date
from app.customers import queries as customers
from app.documents.formats import decimal
from app.extensions import transaction
from app.metering import dead_events as room
from app.metering import replaying, tallies
from app.metering.dead_events import Cause, DeadFilter
from app.metering.ingestion import MerchantWindow
from app.metering.models import DeadEvent, DeadReason, DeadReplay, DeadStatus
from app.metering.tallies import DayTally
from app.pricing import queries as catalogue
from app.web import axes, charts, csv, listing
from app.web.access import actor, now
from app.web.moments import format_date
from app.web.page import is_partial, page
from app.web.refusals import say
from app.web.usage_tabs import UNMATCHED, usage_tabs

TALLY_DAYS = 30
_HEADER = (
    "received_at",
    "status",
    "reason",
    "idempotency_key",
    "customer_external_id",
    "metric",
    "occurred_at",
    "quantity",
    "seen",
    "outcome",
    "id",
)
_FIELDS = (
    "customerExternalId",
    "idempotencyKey",
    "metric",
    "quantity",
    "occurredAt",
    "dimensions",
    "corrects",
)


@dataclass(frozen=True)
class CauseRow:
    """A cause, what it is called, the deed that mends it, and where that is done."""

    cause: Cause
    title: str
    step: str
    step_url: str

    @property
    def list_url(self) -> str:
        return self._url("web.dead_events")

    @property
    def replay_url(self) -> str:
        return self._url("web.replay_dead_events")

    @property
    def discard_url(self) -> str:
        return self._url("web.discard_dead_events")

    def _url(self, endpoint: str) -> str:
        return url_for(endpoint, reason=self.cause.reason.value, name=self.cause.name)


def dead_events() -> Response:
    """Show why events wait, one page of them, and what else was not plainly accepted."""
    if listing.wants_csv():
        return csv.answer("unmatched-events", _HEADER, _csv_rows(g.merchant_id))
    return _index()


def dead_event(dead_event_id: str) -> Response:
    """Show one event as it was sent."""
    with transaction(g.merchant_id) as session:
        row = room.get_dead_event(session, read(Prefix.DEAD_EVENT, dead_event_id))
        cause = Cause(row.reason, room.name_of(row), 1, row.occurred_at, row.occurred_at)
        (mended,) = _with_steps(session, [cause])
    return page(
        "usage/dead_event.html",
        nav="usage",
        row=row,
        public_id=dead_event_id,
        cause=mended,
        outcome=outcome_words(row.outcome),
        body=_raw(row),
    )


def replay_dead_events() -> Response:
    """Try every waiting event of a cause again."""
    try:
        with transaction(g.merchant_id) as session:
            replay = replaying.start_replay(
                session, _chosen(), merchant=_window(), now=now(), real_now=clock.now()
            )
    except (Conflict, NotFound) as refusal:
        flash(say(refusal), "bad")
    else:
        flash(_said_of(replay), "ok" if replay.taken else "")
    return redirect(url_for("web.dead_events"), 303)


def discard_dead_events() -> Response:
    """Give up every waiting event of a cause."""
    with transaction(g.merchant_id) as session:
        count = room.discard_waiting(session, _chosen(), actor=actor(), now=now())
    flash(_("Discarded: %(count)s.", count=f"{count:,}"), "ok")
    return redirect(url_for("web.dead_events"), 303)


def replay_dead_event(dead_event_id: str) -> Response:
    """Try one event again."""
    number = read(Prefix.DEAD_EVENT, dead_event_id)
    try:
        with transaction(g.merchant_id) as session:
            tried = replaying.replay_one(session, number, merchant=_window(), now=now())
    except Conflict as refusal:
        flash(say(refusal), "bad")
    else:
        if tried is None or tried.is_taken:
            flash(_("The event is counted now."), "ok")
        else:
            flash(_("It still waits: %(why)s", why=outcome_words(tried.result.code)), "bad")
    return redirect(url_for("web.dead_event", dead_event_id=dead_event_id), 303)


def discard_dead_event(dead_event_id: str) -> Response:
    """Give one event up."""
    number = read(Prefix.DEAD_EVENT, dead_event_id)
    try:
        with transaction(g.merchant_id) as session:
            room.discard_one(session, number, actor=actor(), now=now())
    except Conflict as refusal:
        flash(say(refusal), "bad")
    else:
        flash(_("The event is discarded."), "ok")
    return redirect(url_for("web.dead_event", dead_event_id=dead_event_id), 303)


def replay_progress() -> Response:
    """Show how far the last replay is; asked again and again while it runs."""
    with transaction(g.merchant_id) as session:
        replay = replaying.find_replay(session)
    return page("usage/_replay.html", replay=replay)


def outcome_words(code: str | None) -> str:
    """Say what the last replay of an event found."""
    words: dict[str, str] = {
        "accepted": _("It is counted."),
        "late": _("It is counted, on the next invoice."),
        "duplicate": _("It had been sent again, and is counted once."),
        "unknown_customer": _("No active customer has this external id."),
        "unknown_metric": _("No active metric has this code."),
        "no_contract": _("No contract of this customer covers the time."),
        "event_too_old": _("It happened before the late window, and can not be counted any more."),
        "event_in_future": _("It happens in the future."),
        "idempotency_conflict": _("Its key belongs to an event with other content."),
        "corrects_unknown": _("The event that it corrects is not there."),
    }
    return words.get(code or "", code or "")


def _index() -> Response:
    wanted = _chosen()
    with transaction(g.merchant_id) as session:
        found = room.list_dead(session, wanted, cursor=listing.cursor())
        return page(
            "usage/dead.html",
            fragment="rows",
            nav="usage",
            rows=[_row(row) for row in found.rows],
            statuses=_status_tabs(),
            wanted=wanted,
            cause_title=_title(wanted.reason, wanted.name) if wanted.reason else "",
            pager=listing.pager(found.next_cursor),
            csv_url=listing.csv_url(),
            **({} if is_partial() else _around(session)),
        )


def _around(session: Session) -> dict[str, Any]:
    """Return what stands around the list."""
    return {
        "tabs": usage_tabs(session, UNMATCHED),
        "causes": _with_steps(session, room.causes(session)),
        "replay": replaying.find_replay(session),
        **_tallies(session),
    }


def _raw(row: DeadEvent) -> str:
    """Return the event as it was sent, its fields in the order of the guide."""
    document = {name: row.body[name] for name in _FIELDS if name in row.body}
    return json.dumps(document, ensure_ascii=False, indent=2)


def _row(row: DeadEvent) -> dict[str, Any]:
    url = url_for("web.dead_event", dead_event_id=show(Prefix.DEAD_EVENT, row.id))
    return {
        "row": row,
        "url": url,
        "quantity": decimal(Decimal(row.body["quantity"])),
        "outcome": outcome_words(row.outcome),
    }


def _status_tabs() -> list[tuple[str, str, int | None, bool]]:
    names = {
        DeadStatus.WAITING: _("Waiting"),
        DeadStatus.REPLAYED: _("Replayed"),
        DeadStatus.DISCARDED: _("Discarded"),
    }
    items = [(status.value, name, None) for status, name in names.items()]
    return listing.tabs("status", items, default=DeadStatus.WAITING.value)


def _with_steps(session: Session, causes: Sequence[Cause]) -> list[CauseRow]:
    """Say what mends each cause: what is archived is restored, the rest is made."""
    names = {reason: [c.name for c in causes if c.reason is reason] for reason in DeadReason}
    people = [*names[DeadReason.UNKNOWN_CUSTOMER], *names[DeadReason.NO_CONTRACT]]
    known = customers.customers_by_external_id(session, people) if people else {}
    codes = names[DeadReason.UNKNOWN_METRIC]
    metrics = catalogue.metrics_by_code(session, codes) if codes else {}
    rows = []
    for cause in causes:
        if cause.reason is DeadReason.UNKNOWN_METRIC:
            step, url = _metric_step(cause.name, is_known=cause.name in metrics)
        else:
            customer = known.get(cause.name)
            step, url = _customer_step(cause, customer.id if customer else None)
        rows.append(CauseRow(cause, _title(cause.reason, cause.name), step, url))
    return rows


def _customer_step(cause: Cause, customer_id: int | None) -> tuple[str, str]:
    if customer_id is None:
        url = url_for("web.customers", external_id=cause.name, _anchor="new-customer")
        return _("Create the customer"), url
    if cause.reason is DeadReason.NO_CONTRACT:
        return _("Make a contract"), url_for("web.new_contract", customer=cause.name)
    public_id = show(Prefix.CUSTOMER, customer_id)
    return _("Look at the customer"), url_for("web.customer", customer_id=public_id)


def _metric_step(code: str, *, is_known: bool) -> tuple[str, str]:
    if is_known:
        return _("Look at the metrics"), url_for("web.products", _anchor="metrics")
    return _("Add the metric"), url_for("web.products", metric_code=code, _anchor="new-metric")


def _title(reason: DeadReason, name: str) -> str:
    titles: dict[DeadReason, str] = {
        DeadReason.UNKNOWN_CUSTOMER: _("Unknown customer %(name)s", name=name),
        DeadReason.UNKNOWN_METRIC: _("Unknown metric %(name)s", name=name),
        DeadReason.NO_CONTRACT: _("No contract of %(name)s covers the time", name=name),
    }
    return titles[reason]


def _said_of(replay: DeadReplay) -> str:
    taken, left = f"{replay.taken:,}", f"{replay.tried - replay.taken:,}"
    if replay.ended_at is None:
        return str(_("The replay goes on in the background."))
    if replay.taken == replay.tried:
        return str(_("Counted now: %(count)s.", count=taken))
    return str(_("Counted now: %(taken)s. Still waiting: %(left)s.", taken=taken, left=left))


def _chosen() -> DeadFilter:
    """Return the cause and the status that stand in the address; it is waiting unless it says."""
    status = listing.chosen(DeadStatus, "status") or DeadStatus.WAITING
    reason = listing.chosen(DeadReason, "reason")
    return DeadFilter(reason, request.args.get("name", ""), status)


def _window() -> MerchantWindow:
    return MerchantWindow(g.merchant.time_zone, g.merchant.late_window_days)


def _tallies(session: Session) -> dict[str, Any]:
    """Draw what requests had besides accepted events, on the real days on which they came."""
    zone = ZoneInfo(g.merchant.time_zone)
    end_day = local_date(clock.now(), zone) + timedelta(1)
    days = [end_day - timedelta(n) for n in range(TALLY_DAYS, 0, -1)]
    found = tallies.tallies_by_day(session, first_day=days[0], end_day=end_day, zone=zone)
    by_day = {tally.day: tally for tally in found}
    counted = [_counts(by_day.get(day)) for day in days]
    series = list(zip(*counted, strict=True))
    names = [_("Duplicate"), _("Conflict"), _("Late"), _("Unmatched"), _("Invalid")]
    drawing = charts.bar_chart([[float(count) for count in counts] for counts in series])
    return {
        "tallies": {
            "has_any": bool(found),
            "drawing": drawing,
            "names": names,
            "totals": [f"{sum(counts):,}" for counts in series],
            "columns": [_("Day"), *names],
            "table": [
                (format_date(day, _("MMM d")), *(f"{count:,}" for count in counts))
                for day, counts in zip(days, counted, strict=True)
            ],
            "y_labels": [axes.short(tick) for tick in drawing.ticks],
            "x_labels": axes.axis_days(days),
        }
    }


def _counts(tally: DayTally | None) -> tuple[int, int, int, int, int]:
    if tally is None:
        return (0, 0, 0, 0, 0)
    return (tally.duplicates, tally.conflicts, tally.late, tally.unmatched, tally.invalid)


def _csv_rows(merchant_id: int) -> Iterator[tuple[object, ...]]:
    wanted = _chosen()

    def read_page(cursor: str | None) -> Page[DeadEvent]:
        with transaction(merchant_id) as session:
            return room.list_dead(session, wanted, cursor=cursor, limit=MAX_LIMIT)

    for row in csv.all_rows(read_page):
        yield (
            row.received_at.isoformat(timespec="milliseconds"),
            row.status.value,
            row.reason.value,
            row.idempotency_key,
            row.customer_external_id,
            row.metric,
            row.occurred_at.isoformat(timespec="milliseconds"),
            row.body.get("quantity"),
            row.seen,
            row.outcome or "",
            show(Prefix.DEAD_EVENT, row.id),
        )
