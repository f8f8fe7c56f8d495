"""Rating is exact: tiers add up, allowances come first, discounts and limits come last."""

from decimal import Decimal
from typing import Any

import pytest

from app.core.money import Currency, Money, Rounding
from app.pricing.charges import (
    Basis,
    Graduated,
    GraduatedPercentage,
    Package,
    Percentage,
    PercentageTier,
    RatedTier,
    Standard,
    Tier,
    Volume,
)
from app.pricing.rating import (
    Operation,
    Price,
    Transform,
    billable_quantity,
    rate,
    rate_events,
    rate_further,
)

D = Decimal


def standard(unit_price: str, **rest: Any) -> Price:
    return Price(Standard(D(unit_price)), **rest)


TIERS = (Tier(D(10), D(10), D(2)), Tier(D(20), D(5), D(3)), Tier(None, D(5), D(3)))
STEPS = Price(Graduated(TIERS))
FALLING = Price(
    Volume((Tier(D(100), D(2), D(10)), Tier(D(200), D(1)), Tier(None, D("0.5"), D(50))))
)


@pytest.mark.parametrize(
    ("quantity", "fen"), [("33", "0.495"), ("34", "0.51"), ("0", "0"), ("12499", "187.485")]
)
def test_a_standard_price_is_per_unit(quantity: str, fen: str) -> None:
    assert rate(standard("0.015"), D(quantity)).amount == D(fen)


@pytest.mark.parametrize(
    ("quantity", "amount"),
    [("0", 2), ("10", 102), ("11", 110), ("12", 115), ("20", 155), ("21", 163), ("10.5", "107.5")],
)
def test_a_graduated_price_goes_through_its_tiers(quantity: str, amount: str) -> None:
    assert rate(STEPS, D(quantity)).amount == D(amount)


def test_the_working_is_shown_tier_by_tier() -> None:
    assert rate(STEPS, D("21.5")).tiers == (
        RatedTier(D(10), D(10), D(2), amount=D(102), above=D(0), up_to=D(10)),
        RatedTier(D(10), D(5), D(3), amount=D(53), above=D(10), up_to=D(20)),
        RatedTier(D("1.5"), D(5), D(3), amount=D("10.5"), above=D(20), up_to=None),
    )


def test_a_tier_that_is_not_entered_is_not_shown() -> None:
    assert len(rate(STEPS, D(10)).tiers) == 1


@pytest.mark.parametrize(
    ("quantity", "amount"),
    [("0", 10), ("100", 210), ("100.5", "100.5"), ("101", 101), ("200", 200), ("210", 155)],
)
def test_a_volume_price_takes_all_units_to_the_tier_they_reach(quantity: str, amount: str) -> None:
    assert rate(FALLING, D(quantity)).amount == D(amount)


def test_the_working_of_a_volume_price_is_the_one_tier_reached() -> None:
    assert rate(FALLING, D(150)).tiers == (
        RatedTier(D(150), D(1), D(0), amount=D(150), above=D(100), up_to=D(200)),
    )


@pytest.mark.parametrize(
    ("rounding", "quantity", "packages"),
    [
        (Rounding.UP, "0", 0),
        (Rounding.UP, "0.000000000001", 1),
        (Rounding.UP, "100", 1),
        (Rounding.UP, "101", 2),
        (Rounding.DOWN, "99", 0),
        (Rounding.DOWN, "250", 2),
    ],
)
def test_packages_are_sold_whole(rounding: Rounding, quantity: str, packages: int) -> None:
    rated = rate(Price(Package(D(100), D(400), rounding)), D(quantity))

    (tier,) = rated.tiers
    assert [rated.amount, tier.quantity] == [400 * packages, packages]
    assert [tier.basis, tier.package_size] == [Basis.PACKAGES, 100]


@pytest.mark.parametrize(("currency", "minor"), [(Currency.USD, 290), (Currency.JPY, "2.9")])
def test_a_percentage_is_taken_of_major_units(currency: Currency, minor: str) -> None:
    assert rate(Price(Percentage(currency, D("2.9"))), D(100)).amount == D(minor)


def test_a_free_amount_comes_off_a_percentage() -> None:
    price = Price(Percentage(Currency.USD, D(1), free_amount=D(1500)))

    (tier,) = rate(price, D(40)).tiers

    assert tier == RatedTier(D(25), D(1), D(0), D(25), above=D(15), basis=Basis.AMOUNT)


PER_EVENT = Percentage(
    Currency.EUR, D("1.3"), fixed_fee=D(200), free_events=3, free_amount=D(25_000)
)


@pytest.mark.parametrize(
    ("amounts", "cents"),
    [
        ([], 0),
        ([50, 100], 0),
        ([50, 100, 250, 400], 1115),  # the third is 150 over what is free
        ([50, 50, 50, 400], 720),  # three were free, though 100 of the amount is left
        ([250, 100], 330),  # the amount is used up exactly
        ([300], 265),
        ([250, 0], 200),
        ([-5, 50, 50, 400], 720),  # an amount below zero is an event of nothing
    ],
)
def test_events_are_free_until_their_count_or_amount_is_used_up(
    amounts: list[int], cents: int
) -> None:
    assert rate_events(Price(PER_EVENT), [D(amount) for amount in amounts]).amount == cents


