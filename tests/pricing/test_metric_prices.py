"""The price of a metric is read strictly, with its filters and groups, and survives its JSON."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import Invalid
from app.core.money import Currency
from app.pricing.filters import ANY, PriceFilter
from app.pricing.metric_prices import MetricPrice, dump_metric_price, parse_metric_price
from tests.pricing.prices import BY_QUANTITY, prices

UNIT = {"model": "standard", "unit_price": "1"}
GPT = {"match": {"model": ["gpt-5"]}, **UNIT}


def parsed(document: dict[str, Any]) -> MetricPrice:
    return parse_metric_price(document, Currency.USD, path="price")


@st.composite
def metric_prices(draw: st.DrawFn) -> MetricPrice:
    of_quantity = prices(BY_QUANTITY)
    values = draw(st.lists(st.sampled_from(["a", "b", "c"]), unique=True))
    filters = tuple(PriceFilter({"model": (value,)}, draw(of_quantity)) for value in values)
    return MetricPrice(
        default=draw(of_quantity) if not filters else draw(st.none() | of_quantity),
        filters=filters,
        group_by=tuple(draw(st.lists(st.sampled_from(["model", "region"]), unique=True))),
        share_tiers=draw(st.booleans()),
    )


@given(metric_prices())
def test_a_metric_price_survives_its_json(price: MetricPrice) -> None:
    document = dump_metric_price(price)

    # The currency decides what a percentage means; any other charge is the same in all.
    assert dump_metric_price(parsed(document)) == document


def test_without_a_model_only_what_a_filter_takes_is_priced() -> None:
    price = parsed({"filters": [GPT]})

    assert price.default is None
    assert list(price.prices) == [0]
    assert dump_metric_price(price) == {"filters": [GPT]}


def test_the_dimensions_needed_are_those_of_filters_and_groups() -> None:
    price = parsed({"filters": [GPT], "group_by": ["region"], **UNIT})

    assert price.needed_dimensions == {"model", "region"}


def test_a_price_needs_events_when_one_of_its_filters_does() -> None:
    share = {"match": {"model": ANY}, "model": "percentage", "rate": "1"}

    assert not parsed({"filters": [share], **UNIT}).needs_events
    assert parsed({"filters": [share | {"fixed_fee": "1"}], **UNIT}).needs_events


def matching(match: Any) -> dict[str, Any]:
    return {"filters": [UNIT | {"match": match}]}


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({}, "price.model"),
        ({"group_by": ["region"]}, "price.model"),
        ({"filters": [GPT], "free_units": "5"}, "price.model"),
        ({"filters": {}}, "price.filters"),
        ({"filters": [GPT] * 51}, "price.filters"),
        ({"filters": ["x"]}, "price.filters[0]"),
        ({"filters": [UNIT]}, "price.filters[0].match"),
        ({"filters": [{"match": {"model": ANY}}]}, "price.filters[0].model"),
        ({"filters": [GPT, GPT]}, "price.filters[1].match"),
        ({"filters": [GPT | {"metric": "x"}]}, "price.filters[0].metric"),
        ({"filters": [GPT | {"filters": []}]}, "price.filters[0].filters"),
        (matching([]), "price.filters[0].match"),
        (matching({}), "price.filters[0].match"),
        (matching({"model": "gpt-5"}), "price.filters[0].match.model"),
        (matching({"model": []}), "price.filters[0].match.model"),
        (matching({"model": [str(n) for n in range(101)]}), "price.filters[0].match.model"),
        (matching({"model": [5]}), "price.filters[0].match.model[0]"),
        (matching({"model": [""]}), "price.filters[0].match.model[0]"),
        (matching({"model": ["a", ANY]}), "price.filters[0].match.model[1]"),
        (matching({"model": ["a", "b", "a"]}), "price.filters[0].match.model[2]"),
        (matching({"model": ["\x00"]}), "price.filters[0].match.model[0]"),
        (UNIT | {"group_by": "region"}, "price.group_by"),
        (UNIT | {"group_by": ["a", "b", "c", "d"]}, "price.group_by"),
        (UNIT | {"group_by": ["a", "a"]}, "price.group_by[1]"),
        (UNIT | {"group_by": [1]}, "price.group_by[0]"),
        (UNIT | {"share_tiers": "yes"}, "price.share_tiers"),
    ],
)
def test_a_wrong_field_is_named(document: dict[str, Any], path: str) -> None:
    with pytest.raises(Invalid) as refusal:
        parsed(document)

    assert refusal.value.path == path
