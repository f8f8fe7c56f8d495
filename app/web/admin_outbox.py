"""The outbox over all merchants: what is owed, given up or done, and reviving what is dead."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from flask import abort, flash, redirect, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.core import clock, outbox
from app.core.errors import Invalid, NotFound
from app.core.ids import Prefix, find_merchant, read, show, show_merchant
from app.core.outbox import JobFilter, JobState, OutboxJob
from app.core.paging import DEFAULT_LIMIT, MAX_LIMIT, Page
from app.extensions import reading, ring, transaction
from app.web import admin_filters, csv, listing
from app.web.admin import merchant_names
from app.web.page import page
from app.web.refusals import say

_HEADER = (
    "id",
    "merchant_id",
    "merchant",
    "task",
    "arguments",
    "attempts",
    "created_at",
    "due_at",
    "done_at",
    "dead_at",
    "last_error",
)


@dataclass(frozen=True)
class Row:
    """A job, and who owes it."""

    job: OutboxJob
    id: str
    merchant: str
    merchant_id: str


def admin_outbox() -> Response:
    """Show one page of the jobs that are owed, dead or done, or all of them as a file."""
    state = listing.chosen(JobState, "state") or JobState.WAITING
    try:
        wanted = _wanted()
        if listing.wants_csv():
            return csv.answer(f"outbox-{state}", _HEADER, _csv_rows(state, wanted))
        with reading() as session:
            found = _find(session, state, wanted, cursor=listing.cursor())
            counted = outbox.count_unfinished(session, wanted)
    except (Invalid, NotFound) as refusal:
        return _index(state, Page([], None), {}, status=422, error=say(refusal))
    return _index(state, found, counted)


def revive_job(merchant: str, job_id: str) -> Response:
    """Make a dead job due again, from its first attempt; one that is not dead is left alone."""
    merchant_id = find_merchant(merchant)  # or the platform itself, which owes jobs, too
    if merchant_id is None:
        abort(404)
    with transaction(merchant_id) as session:
        job = outbox.lock_dead(session, read(Prefix.OUTBOX, job_id))
        if job is not None:
            outbox.revive(job, now=clock.now())
    ring()
    flash(_("The job is due again."), "ok")
    return redirect(url_for("web.admin_outbox", state=JobState.DEAD.value), 303)


def _index(
    state: JobState,
    found: Page[Row],
    counted: Mapping[JobState, int],
    *,
    status: int = 200,
    error: str = "",
) -> Response:
    names = {
        JobState.WAITING: _("Waiting"),
        JobState.DEAD: _("Given up"),
        JobState.DONE: _("Done"),
    }
    tabs = [(each.value, name, counted.get(each)) for each, name in names.items()]
    return page(
        "admin/outbox.html",
        fragment="rows",
        status=status,
        nav="outbox",
        rows=found.rows,
        error=error,
        pager=listing.pager(found.next_cursor),
        tabs=listing.tabs("state", tabs, default=JobState.WAITING.value),
        state=state.value,
        csv_url=listing.csv_url(),
        **admin_filters.fields("q", "merchant"),
    )


def _wanted() -> JobFilter:
    """Read the filter from the address. Raises Invalid and NotFound."""
    return JobFilter(merchant_id=admin_filters.chosen_merchant(), q=listing.searched())


def _find(
    session: Session,
    state: JobState,
    wanted: JobFilter,
    *,
    cursor: str | None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Row]:
    found = outbox.list_jobs(session, state, wanted, cursor=cursor, limit=limit)
    named = merchant_names(session, (job.merchant_id for job in found.rows))
    return found.map(
        lambda job: Row(
            job,
            show(Prefix.OUTBOX, job.id),
            named[job.merchant_id],
            show_merchant(job.merchant_id),
        )
    )


def _csv_rows(state: JobState, wanted: JobFilter) -> Iterator[tuple[object, ...]]:
    def read_page(cursor: str | None) -> Page[Row]:
        with reading() as session:
            return _find(session, state, wanted, cursor=cursor, limit=MAX_LIMIT)

    for row in csv.all_rows(read_page):
        job = row.job
        yield (
            row.id,
            row.merchant_id,
            row.merchant,
            job.task,
            " ".join(f"{name}={value}" for name, value in job.arguments.items()),
            job.attempts,
            csv.moment(job.created_at),
            csv.moment(job.due_at),
            csv.moment(job.done_at),
            csv.moment(job.dead_at),
            job.last_error,
        )
