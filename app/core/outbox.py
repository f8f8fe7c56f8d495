"""Jobs that a transaction owes: written with it, handed to the queue later, by lease.

PostgreSQL is the truth and the queue a doorbell. A row is claimed, and later begun, by pushing
its `due_at` past a lease; a lost queue, a lost pop and a killed worker all heal the same way: the
lease ends and the row is due again. A job may run twice and must be harmless the second time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from psycopg.types.json import Jsonb
from sqlalchemy import ColumnElement, Identity, Index, and_, func, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core.db import Base, Tenant, get_locked, merchant_of, run_sql
from app.core.paging import DEFAULT_LIMIT, Page, newest_first
from app.core.text import matches

LEASE = timedelta(seconds=60)
MAX_ATTEMPTS = 8
_BACK_OFF = timedelta(seconds=5)
_ERROR_LENGTH = 2000
_OWES = "owes_jobs"
_OWE = """
INSERT INTO outbox_jobs (merchant_id, task, arguments, created_at, due_at, attempts)
SELECT %(merchant)s, %(task)s, arguments, %(now)s, %(now)s, 0
  FROM jsonb_array_elements(%(owed)s) AS arguments
"""


class OutboxJob(Tenant, Base):
    """One job owed: `task` is the dotted name of a function in `jobs/`, with keyword arguments."""

    __tablename__ = "outbox_jobs"
    __table_args__ = (
        Index(
            "ix_outbox_jobs_due",
            "merchant_id",
            "due_at",
            postgresql_where=text("done_at IS NULL AND dead_at IS NULL"),
        ),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    task: Mapped[str]
    arguments: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    done_at: Mapped[datetime | None]
    dead_at: Mapped[datetime | None]
    last_error: Mapped[str | None]


class JobState(StrEnum):
    """How far a job is, as an operator sees it."""

    WAITING = "waiting"  # owed, now or after its lease
    DEAD = "dead"  # out of attempts; only `revive` brings it back
    DONE = "done"


@dataclass(frozen=True)
class Backlog:
    """What all merchants are owed; `oldest_due_at` is the longest wait, None when nothing is."""

    waiting: int
    due: int
    dead: int
    oldest_due_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs a list has: of one merchant, or with `q` in the name of their task."""

    merchant_id: int | None = None
    q: str = ""


def owe(session: Session, task: str, *, now: datetime, **arguments: str) -> OutboxJob:
    """Write down a job in the caller's transaction. Ids travel as text, in their public form."""
    job = OutboxJob(
        merchant_id=merchant_of(session),
        task=task,
        arguments=arguments,
        created_at=now,
        due_at=now,
        attempts=0,
    )
    session.add(job)
    session.info[_OWES] = True
    return job


def owe_all(
    session: Session, task: str, owed: Sequence[Mapping[str, str]], *, now: datetime
) -> None:
    """Write down a job of one task for each of these arguments, as `owe` does, in one statement."""
    if owed:
        known = {"merchant": merchant_of(session), "task": task, "now": now}
        run_sql(session, _OWE, known | {"owed": Jsonb(owed)})
        session.info[_OWES] = True


def owes(session: Session) -> bool:
    """Return whether this session wrote down a job: then the queue is worth a ring."""
    return bool(session.info.get(_OWES))


