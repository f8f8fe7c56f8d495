"""An invoice records four amounts that follow from each other to the last fen."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.billing.amounts import (
    InvoiceAmounts,
    LockedRates,
    NegativeAmount,
    PlatformFee,
    invoice_amounts,
    sum_lines,
)
from app.core.money import Currency, CurrencyMismatch, Money
from app.fx.conversion import CNY_RATE

USD_RATE = Decimal("7.16184000")
JPY_RATE = Decimal("0.04759272")
THREE_PERCENT = PlatformFee(bps=300)


def cny(minor: int) -> Money:
    return Money(minor, Currency.CNY)


def usd(minor: int) -> Money:
    return Money(minor, Currency.USD)


def test_the_worked_example_comes_out() -> None:
    amounts = invoice_amounts(
        usd(12_641),
        LockedRates(pricing=USD_RATE, settlement=USD_RATE),
        THREE_PERCENT,
        settlement_currency=Currency.USD,
    )

    assert amounts == InvoiceAmounts(
        total=usd(12_641),
        collect=cny(90_533),
        due=cny(90_533),
        platform_fee=cny(2_716),
        settlement=usd(12_262),
    )
    assert amounts.net == cny(87_817)


def test_priced_in_yen_and_settled_in_dollars() -> None:
    amounts = invoice_amounts(
        Money(5000, Currency.JPY),
        LockedRates(pricing=JPY_RATE, settlement=USD_RATE),
        PlatformFee(bps=0),
        settlement_currency=Currency.USD,
    )

    assert (amounts.collect, amounts.settlement) == (cny(23_796), usd(3_323))


def test_priced_in_yuan_needs_no_rate_to_collect() -> None:
    amounts = invoice_amounts(
        cny(14_900),
        LockedRates(pricing=CNY_RATE, settlement=USD_RATE),
        THREE_PERCENT,
        settlement_currency=Currency.USD,
    )

    assert (amounts.collect, amounts.platform_fee) == (cny(14_900), cny(447))
    assert amounts.settlement == usd(2_018)


def test_an_invoice_of_nothing_is_all_zero() -> None:
    amounts = invoice_amounts(
        usd(0),
        LockedRates(pricing=USD_RATE, settlement=USD_RATE),
        PlatformFee(bps=300, fixed_minor=50),
        settlement_currency=Currency.USD,
    )

    assert amounts == InvoiceAmounts(usd(0), cny(0), cny(0), cny(0), usd(0))


def test_an_invoice_below_zero_is_refused() -> None:
    with pytest.raises(NegativeAmount):
        invoice_amounts(
            usd(-100),
            LockedRates(pricing=USD_RATE, settlement=USD_RATE),
            THREE_PERCENT,
            settlement_currency=Currency.USD,
        )


@pytest.mark.parametrize(
    ("captured", "terms", "fee"),
    [
        (90_533, PlatformFee(bps=300), 2_716),
        (1_000, PlatformFee(bps=500, fixed_minor=50), 100),
        (8_730, PlatformFee(bps=500, fixed_minor=50), 487),
        (1_000, PlatformFee(bps=349, fixed_minor=35), 70),
        (30, PlatformFee(bps=300, fixed_minor=50), 30),
        (0, PlatformFee(bps=300, fixed_minor=50), 0),
    ],
)
def test_the_fee_is_a_share_and_a_fixed_part_but_never_more_than_was_captured(
    captured: int, terms: PlatformFee, fee: int
) -> None:
    assert terms.on(cny(captured)) == cny(fee)


def test_lines_add_up_as_rounded() -> None:
    lines = [Money.rounded(Decimal("3333.3333"), Currency.USD)] * 3

    assert sum_lines(lines, Currency.USD) == usd(9_999)


def test_no_lines_add_up_to_zero() -> None:
    assert sum_lines([], Currency.JPY) == Money(0, Currency.JPY)


def test_lines_are_of_one_currency() -> None:
    with pytest.raises(CurrencyMismatch):
        sum_lines([cny(1)], Currency.USD)


@given(st.integers(0, 10**12), st.integers(0, 10_000), st.integers(0, 10**4))
def test_fee_and_net_share_what_is_collected(minor: int, bps: int, fixed: int) -> None:
    amounts = invoice_amounts(
        usd(minor),
        LockedRates(pricing=USD_RATE, settlement=USD_RATE),
        PlatformFee(bps, fixed),
        settlement_currency=Currency.USD,
    )

    assert amounts.platform_fee + amounts.net == amounts.collect
    assert min(amounts.platform_fee.minor, amounts.net.minor, amounts.settlement.minor) >= 0


@given(st.integers(0, 10**12), st.decimals(1, 1000, places=8))
def test_without_a_fee_the_spread_cancels_out(minor: int, rate: Decimal) -> None:
    amounts = invoice_amounts(
        usd(minor),
        LockedRates(pricing=rate, settlement=rate),
        PlatformFee(bps=0),
        settlement_currency=Currency.USD,
    )

    assert abs(amounts.settlement.minor - minor) <= 1
