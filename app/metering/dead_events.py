"""Dead events: what found no customer, metric or contract, kept until its cause is mended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar, cast

from sqlalchemy import ColumnElement, CursorResult, Select, case, func, select, update
from sqlalchemy.orm import Session

from app.audit import recording
from app.audit.recording import Actor
from app.core import db
from app.core.db import Work, merchant_of, run_sql
from app.core.ids import Prefix, show
from app.core.paging import DEFAULT_LIMIT, Page, newest_first
from app.metering.events import check_name
from app.metering.models import (
    DEAD_EVENT,
    DeadEvent,
    DeadMove,
    DeadReason,
    DeadStatus,
)

R = TypeVar("R")

MAX_GROUPS = 100
"""How many causes are told apart; those of the most events come first."""

_COUNT_WAITING = """
SELECT count(*) FROM dead_events WHERE merchant_id = %(merchant_id)s AND status = 'waiting'
"""


@dataclass(frozen=True, slots=True)
class DeadFilter:
    """Which dead events are meant: those that meet all that is given.

    `name` is what was not found: the customer's external id, or the metric's code. Raises
    InvalidText on one that nothing can have.
    """

    reason: DeadReason | None = None
    name: str = ""
    status: DeadStatus | None = DeadStatus.WAITING

    def __post_init__(self) -> None:
        check_name(self.name, path="name")


@dataclass(frozen=True, slots=True)
class Cause:
    """Waiting events that one deed mends: all of one customer, or all of one metric."""

    reason: DeadReason
    name: str
    events: int
    first_at: datetime
    last_at: datetime


def list_dead(
    session: Session,
    wanted: DeadFilter,
    *,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[DeadEvent]:
    """Return one page of dead events, the last kept first. Raises Invalid and BadCursor."""
    statement = select(DeadEvent).where(*_conditions(wanted))
    return newest_first(session, statement, DeadEvent.id, cursor=cursor, limit=limit)


def get_dead_event(session: Session, dead_id: int) -> DeadEvent:
    """Return the dead event. Raises NotFound."""
    return db.get(session, DeadEvent, dead_id, noun="dead event")


def count_waiting(session: Work) -> int:
    """Return how many events wait, from the index alone."""
    ((waiting,),) = run_sql(session, _COUNT_WAITING, {"merchant_id": merchant_of(session)})
    return int(waiting)


def causes(session: Session) -> Sequence[Cause]:
    """Return why events wait, at most MAX_GROUPS causes, those of the most events first."""
    name, events = _missing().label("name"), func.count()
    statement = (
        select(
            DeadEvent.reason,
            name,
            events,
            func.min(DeadEvent.occurred_at),
            func.max(DeadEvent.occurred_at),
        )
        .where(DeadEvent.status == DeadStatus.WAITING)
        .group_by(DeadEvent.reason, name)
        .order_by(events.desc(), DeadEvent.reason, name)
        .limit(MAX_GROUPS)
    )
    return [Cause(*row) for row in session.execute(statement)]


def discard_one(session: Session, dead_id: int, *, actor: Actor, now: datetime) -> DeadEvent:
    """Give the event up; once more changes nothing. Raises NotFound and IllegalMove."""
    row = db.get_locked(session, DeadEvent, dead_id, noun="dead event")
    if not DEAD_EVENT.is_repeat(row.status, DeadMove.DISCARD):
        row.status = DEAD_EVENT.after(row.status, DeadMove.DISCARD)
        row.resolved_at = func.now()
        session.flush()  # the database tells the time
        deed = {"reason": row.reason, "name": name_of(row), "events": 1}
        subject = show(Prefix.DEAD_EVENT, dead_id)
        _record_discard(session, actor, subject=subject, deed=deed, now=now)
    return row


def discard_waiting(session: Session, wanted: DeadFilter, *, actor: Actor, now: datetime) -> int:
    """Give up every waiting event of `wanted` and return how many they were."""
    chosen = in_order(select(DeadEvent.id).where(*waiting(wanted)))
    status = DEAD_EVENT.after(DeadStatus.WAITING, DeadMove.DISCARD)
    discarded = session.execute(
        update(DeadEvent)
        .where(DeadEvent.id.in_(chosen))
        .values(status=status, resolved_at=func.now())
        .execution_options(synchronize_session=False)
    )
    count = int(cast("CursorResult[Any]", discarded).rowcount)
    if count:
        deed = {"reason": wanted.reason, "name": wanted.name, "events": count}
        _record_discard(session, actor, subject="dead_events", deed=deed, now=now)
    return count


def name_of(row: DeadEvent) -> str:
    """Return what was not found: the metric's code, or the customer's external id."""
    return row.metric if row.reason is DeadReason.UNKNOWN_METRIC else row.customer_external_id


def _conditions(wanted: DeadFilter) -> list[ColumnElement[bool]]:
    found = []
    if wanted.status is not None:
        found.append(DeadEvent.status == wanted.status)
    if wanted.reason is not None:
        found.append(DeadEvent.reason == wanted.reason)
    if wanted.name:
        found.append(_missing() == wanted.name)
    return found


def waiting(wanted: DeadFilter) -> list[ColumnElement[bool]]:
    """Return the conditions of `wanted`, of events that wait whatever status it names."""
    return _conditions(replace(wanted, status=DeadStatus.WAITING))


def _missing() -> ColumnElement[str]:
    """Return in SQL what `name_of` returns."""
    is_metric = DeadEvent.reason == DeadReason.UNKNOWN_METRIC
    return case((is_metric, DeadEvent.metric), else_=DeadEvent.customer_external_id)


def in_order(statement: Select[R]) -> Select[R]:
    """Lock the dead events of a statement, all in one order, and read them as they are now."""
    locking = statement.order_by(DeadEvent.id).with_for_update()
    return locking.execution_options(populate_existing=True)


def _record_discard(
    session: Session, actor: Actor, *, subject: str, deed: Mapping[str, Any], now: datetime
) -> None:
    recording.record(
        session,
        actor,
        "dead_event.discarded",
        subject=subject,
        change=recording.Change(before={}, after=deed),
        now=now,
    )