def test_an_event_costs_no_less_and_no_more_than_it_may() -> None:
    price = Price(Percentage(Currency.EUR, D("2.99"), minimum=D(175), maximum=D(1200)))

    rated = rate_events(price, [D(10), D(80), D(10_000)])

    assert rated.amount == D("1614.2")
    assert [(tier.basis, tier.quantity, tier.amount) for tier in rated.tiers] == [
        (Basis.AMOUNT, D(10_090), D("30169.1")),
        (Basis.EVENT_LIMITS, D(2), D("-28554.9")),
    ]


def test_the_fees_of_events_are_shown_by_themselves() -> None:
    rated = rate_events(Price(PER_EVENT), [D(50), D(100), D(250), D(400)])

    assert [(tier.basis, tier.quantity, tier.amount) for tier in rated.tiers] == [
        (Basis.AMOUNT, D(550), D(715)),
        (Basis.EVENTS, D(2), D(400)),
    ]


def test_a_price_with_terms_per_event_is_not_rated_by_a_sum() -> None:
    with pytest.raises(ValueError, match="per event"):
        rate(Price(PER_EVENT), D(800))


def test_a_price_without_terms_per_event_rates_the_sum_of_events() -> None:
    assert rate_events(STEPS, [D(5), D(6), D(10)]) == rate(STEPS, D(21))


@pytest.mark.parametrize(("amount", "cents"), [(0, 20_000), (10, 20_010), ("10.5", "50011")])
def test_a_graduated_percentage_goes_through_its_tiers(amount: str, cents: str) -> None:
    tiers = (PercentageTier(D(10), D(1), D(20_000)), PercentageTier(None, D(2), D(30_000)))

    assert rate(Price(GraduatedPercentage(Currency.EUR, tiers)), D(amount)).amount == D(cents)


@pytest.mark.parametrize(
    ("operation", "factor", "rounding", "priced"),
    [
        (Operation.MULTIPLY, "1.2", None, "1680"),
        (Operation.DIVIDE, "1000", None, "1.4"),
        (Operation.DIVIDE, "1000", Rounding.CEILING, "2"),
        (Operation.DIVIDE, "1000", Rounding.FLOOR, "1"),
        (Operation.DIVIDE, "400", Rounding.HALF_UP, "4"),
        (Operation.DIVIDE, "2100", None, "0.666666666666666666666667"),
    ],
)
def test_a_quantity_is_transformed_before_it_is_priced(
    operation: Operation, factor: str, rounding: Rounding | None, priced: str
) -> None:
    price = Price(Standard(D(1)), transform=Transform(operation, D(factor), rounding))

    assert rate(price, D(1400)).amount == D(priced)


def test_each_step_comes_in_its_order() -> None:
    price = Price(
        Standard(D(10)),
        transform=Transform(Operation.DIVIDE, D(1000), Rounding.CEILING),
        free_units=D(2),
        discount_percent=D(10),
        maximum_amount=D(60),
        minimum_amount=D(50),
    )

    dear, cheap = rate(price, D(9001)), rate(price, D(2001))

    # 9,001 are 10; 2 are free, 8 cost 80; 8 come off, then 12 to the maximum.
    assert [dear.free_units, dear.discount, dear.capped, dear.topped_up] == [2, 8, 12, 0]
    assert dear.amount == 60
    # 2,001 are 3; 1 costs 10; 1 comes off, and 41 are missing to the minimum.
    assert [cheap.free_units, cheap.discount, cheap.capped, cheap.topped_up] == [2, 1, 0, 41]
    assert cheap.amount == 50


@pytest.mark.parametrize(("quantity", "fen"), [("12500", "37.5"), ("10000", "0"), ("3", "0")])
def test_free_units_come_off_first(quantity: str, fen: str) -> None:
    assert rate(standard("0.015", free_units=D(10_000)), D(quantity)).amount == D(fen)


@pytest.mark.parametrize(
    ("previous", "quantity", "billable"), [("0", "15", 5), ("4", "15", 9), ("20", "15", 15)]
)
def test_an_allowance_is_used_up_once(previous: str, quantity: str, billable: int) -> None:
    price = standard("1", free_units=D(10))

    assert billable_quantity(price, D(quantity), previous=D(previous)) == billable


@pytest.mark.parametrize(("quantity", "amount"), [("0", 100), ("50", 100), ("150", 150)])
def test_a_minimum_is_due_even_for_nothing(quantity: str, amount: int) -> None:
    assert rate(standard("1", minimum_amount=D(100)), D(quantity)).amount == amount


def test_a_minimum_waits_for_the_line_that_closes_the_period() -> None:
    price = standard("1", minimum_amount=D(100))

    assert rate(price, D(5), closes_period=False).amount == 5


def test_a_maximum_caps_the_amount() -> None:
    assert rate(standard("1", maximum_amount=D(100)), D(150)).amount == 100


def test_a_quantity_corrected_below_zero_costs_nothing() -> None:
    assert rate(standard("1"), D(-5)).amount == 0


def test_a_late_line_costs_what_all_costs_less_what_was_billed() -> None:
    capped = standard("1000", maximum_amount=D(10_000))

    line = rate_further(capped, D(12), billed=Money(7000, Currency.USD))

    assert line == Money(3000, Currency.USD)


def test_a_late_correction_is_a_credit() -> None:
    line = rate_further(standard("100"), D(3), billed=Money(500, Currency.USD))

    assert line == Money(-200, Currency.USD)


def test_a_late_unit_that_reaches_a_cheaper_tier_is_a_credit() -> None:
    price = Price(Volume((Tier(D(100), D(1000)), Tier(None, D(900)))))

    line = rate_further(price, D(101), billed=Money(100_000, Currency.USD))

    assert line == Money(-9100, Currency.USD)
