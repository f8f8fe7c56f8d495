"""Periods tile time: one local calendar, no gap, no overlap, whatever the clocks do."""

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.periods import (
    Cycle,
    Period,
    Unit,
    add_units,
    days_between,
    elapsed_units,
    local_date,
    local_midnight,
    next_period,
    period_containing,
    previous_period,
    recurrence_containing,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
NEW_YORK = ZoneInfo("America/New_York")

# Half-hour offsets, half-hour changes, changes at midnight, and both ends of the day.
ZONES = st.sampled_from(
    [
        SHANGHAI,
        NEW_YORK,
        *map(
            ZoneInfo,
            [
                "UTC",
                "Asia/Kolkata",
                "Asia/Kathmandu",
                "Australia/Lord_Howe",
                "Asia/Beirut",
                "America/Havana",
                "America/Sao_Paulo",
                "Pacific/Kiritimati",
                "Pacific/Pago_Pago",
            ],
        ),
    ]
)
DAYS = st.dates(date(2015, 1, 1), date(2035, 12, 31))
INSTANTS = st.datetimes(
    datetime(2015, 1, 1),  # noqa: DTZ001  # the strategy wants naive bounds and adds the zone
    datetime(2035, 12, 31),  # noqa: DTZ001  # likewise
    timezones=st.just(UTC),
)


class Terms(NamedTuple):
    """What a contract and its merchant say about periods."""

    cycle: Cycle
    anchor: date
    zone: ZoneInfo

    def period(self, instant: datetime) -> Period:
        return period_containing(self.cycle, instant, anchor=self.anchor, zone=self.zone)


TERMS = st.builds(Terms, st.sampled_from(Cycle), DAYS, ZONES)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local_days(cycle: str, anchor: str, at: str) -> str:
    """Tell the Shanghai days the period around noon of the day `at` starts and ends on."""
    terms = Terms(Cycle(cycle), date.fromisoformat(anchor), SHANGHAI)
    noon = local_midnight(date.fromisoformat(at), SHANGHAI) + timedelta(hours=12)
    period = terms.period(noon)
    return f"{local_date(period.start_at, SHANGHAI)} {local_date(period.end_at, SHANGHAI)}"


@pytest.mark.parametrize(
    ("zone", "start_at", "end_at"),
    [
        ("Asia/Shanghai", "2024-02-29T16:00", "2024-03-31T16:00"),
        ("America/New_York", "2024-03-01T05:00", "2024-04-01T04:00"),
        ("Asia/Kolkata", "2024-02-29T18:30", "2024-03-31T18:30"),
    ],
)
def test_a_calendar_month_runs_from_local_midnight_to_local_midnight(
    zone: str, start_at: str, end_at: str
) -> None:
    period = period_containing(
        Cycle.MONTHLY_CALENDAR,
        utc("2024-03-15T00:00"),
        anchor=date(2024, 1, 1),
        zone=ZoneInfo(zone),
    )

    assert period == Period(utc(start_at), utc(end_at))


def test_an_event_at_local_midnight_belongs_to_the_new_day() -> None:
    march = Period(utc("2024-02-29T16:00"), utc("2024-03-31T16:00"))

    assert utc("2024-02-29T16:00") in march
    assert utc("2024-03-31T15:59:59.999999") in march
    assert utc("2024-03-31T16:00") not in march


@pytest.mark.parametrize(
    ("terms", "at", "period"),
    [
        ("monthly_anniversary 2024-01-31", "2024-02-10", "2024-01-31 2024-02-29"),
        ("monthly_anniversary 2024-01-31", "2024-02-29", "2024-02-29 2024-03-31"),
        ("monthly_anniversary 2024-01-31", "2024-04-10", "2024-03-31 2024-04-30"),
        ("quarterly_anniversary 2023-11-30", "2024-03-01", "2024-02-29 2024-05-30"),
        ("semiannual_anniversary 2023-08-31", "2024-02-28", "2023-08-31 2024-02-29"),
        ("yearly_anniversary 2024-02-29", "2025-03-01", "2025-02-28 2026-02-28"),
        ("yearly_anniversary 2024-02-29", "2028-03-01", "2028-02-29 2029-02-28"),
        ("weekly_anniversary 2024-01-03", "2024-01-09", "2024-01-03 2024-01-10"),
        ("weekly_calendar 2024-01-03", "2024-05-12", "2024-05-06 2024-05-13"),
        ("quarterly_calendar 2024-01-03", "2024-05-12", "2024-04-01 2024-07-01"),
        ("semiannual_calendar 2024-01-03", "2024-12-31", "2024-07-01 2025-01-01"),
        ("yearly_calendar 2024-01-03", "2025-05-12", "2025-01-01 2026-01-01"),
    ],
)
def test_boundaries_are_counted_from_the_anchor(terms: str, at: str, period: str) -> None:
    cycle, anchor = terms.split()

    assert local_days(cycle, anchor, at) == period


@pytest.mark.parametrize(
    ("cycle", "end"),
    [
        ("weekly_calendar", "2026-05-25"),
        ("monthly_calendar", "2026-06-01"),
        ("quarterly_calendar", "2026-07-01"),
        ("semiannual_calendar", "2026-07-01"),
        ("yearly_calendar", "2027-01-01"),
    ],
)
def test_the_first_calendar_period_is_a_stub(cycle: str, end: str) -> None:
    assert local_days(cycle, "2026-05-20", "2026-05-22") == f"2026-05-20 {end}"


def test_a_stub_of_one_day_is_followed_by_the_whole_month() -> None:
    anchor = date(2026, 5, 31)
    stub = period_containing(
        Cycle.MONTHLY_CALENDAR, local_midnight(anchor, SHANGHAI), anchor=anchor, zone=SHANGHAI
    )

    june = next_period(Cycle.MONTHLY_CALENDAR, stub, anchor=anchor, zone=SHANGHAI)

    assert (stub.days(SHANGHAI), june.days(SHANGHAI)) == (1, 30)
    assert previous_period(Cycle.MONTHLY_CALENDAR, june, anchor=anchor, zone=SHANGHAI) == stub


def test_the_period_before_the_anchor_ends_on_it() -> None:
    terms = Terms(Cycle.MONTHLY_CALENDAR, date(2026, 5, 31), SHANGHAI)

    before = terms.period(utc("2026-05-10T00:00"))
    stub = next_period(terms.cycle, before, anchor=terms.anchor, zone=terms.zone)

    assert before == Period(utc("2026-04-30T16:00"), utc("2026-05-30T16:00"))
    assert stub == Period(utc("2026-05-30T16:00"), utc("2026-05-31T16:00"))


@pytest.mark.parametrize(
    ("zone", "end_at"),
    [("America/New_York", "2024-05-01T04:00"), ("Pacific/Kiritimati", "2024-04-30T10:00")],
)
def test_a_changed_zone_leaves_no_gap(zone: str, end_at: str) -> None:
    march = Period(utc("2024-02-29T16:00"), utc("2024-03-31T16:00"))  # in Shanghai

    april = next_period(Cycle.MONTHLY_CALENDAR, march, anchor=date(2024, 1, 1), zone=ZoneInfo(zone))

    assert april == Period(utc("2024-03-31T16:00"), utc(end_at))


def test_a_day_on_which_the_clocks_change_is_one_day() -> None:
    assert days_between(utc("2024-03-09T05:00"), utc("2024-03-11T04:00"), NEW_YORK) == 2


def test_a_day_without_midnight_begins_when_the_clocks_change() -> None:
    beirut = ZoneInfo("Asia/Beirut")

    midnight = local_midnight(date(2024, 3, 31), beirut)

    assert midnight == utc("2024-03-30T22:00")
    assert midnight.astimezone(beirut).hour == 1


def test_a_midnight_that_comes_twice_is_the_first_one() -> None:
    havana = ZoneInfo("America/Havana")

    assert local_midnight(date(2024, 11, 3), havana) == utc("2024-11-03T04:00")


def test_a_recurrence_keeps_its_time_of_day() -> None:
    period = recurrence_containing(
        Unit.MONTH,
        utc("2025-02-28T14:59"),
        anchor_at=utc("2025-01-30T15:00"),
        zone=ZoneInfo("UTC"),
    )

    assert period == Period(utc("2025-01-30T15:00"), utc("2025-02-28T15:00"))


def test_a_recurrence_finds_an_instant_in_an_hour_that_comes_twice() -> None:
    second_half_past_one = utc("2024-11-03T06:30")

    day = recurrence_containing(
        Unit.DAY, second_half_past_one, anchor_at=utc("2024-11-01T05:45"), zone=NEW_YORK
    )

    assert day == Period(utc("2024-11-03T05:45"), utc("2024-11-04T06:45"))


def test_a_period_can_not_end_before_it_starts() -> None:
    with pytest.raises(ValueError, match="a period can not end"):
        Period(utc("2024-01-02T00:00"), utc("2024-01-02T00:00"))


@given(TERMS, INSTANTS)
def test_every_instant_is_in_its_period(terms: Terms, instant: datetime) -> None:
    assert instant in terms.period(instant)


@given(TERMS, INSTANTS)
def test_periods_meet_without_gap_or_overlap(terms: Terms, instant: datetime) -> None:
    cycle, anchor, zone = terms
    period = terms.period(instant)

    following = next_period(cycle, period, anchor=anchor, zone=zone)

    assert following.start_at == period.end_at
    assert previous_period(cycle, following, anchor=anchor, zone=zone) == period


@given(TERMS, INSTANTS)
def test_a_period_has_one_answer_wherever_one_asks(terms: Terms, instant: datetime) -> None:
    period = terms.period(instant)

    assert terms.period(period.start_at) == period
    assert terms.period(period.end_at - datetime.resolution) == period


@given(TERMS)
def test_a_period_starts_on_the_anchor(terms: Terms) -> None:
    start_at = local_midnight(terms.anchor, terms.zone)

    assert terms.period(start_at).start_at == start_at


@given(DAYS, ZONES)
def test_a_day_begins_at_its_midnight(day: date, zone: ZoneInfo) -> None:
    midnight = local_midnight(day, zone)

    assert local_date(midnight, zone) == day
    assert local_date(midnight - datetime.resolution, zone) == day - timedelta(days=1)


@given(DAYS, st.integers(-200, 200), st.sampled_from(Unit))
def test_elapsed_units_undo_added_units(day: date, count: int, unit: Unit) -> None:
    assert elapsed_units(day, add_units(day, count, unit), unit) == count
