"""Tax comes on top of a line or out of it, to the last minor unit, and a credit's is negative."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.money import Currency, Money
from app.pricing.taxing import Tax
from tests.make import cny, usd

SIX_INSIDE = Tax(Decimal(6), is_inclusive=True)


def test_six_percent_are_inside_a_price_of_149_yuan() -> None:
    assert SIX_INSIDE.on(cny(14_900)) == cny(843)


@pytest.mark.parametrize(
    ("net", "percent", "tax"),
    [(9_500, "10", 950), (5_000, "0", 0), (12_345, "7.25", 895), (9_999, "8.875", 887)],
)
def test_tax_on_top_is_rounded_by_itself(net: int, percent: str, tax: int) -> None:
    assert Tax(Decimal(percent)).on(usd(net)) == usd(tax)


def test_a_credit_has_negative_tax() -> None:
    assert Tax(Decimal(20)).on(usd(-9_100)) == usd(-1_820)
    assert SIX_INSIDE.on(cny(-14_900)) == cny(-843)


def test_a_currency_without_decimals_has_none_in_its_tax() -> None:
    yen = Money(999, Currency.JPY)

    assert Tax(Decimal("10.5")).on(yen) == Money(105, Currency.JPY)


percents = st.decimals("0", "100", places=4)
amounts = st.integers(-(10**12), 10**12).map(usd)


@given(amounts, percents)
def test_a_charge_and_its_credit_leave_no_tax(amount: Money, percent: Decimal) -> None:
    for tax in (Tax(percent), Tax(percent, is_inclusive=True)):
        assert tax.on(amount) + tax.on(-amount) == usd(0)


@given(st.integers(0, 10**12).map(usd), percents)
def test_a_tax_inside_is_never_more_than_the_price(gross: Money, percent: Decimal) -> None:
    tax = Tax(percent, is_inclusive=True).on(gross)

    assert usd(0).minor <= tax.minor <= gross.minor


@given(st.integers(0, 10**12).map(usd), percents)
def test_taking_the_tax_out_undoes_putting_it_on(net: Money, percent: Decimal) -> None:
    gross = net + Tax(percent).on(net)
    back = gross - Tax(percent, is_inclusive=True).on(gross)

    assert abs(back.minor - net.minor) <= 1
