"""Parts of a payment add up to it in whatever pieces it goes back, also when one of them fails."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.money import Currency, Money
from app.payments.refund_amounts import (
    BadRefund,
    Part,
    RefundTooLarge,
    amount_to_refund,
    cash_part,
    check_lines,
    next_part,
    total_of,
)
from tests.make import cny

USD = Currency.USD
WHOLE = Part(cny(90_533), cny(5_125), cny(2_716), Money(12_262, USD))
NONE = total_of([], WHOLE)


def test_the_example_of_the_rules() -> None:
    part = next_part(WHOLE, NONE, cny(30_000), fee_is_returned=True)

    assert part.fee == cny(900)
    assert part.net == cny(29_100)
    assert part.settlement == Money(4_063, USD)


def test_a_kept_fee_is_the_merchants_loss() -> None:
    part = next_part(WHOLE, NONE, WHOLE.amount, fee_is_returned=False)

    assert part.fee == cny(0)
    assert part.settlement == Money(12_641, USD)  # 90,533 / 87,817 of 122.62


def test_a_whole_refund_gives_everything_back() -> None:
    assert next_part(WHOLE, NONE, WHOLE.amount, fee_is_returned=True) == WHOLE


@given(
    gross=st.integers(1, 10**9),
    fee_bps=st.integers(0, 10_000),
    settled=st.integers(0, 10**9),
    pieces=st.lists(st.tuples(st.integers(1, 10**9), st.booleans()), max_size=12),
)
def test_pieces_add_up_to_the_whole_whichever_of_them_fail(
    gross: int, fee_bps: int, settled: int, pieces: list[tuple[int, bool]]
) -> None:
    fee = gross * fee_bps // 10_000
    whole = Part(cny(gross), cny(gross // 17), cny(fee), Money(settled, USD))
    given_parts: list[Part] = []
    for wish, fails in pieces:
        given = total_of(given_parts, whole)
        left = gross - given.amount.minor
        if not left:
            break
        part = next_part(whole, given, cny(min(wish, left)), fee_is_returned=True)
        assert part.tax.minor >= 0
        assert part.settlement.minor >= 0
        if not fails:
            given_parts.append(part)
    given = total_of(given_parts, whole)
    left = gross - given.amount.minor
    if left:
        given_parts.append(next_part(whole, given, cny(left), fee_is_returned=True))

    assert total_of(given_parts, whole) == whole


def test_nothing_named_is_everything_left() -> None:
    assert amount_to_refund(None, left=cny(700)) == cny(700)


@pytest.mark.parametrize("asked", [cny(0), cny(-1)])
def test_a_refund_is_more_than_zero(asked: Money) -> None:
    with pytest.raises(BadRefund):
        amount_to_refund(asked, left=cny(700))


@pytest.mark.parametrize(("asked", "left"), [(cny(701), cny(700)), (None, cny(0))])
def test_no_more_goes_back_than_is_left(asked: Money | None, left: Money) -> None:
    with pytest.raises(RefundTooLarge):
        amount_to_refund(asked, left=left)


def test_lines_add_up_to_the_refund() -> None:
    check_lines(cny(1_100), [cny(100), cny(1_000)])
    with pytest.raises(BadRefund):
        check_lines(cny(1_100), [cny(100), cny(999)])


def test_a_channels_coupon_shrinks_the_cash_in_the_same_ratio() -> None:
    assert cash_part(cny(900), order=cny(1_000), cash=cny(700)) == cny(630)
