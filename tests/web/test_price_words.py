"""Prices are shown exactly, in major units; what a version changed is named field by field."""

from decimal import Decimal
from typing import Any

import pytest

from app.core.money import Currency
from app.pricing.models import RateCardVersion
from app.pricing.rating import parse_price
from app.web.price_words import FieldChange, PriceChange, changes, describe, major


def version(**currencies: list[dict[str, Any]]) -> RateCardVersion:
    return RateCardVersion(content={"currencies": currencies})


def per_unit(metric: str, unit_price: str, **extra: str) -> dict[str, Any]:
    return {"metric": metric, "model": "standard", "unit_price": unit_price} | extra


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        ("0.015", Currency.USD, "0.00015"),
        ("0.000000000001", Currency.CNY, "0.00000000000001"),
        ("999999999999999999.999999999999", Currency.USD, "9,999,999,999,999,999.99999999999999"),
        ("100", Currency.CNY, "1"),
        ("1.5", Currency.JPY, "1.5"),
    ],
)
def test_major_units_lose_no_digit(minor: str, currency: Currency, text: str) -> None:
    assert major(Decimal(minor), currency) == text


def test_a_tiny_price_is_also_said_by_the_million() -> None:
    cheap = describe("x", parse_price({"model": "standard", "unit_price": "0.015"}), Currency.USD)
    dear = describe("x", parse_price({"model": "standard", "unit_price": "1"}), Currency.USD)

    assert (cheap.tiers[0].unit, cheap.tiers[0].bulk) == ("0.00015", "150")
    assert (dear.tiers[0].unit, dear.tiers[0].bulk) == ("0.01", "")


def test_the_same_prices_are_no_change() -> None:
    assert changes(version(USD=[per_unit("a", "1")]), version(USD=[per_unit("a", "1")])) == []


def test_a_change_names_the_field_before_and_after() -> None:
    before = version(USD=[per_unit("a", "1", free_units="10000")])
    after = version(USD=[per_unit("a", "2")])

    assert changes(before, after) == [
        PriceChange(
            "changed",
            "a",
            "USD",
            [
                FieldChange("unit_price", 0, "0.01", "0.02"),
                FieldChange("free_units", 0, "10,000", ""),
            ],
        )
    ]


def test_metrics_and_currencies_come_and_go() -> None:
    before = version(USD=[per_unit("a", "1")])
    after = version(CNY=[per_unit("a", "7")], USD=[per_unit("b", "1")])

    assert [(c.kind, c.metric, c.currency) for c in changes(before, after)] == [
        ("added", "a", "CNY"),
        ("added", "b", "USD"),
        ("removed", "a", "USD"),
    ]


def test_tiers_are_counted_from_one() -> None:
    one = {"metric": "a", "model": "graduated"}
    first = {"up_to": "10", "unit_price": "2"}
    before = version(USD=[one | {"tiers": [first, {"up_to": None, "unit_price": "1"}]}])
    after = version(USD=[one | {"tiers": [first, {"up_to": None, "unit_price": "0.5"}]}])

    (change,) = changes(before, after)
    assert change.fields == [FieldChange("unit_price", 2, "0.01", "0.005")]
