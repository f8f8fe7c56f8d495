"""Invoice runs over all merchants as they move, and what could not be invoiced, with its reason."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import NamedTuple

from flask import flash, redirect, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.billing import failures, runs
from app.billing import queries as invoices
from app.billing.queries import RunFilter
from app.billing.run_models import InvoiceRun, RunFailure, RunTrigger
from app.core import clock, outbox
from app.core.errors import Invalid, NotFound
from app.core.ids import show_merchant
from app.core.paging import DEFAULT_LIMIT, MAX_LIMIT, Page
from app.extensions import reading, transaction
from app.identity import clocks
from app.identity import queries as identity
from app.web import admin_filters, csv, listing
from app.web.admin import known_merchant, merchant_names
from app.web.admin_filters import chosen_merchant
from app.web.page import page
from app.web.refusals import say

SILENT = timedelta(minutes=1)
"""A run that has not said for so long how far it is was killed."""

_RUN_HEADER = (
    "merchant_id",
    "merchant",
    "trigger",
    "status",
    "total",
    "drafted",
    "finalized",
    "failed",
    "last_error",
    "as_of",
    "started_at",
    "ended_at",
)
_FAILURE_HEADER = (
    "merchant_id",
    "merchant",
    "subject",
    "code",
    "message",
    "attempts",
    "first_failed_at",
    "last_failed_at",
    "retry_at",
)


class FailureRow(NamedTuple):
    """What could not be invoiced, and whose it is."""

    failure: RunFailure
    merchant: str
    merchant_id: str


@dataclass(frozen=True)
class RunRow:
    """A run, whose it is, and while it is at work how fast it goes."""

    run: InvoiceRun
    merchant: str
    now: datetime

    @property
    def is_live(self) -> bool:
        return self.run.ended_at is None and self.now - self.run.progressed_at < SILENT

    @property
    def status(self) -> str:
        if self.run.ended_at is None:
            return "running" if self.is_live else "stopped"
        return "failed" if self.run.failed else "done"

    @property
    def per_second(self) -> float:
        until = self.run.ended_at or self.run.progressed_at
        seconds = (until - self.run.started_at).total_seconds()
        return self.run.done / seconds if seconds > 0 else 0.0

    @property
    def seconds_left(self) -> int | None:
        """How long it will take at this rate; None while nobody can tell."""
        if not self.is_live or not self.per_second:
            return None
        return ceil((self.run.total - self.run.done) / self.per_second)


def admin_runs() -> Response:
    """Show one page of runs over all merchants, or all that are filtered as a file.

    The page goes on by itself while one is at work.
    """
    try:
        trigger = listing.chosen(RunTrigger, "trigger")
        wanted = RunFilter(merchant_id=chosen_merchant(), trigger=trigger)
        if listing.wants_csv():
            return csv.answer("invoice-runs", _RUN_HEADER, _run_lines(wanted))
        with reading() as session:
            found = _find_runs(session, wanted, listing.cursor())
    except (Invalid, NotFound) as refusal:
        return _runs(Page([], None), status=422, error=say(refusal))
    return _runs(found)


def run_invoices() -> Response:
    """Have what is due invoiced, of one merchant or of all that have something."""
    wanted = request.form.get("merchant", "")
    merchants = [known_merchant(wanted)] if wanted else _due()
    for merchant_id in merchants:
        with transaction(merchant_id) as session:
            trigger = RunTrigger.ADMIN.value
            outbox.owe(session, "jobs.billing.catch_up", now=clock.now(), trigger=trigger)
    text = ngettext(
        "%(num)s merchant is being invoiced: follow it here.",
        "%(num)s merchants are being invoiced: follow them here.",
        len(merchants),
    )
    flash(text if merchants else _("Nothing is due, of any merchant."), "ok")
    return redirect(url_for("web.admin_runs"), 303)


def admin_failures() -> Response:
    """Show what could not be invoiced over all merchants, why, and when it is tried again."""
    try:
        merchant_id = chosen_merchant()
        if listing.wants_csv():
            return csv.answer("not-invoiced", _FAILURE_HEADER, _failure_lines(merchant_id))
        with reading() as session:
            found = _find_failures(session, merchant_id, listing.cursor())
    except (Invalid, NotFound) as refusal:
        return _failures(Page([], None), status=422, error=say(refusal))
    return _failures(found)


def retry_failure(merchant: str, subject: str) -> Response:
    """Try one contract or draft again at once."""
    merchant_id = known_merchant(merchant)
    with transaction(merchant_id) as session:
        failures.retry(session, subject, now=clocks.now(session))
        trigger = RunTrigger.ADMIN.value
        outbox.owe(session, "jobs.billing.catch_up", now=clock.now(), trigger=trigger)
    flash(_("It is being tried again."), "ok")
    return redirect(url_for("web.admin_failures"), 303)


def _due() -> list[int]:
    with reading() as session:
        return runs.due_merchants(session, now=clock.now())


def _runs(found: Page[RunRow], *, status: int = 200, error: str = "") -> Response:
    with reading() as session:
        choices = identity.newest_merchants(session)
        waiting = failures.count_all(session)
    return page(
        "admin/runs.html",
        fragment="rows",
        status=status,
        nav="runs",
        rows=found.rows,
        error=error,
        is_live=any(row.is_live for row in found.rows),
        here=request.full_path,
        waiting=waiting,
        pager=listing.pager(found.next_cursor),
        triggers=triggers(),
        choices=[
            ("", _("Every merchant with something due")),
            *((show_merchant(row.merchant_id), f"{row.name} · {row.mode}") for row in choices),
        ],
        csv_url=listing.csv_url(),
        **admin_filters.fields("merchant", "trigger"),
    )


def triggers() -> dict[str, str]:
    """Return who starts runs."""
    return {
        RunTrigger.SCHEDULE.value: _("the schedule"),
        RunTrigger.ADMIN.value: _("an admin"),
        RunTrigger.MERCHANT.value: _("the merchant"),
    }


def _find_runs(
    session: Session, wanted: RunFilter, cursor: str | None, *, limit: int = DEFAULT_LIMIT
) -> Page[RunRow]:
    found = invoices.list_all_runs(session, wanted, cursor=cursor, limit=limit)
    named = merchant_names(session, (run.merchant_id for run in found.rows))
    now = clock.now()
    return found.map(lambda run: RunRow(run, named[run.merchant_id], now))


def _run_lines(wanted: RunFilter) -> Iterator[tuple[object, ...]]:
    def read_page(cursor: str | None) -> Page[RunRow]:
        with reading() as session:
            return _find_runs(session, wanted, cursor, limit=MAX_LIMIT)

    for row in csv.all_rows(read_page):
        run = row.run
        yield (
            show_merchant(run.merchant_id),
            row.merchant,
            run.trigger,
            row.status,
            run.total,
            run.drafted,
            run.finalized,
            run.failed,
            run.last_error,
            csv.moment(run.as_of),
            csv.moment(run.started_at),
            csv.moment(run.ended_at),
        )


def _failures(found: Page[FailureRow], *, status: int = 200, error: str = "") -> Response:
    return page(
        "admin/failures.html",
        fragment="rows",
        status=status,
        nav="runs",
        rows=found.rows,
        error=error,
        pager=listing.pager(found.next_cursor),
        csv_url=listing.csv_url(),
        **admin_filters.fields("merchant"),
    )


def _find_failures(
    session: Session, merchant_id: int | None, cursor: str | None, *, limit: int = DEFAULT_LIMIT
) -> Page[FailureRow]:
    found = failures.list_all_failures(session, merchant_id=merchant_id, cursor=cursor, limit=limit)
    named = merchant_names(session, (row.merchant_id for row in found.rows))
    return found.map(
        lambda row: FailureRow(row, named[row.merchant_id], show_merchant(row.merchant_id))
    )


def _failure_lines(merchant_id: int | None) -> Iterator[tuple[object, ...]]:
    def read_page(cursor: str | None) -> Page[FailureRow]:
        with reading() as session:
            return _find_failures(session, merchant_id, cursor, limit=MAX_LIMIT)

    for row in csv.all_rows(read_page):
        failure = row.failure
        yield (
            row.merchant_id,
            row.merchant,
            failure.subject,
            failure.code,
            failure.message,
            failure.attempts,
            csv.moment(failure.first_failed_at),
            csv.moment(failure.last_failed_at),
            csv.moment(failure.retry_at),
        )
