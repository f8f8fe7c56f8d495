"""Whatever is given back in pieces adds up to the whole, and never to more."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.billing.credit_amounts import (
    CreditTooLarge,
    Rest,
    cumulative_part,
    last_step,
    take_amount,
    take_total,
    tax_of,
    total_of,
)
from app.core.money import Currency, Money
from tests.make import cny, usd


def rest(amount: int, *, discount: int = 0, tax: int = 0, inclusive: bool = False) -> Rest:
    return Rest(1, "Tokens", usd(amount), usd(discount), usd(tax), Decimal(6), inclusive)


RESTS = st.builds(
    lambda amount, discount, tax, inclusive: rest(
        amount, discount=amount * discount // 100, tax=amount * tax // 200, inclusive=inclusive
    ),
    st.integers(1, 10**9),
    st.integers(0, 90),
    st.integers(0, 19),
    st.booleans(),
)


def less(whole: Rest, part: Rest) -> Rest:
    return Rest(
        whole.position,
        whole.description,
        whole.amount - part.amount,
        whole.discount - part.discount,
        whole.tax - part.tax,
        whole.tax_percent,
        whole.is_inclusive,
    )


def test_coupons_and_tax_follow_their_line() -> None:
    part = take_amount(rest(3_100, discount=500, tax=520), usd(1_400))

    assert (part.discount, part.tax, part.total) == (usd(226), usd(235), usd(1_409))


def test_an_inclusive_tax_is_a_part_of_the_amount() -> None:
    part = take_amount(rest(14_900, tax=843, inclusive=True), usd(7_450))

    assert (part.total, part.tax, part.net) == (usd(7_450), usd(422), usd(7_028))


def test_no_more_than_is_left_of_a_line_is_taken() -> None:
    with pytest.raises(CreditTooLarge):
        take_amount(rest(100), usd(101))


@given(RESTS, st.lists(st.integers(1, 99), max_size=5))
def test_a_line_given_back_in_pieces_leaves_nothing(whole: Rest, percents: list[int]) -> None:
    left, total = whole, whole.total
    for percent in percents:
        amount = usd(left.amount.minor * percent // 100)
        if amount:
            left = less(left, take_amount(left, amount))
        assert min(left.amount.minor, left.discount.minor, left.tax.minor) >= 0
    if left.amount:
        left = less(left, take_amount(left, left.amount))

    assert (left.amount, left.discount, left.tax) == (usd(0), usd(0), usd(0))
    assert whole.total == total


@given(st.lists(RESTS, min_size=1, max_size=5), st.data())
def test_a_total_is_spread_over_the_lines_to_the_cent(
    rests: list[Rest], data: st.DataObject
) -> None:
    whole = total_of(rests, usd(0))
    wanted = usd(data.draw(st.integers(1, whole.minor)))

    parts = take_total(rests, wanted)

    assert total_of(parts, wanted) == wanted
    assert 0 <= tax_of(parts, wanted).minor <= tax_of(rests, wanted).minor


def test_all_that_is_left_takes_the_lines_below_zero_too() -> None:
    rests = [rest(1_000, tax=60), rest(-300, tax=-18)]

    assert take_total(rests, usd(742)) == rests


@given(
    st.integers(0, 10**12),
    st.lists(st.integers(1, 10**6), min_size=1, max_size=8),
)
def test_steps_add_up_to_the_whole(minor: int, steps: list[int]) -> None:
    whole, of, before, given_so_far = cny(minor), sum(steps), 0, cny(0)
    for step in steps:
        part = cumulative_part(whole, before=before, after=before + step, of=of)
        assert part.minor >= 0
        before, given_so_far = before + step, given_so_far + part

    assert given_so_far == whole


def test_a_total_of_another_currency_is_a_fault() -> None:
    with pytest.raises(ValueError, match="CNY"):
        take_total([rest(100)], Money(1, Currency.CNY))


@given(whole=st.integers(0, 10**9), share=st.integers(0, 100), of=st.integers(1, 10**9))
def test_the_last_step_is_the_last_that_stays_within(whole: int, share: int, of: int) -> None:
    upto = whole * share // 100

    step = last_step(cny(whole), upto=cny(upto), of=of)

    assert 0 <= step <= of
    assert cumulative_part(cny(whole), before=0, after=step, of=of).minor <= upto
    if step < of:
        assert cumulative_part(cny(whole), before=0, after=step + 1, of=of).minor > upto
