"""Money converts by one locked rate: multiplied into CNY, divided out of it, never inverted."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.money import SETTLEMENT_CURRENCIES, Currency, CurrencyMismatch, Money
from app.fx.conversion import CNY_RATE, BadRate, from_cny, locked_rate, to_cny

USD_RATE = Decimal("7.16184000")
JPY_RATE = Decimal("0.04759272")
RATES = st.decimals(Decimal("0.00000001"), 1000, places=8)
MINOR = st.integers(-(10**12), 10**12)


def cny(minor: int) -> Money:
    return Money(minor, Currency.CNY)


def usd(minor: int) -> Money:
    return Money(minor, Currency.USD)


@pytest.mark.parametrize(
    ("midpoint_per_100", "spread_bps", "rate"),
    [
        ("710.50", 0, "7.10500000"),
        ("710.50", 80, "7.16184000"),
        ("4.7215", 80, "0.04759272"),
        ("829.33", 35, "8.32232655"),
    ],
)
def test_a_rate_is_the_midpoint_of_one_unit_and_our_spread(
    midpoint_per_100: str, spread_bps: int, rate: str
) -> None:
    assert str(locked_rate(Decimal(midpoint_per_100), spread_bps)) == rate


def test_dollars_become_yuan() -> None:
    assert to_cny(usd(10_000), USD_RATE) == cny(71_618)


def test_yuan_become_dollars_by_the_same_rate() -> None:
    assert from_cny(cny(71_618), USD_RATE, Currency.USD) == usd(10_000)


def test_a_currency_without_decimals_keeps_its_size() -> None:
    yen = Money(5000, Currency.JPY)

    assert to_cny(yen, JPY_RATE) == cny(23_796)
    assert from_cny(cny(23_796), JPY_RATE, Currency.JPY) == yen


def test_yuan_stay_yuan() -> None:
    assert to_cny(cny(14_900), CNY_RATE) == cny(14_900)
    assert from_cny(cny(14_900), CNY_RATE, Currency.CNY) == cny(14_900)


@pytest.mark.parametrize("rate", ["0", "-7.1"])
def test_a_rate_is_above_zero(rate: str) -> None:
    with pytest.raises(BadRate):
        to_cny(usd(1), Decimal(rate))
    with pytest.raises(BadRate):
        from_cny(cny(1), Decimal(rate), Currency.USD)
    with pytest.raises(BadRate):
        locked_rate(Decimal(rate), 80)


def test_cny_is_worth_itself() -> None:
    with pytest.raises(BadRate, match="CNY is not worth"):
        to_cny(cny(1), USD_RATE)
    with pytest.raises(BadRate, match="CNY is not worth"):
        from_cny(cny(1), USD_RATE, Currency.CNY)


def test_only_cny_is_divided() -> None:
    with pytest.raises(CurrencyMismatch):
        from_cny(usd(1), USD_RATE, Currency.USD)


@given(MINOR, RATES, st.sampled_from(SETTLEMENT_CURRENCIES))
def test_there_and_back_loses_less_than_the_two_roundings(
    minor: int, rate: Decimal, currency: Currency
) -> None:
    fen_per_unit = Fraction(rate) * 100 / 10**currency.exponent

    back = from_cny(to_cny(Money(minor, currency), rate), rate, currency)

    assert abs(back.minor - minor) <= Fraction(1, 2) + Fraction(1, 2) / fen_per_unit


@given(MINOR, st.decimals(1, 1000, places=8))
def test_there_and_back_loses_at_most_one_unit_of_a_stronger_currency(
    minor: int, rate: Decimal
) -> None:
    back = from_cny(to_cny(usd(minor), rate), rate, Currency.USD)

    assert abs(back.minor - minor) <= 1


@given(MINOR, MINOR, RATES)
def test_more_dollars_are_never_fewer_yuan(minor: int, other: int, rate: Decimal) -> None:
    less, more = sorted([minor, other])

    assert to_cny(usd(less), rate).minor <= to_cny(usd(more), rate).minor
