"""Prices are shown exactly, in major units; what a version changed is named field by field."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings

from app.core.money import Currency
from app.web.price_differences import FieldChange, PriceChange, changes
from app.web.price_words import describe, major, part_label, parts, prices_by_currency
from tests.web.test_price_forms import contents


@pytest.fixture(autouse=True)
def _english(web_app: Flask) -> Iterator[None]:
    with web_app.test_request_context():
        yield


def content(**currencies: list[dict[str, Any]]) -> dict[str, Any]:
    return {"currencies": currencies}


def per_unit(metric: str, unit_price: str, **extra: Any) -> dict[str, Any]:
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
    cheap = describe("x", {"model": "standard", "unit_price": "0.015"}, Currency.USD)
    dear = describe("x", {"model": "standard", "unit_price": "1"}, Currency.USD)

    assert (cheap.tiers[0].unit, cheap.tiers[0].bulk) == ("0.00015", "150")
    assert (dear.tiers[0].unit, dear.tiers[0].bulk) == ("0.01", "")


def test_every_term_of_a_price_is_said() -> None:
    price = describe(
        "x",
        {
            "model": "percentage",
            "rate": "2.9",
            "fixed_fee": "30",
            "free_events": 3,
            "per_event_maximum": "1200",
            "discount_percent": "10",
            "transform": {"operation": "divide", "factor": "1000", "rounding": "ceiling"},
        },
        Currency.USD,
    )

    assert price.tiers[0].unit == "2.9 %"
    assert price.notes == [
        "quantity ÷ 1,000 rounded up",
        "first 3 events free",
        "and 0.3 USD per event",
        "at most 12 USD per event",
        "10 % off",
    ]


def test_filters_come_before_the_rest() -> None:
    price = per_unit(
        "a", "1", filters=[{"match": {"model": ["gpt-5"], "region": "*"}} | per_unit("", "2")]
    )

    assert [label for label, _ in parts(price)] == ["model = gpt-5 · region = any", "any other"]


def test_a_package_says_its_size() -> None:
    package = {"metric": "a", "model": "package", "package_size": "1000", "package_price": "500"}

    (price,) = prices_by_currency(content(USD=[package]))["USD"]

    assert (price.tiers[0].size, price.tiers[0].unit) == ("1,000", "5")


def test_how_usage_is_split_into_lines_is_said_of_every_part() -> None:
    price = per_unit(
        "a",
        "1",
        free_units="500",
        filters=[{"match": {"model": ["gpt-5"]}, "model": "standard", "unit_price": "2"}],
        group_by=["model", "region"],
        share_tiers=True,
    )

    filtered, rest = prices_by_currency(content(USD=[price]))["USD"]

    lines = ["a line for each model × region", "lines of equal prices share tiers and free units"]
    assert filtered.notes == lines
    assert rest.notes == ["first 500 free", *lines]


def test_the_same_prices_are_no_change() -> None:
    assert changes(content(USD=[per_unit("a", "1")]), content(USD=[per_unit("a", "1")])) == []


def test_a_change_names_the_field_before_and_after_in_major_units() -> None:
    before = content(USD=[per_unit("a", "1", free_units="10000")])
    after = content(USD=[per_unit("a", "2")])

    assert changes(before, after) == [
        PriceChange(
            "USD",
            "a",
            "",
            "changed",
            [
                FieldChange("Price per unit", "0.01", "0.02"),
                FieldChange("Free units", "10,000", ""),
            ],
        )
    ]


def test_metrics_and_currencies_come_and_go() -> None:
    before = content(USD=[per_unit("a", "1")])
    after = content(CNY=[per_unit("a", "7")], USD=[per_unit("b", "1")])

    assert {(c.kind, c.metric, c.currency) for c in changes(before, after)} == {
        ("added", "a", "CNY"),
        ("added", "b", "USD"),
        ("removed", "a", "USD"),
    }


def test_tiers_are_counted_from_one() -> None:
    one = {"metric": "a", "model": "graduated"}
    first = {"up_to": "10", "unit_price": "2", "flat_fee": "0"}

    def last(price: str) -> dict[str, Any]:
        return {"up_to": None, "unit_price": price, "flat_fee": "0"}

    (change,) = changes(
        content(USD=[one | {"tiers": [first, last("1")]}]),
        content(USD=[one | {"tiers": [first, last("0.5")]}]),
    )

    assert change.fields == [FieldChange("Tier 2 · Price per unit", "0.01", "0.005")]


def test_another_model_shows_its_tiers_whole() -> None:
    tiers = [
        {"up_to": "1000", "unit_price": "1", "flat_fee": "0"},
        {"up_to": None, "unit_price": "0.5", "flat_fee": "0"},
    ]
    after = {"metric": "a", "model": "graduated", "tiers": tiers}

    (change,) = changes(content(USD=[per_unit("a", "1")]), content(USD=[after]))

    assert change.fields == [
        FieldChange("Model", "Per unit", "Graduated"),
        FieldChange("Tiers", "", "≤ 1,000: 0.01; ≤ ∞: 0.005"),
        FieldChange("Price per unit", "0.01", ""),
    ]


@given(contents, contents)
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_changed_can_be_said(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert bool(changes(before, after)) == (before != after)


def test_what_a_filter_changes_is_told_under_what_it_takes() -> None:
    def filtered(price: str) -> dict[str, Any]:
        return content(
            USD=[
                per_unit(
                    "a",
                    "1",
                    filters=[
                        {"match": {"model": ["o3"]}, "model": "standard", "unit_price": price}
                    ],
                )
            ]
        )

    (change,) = changes(filtered("2"), filtered("3"))

    assert (change.part, change.fields) == (
        "model = o3",
        [FieldChange("Price per unit", "0.02", "0.03")],
    )


def test_labels_quote_nothing() -> None:
    assert part_label({"model": ["a", "b"], "region": "*"}) == "model = a, b · region = any"
