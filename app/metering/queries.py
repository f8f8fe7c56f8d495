"""Single events as lists show them: by page, by id, and as they arrive."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from app.core.db import Work, merchant_of, run_sql
from app.core.errors import Invalid, NotFound
from app.core.paging import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    BadCursor,
    Page,
    decode_cursor,
    encode_cursor,
)

LOOKED_AT = 10_000
"""How many events a page looks at, at most, for those that meet the filter."""

LIVE = timedelta(minutes=2)
"""How long ago an event may have arrived to be shown as it arrives."""

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

    `dimensions` are names with the values each may have, as texts.
    """

    customer_id: int | None = None
    metric_id: int | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None
    dimensions: Mapping[str, Collection[str]] = field(default_factory=dict)
    outcome: EventOutcome | None = None


class EventRow(NamedTuple):
    """An event as it was stored. Columns and no model: of a list, models took half the time."""

    id: int
    customer_id: int
    metric_id: int
    series_id: int
    occurred_at: datetime
    received_at: datetime
    idempotency_key: str
    quantity: Decimal
    dimensions: dict[str, Any]
    corrects: str | None
    is_late: bool


class VoidRow(NamedTuple):
    """What is known of an event's being taken back."""

    reason: str
    voided_at: datetime
    actor: str


@dataclass(frozen=True, slots=True)
class ListedEvent:
    """An event and, if it was taken back, the row that says so."""

    event: EventRow
    void: VoidRow | None

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


_COLUMNS = ", ".join(f"event.{name}" for name in EventRow._fields)
_IS_VOID_OF_EVENT = """
void.merchant_id = event.merchant_id AND void.occurred_at = event.occurred_at
AND void.event_id = event.id"""
_NEWEST_FIRST = "ORDER BY event.occurred_at DESC, event.id DESC"
_VOIDS = """
SELECT event_id, reason, voided_at, actor
  FROM usage_voids
 WHERE merchant_id = %(merchant_id)s AND occurred_at BETWEEN %(first_at)s AND %(last_at)s
   AND event_id = ANY (%(ids)s)
"""


