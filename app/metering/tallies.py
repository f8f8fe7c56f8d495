"""What requests had besides accepted events, counted by day."""

from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from sqlalchemy import Date, cast, func, select
from sqlalchemy.orm import Session

from app.core.periods import local_midnight
from app.metering.models import IngestTally


@dataclass(frozen=True, slots=True)
class DayTally:
    """What one local day's requests had besides plainly accepted events."""

    day: date
    duplicates: int
    conflicts: int
    late: int
    unmatched: int
    invalid: int


def tallies_by_day(
    session: Session, *, first_day: date, end_day: date, zone: ZoneInfo
) -> list[DayTally]:
    """Return what requests had besides accepted events, by the local day on which they came.

    Days on the real clock, `end_day` exclusive; a day without any is left out.
    """
    day = cast(func.timezone(zone.key, IngestTally.received_at), Date)
    statement = (
        select(
            day,
            func.sum(IngestTally.duplicates),
            func.sum(IngestTally.conflicts),
            func.sum(IngestTally.late),
            func.sum(IngestTally.unmatched),
            func.sum(IngestTally.invalid),
        )
        .where(
            IngestTally.received_at >= local_midnight(first_day, zone),
            IngestTally.received_at < local_midnight(end_day, zone),
        )
        .group_by(day)
        .order_by(day)
    )
    return [DayTally(day, *map(int, counts)) for day, *counts in session.execute(statement)]
