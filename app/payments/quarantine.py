"""Genuine calls of channels about nothing that we know: kept, and shown to operators after a day.

A call may come before our own commit: it is answered with a failure, so that the channel calls
again, and the copy that is booked ends the matter. What nothing has booked a day after it came
first is about no order of ours: the channel has given up by then, and somebody has to look.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.channels.base import ChannelName
from app.payments.models import ChannelCallback

WAITS = timedelta(hours=24)


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


def list_quarantined(reader: Session, *, now: datetime, limit: int) -> Sequence[ChannelCallback]:
    """Return the calls that nothing has booked within a day, the oldest first; `now` is real."""
    return reader.scalars(
        select(ChannelCallback)
        .where(ChannelCallback.booked_at.is_(None), ChannelCallback.received_at <= now - WAITS)
        .order_by(ChannelCallback.received_at)
        .limit(limit)
    ).all()