def claim(session: Session, *, now: datetime, limit: int = 50) -> list[OutboxJob]:
    """Take due jobs of the session's merchant for one lease, skipping what others hold.

    Being handed over is no attempt: a job may wait in its queue for long. One that was begun
    MAX_ATTEMPTS times without finishing is dead: it stays, visible.
    """
    due = session.scalars(
        select(OutboxJob)
        .where(OutboxJob.done_at.is_(None), OutboxJob.dead_at.is_(None), OutboxJob.due_at <= now)
        .order_by(OutboxJob.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()
    for job in due:
        if job.attempts >= MAX_ATTEMPTS:
            job.dead_at = now
        else:
            job.due_at = now + LEASE
    return [job for job in due if job.dead_at is None]


def begin(session: Session, job_id: int, *, now: datetime) -> OutboxJob | None:
    """Count an attempt at a job and lease it for that, or return None when there is nothing to do.

    Each attempt waits longer for the next: five seconds, doubled every time, behind the lease.
    """
    job = get_locked(session, OutboxJob, job_id, noun="job")
    if job.done_at is not None or job.dead_at is not None:
        return None
    job.attempts += 1
    job.due_at = now + LEASE + _BACK_OFF * 2**job.attempts
    return job


def finish(session: Session, job_id: int, *, now: datetime) -> None:
    """Write down that a job is done."""
    job = get_locked(session, OutboxJob, job_id, noun="job")
    job.done_at, job.last_error = job.done_at or now, None


def fail(session: Session, job_id: int, error: str) -> None:
    """Keep what went wrong, for the page where an operator looks; the lease brings it back."""
    get_locked(session, OutboxJob, job_id, noun="job").last_error = error[:_ERROR_LENGTH]


def due_merchants(reader: Session, *, now: datetime) -> list[int]:
    """Return the merchants that have due jobs: asked by the login that reads all merchants."""
    return list(
        reader.scalars(
            select(OutboxJob.merchant_id)
            .where(OutboxJob.done_at.is_(None), OutboxJob.dead_at.is_(None))
            .where(OutboxJob.due_at <= now)
            .distinct()
            .execution_options(platform=True)
        )
    )


def revive(job: OutboxJob, *, now: datetime) -> None:
    """Make a dead job due again, from its first attempt: an operator mended the cause."""
    job.dead_at, job.attempts, job.due_at, job.last_error = None, 0, now, None


def lock_dead(session: Session, job_id: int) -> OutboxJob | None:
    """Lock a job that is dead, or return None: it was revived before. Raises NotFound."""
    job = get_locked(session, OutboxJob, job_id, noun="job")
    return job if job.dead_at is not None else None


def backlog(reader: Session, *, now: datetime) -> Backlog:
    """Count what is owed over all merchants: asked by the login that reads all of them."""
    is_due = and_(_in_state(JobState.WAITING), OutboxJob.due_at <= now)
    waiting, due, dead, oldest = reader.execute(
        select(
            func.count().filter(_in_state(JobState.WAITING)),
            func.count().filter(is_due),
            func.count().filter(_in_state(JobState.DEAD)),
            func.min(OutboxJob.due_at).filter(is_due),
        )
        .select_from(OutboxJob)
        .where(OutboxJob.done_at.is_(None))
        .execution_options(platform=True)
    ).one()
    return Backlog(waiting, due, dead, oldest)


def count_unfinished(reader: Session, wanted: JobFilter) -> dict[JobState, int]:
    """Return how many of these jobs of all merchants wait, and how many are dead.

    Raises InvalidText.
    """
    unfinished = JobState.WAITING, JobState.DEAD
    counted = select(*(func.count().filter(_in_state(state)) for state in unfinished)).where(
        OutboxJob.done_at.is_(None), *_conditions(wanted)
    )
    found = reader.execute(counted.execution_options(platform=True)).one()
    return dict(zip(unfinished, found, strict=True))


def list_jobs(
    reader: Session,
    state: JobState,
    wanted: JobFilter,
    *,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[OutboxJob]:
    """Return these jobs of all merchants in one state, the newest first. Raises Invalid."""
    statement = select(OutboxJob).where(_in_state(state), *_conditions(wanted))
    statement = statement.execution_options(platform=True)
    return newest_first(reader, statement, OutboxJob.id, cursor=cursor, limit=limit)


def _conditions(wanted: JobFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.merchant_id is not None:
        conditions.append(OutboxJob.merchant_id == wanted.merchant_id)
    if wanted.q:
        conditions.append(matches(wanted.q, OutboxJob.task))
    return conditions


def _in_state(state: JobState) -> ColumnElement[bool]:
    if state is JobState.DONE:
        return OutboxJob.done_at.is_not(None)
    is_dead = OutboxJob.dead_at.is_not(None)
    return and_(OutboxJob.done_at.is_(None), is_dead if state is JobState.DEAD else ~is_dead)
