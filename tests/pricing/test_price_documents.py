"""A price is read strictly, with the path of what is wrong, and survives its JSON."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given

from app.core.errors import Invalid
from app.core.money import Currency, Rounding
from app.pricing.charges import (
    Graduated,
    GraduatedPercentage,
    Package,
    Percentage,
    PercentageTier,
    Standard,
    Tier,
    Volume,
)
from app.pricing.price_documents import dump_price, parse_price
from app.pricing.rating import Operation, Price, Transform
from tests.pricing.prices import CURRENCIES, prices

D = Decimal
TIERS = [
    {"up_to": "10", "unit_price": "10", "flat_fee": "2"},
    {"up_to": None, "unit_price": "5", "flat_fee": "3"},
]
PARSED = (Tier(D(10), D(10), D(2)), Tier(None, D(5), D(3)))


@pytest.mark.parametrize(
    ("document", "price"),
    [
        (
            {"model": "standard", "unit_price": "0.015", "free_units": "10000"},
            Price(Standard(D("0.015")), free_units=D(10_000)),
        ),
        ({"model": "graduated", "tiers": TIERS}, Price(Graduated(PARSED))),
        ({"model": "volume", "tiers": TIERS}, Price(Volume(PARSED))),
        (
            {
                "model": "package",
                "package_size": "100",
                "package_price": "400",
                "package_rounding": "down",
            },
            Price(Package(D(100), D(400), Rounding.DOWN)),
        ),
        (
            {
                "model": "percentage",
                "rate": "2.9",
                "fixed_fee": "30",
                "free_events": 3,
                "free_amount": "25000",
                "per_event_minimum": "175",
                "per_event_maximum": "1200",
            },
            Price(Percentage(Currency.USD, D("2.9"), D(30), 3, D(25_000), D(175), D(1200))),
        ),
        (
            {
                "model": "graduated_percentage",
                "tiers": [
                    {"up_to": "10", "rate": "1", "flat_fee": "200"},
                    {"up_to": None, "rate": "2", "flat_fee": "0"},
                ],
            },
            Price(
                GraduatedPercentage(
                    Currency.USD, (PercentageTier(D(10), D(1), D(200)), PercentageTier(None, D(2)))
                )
            ),
        ),
        (
            {
                "model": "standard",
                "unit_price": "1",
                "transform": {"operation": "divide", "factor": "1000", "rounding": "ceiling"},
                "free_units": "5",
                "discount_percent": "12.5",
                "minimum_amount": "100",
                "maximum_amount": "900",
            },
            Price(
                Standard(D(1)),
                transform=Transform(Operation.DIVIDE, D(1000), Rounding.CEILING),
                free_units=D(5),
                discount_percent=D("12.5"),
                minimum_amount=D(100),
                maximum_amount=D(900),
            ),
        ),
    ],
    ids=lambda value: value["model"] if isinstance(value, dict) else "",
)
def test_a_price_of_each_model_is_read_and_written(document: dict[str, Any], price: Price) -> None:
    assert parse_price(document, Currency.USD) == price
    assert dump_price(price) == document


@pytest.mark.parametrize("unit_price", ["0.015", "0.015000000000"])
def test_equal_prices_are_written_alike(unit_price: str) -> None:
    assert dump_price(Price(Standard(D(unit_price)))) == {
        "model": "standard",
        "unit_price": "0.015",
    }


@given(prices(), CURRENCIES)
def test_a_price_survives_its_json(price: Price, currency: Currency) -> None:
    charge = price.charge
    if isinstance(charge, Percentage | GraduatedPercentage):
        currency = charge.currency

    assert parse_price(dump_price(price), currency) == price


def tiered(*tiers: Any) -> dict[str, Any]:
    return {"model": "graduated", "tiers": list(tiers)}


LAST = {"up_to": None, "unit_price": "1"}
UNIT = {"model": "standard", "unit_price": "1"}
PACKAGE = {"model": "package", "package_size": "100", "package_price": "1"}
SHARE = {"model": "percentage", "rate": "1"}
ROUNDED = {"operation": "divide", "factor": "1000", "rounding": "ceiling"}


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ("0.015", "price"),
        ({}, "price.model"),
        ({"model": "cubic"}, "price.model"),
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
        (tiered(LAST) | {"model": "volume", "unit_price": "1"}, "price.unit_price"),
        (tiered(LAST) | {"model": "graduated_percentage"}, "price.tiers[0].rate"),
        (PACKAGE | {"package_size": "0"}, "price.package_size"),
        (PACKAGE | {"package_price": None}, "price.package_price"),
        (PACKAGE | {"package_rounding": "half_up"}, "price.package_rounding"),
        (SHARE | {"rate": "1000.1"}, "price.rate"),
        (SHARE | {"rate": "-1"}, "price.rate"),
        (SHARE | {"free_events": "3"}, "price.free_events"),
        (SHARE | {"free_events": -1}, "price.free_events"),
        (SHARE | {"free_events": True}, "price.free_events"),
        (
            SHARE | {"per_event_minimum": "2", "per_event_maximum": "1"},
            "price.per_event_maximum",
        ),
        (SHARE | {"fixed_fee": "1", "free_units": "5"}, "price.free_units"),
        (SHARE | {"fixed_fee": "1", "transform": ROUNDED}, "price.transform.rounding"),
        (UNIT | {"discount_percent": "100.1"}, "price.discount_percent"),
        (UNIT | {"discount_percent": 5}, "price.discount_percent"),
        (UNIT | {"transform": "x"}, "price.transform"),
        (UNIT | {"transform": ROUNDED | {"operation": "add"}}, "price.transform.operation"),
        (UNIT | {"transform": ROUNDED | {"factor": "0"}}, "price.transform.factor"),
        (UNIT | {"transform": ROUNDED | {"rounding": "half_even"}}, "price.transform.rounding"),
        (UNIT | {"transform": ROUNDED | {"unit": "GB"}}, "price.transform.unit"),
    ],
)
def test_a_wrong_price_is_refused_with_the_path_of_the_field(document: object, path: str) -> None:
    with pytest.raises(Invalid) as refusal:
        parse_price(document, Currency.USD)

    assert refusal.value.path == path


@pytest.mark.parametrize("extra", [{}, {"discount_percent": None, "transform": None}])
def test_what_is_left_out_or_null_is_not_said(extra: dict[str, None]) -> None:
    assert dump_price(parse_price(UNIT | extra, Currency.USD)) == UNIT


def test_packages_are_rounded_up_unless_it_is_said() -> None:
    assert dump_price(parse_price(PACKAGE, Currency.USD))["package_rounding"] == "up"


@pytest.mark.parametrize("terms", [{"fixed_fee": "1"}, {"free_events": 1}])
def test_terms_per_event_go_with_an_unrounded_transform(terms: dict[str, Any]) -> None:
    cents = {"operation": "divide", "factor": "100", "rounding": "none"}

    price = parse_price(SHARE | terms | {"transform": cents}, Currency.USD)

    assert price.transform == Transform(Operation.DIVIDE, D(100))
