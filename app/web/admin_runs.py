"""Invoice runs over all merchants as they move, and what could not be invoiced, with its reason."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from flask import flash, redirect, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.wrappers import Response

from app.billing import failures, runs
from app.billing import queries as invoices
from app.billing.run_models import InvoiceRun, RunTrigger
from app.core import clock, outbox
from app.core.ids import show_merchant
from app.extensions import reading, transaction
from app.identity import clocks
from app.identity import queries as identity
from app.web import listing
from app.web.admin import known_merchant, merchant_names
from app.web.page import page

SILENT = timedelta(minutes=1)
"""A run that has not said for so long how far it is was killed."""


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
    """Show one page of runs over all merchants; it goes on by itself while one is at work."""
    now = clock.now()
    with reading() as session:
        found = invoices.list_all_runs(session, cursor=listing.cursor())
        named = merchant_names(session, (run.merchant_id for run in found.rows))
        choices = identity.newest_merchants(session)
        waiting = failures.count_all(session)
    rows = [RunRow(run, named[run.merchant_id], now) for run in found.rows]
    return page(
        "admin/runs.html",
        fragment="rows",
        nav="runs",
        rows=rows,
        is_live=any(row.is_live for row in rows),
        here=request.full_path,
        waiting=waiting,
        pager=listing.pager(found.next_cursor),
        choices=[
            ("", _("Every merchant with something due")),
            *((show_merchant(row.merchant_id), f"{row.name} · {row.mode}") for row in choices),
        ],
    )


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
    with reading() as session:
        found = failures.list_all_failures(session, cursor=listing.cursor())
        named = merchant_names(session, (row.merchant_id for row in found.rows))
    return page(
        "admin/failures.html",
        fragment="rows",
        nav="runs",
        rows=[(row, named[row.merchant_id], show_merchant(row.merchant_id)) for row in found.rows],
        pager=listing.pager(found.next_cursor),
    )


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
