"""The content of a rate card says for each currency what each metric costs, and nothing else."""

from decimal import Decimal
from typing import Any

import pytest

from app.core.errors import Invalid
from app.core.money import Currency
from app.pricing.charges import Standard
from app.pricing.metric_prices import MetricPrice, Priceable
from app.pricing.models import Aggregation, RateCardVersion
from app.pricing.price_sets import (
    commitment_of,
    content_sha256,
    dump_content,
    parse_content,
    prices_of,
)
from app.pricing.rating import Price

METRICS = {
    "agent_runs": Priceable({"model": None, "region": ["cn", "us"]}),
    "images": Priceable({}, Aggregation.MAX),
}
RUNS = {"metric": "agent_runs", "model": "standard", "unit_price": "1.50"}
IMAGES = {"metric": "images", "model": "standard", "unit_price": "0.015", "free_units": "0"}

UNIT = {"model": "standard", "unit_price": "1"}
PER_EVENT = {"metric": "images", "model": "percentage", "rate": "1", "fixed_fee": "1"}


def content(*prices: Any, currency: str = "USD") -> dict[str, Any]:
    return {"currencies": {currency: list(prices)}}


def committed(commitments: Any) -> dict[str, Any]:
    return content(RUNS) | {"commitments": commitments}


def test_prices_are_read_per_currency_and_metric() -> None:
    parsed = parse_content({"currencies": {"USD": [RUNS], "JPY": [IMAGES, RUNS]}}, metrics=METRICS)

    runs = MetricPrice(Price(Standard(Decimal("1.50"))))
    images = MetricPrice(Price(Standard(Decimal("0.015"))))
    assert parsed.price_sets == {
        Currency.USD: {"agent_runs": runs},
        Currency.JPY: {"images": images, "agent_runs": runs},
    }


def test_what_is_written_is_what_is_read() -> None:
    written = dump_content(parse_content(content(RUNS, IMAGES), metrics=METRICS))

    assert written == content(
        {"metric": "agent_runs", "model": "standard", "unit_price": "1.5"},
        {"metric": "images", "model": "standard", "unit_price": "0.015"},
    )
    assert dump_content(parse_content(written, metrics=METRICS)) == written


