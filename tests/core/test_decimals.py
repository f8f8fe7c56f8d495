"""Decimals arrive as text, leave as text, and lose no digit on the way."""

from decimal import Decimal, Inexact

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.decimals import EXACT, InvalidDecimal, parse_decimal, parse_quantity, plain

NUMBERS = st.decimals(min_value=0, max_value=10**18 - 1, places=12)


@pytest.mark.parametrize(
    "text", ["0", "12500", "0.015", "0.000000000001", "999999999999999999.999999999999"]
)
def test_a_decimal_is_read_exactly(text: str) -> None:
    assert f"{parse_decimal(text):f}" == text


REFUSED = [
    "",
    " 1",
    "1\n",
    "01",
    "+1",
    ".5",
    "5.",
    "1e3",
    "1_000",
    "1,000",
    "NaN",
    "Infinity",
    "٣",  # ARABIC-INDIC DIGIT THREE: a digit to Python, not to this grammar
    "0.0000000000001",  # 13 decimals
    "1000000000000000000",  # 19 digits
    1.5,
    True,
    None,
    [],
]


@pytest.mark.parametrize("value", [*REFUSED, "-1", 1])
def test_what_is_no_decimal_is_refused_with_its_path(value: object) -> None:
    with pytest.raises(InvalidDecimal) as refusal:
        parse_decimal(value, path="price.unit_price")

    assert refusal.value.path == "price.unit_price"


@pytest.mark.parametrize(
    ("value", "quantity"),
    [
        ("12500", 12500),
        ("-0.5", Decimal("-0.5")),
        (12500, 12500),
        (-3, -3),
        (999_999_999_999_999_999, 999_999_999_999_999_999),
    ],
)
def test_a_quantity_may_be_negative_or_a_json_integer(value: object, quantity: Decimal) -> None:
    assert parse_quantity(value) == quantity


@pytest.mark.parametrize("value", [*REFUSED, "--1", "-", 10**18])
def test_what_is_no_quantity_is_refused(value: object) -> None:
    with pytest.raises(InvalidDecimal):
        parse_quantity(value)


def test_minus_zero_is_zero() -> None:
    assert str(parse_quantity("-0")) == "0"


@pytest.mark.parametrize(
    ("value", "text"),
    [("0.015000000000", "0.015"), ("1E+3", "1000"), ("1E-12", "0.000000000001"), ("-0.0", "0")],
)
def test_a_decimal_is_written_plainly(value: str, text: str) -> None:
    assert plain(Decimal(value)) == text


@given(NUMBERS)
def test_what_is_written_is_read_back(value: Decimal) -> None:
    assert parse_decimal(plain(value)) == value


@given(NUMBERS, NUMBERS)
def test_a_quantity_times_a_price_is_exact(quantity: Decimal, price: Decimal) -> None:
    shifted = int(quantity.scaleb(12, EXACT)) * int(price.scaleb(12, EXACT))

    assert EXACT.multiply(quantity, price).scaleb(24, EXACT) == shifted


def test_arithmetic_that_would_lose_a_digit_raises() -> None:
    with pytest.raises(Inexact):
        EXACT.divide(Decimal(1), Decimal(3))