def list_events(
    session: Work,
    wanted: EventFilter,
    *,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> EventPage:
    """Return one page of events, the last to happen first.

    A customer and times are found through an index. For the rest of the filter a page looks at
    10,000 events at most, and says so when it found fewer than `limit` among them: a rare event
    takes several pages, and none is slow. Raises Invalid and BadCursor.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise Invalid(f"limit must be from 1 to {MAX_LIMIT}", path="limit")
    asked = _parameters(session, wanted) | {"limit": limit + 1}
    if cursor:
        asked["before_at"], asked["before_id"] = _read_cursor(cursor)
    found, last = _look(session, wanted, asked)
    rows = _with_voids(session, found[:limit])
    if len(found) > limit:
        return EventPage(rows, _write_cursor(found[limit - 1]))
    if last is None:
        return EventPage(rows, None)
    return EventPage(rows, _write_cursor(last), looked_back_to=last.occurred_at)


def get_event(session: Work, event_id: int) -> ListedEvent:
    """Return the event. Raises NotFound."""
    statement = f"""
        SELECT {_COLUMNS} FROM usage_events AS event
         WHERE merchant_id = %(merchant_id)s AND id = %(id)s"""  # noqa: S608  # our own columns
    asked = {"merchant_id": merchant_of(session), "id": event_id}
    found = [EventRow(*row) for row in run_sql(session, statement, asked)]
    if not found:
        raise NotFound("there is no usage event of this id")
    (listed,) = _with_voids(session, found)
    return listed


def newest_events(
    session: Work, wanted: EventFilter, *, after_id: int = 0, limit: int = DEFAULT_LIMIT
) -> list[ListedEvent]:
    """Return events that arrived in the last two minutes, the last to arrive first.

    Only those whose id is above `after_id`, the greatest one seen: then little is read, however
    fast they arrive. Of two that arrive at once the one with the smaller id may be stored last,
    and is not seen here then: it is in the list.
    """
    fresh = "event.id > %(after_id)s AND event.received_at > now() - %(live)s"
    conditions = " AND ".join([fresh, *_conditions(wanted)])
    statement = f"""
        SELECT {_COLUMNS} FROM {_candidates(wanted)} AND {conditions}
         ORDER BY event.id DESC LIMIT %(limit)s"""  # noqa: S608  # conditions of this module
    asked = _parameters(session, wanted) | {"after_id": after_id, "live": LIVE, "limit": limit}
    return _with_voids(session, [EventRow(*row) for row in run_sql(session, statement, asked)])


def _look(
    session: Work, wanted: EventFilter, asked: dict[str, Any]
) -> tuple[list[EventRow], EventRow | None]:
    """Return the first candidates that meet the filter, and the last one that was looked at.

    That is none when no candidate was left out of sight.
    """
    position = "(%(before_at)s, %(before_id)s) > (event.occurred_at, event.id)"
    before = f"AND {position}" if "before_at" in asked else ""
    candidates = f"FROM {_candidates(wanted)} {before} {_NEWEST_FIRST}"
    conditions = " AND ".join(_conditions(wanted))
    if not conditions:
        rows = run_sql(session, f"SELECT {_COLUMNS} {candidates} LIMIT %(limit)s", asked)
        return [EventRow(*row) for row in rows], None
    # The last candidate comes along whatever it is, so that nothing is looked at twice.
    statement = f"""
        SELECT {_COLUMNS}, place = %(looked_at)s, meets FROM (
          SELECT event.*, row_number() OVER ({_NEWEST_FIRST}) AS place, {conditions} AS meets
          {candidates} LIMIT %(looked_at)s
        ) AS event
         WHERE meets OR place = %(looked_at)s {_NEWEST_FIRST} LIMIT %(limit)s"""  # noqa: S608  # of this module
    rows = run_sql(session, statement, asked | {"looked_at": LOOKED_AT})
    found = [EventRow(*row) for *row, _, meets in rows if meets]
    return found, next((EventRow(*row) for *row, is_last, _ in rows if is_last), None)


def _candidates(wanted: EventFilter) -> str:
    """Return where the events come from that an index finds, in the order of that index."""
    source = "usage_events AS event"
    if wanted.outcome is EventOutcome.VOIDED:
        source += f" JOIN usage_voids AS void ON {_IS_VOID_OF_EVENT}"
    conditions = {
        "event.merchant_id = %(merchant_id)s": True,
        "event.customer_id = %(customer_id)s": wanted.customer_id is not None,
        "event.occurred_at >= %(from_at)s": wanted.from_at is not None,
        "event.occurred_at < %(to_at)s": wanted.to_at is not None,
    }
    return f"{source} WHERE {' AND '.join(text for text, holds in conditions.items() if holds)}"


def _conditions(wanted: EventFilter) -> list[str]:
    """Return what no index knows, and every candidate is asked."""
    conditions = []
    if wanted.metric_id is not None:
        conditions.append("event.metric_id = %(metric_id)s")
    for place, _name in enumerate(wanted.dimensions):
        held = f"event.dimensions ->> %(dimension_{place})s::text"
        conditions.append(f"({held} = ANY (%(values_{place})s)) IS TRUE")
    if wanted.outcome in {EventOutcome.ACCEPTED, EventOutcome.LATE}:
        conditions.append("event.is_late = %(is_late)s")
        # One look-up for each row that is shown: a join would read them all before the first.
        void = f"SELECT event_id FROM usage_voids AS void WHERE {_IS_VOID_OF_EVENT}"  # noqa: S608
        conditions.append(f"({void}) IS NULL")
    return conditions


def _parameters(session: Work, wanted: EventFilter) -> dict[str, Any]:
    dimensions: dict[str, Any] = {}
    for place, (name, values) in enumerate(wanted.dimensions.items()):
        dimensions |= {f"dimension_{place}": name, f"values_{place}": list(values)}
    return dimensions | {
        "merchant_id": merchant_of(session),
        "customer_id": wanted.customer_id,
        "from_at": wanted.from_at,
        "to_at": wanted.to_at,
        "metric_id": wanted.metric_id,
        "is_late": wanted.outcome is EventOutcome.LATE,
    }


def _with_voids(session: Work, events: Sequence[EventRow]) -> list[ListedEvent]:
    if not events:
        return []
    moments = [event.occurred_at for event in events]
    asked = {
        "merchant_id": merchant_of(session),
        "first_at": min(moments),
        "last_at": max(moments),
        "ids": [event.id for event in events],
    }
    voids = {event_id: VoidRow(*row) for event_id, *row in run_sql(session, _VOIDS, asked)}
    return [ListedEvent(event, voids.get(event.id)) for event in events]


def _write_cursor(event: EventRow) -> str:
    return encode_cursor((event.occurred_at - _EPOCH) // _MICROSECOND, event.id)


def _read_cursor(cursor: str) -> tuple[datetime, int]:
    microseconds, event_id = decode_cursor(cursor, size=2)
    if not isinstance(microseconds, int) or not isinstance(event_id, int):
        raise BadCursor("this cursor is not one of ours", path="cursor")
    try:
        return _EPOCH + microseconds * _MICROSECOND, event_id
    except OverflowError as error:
        raise BadCursor("this cursor is not one of ours", path="cursor") from error
