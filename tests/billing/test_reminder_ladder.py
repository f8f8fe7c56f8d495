"""A ladder sends each step at most once, one on a day, in the morning of the invoice's zone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.billing.reminder_ladder import DEFAULT_STEPS, Dates, Ladder, Plan, plan

SHANGHAI = ZoneInfo("Asia/Shanghai")
DATES = Dates(
    finalized_at=datetime(2026, 6, 1, 16, tzinfo=UTC),
    due_at=datetime(2026, 6, 15, 16, tzinfo=UTC),  # the sixteenth begins in Shanghai
    zone=SHANGHAI,
)
EVERY_STEP = st.integers(-30, 90)


def at(day: int, hour: int, minute: int = 0, *, month: int = 6) -> datetime:
    """Return a time of Shanghai in 2026."""
    return datetime(2026, month, day, hour, minute, tzinfo=SHANGHAI)


def test_a_step_is_due_at_nine_in_the_morning_of_the_invoices_zone() -> None:
    before = plan(Ladder(), DATES, done=(), now=at(13, 8, 59))
    after = plan(Ladder(), DATES, done=(), now=at(13, 9))

    assert before == Plan(None, (), at(13, 9))
    assert after == Plan(-3, (), at(16, 9))
    assert DATES.due_on == date(2026, 6, 16)


@pytest.mark.parametrize(("zone", "hour"), [("Europe/Berlin", 7), ("America/New_York", 13)])
def test_the_morning_follows_the_clocks_of_the_zone(zone: str, hour: int) -> None:
    dates = Dates(DATES.finalized_at, datetime(2026, 6, 15, 12, tzinfo=UTC), ZoneInfo(zone))

    assert dates.morning(0) == datetime(2026, 6, 15, hour, tzinfo=UTC)


def test_after_a_long_silence_only_the_newest_step_is_taken() -> None:
    late = plan(Ladder(), DATES, done=(), now=at(24, 12))

    assert late == Plan(7, (-3, 0, 3), at(30, 9))


def test_a_step_that_was_added_behind_one_that_was_taken_is_given_up() -> None:
    edited = plan(Ladder(steps=(5, 7, 14)), DATES, done={7}, now=at(24, 12))

    assert edited == Plan(None, (5,), at(30, 9))


def test_a_step_before_the_invoice_went_out_is_given_up() -> None:
    fresh = plan(Ladder(steps=(-30, -14, 0)), DATES, done=(), now=at(2, 9))

    assert fresh == Plan(-14, (-30,), at(16, 9))
    assert plan(Ladder(steps=(-15, 0)), DATES, done=(), now=at(2, 9)).step is None


def test_a_ladder_that_is_off_has_no_steps() -> None:
    assert plan(Ladder(is_on=False), DATES, done=(), now=at(24, 12)) == Plan(None, (), None)


def test_the_default_reminds_three_days_before_and_two_weeks_after() -> None:
    assert DEFAULT_STEPS == (-3, 0, 3, 7, 14)


@given(
    ladders=st.lists(st.sets(EVERY_STEP, min_size=1, max_size=10), min_size=1, max_size=4),
    hours=st.lists(st.integers(0, 24 * 130), min_size=1, max_size=30),
)
def test_however_often_one_looks_each_step_is_decided_once_and_rises(
    ladders: list[set[int]], hours: list[int]
) -> None:
    done: list[int] = []
    taken: list[int] = []
    for look, hour in enumerate(sorted(hours)):
        now = DATES.finalized_at + timedelta(hours=hour)
        ladder = Ladder(steps=tuple(sorted(ladders[look % len(ladders)])))  # edited in between
        decided = plan(ladder, DATES, done=done, now=now)
        for days in (*decided.skipped, *(step for step in (decided.step,) if step is not None)):
            assert days not in done
            assert DATES.morning(days) <= now
            done.append(days)
        if decided.step is not None:
            taken.append(decided.step)
        assert decided.next_at is None or decided.next_at > now
        assert plan(ladder, DATES, done=done, now=now) == Plan(None, (), decided.next_at)

    assert taken == sorted(set(taken))
