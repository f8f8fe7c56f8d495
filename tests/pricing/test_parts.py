"""A metric's usage becomes parts, by filter and group; each is rated by itself, or in turn."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.money import Currency
from app.pricing.charges import Graduated, Percentage, Standard, Tier, Volume
from app.pricing.filters import ANY, PriceFilter
from app.pricing.metric_prices import MetricPrice
from app.pricing.parts import Part, RatedPart, part_of, rate_parts
from app.pricing.rating import Price, Usage, needs_events, rate_events
from tests.pricing.prices import EVENTS, prices

D = Decimal
DECLARED = {"model": None, "region": ["cn", "us"]}
CHEAP, DEAR = Price(Standard(D(1))), Price(Standard(D(10)))
STEPS = Price(Graduated((Tier(D(10), D(10)), Tier(None, D(5)))), free_units=D(2))
PRICE = MetricPrice(
    default=CHEAP, filters=(PriceFilter({"model": ("gpt-5",)}, DEAR),), group_by=("region",)
)
CN, US = Part(None, (("region", "cn"),)), Part(None, (("region", "us"),))


@pytest.mark.parametrize(
    ("dimensions", "document"),
    [
        ({}, {}),
        ({"tier": "pro"}, {}),
        ({"model": "gpt-5"}, {"filter": 0}),
        ({"region": "cn"}, {"group": {"region": "cn"}}),
        ({"model": "gpt-5", "region": "us"}, {"filter": 0, "group": {"region": "us"}}),
    ],
)
def test_usage_belongs_to_a_filter_and_a_group(
    dimensions: dict[str, str], document: dict[str, object]
) -> None:
    part = part_of(PRICE, dimensions, DECLARED)

    assert part is not None
    assert part.document == document


def test_usage_that_no_filter_takes_has_no_part_without_a_default() -> None:
    price = MetricPrice(default=None, filters=(PriceFilter({"region": (ANY,)}, DEAR),))

    assert part_of(price, {"region": "eu"}, DECLARED) is None
    assert part_of(price, {"region": "us"}, DECLARED) == Part(0)


def test_parts_are_ranked_as_the_price_has_them() -> None:
    parts = [Part(None), US, Part(1), CN, Part(0, (("region", "us"),))]

    assert sorted(parts, key=lambda part: part.rank) == [
        Part(0, (("region", "us"),)),
        Part(1),
        Part(None),
        CN,
        US,
    ]


def amounts(rated: list[RatedPart]) -> list[Decimal]:
    return [each.rated.amount for each in rated]


def test_each_part_has_tiers_and_an_allowance_of_its_own() -> None:
    price = MetricPrice(default=STEPS, group_by=("region",))

    assert amounts(rate_parts(price, {US: D(12), CN: D(14)})) == [100, 110]


def test_parts_that_share_tiers_go_through_them_in_turn() -> None:
    price = MetricPrice(default=STEPS, group_by=("region",), share_tiers=True)

    us, cn = rate_parts(price, {US: D(8), CN: D(14)})

    assert [us.rated.amount, us.rated.free_units] == [60, 2]
    assert [cn.rated.amount, cn.rated.free_units] == [4 * 10 + 10 * 5, 0]
    assert [tier.quantity for tier in cn.rated.tiers] == [4, 10]


def test_a_filter_of_the_same_price_shares_its_tiers() -> None:
    price = MetricPrice(
        default=STEPS, filters=(PriceFilter({"model": ("gpt-5",)}, STEPS),), share_tiers=True
    )

    assert amounts(rate_parts(price, {Part(0): D(12), Part(): D(10)})) == [100, 50]


def test_parts_of_a_volume_price_share_the_tier_of_the_whole() -> None:
    volume = Price(Volume((Tier(D(10), D(3), D(7)), Tier(None, D(2), D(5)))))
    price = MetricPrice(default=volume, group_by=("region",), share_tiers=True)

    us, cn = rate_parts(price, {US: D(6), CN: D(6)})

    assert amounts([us, cn]) == [17, 12]
    assert [tier.above for tier in (*us.rated.tiers, *cn.rated.tiers)] == [10, 10]


def test_events_of_parts_share_what_is_free() -> None:
    share = Price(Percentage(Currency.USD, D(1), fixed_fee=D(100), free_events=2))
    price = MetricPrice(default=share, group_by=("region",), share_tiers=True)

    rated = rate_parts(price, {US: [D(50)], CN: [D(50), D(50)]})

    assert amounts(rated) == [0, 150]


def test_a_minimum_that_is_shared_is_due_with_the_last_part() -> None:
    least = Price(Standard(D(1)), minimum_amount=D(100))
    price = MetricPrice(default=least, group_by=("region",), share_tiers=True)

    assert amounts(rate_parts(price, {US: D(30), CN: D(20)})) == [30, 70]
    assert amounts(rate_parts(price, {US: D(30), CN: D(20)}, closes_period=False)) == [30, 20]


def test_a_price_that_was_not_used_is_there_if_it_costs_something() -> None:
    least = Price(Standard(D(1)), minimum_amount=D(100))
    price = MetricPrice(
        default=least,
        filters=(PriceFilter({"model": ("gpt-5",)}, least), PriceFilter({"model": ("o5",)}, DEAR)),
    )

    rated = rate_parts(price, {Part(): D(120)})

    assert [each.part for each in rated] == [Part(), Part(0)]
    assert amounts(rated) == [120, 100]


def test_a_minimum_that_is_shared_is_due_once_without_usage() -> None:
    least = Price(Standard(D(1)), minimum_amount=D(100))
    price = MetricPrice(
        default=least, filters=(PriceFilter({"model": ("gpt-5",)}, least),), share_tiers=True
    )

    assert amounts(rate_parts(price, {})) == [100]
    assert amounts(rate_parts(price, {Part(): D(30)})) == [100]


def test_a_quantity_is_no_answer_to_a_price_that_needs_events() -> None:
    share = Price(Percentage(Currency.USD, D(1), fixed_fee=D(100)))

    with pytest.raises(ValueError, match="per event"):
        rate_parts(MetricPrice(default=share), {Part(): D(50)})


@given(prices(), st.lists(EVENTS, min_size=1, max_size=4))
def test_parts_that_share_tiers_add_up_to_the_whole(
    price: Price, events: list[list[Decimal]]
) -> None:
    shared = MetricPrice(default=price, group_by=("region",), share_tiers=True)
    usages: dict[Part, Usage] = {
        Part(None, (("region", str(number)),)): some if needs_events(price) else sum(some, D(0))
        for number, some in enumerate(events)
    }

    rated = rate_parts(shared, usages)

    whole = rate_events(price, [amount for some in events for amount in some])
    assert [each.part for each in rated] == list(usages)
    assert sum(Fraction(amount) for amount in amounts(rated)) == Fraction(whole.amount)
