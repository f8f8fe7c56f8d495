"""Lines, then coupons, then tax: what an invoice comes to is the sum of its lines, always."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from app.billing.totals import Charge, Totals, total_of
from app.core.money import Currency, Money
from app.pricing.discounts import AmountOff, Discount, PercentOff
from app.pricing.taxing import Tax
from tests.make import cny, usd

TEN_DOLLARS_OFF = Discount(AmountOff(usd(1_000)))


def totals(charges: list[Charge], *discounts: Discount) -> Totals:
    return total_of(charges, discounts, Currency.USD)


def charge(minor: int, percent: str = "", *, is_inclusive: bool = False) -> Charge:
    return Charge(usd(minor), Tax(Decimal(percent), is_inclusive) if percent else None)


def test_tax_is_on_what_coupons_left() -> None:
    charges = [charge(10_000, "10"), charge(5_000, "0"), charge(3_000, "20"), charge(2_000, "20")]

    found = totals(charges, TEN_DOLLARS_OFF)

    assert [line.discount.minor for line in found.lines] == [500, 250, 150, 100]
    assert [line.tax.minor for line in found.lines] == [950, 0, 570, 380]
    assert (found.discount, found.subtotal, found.tax) == (usd(1_000), usd(19_000), usd(1_900))
    assert found.total == usd(20_900)


def test_an_inclusive_price_is_the_total() -> None:
    found = total_of([Charge(cny(14_900), Tax(Decimal(6), is_inclusive=True))], [], Currency.CNY)

    assert (found.subtotal, found.tax, found.total) == (cny(14_057), cny(843), cny(14_900))


def test_a_line_keeps_the_tax_it_is_under() -> None:
    taxed, free = totals([charge(100, "6.5", is_inclusive=True), charge(100)]).lines

    assert (taxed.tax_percent, taxed.is_inclusive) == (Decimal("6.5"), True)
    assert (free.tax_percent, free.tax, free.is_inclusive) == (None, usd(0), False)


def test_without_coupon_and_tax_the_total_is_the_lines() -> None:
    found = totals([charge(123), charge(0)])

    assert (found.discount, found.subtotal, found.tax, found.total) == (
        usd(0),
        usd(123),
        usd(0),
        usd(123),
    )


def test_nothing_comes_to_nothing() -> None:
    assert totals([], TEN_DOLLARS_OFF).total == usd(0)


def test_rounding_of_tax_alone_never_makes_the_customer_a_creditor() -> None:
    """Ten lines of a cent have no tax; the credit that cancels them has one cent of it."""
    found = totals([*[charge(1, "6")] * 10, charge(-10, "6")])

    assert (found.subtotal, found.tax, found.total) == (usd(0), usd(0), usd(0))


def test_everything_off_leaves_no_tax() -> None:
    found = totals([charge(999, "13"), charge(1, "6")], Discount(PercentOff(Decimal(100))))

    assert (found.subtotal, found.tax, found.total) == (usd(0), usd(0), usd(0))


taxes = st.none() | st.builds(
    Tax, percent=st.decimals("0", "100", places=4), is_inclusive=st.booleans()
)
amounts = st.integers(-(10**6), 10**8).map(usd)
charged = st.lists(st.builds(Charge, amount=amounts, tax=taxes), max_size=8)
coupons = st.lists(
    st.builds(Discount, st.decimals("0.01", "100", places=2).map(PercentOff))
    | st.builds(Discount, st.integers(1, 10**8).map(usd).map(AmountOff)),
    max_size=3,
)


@given(charged, coupons)
def test_the_parts_add_up(charges: list[Charge], discounts: list[Discount]) -> None:
    found = totals(charges, *discounts)

    assert found.total == found.subtotal + found.tax
    assert found.tax == sum((line.tax for line in found.lines), usd(0))
    assert found.subtotal == sum((line.net for line in found.lines), usd(0))
    assert found.discount == sum(found.discounts, usd(0))


@given(charged, coupons)
def test_an_inclusive_line_is_its_net_and_its_tax(
    charges: list[Charge], discounts: list[Discount]
) -> None:
    for line in totals(charges, *discounts).lines:
        if line.is_inclusive:
            assert line.net + line.tax == line.amount - line.discount


@given(charged, coupons)
def test_what_is_billed_is_never_below_zero(
    charges: list[Charge], discounts: list[Discount]
) -> None:
    found = totals(charges, *discounts)
    gross = sum((each.amount for each in charges), Money.zero(Currency.USD))

    if gross.minor >= 0:
        assert found.total.minor >= 0
