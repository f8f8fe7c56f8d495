"""Rating is exact: tiers add up, allowances come first, and a price survives its JSON."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.decimals import EXACT
from app.core.errors import Invalid
from app.core.money import Currency, Money
from app.pricing.rating import (
    Model,
    Price,
    RatedTier,
    Tier,
    billable_quantity,
    dump_price,
    parse_price,
    rate,
    rate_further,
)

D = Decimal
QUANTITIES = st.decimals(min_value=0, max_value=10**18 - 1, places=12)
AMOUNTS = st.decimals(min_value=0, max_value=10**6, places=12)


def standard(unit_price: str, **rest: Decimal) -> Price:
    return Price(Model.STANDARD, (Tier(None, D(unit_price)),), **rest)


STEPS = Price(
    Model.GRADUATED,
    (Tier(D(10), D(10), D(2)), Tier(D(20), D(5), D(3)), Tier(None, D(5), D(3))),
)


@st.composite
def prices(draw: st.DrawFn) -> Price:
    bounds = sorted(draw(st.sets(QUANTITIES.filter(bool), max_size=5)))
    tiers = tuple(Tier(bound, draw(AMOUNTS), draw(AMOUNTS)) for bound in [*bounds, None])
    if len(tiers) == 1:
        tiers = (Tier(None, draw(AMOUNTS)),)
    minimum = draw(AMOUNTS)
    return Price(
        model=Model.STANDARD if len(tiers) == 1 else Model.GRADUATED,
        tiers=tiers,
        free_units=draw(QUANTITIES),
        minimum_amount=minimum,
        maximum_amount=draw(st.none() | AMOUNTS.map(lambda more: EXACT.add(minimum, more))),
    )


# Rating


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
        RatedTier(quantity=D(10), unit_price=D(10), flat_fee=D(2), amount=D(102)),
        RatedTier(quantity=D(10), unit_price=D(5), flat_fee=D(3), amount=D(53)),
        RatedTier(quantity=D("1.5"), unit_price=D(5), flat_fee=D(3), amount=D("10.5")),
    )


def test_a_tier_that_is_not_entered_is_not_shown() -> None:
    assert len(rate(STEPS, D(10)).tiers) == 1


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


@given(prices(), QUANTITIES, QUANTITIES)
def test_more_never_costs_less(price: Price, quantity: Decimal, other: Decimal) -> None:
    less, more = sorted([quantity, other])

    assert rate(price, less).amount <= rate(price, more).amount


@given(prices(), QUANTITIES)
def test_tiers_add_up_to_what_is_billable(price: Price, quantity: Decimal) -> None:
    parts = [Fraction(tier.quantity) for tier in rate(price, quantity).tiers]

    assert sum(parts) == Fraction(billable_quantity(price, quantity))


@given(QUANTITIES, QUANTITIES, AMOUNTS)
def test_within_a_tier_parts_cost_what_the_whole_costs(
    first: Decimal, second: Decimal, unit_price: Decimal
) -> None:
    price = Price(Model.STANDARD, (Tier(None, unit_price),))

    parts = [Fraction(rate(price, part).amount) for part in (first, second)]

    assert sum(parts) == Fraction(rate(price, EXACT.add(first, second)).amount)


@given(QUANTITIES)
def test_bounds_between_equal_tiers_cost_nothing(quantity: Decimal) -> None:
    cut = (Tier(D(100), D("0.3")), Tier(D(2000), D("0.3")), Tier(None, D("0.3")))

    assert (
        rate(Price(Model.GRADUATED, cut), quantity).amount == rate(standard("0.3"), quantity).amount
    )


# The JSON shape


def test_a_standard_price_is_read() -> None:
    document = {"model": "standard", "unit_price": "0.015", "free_units": "10000"}

    assert parse_price(document) == standard("0.015", free_units=D(10_000))


def test_a_graduated_price_is_read() -> None:
    document = {
        "model": "graduated",
        "tiers": [
            {"up_to": "10", "unit_price": "10", "flat_fee": "2"},
            {"up_to": "20", "unit_price": "5", "flat_fee": "3"},
            {"up_to": None, "unit_price": "5", "flat_fee": "3"},
        ],
    }

    assert parse_price(document) == STEPS


@pytest.mark.parametrize("unit_price", ["0.015", "0.015000000000"])
def test_equal_prices_are_written_alike(unit_price: str) -> None:
    assert dump_price(standard(unit_price)) == {"model": "standard", "unit_price": "0.015"}


@given(prices())
def test_a_price_survives_its_json(price: Price) -> None:
    assert parse_price(dump_price(price)) == price


def tiered(*tiers: Any) -> dict[str, Any]:
    return {"model": "graduated", "tiers": list(tiers)}


LAST = {"up_to": None, "unit_price": "1"}


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ("0.015", "price"),
        ({}, "price.model"),
        ({"model": "volume"}, "price.model"),
        ({"model": "standard"}, "price.unit_price"),
        ({"model": "standard", "unit_price": 0.015}, "price.unit_price"),
        ({"model": "standard", "unit_price": "-1"}, "price.unit_price"),
        ({"model": "standard", "unit_price": "0.0000000000001"}, "price.unit_price"),
        ({"model": "standard", "unit_price": "1", "tiers": []}, "price.tiers"),
        ({"model": "standard", "unit_price": "1", "free_units": 5}, "price.free_units"),
        (
            {"model": "standard", "unit_price": "1", "minimum_amount": "2", "maximum_amount": "1"},
            "price.maximum_amount",
        ),
        ({"model": "graduated"}, "price.tiers"),
        (tiered(), "price.tiers"),
        (tiered(*[LAST] * 101), "price.tiers"),
        (tiered("1"), "price.tiers[0]"),
        (tiered({"unit_price": "1"}), "price.tiers[0].up_to"),
        (tiered({"up_to": "5", "unit_price": "1"}), "price.tiers[0].up_to"),
        (tiered({"up_to": "0", "unit_price": "1"}, LAST), "price.tiers[0].up_to"),
        (tiered(LAST, LAST), "price.tiers[0].up_to"),
        (
            tiered({"up_to": "5", "unit_price": "1"}, {"up_to": "5", "unit_price": "1"}, LAST),
            "price.tiers[1].up_to",
        ),
        (tiered({"up_to": None}), "price.tiers[0].unit_price"),
        (tiered(LAST | {"flat_fee": "1.x"}), "price.tiers[0].flat_fee"),
        (tiered(LAST | {"colour": "red"}), "price.tiers[0].colour"),
    ],
)
def test_a_wrong_price_is_refused_with_the_path_of_the_field(document: object, path: str) -> None:
    with pytest.raises(Invalid) as refusal:
        parse_price(document)

    assert refusal.value.path == path
