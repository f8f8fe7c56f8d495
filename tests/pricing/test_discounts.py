"""Coupons take off what they say, one after the other, and their shares always add up."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.money import Currency, Money
from app.pricing.discounts import (
    AmountOff,
    Discount,
    Discounted,
    Duration,
    PercentOff,
    Reduction,
    applies_on,
    apply_discounts,
)
from tests.make import cny, usd

TEN_PERCENT = Discount(PercentOff(Decimal(10)))


def percent(text: str, **options: object) -> Discount:
    return Discount(PercentOff(Decimal(text)), **options)  # type: ignore[arg-type]  # as given


def amount(minor: int, **options: object) -> Discount:
    return Discount(AmountOff(usd(minor)), **options)  # type: ignore[arg-type]  # as given


def taken(lines: list[int], *discounts: Discount) -> tuple[list[int], list[int]]:
    """Return what each discount takes off dollar lines, and what each line loses."""
    done = apply_discounts([usd(line) for line in lines], discounts, Currency.USD)
    return [each.minor for each in done.amounts], [each.minor for each in done.shares]


def test_a_percentage_is_rounded_once_and_shared_by_largest_remainder() -> None:
    assert taken([12_346, 500, 1_200], TEN_PERCENT) == ([1_405], [1_235, 50, 120])


def test_an_amount_is_shared_by_what_the_lines_come_to() -> None:
    shared = taken([10_000, 5_000, 3_000, 2_000], amount(1_000))

    assert shared == ([1_000], [500, 250, 150, 100])


def test_each_coupon_works_on_what_is_left() -> None:
    assert taken([10_000], percent("10"), percent("20"))[0] == [1_000, 1_800]
    assert taken([10_000], percent("15"), percent("20"))[0] == [1_500, 1_700]


def test_the_order_of_percent_and_amount_matters() -> None:
    assert taken([10_000], percent("10"), amount(1_000))[0] == [1_000, 1_000]
    assert taken([10_000], amount(1_000), percent("10"))[0] == [1_000, 900]


def test_what_an_amount_does_not_need_is_forfeited() -> None:
    assert taken([300, 200], amount(600), amount(100)) == ([500, 0], [300, 200])


def test_a_coupon_covers_only_its_lines() -> None:
    only_second = percent("50", positions=frozenset({1}))

    assert taken([100, 60], only_second) == ([30], [0, 30])


def test_an_amount_of_another_currency_takes_nothing() -> None:
    assert taken([1_000], Discount(AmountOff(cny(500)))) == ([0], [0])


@pytest.mark.parametrize(("minimum", "off"), [(1_000, 100), (1_001, 0)])
def test_a_minimum_is_met_by_what_the_lines_come_to_before_coupons(minimum: int, off: int) -> None:
    first, second = amount(500), percent("20", minimum=usd(minimum))

    assert taken([600, 400], first, second)[0] == [500, off]


def test_a_minimum_of_another_currency_is_never_met() -> None:
    assert taken([1_000], percent("10", minimum=cny(1)))[0] == [0]


def test_a_credit_gets_no_share_and_lowers_the_base() -> None:
    assert taken([10_000, -9_100], TEN_PERCENT) == ([90], [90, 0])


def test_a_coupon_on_one_line_does_not_take_what_a_credit_took() -> None:
    only_first = amount(10_000, positions=frozenset({0}))

    assert taken([10_000, -9_100], only_first) == ([900], [900, 0])


def test_nothing_is_taken_off_nothing() -> None:
    assert taken([], TEN_PERCENT) == ([0], [])
    assert taken([0, 0], TEN_PERCENT, amount(5)) == ([0, 0], [0, 0])


reductions = st.one_of(
    st.decimals("0.01", "100", places=2).map(PercentOff),
    st.integers(1, 10**9).map(lambda minor: AmountOff(usd(minor))),
)


@st.composite
def discounts(draw: st.DrawFn) -> Discount:
    reduction: Reduction = draw(reductions)
    positions = draw(st.none() | st.frozensets(st.integers(0, 5)))
    minimum = draw(st.none() | st.integers(1, 10**6).map(usd))
    return Discount(reduction, positions, minimum)


def applied(lines: list[int], taking: list[Discount]) -> Discounted:
    return apply_discounts([usd(line) for line in lines], taking, Currency.USD)


@given(st.lists(st.integers(-(10**8), 10**9), max_size=6), st.lists(discounts(), max_size=4))
def test_shares_add_up_to_the_coupons(lines: list[int], taking: list[Discount]) -> None:
    done = applied(lines, taking)

    assert sum(each.minor for each in done.amounts) == sum(each.minor for each in done.shares)


@given(st.lists(st.integers(-(10**8), 10**9), max_size=6), st.lists(discounts(), max_size=4))
def test_no_coupon_gives_less_than_nothing_or_more_than_there_is(
    lines: list[int], taking: list[Discount]
) -> None:
    done = applied(lines, taking)

    assert all(each.minor >= 0 for each in (*done.amounts, *done.shares))
    assert sum(each.minor for each in done.amounts) <= max(0, sum(lines))
    for line, share in zip(lines, done.shares, strict=True):
        assert share.minor <= max(0, line)


@given(st.lists(st.integers(0, 10**9), max_size=6), discounts())
def test_lines_that_are_not_covered_keep_what_they_have(
    lines: list[int], discount: Discount
) -> None:
    done = applied(lines, [discount])

    for position, share in enumerate(done.shares):
        if discount.positions is not None and position not in discount.positions:
            assert share == Money.zero(Currency.USD)


JANUARY_31 = date(2026, 1, 31)


@pytest.mark.parametrize(
    ("duration", "on", "applies"),
    [
        (Duration.ONCE, date(2026, 1, 31), True),
        (Duration.ONCE, date(2026, 2, 1), False),
        (Duration.REPEATING, date(2026, 4, 29), True),
        (Duration.REPEATING, date(2026, 4, 30), False),
        (Duration.FOREVER, date(2036, 1, 31), True),
    ],
)
def test_a_coupon_runs_from_its_first_use(duration: Duration, on: date, *, applies: bool) -> None:
    assert applies_on(duration, on, first_on=JANUARY_31, months=3) is applies


@pytest.mark.parametrize("duration", Duration)
def test_a_coupon_that_was_never_used_applies(duration: Duration) -> None:
    assert applies_on(duration, JANUARY_31, first_on=None, months=3)
