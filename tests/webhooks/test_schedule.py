"""A failed delivery is tried ten times over three days, and an endpoint is not nagged for ever."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.webhooks.schedule import (
    has_failed_too_long,
    next_attempt_at,
    read_retry_after,
    wants_no_more,
)
from app.webhooks.sending import Attempt, AttemptError

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
FAILED = Attempt(status=500)


@pytest.mark.parametrize(
    ("failures", "pause"),
    [
        (1, timedelta(seconds=5)),
        (2, timedelta(minutes=5)),
        (3, timedelta(minutes=30)),
        (4, timedelta(hours=2)),
        (5, timedelta(hours=5)),
        (6, timedelta(hours=10)),
        (7, timedelta(hours=14)),
        (8, timedelta(hours=20)),
        (9, timedelta(hours=24)),
    ],
)
def test_the_pauses_grow_from_seconds_to_a_day(failures: int, pause: timedelta) -> None:
    assert next_attempt_at(failures, FAILED, draw=0, now=NOON) == NOON + pause


def test_the_tenth_failure_was_the_last() -> None:
    assert next_attempt_at(10, FAILED, draw=0, now=NOON) is None


@given(draw=st.floats(-1, 1))
def test_the_jitter_stays_within_a_tenth(draw: float) -> None:
    moment = next_attempt_at(2, FAILED, draw=draw, now=NOON)

    assert moment is not None
    assert timedelta(seconds=270) <= moment - NOON <= timedelta(seconds=330)


@pytest.mark.parametrize(
    ("header", "pause"),
    [
        ("120", timedelta(minutes=2)),
        ("1", timedelta(seconds=5)),  # never sooner than our own schedule
        ("999999999999", timedelta(hours=24)),  # never later than a day
        ("Fri, 20 Nov 2026 12:10:00 GMT", timedelta(minutes=10)),
        ("Fri, 20 Nov 2026 12:10:00 -0000", timedelta(minutes=10)),
        ("Fri, 20 Nov 2026 11:00:00 GMT", timedelta(seconds=5)),
        ("Fri, 20 Nov 2099 11:00:00 GMT", timedelta(hours=24)),
    ],
)
def test_an_endpoint_may_ask_for_a_longer_pause(header: str, pause: timedelta) -> None:
    busy = Attempt(status=429, retry_after=header)

    assert next_attempt_at(1, busy, draw=0, now=NOON) == NOON + pause


@pytest.mark.parametrize(
    "header", [None, "", "soon", "-5", "1.5", "\uff11\uff12\uff10", "Fri, 99 Nov", "\0"]
)
def test_an_unreadable_wish_is_no_wish(header: str | None) -> None:
    assert read_retry_after(header, now=NOON) == timedelta()


@given(header=st.text(max_size=40))
def test_no_header_whatever_breaks_the_schedule(header: str) -> None:
    assert read_retry_after(header, now=NOON) >= timedelta()


def test_only_gone_says_never_again() -> None:
    assert wants_no_more(Attempt(status=410))
    assert not wants_no_more(Attempt(status=404))
    assert not wants_no_more(Attempt(error=AttemptError.TIMED_OUT))


def test_five_days_of_nothing_but_failures_are_enough() -> None:
    assert not has_failed_too_long(NOON, now=NOON + timedelta(days=5, seconds=-1))
    assert has_failed_too_long(NOON, now=NOON + timedelta(days=5))
