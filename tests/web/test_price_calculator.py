"""The calculator prices what is typed as an invoice would, tier by tier, and never shouts."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from werkzeug.datastructures import MultiDict

from app.core.money import Currency, Money
from app.pricing.price_documents import parse_price
from app.pricing.rating import Price
from app.web import price_curves
from app.web.price_calculator import (
    Calculation,
    Trial,
    Unfinished,
    calculate,
    read_trial,
    suggestions,
)
from app.web.price_forms import PriceForm, Spot, from_content

TIERS = [
    {"up_to": "10", "unit_price": "1000", "flat_fee": "200"},
    {"up_to": "20", "unit_price": "500", "flat_fee": "300"},
    {"up_to": None, "unit_price": "500", "flat_fee": "300"},
]
GRADUATED = {"metric": "a", "model": "graduated", "tiers": TIERS}
PERCENTAGE = {
    "metric": "a",
    "model": "percentage",
    "rate": "1.3",
    "fixed_fee": "200",
    "free_events": 3,
    "free_amount": "25000",
}


@pytest.fixture(autouse=True)
def _english(web_app: Flask) -> Iterator[None]:
    with web_app.test_request_context():
        yield


def form_of(*prices: dict[str, Any]) -> PriceForm:
    return from_content({"currencies": {"USD": list(prices)}})


def told(form: PriceForm, trial: Trial, **options: Any) -> Calculation:
    found = calculate(form, trial, {"model": None}, published=options.get("published"))
    assert isinstance(found, Calculation), found
    return found


def test_each_tier_says_what_it_pays() -> None:
    found = told(form_of(GRADUATED), Trial("21"))

    assert found.total == Money(16_300, Currency.USD)
    assert [(line.label, line.working, line.amount) for line in found.lines] == [
        ("Up to 10", "10 × 10 + 2", "102"),
        ("10 to 20", "10 × 5 + 3", "53"),
        ("Above 20", "1 × 5 + 3", "8"),
    ]


def test_the_shares_fill_the_bar_from_the_left() -> None:
    lines = told(form_of(GRADUATED), Trial("21")).lines

    assert [(line.start, line.share) for line in lines] == [(0, 62), (62, 33), (95, 5)]


def test_events_are_priced_one_after_the_other() -> None:
    found = told(form_of(PERCENTAGE), Trial("", amounts="50 100 250 400"))

    assert found.total == Money(1115, Currency.USD)
    assert [line.working for line in found.lines] == ["550 × 1.3 %", "2 × 2"]


def test_allowance_discount_maximum_and_minimum_are_told() -> None:
    base = {"metric": "a", "model": "standard", "unit_price": "100"}

    assert told(form_of(base | {"free_units": "5"}), Trial("7")).notes == [
        "5 free units taken off first"
    ]
    assert told(form_of(base | {"discount_percent": "10"}), Trial("7")).notes == [
        "less 0.7 discount"
    ]
    assert told(form_of(base | {"maximum_amount": "300"}), Trial("7")).notes == [
        "4 taken off: the maximum is reached"
    ]
    assert told(form_of(base | {"minimum_amount": "1000"}), Trial("7")).notes == [
        "3 added: the minimum is not reached"
    ]


def test_the_unit_price_in_effect_is_told_by_the_million_where_it_is_tiny() -> None:
    cheap = told(form_of({"metric": "a", "model": "standard", "unit_price": "0.015"}), Trial("9"))
    none = told(form_of(GRADUATED), Trial("0"))

    assert (cheap.unit_price, cheap.unit_bulk) == ("0.00015", "150")
    assert (none.unit_price, none.unit_bulk) == ("", "")


def test_the_prices_in_force_stand_beside() -> None:
    dearer = {"metric": "a", "model": "standard", "unit_price": "200"}
    cheaper = {"currencies": {"USD": [dearer | {"unit_price": "150"}]}}

    found = told(form_of(dearer), Trial("10"), published=cheaper)

    assert found.published == Money(1500, Currency.USD)
    assert found.difference == Money(500, Currency.USD)
    assert told(form_of(dearer), Trial("10"), published={"currencies": {}}).difference is None


def test_dimensions_lead_to_their_filter() -> None:
    taken = {"match": {"model": ["o3"]}, "model": "standard", "unit_price": "900"}
    form = form_of({"metric": "a", "model": "standard", "unit_price": "100", "filters": [taken]})

    assert told(form, Trial("1")).total.minor == 100
    found = told(form, Trial("1", dimensions={"model": "o3"}))
    assert (found.taken, found.total.minor) == (Spot(0, 0), 900)


def test_usage_that_nothing_prices_is_said_to_cost_nothing() -> None:
    taken = {"match": {"model": ["o3"]}, "model": "standard", "unit_price": "900"}
    form = form_of({"metric": "a", "filters": [taken]})

    found = calculate(form, Trial("1", dimensions={"model": "x"}), {"model": None}, published=None)

    assert isinstance(found, Unfinished)
    assert "costs nothing" in found.hint


@pytest.mark.parametrize("quantity", ["", "many", "-1", "1e9", "0.0000000000001"])
def test_what_is_no_number_is_asked_for_again(quantity: str) -> None:
    found = calculate(form_of(GRADUATED), Trial(quantity), {}, published=None)

    assert found == Unfinished("Type a number, such as 12500.")


def test_unfinished_prices_are_waited_for() -> None:
    found = calculate(PriceForm(), Trial("1"), {}, published=None)

    assert found == Unfinished("Complete the prices first; then this shows what they cost.")


def price_of(document: dict[str, Any]) -> Price:
    fields = {name: value for name, value in document.items() if name != "metric"}
    return parse_price(fields, Currency.USD)


def test_a_button_tries_its_quantity() -> None:
    assert read_trial(MultiDict({"do": "try:500", "try-quantity": "7"}), None).quantity == "500"
    assert read_trial(MultiDict({"try-quantity": " 1,000 "}), None).quantity == "1,000"


def test_a_new_page_tries_what_enters_every_tier() -> None:
    assert read_trial(MultiDict(), price_of(GRADUATED)).quantity == "40"
    assert read_trial(MultiDict(), None).quantity == "1000000"


def test_quantities_worth_a_look_lie_around_the_bounds() -> None:
    assert suggestions(price_of(GRADUATED)) == ["5", "10", "20", "40"]


def drawn(*tiers: tuple[int | None, str]) -> price_curves.Curves:
    documents = [
        {"up_to": None if bound is None else str(bound), "unit_price": price}
        for bound, price in tiers
    ]
    price = parse_price({"model": "volume", "tiers": documents}, Currency.USD)
    return price_curves.draw(price, None, Currency.USD, quantity=Decimal(100))


def test_bounds_far_apart_are_drawn_on_a_logarithmic_axis() -> None:
    assert not drawn((100, "2"), (1000, "1"), (None, "1")).axis.is_log
    wide = drawn((100, "2"), (10**8, "1"), (None, "1"))
    assert wide.axis.is_log
    assert wide.total.marks == (125.0, 875.0)  # from 10 to a billion, eight decades


def test_a_volume_price_falls_where_its_tier_changes() -> None:
    curves = drawn((100, "2"), (None, "1"))

    totals = dict(zip(curves.quantities, [row[0] for row in curves.total.values], strict=True))
    assert (totals[97.5], totals[101.25]) == (1.95, 1.0125)


def test_the_table_has_a_row_for_each_place_the_pointer_finds() -> None:
    curves = drawn((100, "2"), (None, "1"))

    assert len(curves.quantities) == len(curves.total.tops) == len(curves.unit.values)