@pytest.mark.parametrize(
    ("document", "path", "code"),
    [
        (None, "", "invalid_rate_card"),
        ([], "", "invalid_rate_card"),
        ({}, "", "invalid_rate_card"),
        ({"currencies": {"USD": [RUNS]}, "name": "x"}, "", "invalid_rate_card"),
        ({"currencies": []}, "currencies", "invalid_rate_card"),
        ({"currencies": {}}, "currencies", "invalid_rate_card"),
        (content(RUNS, currency="XXX"), "currencies.XXX", "invalid_rate_card"),
        (content(RUNS, currency="usd"), "currencies.usd", "invalid_rate_card"),
        (content(), "currencies.USD", "invalid_rate_card"),
        ({"currencies": {"USD": RUNS}}, "currencies.USD", "invalid_rate_card"),
        (content(*[RUNS] * 101), "currencies.USD", "invalid_rate_card"),
        (content("agent_runs"), "currencies.USD[0]", "invalid_rate_card"),
        (content({"model": "standard"}), "currencies.USD[0].metric", "invalid_rate_card"),
        (content(RUNS | {"metric": "calls"}), "currencies.USD[0].metric", "invalid_rate_card"),
        (content(IMAGES, RUNS, IMAGES), "currencies.USD[2].metric", "invalid_rate_card"),
        (content(RUNS | {"model": "cubic"}), "currencies.USD[0].model", "invalid_price"),
        (content(RUNS | {"price": "1"}), "currencies.USD[0].price", "invalid_price"),
        (content(RUNS | {"unit_price": "-1"}), "currencies.USD[0].unit_price", "invalid_decimal"),
        (content(RUNS | {"unit_price": 1.5}), "currencies.USD[0].unit_price", "invalid_decimal"),
        (
            content(IMAGES, RUNS | {"group_by": ["tier"]}),
            "currencies.USD[1].group_by[0]",
            "invalid_price",
        ),
        (
            content(IMAGES | {"filters": [{"match": {"model": "*"}} | UNIT]}),
            "currencies.USD[0].filters[0].match.model",
            "invalid_price",
        ),
        (
            content(RUNS | {"filters": [{"match": {"region": ["cn", "eu"]}} | UNIT]}),
            "currencies.USD[0].filters[0].match.region[1]",
            "invalid_price",
        ),
        (content(PER_EVENT), "currencies.USD[0].model", "invalid_price"),
        (committed([]), "commitments", "invalid_rate_card"),
        (committed({"EUR": "1"}), "commitments.EUR", "invalid_rate_card"),
        (committed({"XXX": "1"}), "commitments.XXX", "invalid_rate_card"),
        (committed({"USD": 1}), "commitments.USD", "invalid_decimal"),
        (committed({"USD": "-1"}), "commitments.USD", "invalid_decimal"),
    ],
)
def test_a_wrong_field_is_named(document: object, path: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_content(document, metrics=METRICS)

    assert (refused.value.path, refused.value.code) == (path, code)


def test_what_was_published_before_is_written_as_it_was() -> None:
    """Hashes of old versions stay true: no field is added to what says nothing new."""
    tiers = [
        {"up_to": "1000", "unit_price": "4", "flat_fee": "0"},
        {"up_to": None, "unit_price": "3", "flat_fee": "500"},
    ]
    old = content(
        {"metric": "agent_runs", "model": "graduated", "tiers": tiers, "free_units": "100"},
        {"metric": "images", **UNIT, "minimum_amount": "5", "maximum_amount": "9"},
    )

    written = dump_content(parse_content(old, metrics=METRICS))

    assert written == old
    assert list(written["currencies"]["USD"][1]) == list(old["currencies"]["USD"][1])


def test_filters_groups_and_commitments_are_written_as_they_are_read() -> None:
    document = content(
        {
            "metric": "agent_runs",
            **UNIT,
            "filters": [{"match": {"model": ["gpt-5", "o5"], "region": "*"}, **UNIT}],
            "group_by": ["region"],
            "share_tiers": True,
        },
        {"metric": "images", **UNIT},
    ) | {"commitments": {"USD": "100000"}}

    parsed = parse_content(document, metrics=METRICS)

    assert dump_content(parsed) == document
    assert parsed.price_sets[Currency.USD]["agent_runs"].needed_dimensions == {"model", "region"}


def test_a_commitment_of_nothing_is_none() -> None:
    written = dump_content(parse_content(committed({"USD": "0"}), metrics=METRICS))

    assert written == dump_content(parse_content(content(RUNS), metrics=METRICS))
    assert commitment_of(RateCardVersion(content=written), Currency.USD) is None


def test_a_commitment_is_read_back_by_currency() -> None:
    version = RateCardVersion(content=committed({"USD": "100000"}))

    assert commitment_of(version, Currency.USD) == 100_000
    assert commitment_of(version, Currency.CNY) is None


def test_the_hash_does_not_depend_on_the_order_of_keys() -> None:
    first = {"currencies": {"USD": [{"metric": "a", "model": "standard"}], "CNY": []}}
    second = {"currencies": {"CNY": [], "USD": [{"model": "standard", "metric": "a"}]}}

    assert content_sha256(first) == content_sha256(second)


def test_the_hash_is_of_the_canonical_json() -> None:
    document = {"currencies": {"USD": [{"metric": "a", "unit_price": "1"}]}}

    # printf '{"currencies":{"USD":[{"metric":"a","unit_price":"1"}]}}' | sha256sum
    assert content_sha256(document) == (
        "49c02b3ab01e683f422bc94602c22359f649f270f9bd0814450cc6956b154bd5"
    )


def test_a_version_has_no_prices_in_a_currency_it_does_not_name() -> None:
    version = RateCardVersion(content=content(RUNS))

    assert list(prices_of(version, Currency.USD)) == ["agent_runs"]
    assert prices_of(version, Currency.CNY) == {}
