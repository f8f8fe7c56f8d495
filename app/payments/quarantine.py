"""Genuine calls of channels about nothing that we know: kept, and shown to operators after a day.

A call may come before our own commit: it is answered with a failure, so that the channel calls
again, and the copy that is booked ends the matter. What nothing has booked a day after it came
first is about no order of ours: the channel has given up by then, and somebody has to look.
"""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, select, tuple_, update
from sqlalchemy.orm import Session

from app.channels.base import ChannelName
from app.core.paging import DEFAULT_LIMIT, BadCursor, Page, decode_cursor, encode_cursor
from app.core.text import is_clean
from app.payments.models import ChannelCallback
from app.payments.platform_filter import EVERYTHING, PlatformFilter

WAITS = timedelta(hours=24)

_ORDER = ChannelCallback.received_at, ChannelCallback.channel, ChannelCallback.notice_id


def note_booked(session: Session, channel: ChannelName, notice_id: str, *, now: datetime) -> None:
    """Write down, with the booking itself, that a call was acted upon; `now` is real."""
    session.execute(
        update(ChannelCallback)
        .where(
            ChannelCallback.channel == channel,
            ChannelCallback.notice_id == notice_id,
            ChannelCallback.booked_at.is_(None),
        )
        .values(booked_at=now)
    )


def list_quarantined(
    reader: Session,
    wanted: PlatformFilter = EVERYTHING,
    *,
    now: datetime,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[ChannelCallback]:
    """Return one page of the calls that nothing has booked within a day, the oldest first.

    `now` is real. Raises BadCursor.
    """
    statement = select(ChannelCallback).where(*_quarantined(wanted, now=now))
    if cursor:
        statement = statement.where(tuple_(*_ORDER) > tuple_(*_position(cursor)))
    rows = reader.scalars(statement.order_by(*_ORDER).limit(limit + 1)).all()
    is_last = len(rows) <= limit
    return Page(rows[:limit], None if is_last else _cursor_of(rows[limit - 1]))


def count_quarantined(
    reader: Session, wanted: PlatformFilter = EVERYTHING, *, now: datetime
) -> int:
    """Return how many such calls there are; `now` is real."""
    return reader.scalar(select(func.count()).where(*_quarantined(wanted, now=now))) or 0


def _quarantined(wanted: PlatformFilter, *, now: datetime) -> list[ColumnElement[bool]]:
    is_unknown = ChannelCallback.booked_at.is_(None), ChannelCallback.received_at <= now - WAITS
    return [*is_unknown, *wanted.of(ChannelCallback)]


def _cursor_of(call: ChannelCallback) -> str:
    return encode_cursor(call.received_at.isoformat(), call.channel.value, call.notice_id)


def _position(cursor: str) -> tuple[datetime, ChannelName, str]:
    """Return what a cursor says of the last call seen. Raises BadCursor."""
    received, channel, notice_id = map(str, decode_cursor(cursor, size=3))
    try:
        received_at, known = datetime.fromisoformat(received), ChannelName(channel)
    except ValueError as error:
        raise BadCursor("this cursor is not one of ours", path="cursor") from error
    if not is_clean(notice_id):
        raise BadCursor("this cursor is not one of ours", path="cursor")
    return received_at, known, notice_id
