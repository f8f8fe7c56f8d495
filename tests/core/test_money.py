"""Money adds up: one rounding rule, no mixing of currencies, no unit lost in a split."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.money import (
    SETTLEMENT_CURRENCIES,
    Currency,
    CurrencyMismatch,
    Money,
    Rounding,
    allocate,
    allocate_within,
    round_half_up,
    round_to,
)

MINOR = st.integers(-(10**15), 10**15)
WEIGHTS = st.lists(st.integers(0, 10**9), min_size=1, max_size=12)


def usd(minor: int) -> Money:
    return Money(minor, Currency.USD)


@pytest.mark.parametrize(
    ("exact", "decimals", "rounded"),
    [
        ("0.5", 0, "1"),
        ("-0.5", 0, "-1"),
        ("0.495", 0, "0"),
        ("10.005", 2, "10.01"),
        ("0.335", 2, "0.34"),
        ("1.115", 2, "1.12"),
        ("1000.5", 0, "1001"),
        ("150", -2, "200"),
        ("-149", -2, "-100"),
    ],
)
def test_halves_round_away_from_zero(exact: str, decimals: int, rounded: str) -> None:
    assert round_half_up(Decimal(exact), decimals) == Decimal(rounded)


@pytest.mark.parametrize(
    ("rounding", "rounded"),
    [
        (Rounding.HALF_UP, [-3, -2, 1, 2, 3]),
        (Rounding.HALF_DOWN, [-2, -1, 1, 2, 2]),
        (Rounding.HALF_EVEN, [-2, -2, 1, 2, 2]),
        (Rounding.UP, [-3, -2, 2, 2, 3]),
        (Rounding.DOWN, [-2, -1, 1, 1, 2]),
        (Rounding.CEILING, [-2, -1, 2, 2, 3]),
        (Rounding.FLOOR, [-3, -2, 1, 1, 2]),
    ],
)
def test_each_rounding_goes_its_way(rounding: Rounding, rounded: list[int]) -> None:
    values = [Decimal(text) for text in ("-2.5", "-1.5", "1.2", "1.7", "2.5")]

    assert [round_to(value, 0, rounding) for value in values] == rounded


def test_a_percentage_of_an_amount_is_rounded() -> None:
    assert usd(100).percent(Decimal("33.33")) == usd(33)
    assert usd(-50).percent(Decimal(1)) == usd(-1)


def test_a_third_is_rounded_on_its_exact_value() -> None:
    assert round_half_up(Fraction(200, 3), 2) == Decimal("66.67")


def test_rounding_keeps_every_digit_of_a_long_number() -> None:
    long = Decimal("123456789012345678901234567890.123456789012")

    assert round_half_up(long, 12) == long


@given(st.fractions(max_denominator=10**6), st.integers(0, 6))
def test_rounding_moves_by_half_a_unit_at_most(exact: Fraction, decimals: int) -> None:
    moved = abs(Fraction(round_half_up(exact, decimals)) - exact)

    assert moved * 2 * 10**decimals <= 1


@given(st.fractions(max_denominator=10**6))
def test_rounding_mirrors_at_zero(exact: Fraction) -> None:
    assert Fraction(round_half_up(-exact)) == -Fraction(round_half_up(exact))


def test_rounded_lines_are_the_truth() -> None:
    line = Money.rounded(Decimal("3333.3333"), Currency.USD)

    assert line + line + line == usd(9999)


def test_currencies_do_not_mix() -> None:
    with pytest.raises(CurrencyMismatch, match=r"1\.00 USD and 100 JPY"):
        _ = usd(100) + Money(100, Currency.JPY)


def test_the_greater_amount_is_found() -> None:
    assert min(usd(-1), usd(0)) == usd(-1)
    assert usd(2) > usd(1)


def test_zero_is_false_and_a_debt_is_not() -> None:
    assert not Money.zero(Currency.CNY)
    assert usd(-1)


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (usd(12641), "126.41 USD"),
        (usd(-5), "-0.05 USD"),
        (Money(5000, Currency.JPY), "5000 JPY"),
        (Money(100, Currency.THB), "1.00 THB"),
    ],
)
def test_money_prints_in_major_units(money: Money, text: str) -> None:
    assert str(money) == text


def test_nine_currencies_are_settled() -> None:
    assert len(set(SETTLEMENT_CURRENCIES)) == 9
    assert Currency.CNY not in SETTLEMENT_CURRENCIES


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (5, [3, 7], [2, 3]),
        (1000, [10000, 5000, 3000, 2000], [500, 250, 150, 100]),
        (-100, [1, 1, 1], [-34, -33, -33]),
        (7, [0, 0], [7, 0]),
        (0, [1, 2], [0, 0]),
    ],
)
def test_a_split_gives_what_is_missing_to_the_largest_remainders(
    total: int, weights: list[int], parts: list[int]
) -> None:
    assert allocate(total, weights) == parts


@pytest.mark.parametrize("weights", [[], [1, -1]])
def test_a_split_needs_weights_not_below_zero(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="weights"):
        allocate(1, weights)


@given(MINOR, WEIGHTS)
def test_a_split_adds_up(total: int, weights: list[int]) -> None:
    parts = usd(total).allocate(weights)

    assert sum(parts, Money.zero(Currency.USD)) == usd(total)


@given(MINOR, WEIGHTS.filter(any))
def test_a_split_is_fair_to_less_than_one_unit(total: int, weights: list[int]) -> None:
    exact = [Fraction(total * weight, sum(weights)) for weight in weights]

    parts = allocate(total, weights)

    assert all(abs(part - share) < 1 for part, share in zip(parts, exact, strict=True))


@given(st.integers(0, 10**12), WEIGHTS)
def test_a_split_within_the_weights_takes_from_no_part_more_than_it_has(
    total: int, weights: list[int]
) -> None:
    parts = allocate_within(total, weights)

    assert all(part <= weight for part, weight in zip(parts, weights, strict=True))
    assert sum(parts) == min(total, sum(weights))
