"""Single events as lists show them: by page, by id, and as they arrive."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    any_,
    func,
    literal,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session, aliased

from app.core.errors import Invalid, NotFound
from app.core.paging import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    BadCursor,
    Page,
    decode_cursor,
    encode_cursor,
)
from app.metering.models import UsageEvent, UsageVoid

LOOKED_AT = 20_000
"""How many events a page looks at, at most, for those that meet the filter."""

LIVE = timedelta(minutes=2)
"""How long ago an event may have arrived to be shown as it arrives."""

_POSITION = tuple_(UsageEvent.occurred_at, UsageEvent.id)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class EventOutcome(StrEnum):
    """What has become of a stored event by now."""

    ACCEPTED = "accepted"  # counted in its own period
    LATE = "late"  # counted, but its period was invoiced before: on a later invoice
    VOIDED = "voided"  # taken back


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events a list shows: those that meet all that is given. The end is exclusive.

    `dimension` is a name and the value it must have, as a text.
    """

    customer_id: int | None = None
    metric_id: int | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None
    dimension: tuple[str, str] | None = None
    outcome: EventOutcome | None = None


@dataclass(frozen=True, slots=True)
class ListedEvent:
    """An event and, if it was taken back, the row that says so."""

    event: UsageEvent
    void: UsageVoid | None

    @property
    def outcome(self) -> EventOutcome:
        if self.void:
            return EventOutcome.VOIDED
        return EventOutcome.LATE if self.event.is_late else EventOutcome.ACCEPTED


@dataclass(frozen=True)
class EventPage(Page[ListedEvent]):
    """A page of events, the last to happen first.

    `looked_back_to` is set when the page stopped before it was full: there may be more events
    that happened earlier, and the next page goes on from there.
    """

    looked_back_to: datetime | None = None


