"""What requests had besides accepted events is counted on the local day on which they came."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.core.db import merchant_of
from app.metering import tallies
from app.metering.models import IngestTally
from app.metering.tallies import DayTally

KOLKATA = ZoneInfo("Asia/Kolkata")  # five and a half hours ahead of UTC


def tally(session: Session, at: datetime, **counts: int) -> None:
    zero = dict.fromkeys(("duplicates", "conflicts", "late", "unmatched", "invalid"), 0)
    row = IngestTally(merchant_id=merchant_of(session), received_at=at, **(zero | counts))
    session.add(row)
    session.flush()  # statements read it


def test_a_day_begins_at_the_merchants_midnight(session: Session) -> None:
    tally(session, datetime(2026, 5, 24, 18, 29, tzinfo=UTC), late=1)
    tally(session, datetime(2026, 5, 24, 18, 30, tzinfo=UTC), duplicates=2)
    tally(session, datetime(2026, 5, 25, 18, 29, tzinfo=UTC), duplicates=3, invalid=4)
    tally(session, datetime(2026, 5, 25, 18, 30, tzinfo=UTC), conflicts=5)

    found = tallies.tallies_by_day(
        session, first_day=date(2026, 5, 25), end_day=date(2026, 5, 26), zone=KOLKATA
    )

    assert found == [
        DayTally(date(2026, 5, 25), duplicates=5, conflicts=0, late=0, unmatched=0, invalid=4)
    ]


def test_days_without_any_are_left_out(session: Session) -> None:
    found = tallies.tallies_by_day(
        session, first_day=date(2026, 5, 1), end_day=date(2026, 6, 1), zone=KOLKATA
    )

    assert found == []
