"""A trial comes to what an invoice of the same usage would, and says what it can not price."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.money import Currency
from app.pricing import rating, trials
from app.pricing.models import Aggregation, Metric
from app.pricing.price_sets import Terms, read_prices
from app.pricing.trials import InvalidTrial, Trial, TriedUsage
from tests.make import usd

CENT: dict[str, Any] = {"model": "standard", "unit_price": "1"}
BY_MODEL = {"match": {"model": ["gpt-5"]}, "model": "standard", "unit_price": "10"}
PER_EVENT: dict[str, Any] = {
    "model": "percentage",
    "rate": "1.3",
    "fixed_fee": "200",
    "free_amount": "25000",
}


def try_out(
    *usages: TriedUsage,
    aggregation: Aggregation = Aggregation.SUM,
    commitment: str | None = None,
    **price: Any,
) -> Trial:
    """Price usage of agent runs, the one metric there is."""
    runs = Metric(code="runs", aggregation=aggregation, dimensions={"model": None, "region": None})
    content = {"currencies": {"USD": [{"metric": "runs"} | (price or CENT)]}}
    terms = Terms(
        Currency.USD,
        read_prices(content, Currency.USD),
        None if commitment is None else Decimal(commitment),
    )
    return trials.price_usage(terms, usages, metrics={"runs": runs, "calls": runs})


def used(quantity: str | list[str], metric: str = "runs", **dimensions: str) -> TriedUsage:
    usage: rating.Usage = (
        Decimal(quantity) if isinstance(quantity, str) else [Decimal(one) for one in quantity]
    )
    return TriedUsage(metric, usage, dimensions)


def amounts(trial: Trial) -> list[int]:
    return [line.amount.minor for line in trial.lines]


def test_each_part_is_a_line_in_the_order_of_the_price() -> None:
    trial = try_out(
        used("3", model="mini"), used("2", model="gpt-5"), used("4"), **CENT, filters=[BY_MODEL]
    )

    assert amounts(trial) == [20, 7]
    assert [dict(line.match) for line in trial.lines] == [{"model": ("gpt-5",)}, {}]
    assert [line.quantity for line in trial.lines] == [Decimal(2), Decimal(7)]
    assert trial.total == usd(27)


def test_groups_are_lines() -> None:
    trial = try_out(used("3", region="cn"), used("2", region="us"), **CENT, group_by=["region"])

    assert [line.rated and dict(line.rated.part.group) for line in trial.lines] == [
        {"region": "cn"},
        {"region": "us"},
    ]


@pytest.mark.parametrize(
    ("aggregation", "total"),
    [(Aggregation.SUM, 12), (Aggregation.MAX, 7), (Aggregation.LAST, 5)],
)
def test_usages_of_one_part_come_together_as_the_metric_says(
    aggregation: Aggregation, total: int
) -> None:
    assert try_out(used("7"), used("5"), aggregation=aggregation).total == usd(total)


def test_what_costs_without_usage_is_a_line() -> None:
    trial = try_out(**CENT, minimum_amount="500")

    assert amounts(trial) == [500]


def test_usage_that_nothing_prices_is_a_line_of_zero() -> None:
    trial = try_out(used("4", metric="calls"), used("3", model="mini"), filters=[BY_MODEL])

    assert [(line.rated, line.amount, line.quantity) for line in trial.lines] == [
        (None, usd(0), Decimal(3)),
        (None, usd(0), Decimal(4)),
    ]


def test_a_price_with_terms_per_event_rates_the_amounts() -> None:
    # 250.00 are free; 1.3 % of 50.00 and 400.00 and twice the fee of 2.00 are 9.85.
    trial = try_out(used(["100", "200"]), used(["400"]), **PER_EVENT)

    assert amounts(trial) == [985]


def test_amounts_of_any_other_price_are_added_up() -> None:
    assert try_out(used(["100", "200"]), used("5")).total == usd(305)


def test_what_is_missing_to_the_commitment_is_added() -> None:
    trial = try_out(used("300"), commitment="1000")

    assert (trial.missing, trial.total) == (usd(700), usd(1000))
    assert try_out(used("3000"), commitment="1000").missing == usd(0)


@pytest.mark.parametrize(
    ("usage", "price", "path"),
    [
        (used("1", metric="images"), CENT, "usage[0].metric"),
        (used("1"), PER_EVENT, "usage[0].amounts"),
    ],
)
def test_what_can_not_be_priced_is_named(
    usage: TriedUsage, price: dict[str, Any], path: str
) -> None:
    with pytest.raises(InvalidTrial) as refused:
        try_out(usage, **price)

    assert (refused.value.code, refused.value.path) == ("invalid_trial", path)


def test_only_a_sum_has_amounts() -> None:
    with pytest.raises(InvalidTrial) as refused:
        try_out(used("1"), used(["1"]), aggregation=Aggregation.MAX)

    assert refused.value.path == "usage[1].amounts"


@given(st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from(["gpt-5", "mini"])), max_size=8))
def test_however_usage_is_cut_it_costs_the_same(pieces: list[tuple[int, str]]) -> None:
    price: dict[str, Any] = CENT | {"filters": [BY_MODEL], "free_units": "1000"}
    cut = try_out(*(used(str(quantity), model=model) for quantity, model in pieces), **price)

    sums = {model: sum(n for n, name in pieces if name == model) for _, model in pieces}
    whole = try_out(*(used(str(n), model=model) for model, n in sums.items()), **price)

    assert cut.total == whole.total