def list_events(
    session: Session,
    wanted: EventFilter,
    *,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> EventPage:
    """Return one page of events, the last to happen first.

    A customer and times are found through an index. For the rest of the filter a page looks at
    20,000 events at most, and says so when it found fewer than `limit` among them: a rare event
    takes several pages, and none is slow. Raises Invalid and BadCursor.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise Invalid(f"limit must be from 1 to {MAX_LIMIT}", path="limit")
    candidates = _candidates(wanted)
    if cursor:
        candidates = candidates.where(tuple_(*_read_cursor(cursor)) > _POSITION)
    found = session.scalars(_meeting(candidates, wanted).limit(limit + 1)).all()
    rows = _with_voids(session, found[:limit])
    if len(found) > limit:
        return EventPage(rows, _write_cursor(found[limit - 1].occurred_at, found[limit - 1].id))
    bound = _bound(session, candidates) if _conditions(UsageEvent, wanted) else None
    if bound is None:
        return EventPage(rows, None)
    return EventPage(rows, _write_cursor(*bound), looked_back_to=bound[0])


def get_event(session: Session, event_id: int) -> ListedEvent:
    """Return the event. Raises NotFound."""
    event = session.scalars(select(UsageEvent).where(UsageEvent.id == event_id)).one_or_none()
    if event is None:
        raise NotFound("there is no usage event of this id")
    (listed,) = _with_voids(session, [event])
    return listed


def newest_events(
    session: Session, wanted: EventFilter, *, after_id: int = 0, limit: int = DEFAULT_LIMIT
) -> list[ListedEvent]:
    """Return events that arrived in the last two minutes, the last to arrive first.

    Only those whose id is above `after_id`, the greatest one seen: then little is read, however
    fast they arrive. Of two that arrive at once the one with the smaller id may be stored last,
    and is not seen here then: it is in the list.
    """
    event = UsageEvent
    statement = (
        _candidates(wanted)
        .where(event.id > after_id, event.received_at > func.now() - LIVE)
        .where(*_conditions(event, wanted))
        .order_by(None)
        .order_by(event.id.desc())
        .limit(limit)
    )
    return _with_voids(session, session.scalars(statement).all())


def _candidates(wanted: EventFilter) -> Select[UsageEvent]:
    """Return the events that an index finds, in the order of that index."""
    statement = select(UsageEvent).order_by(UsageEvent.occurred_at.desc(), UsageEvent.id.desc())
    if wanted.outcome is EventOutcome.VOIDED:
        statement = statement.join(UsageVoid, _is_void_of(UsageEvent))
    if wanted.customer_id is not None:
        statement = statement.where(UsageEvent.customer_id == wanted.customer_id)
    if wanted.from_at is not None:
        statement = statement.where(UsageEvent.occurred_at >= wanted.from_at)
    if wanted.to_at is not None:
        statement = statement.where(UsageEvent.occurred_at < wanted.to_at)
    return statement


def _meeting(candidates: Select[UsageEvent], wanted: EventFilter) -> Select[UsageEvent]:
    """Return those of the first candidates that meet what no index knows."""
    if not _conditions(UsageEvent, wanted):
        return candidates
    event = aliased(UsageEvent, candidates.limit(LOOKED_AT).subquery())
    return (
        select(event)
        .where(*_conditions(event, wanted))
        .order_by(event.occurred_at.desc(), event.id.desc())
    )


def _bound(session: Session, candidates: Select[UsageEvent]) -> tuple[datetime, int] | None:
    """Return where the last candidate that is looked at is, if there are so many."""
    last = candidates.with_only_columns(UsageEvent.occurred_at, UsageEvent.id)
    row = session.execute(last.offset(LOOKED_AT - 1).limit(1)).one_or_none()
    return None if row is None else (row.occurred_at, row.id)


def _conditions(event: type[UsageEvent], wanted: EventFilter) -> list[ColumnElement[bool]]:
    """Return what no index knows, and every candidate is asked."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.metric_id is not None:
        conditions.append(event.metric_id == wanted.metric_id)
    if wanted.dimension is not None:
        name, value = wanted.dimension
        conditions.append(event.dimensions[name].astext == value)
    if wanted.outcome in {EventOutcome.ACCEPTED, EventOutcome.LATE}:
        conditions.append(event.is_late == (wanted.outcome is EventOutcome.LATE))
        # One look-up for each row that is shown: a join would read them all before the first.
        void = select(UsageVoid.event_id).where(_is_void_of(event)).scalar_subquery()
        conditions.append(void.is_(None))
    return conditions


def _is_void_of(event: type[UsageEvent]) -> ColumnElement[bool]:
    return and_(
        UsageVoid.merchant_id == event.merchant_id,
        UsageVoid.occurred_at == event.occurred_at,
        UsageVoid.event_id == event.id,
    )


def _with_voids(session: Session, events: Sequence[UsageEvent]) -> list[ListedEvent]:
    if not events:
        return []
    ids = literal([event.id for event in events], ARRAY(BigInteger))
    moments = [event.occurred_at for event in events]
    statement = select(UsageVoid).where(
        UsageVoid.occurred_at.between(min(moments), max(moments)), UsageVoid.event_id == any_(ids)
    )
    voids = {void.event_id: void for void in session.scalars(statement)}
    return [ListedEvent(event, voids.get(event.id)) for event in events]


def _write_cursor(occurred_at: datetime, event_id: int) -> str:
    return encode_cursor((occurred_at - _EPOCH) // _MICROSECOND, event_id)


def _read_cursor(cursor: str) -> tuple[datetime, int]:
    microseconds, event_id = decode_cursor(cursor, size=2)
    if not isinstance(microseconds, int) or not isinstance(event_id, int):
        raise BadCursor("this cursor is not one of ours", path="cursor")
    try:
        return _EPOCH + microseconds * _MICROSECOND, event_id
    except OverflowError as error:
        raise BadCursor("this cursor is not one of ours", path="cursor") from error
