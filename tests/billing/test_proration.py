"""Proration counts local days of the real period, never rounds a factor, and adds up."""

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.billing.proration import Days, prorate, prorated_allowance, share, true_up
from app.core.money import Currency, Money
from tests.make import usd

JANUARY = Days(date(2026, 1, 1), date(2026, 2, 1))
FEBRUARY = Days(date(2026, 2, 1), date(2026, 3, 1))
MINOR = st.integers(-(10**12), 10**12)
DAYS = st.dates(date(2025, 12, 20), date(2026, 2, 10))


@pytest.mark.parametrize(
    ("first", "end", "cents"),
    [
        (date(2026, 1, 16), date(2026, 2, 1), 5161),
        (date(2026, 1, 1), date(2026, 2, 1), 10_000),
        (date(2025, 12, 1), date(2026, 3, 1), 10_000),
        (date(2026, 1, 5), date(2026, 1, 5), 0),
        (date(2026, 2, 1), date(2026, 2, 20), 0),
        (date(2026, 1, 20), date(2026, 1, 10), 0),
    ],
)
def test_the_days_inside_the_period_count(first: date, end: date, cents: int) -> None:
    assert prorate(usd(10_000), share(Days(first, end), of=JANUARY)) == usd(cents)


def test_the_factor_is_not_rounded() -> None:
    part = share(Days(date(2026, 1, 20), date(2026, 2, 1)), of=JANUARY)

    assert part == Fraction(12, 31)
    assert prorate(usd(1_000_000_000), part) == usd(387_096_774)


def test_a_period_without_days_has_no_parts() -> None:
    with pytest.raises(ValueError, match="2026-01-01"):
        share(JANUARY, of=Days(date(2026, 1, 1), date(2026, 1, 1)))


@pytest.mark.parametrize(
    ("days", "units"), [(14, "10"), (15, "11"), (28, "20"), (0, "0"), (1, "1")]
)
def test_an_allowance_is_rounded_up_to_whole_units(days: int, units: str) -> None:
    part = share(Days(FEBRUARY.first, FEBRUARY.first + timedelta(days)), of=FEBRUARY)

    assert prorated_allowance(Decimal(20), part) == Decimal(units)


@pytest.mark.parametrize(("billed", "missing"), [(200, 284), (484, 0), (9000, 0), (-16, 500)])
def test_what_is_missing_to_a_minimum_is_due(billed: int, missing: int) -> None:
    minimum = prorate(usd(1000), Fraction(15, 31))

    assert true_up(minimum, usd(billed)) == usd(missing)


@given(MINOR, DAYS)
def test_both_sides_of_a_day_add_up_to_within_one_unit(minor: int, day: date) -> None:
    amount = Money(minor, Currency.USD)
    before = prorate(amount, share(Days(JANUARY.first, day), of=JANUARY))
    after = prorate(amount, share(Days(day, JANUARY.end), of=JANUARY))

    assert abs((before + after - amount).minor) <= 1


@given(DAYS, DAYS)
def test_a_share_is_a_part_of_the_whole(first: date, end: date) -> None:
    assert 0 <= share(Days(first, end), of=JANUARY) <= 1
