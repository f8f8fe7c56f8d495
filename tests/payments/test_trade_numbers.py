"""An order number of ours names its merchant; any other text names none."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.payments.trade_numbers import check_digit, merchant_of_trade_no, new_trade_no

MERCHANT = 4_503_599_627_370_497
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@given(st.integers(0, 2**53 - 1))
def test_a_number_names_its_merchant(merchant_id: int) -> None:
    number = new_trade_no(merchant_id)

    assert re.fullmatch(r"[0-9a-z]{25}", number)
    assert merchant_of_trade_no(number) == merchant_id


def test_no_two_numbers_are_equal() -> None:
    assert len({new_trade_no(MERCHANT) for _ in range(1000)}) == 1000


@given(st.integers(0, 24), st.integers(1, 35))
def test_one_wrong_digit_is_noticed(place: int, shift: int) -> None:
    number = new_trade_no(MERCHANT)
    wrong = DIGITS[(DIGITS.index(number[place]) + shift) % 36]

    assert merchant_of_trade_no(number[:place] + wrong + number[place + 1 :]) is None


def test_the_check_digit_is_that_of_iso_7064() -> None:
    assert check_digit("a12425gabc1234002") == "m"  # the example of the GRid standard


@pytest.mark.parametrize(
    "text",
    ["", "INV20261120000001", "0" * 24, "0" * 26, "é" * 25, "\u0661" * 25, "0" * 24 + "\x00"],
)
def test_any_other_text_names_nobody(text: str) -> None:
    assert merchant_of_trade_no(text) is None


def test_capitals_are_another_text() -> None:
    assert merchant_of_trade_no(new_trade_no(35).upper()) is None
