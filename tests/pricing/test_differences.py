"""Two editions are compared field by field, and a change is named where people look for it."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.pricing.differences import NOTHING, Difference, differences

Content = dict[str, Any]


def tier(up_to: str | None, unit_price: str, flat_fee: str = "0") -> dict[str, Any]:
    return {"up_to": up_to, "unit_price": unit_price, "flat_fee": flat_fee}


def runs(*tiers: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"metric": "agent_runs", "model": "graduated", "tiers": [*tiers], **fields}


def images(unit_price: str, **fields: Any) -> dict[str, Any]:
    return {"metric": "images", "model": "standard", "unit_price": unit_price, **fields}


def filtered(model: str, unit_price: str) -> dict[str, Any]:
    return {"match": {"model": [model]}, "model": "standard", "unit_price": unit_price}


def usd(*prices: dict[str, Any], **others: Any) -> Content:
    return {"currencies": {"USD": [*prices]}, **others}


def told(before: Content, after: Content) -> dict[str, tuple[Any, Any]]:
    """Return before and after by path."""
    return {one.path: (one.before, one.after) for one in differences(before, after)}


def test_equal_contents_do_not_differ() -> None:
    assert differences(usd(images("1")), usd(images("1"))) == []


def test_a_price_changes_field_by_field() -> None:
    before = usd(images("1", free_units="10"))
    after = usd(images("2", maximum_amount="500"))

    assert told(before, after) == {
        "USD.images.unit_price": ("1", "2"),
        "USD.images.free_units": ("10", None),
        "USD.images.maximum_amount": (None, "500"),
    }


def test_the_price_of_a_tier_changes() -> None:
    before = usd(runs(tier("10", "4"), tier(None, "3")))
    after = usd(runs(tier("10", "4"), tier(None, "2.5")))

    assert differences(before, after) == [
        Difference("USD", "agent_runs", None, "tiers[1].unit_price", "3", "2.5")
    ]


def test_a_bound_moves() -> None:
    before = usd(runs(tier("10", "4"), tier(None, "3")))
    after = usd(runs(tier("20", "4"), tier(None, "3")))

    assert told(before, after) == {"USD.agent_runs.tiers[0].up_to": ("10", "20")}


def test_a_tier_put_in_between_leaves_the_others_as_they_are() -> None:
    before = usd(runs(tier("10", "4"), tier("100", "3"), tier(None, "2")))
    after = usd(runs(tier("10", "4"), tier("50", "3.5"), tier("100", "3"), tier(None, "1")))

    assert told(before, after) == {
        "USD.agent_runs.tiers[1]": (None, tier("50", "3.5")),
        "USD.agent_runs.tiers[3].unit_price": ("2", "1"),
    }


def test_a_tier_taken_out_is_named_by_its_old_place() -> None:
    before = usd(runs(tier("10", "4"), tier("100", "3"), tier(None, "2")))
    after = usd(runs(tier("100", "3"), tier(None, "2")))

    assert told(before, after) == {"USD.agent_runs.tiers[0]": (tier("10", "4"), None)}


def test_another_model_is_another_shape() -> None:
    before, after = usd(runs(tier(None, "3"))), usd(images("1") | {"metric": "agent_runs"})

    assert told(before, after) == {
        "USD.agent_runs.model": ("graduated", "standard"),
        "USD.agent_runs.unit_price": (None, "1"),
        "USD.agent_runs.tiers": ([tier(None, "3")], None),
    }


def test_a_field_of_a_field_is_named() -> None:
    by_thousand = {"operation": "divide", "factor": "1000", "rounding": "ceiling"}
    before, after = images("1", transform=by_thousand), images("1")

    assert told(usd(before), usd(after)) == {"USD.images.transform": (by_thousand, None)}
    assert told(usd(before), usd(images("1", transform=by_thousand | {"factor": "10"}))) == {
        "USD.images.transform.factor": ("1000", "10")
    }


def test_prices_and_currencies_come_and_go() -> None:
    before = usd(images("1"), runs(tier(None, "3")))
    after = {"currencies": {"USD": [images("1")], "CNY": [images("7")]}}

    assert told(before, after) == {
        "USD.agent_runs": ({"model": "graduated", "tiers": [tier(None, "3")]}, None),
        "CNY.images": (None, {"model": "standard", "unit_price": "7"}),
    }


def test_a_filter_is_known_by_what_it_matches() -> None:
    before = usd(images("9", filters=[filtered("dall-e-3", "4"), filtered("flux", "3")]))
    after = usd(images("9", filters=[filtered("flux", "2"), filtered("sora", "8")]))

    assert told(before, after) == {
        "USD.images[model=flux].unit_price": ("3", "2"),
        "USD.images[model=sora]": (None, {"model": "standard", "unit_price": "8"}),
        "USD.images[model=dall-e-3]": ({"model": "standard", "unit_price": "4"}, None),
    }


def test_a_match_is_written_whole() -> None:
    one = filtered("a", "1") | {"match": {"model": ["a", "b"], "region": "*"}}

    assert list(told(usd(images("9")), usd(images("9", filters=[one])))) == [
        "USD.images[model=a|b, region=*]"
    ]


def test_another_order_of_filters_is_a_difference() -> None:
    first, second = filtered("dall-e-3", "4"), filtered("flux", "3")

    found = told(
        usd(images("9", filters=[first, second])), usd(images("9", filters=[second, first]))
    )

    assert found == {
        "USD.images.filters": (
            [{"model": ["dall-e-3"]}, {"model": ["flux"]}],
            [{"model": ["flux"]}, {"model": ["dall-e-3"]}],
        )
    }


def test_another_order_of_metrics_is_a_difference() -> None:
    before = usd(images("1"), runs(tier(None, "3")))
    after = usd(runs(tier(None, "3")), images("1"))

    assert differences(before, after) == [
        Difference("USD", None, None, "order", ["images", "agent_runs"], ["agent_runs", "images"])
    ]


def test_a_commitment_changes() -> None:
    before = usd(images("1"), commitments={"USD": "100"})

    assert told(before, usd(images("1"))) == {"USD.commitment": ("100", None)}
    assert told(usd(images("1")), before) == {"USD.commitment": (None, "100")}


def test_the_first_version_is_new_all_over() -> None:
    assert told(dict(NOTHING), usd(images("1"))) == {
        "USD.images": (None, {"model": "standard", "unit_price": "1"})
    }


AMOUNTS = st.sampled_from(["1", "2", "3"])
TIERS = st.lists(st.sampled_from(["10", "20", "30"]), unique=True).flatmap(
    lambda bounds: st.tuples(
        *(st.builds(tier, st.just(b), AMOUNTS) for b in [*sorted(bounds), None])
    )
)
FILTERS = st.lists(st.builds(filtered, st.sampled_from("abc"), AMOUNTS), max_size=3)
PRICES = st.one_of(
    st.builds(lambda tiers: runs(*tiers), TIERS),
    st.builds(lambda amount, filters: images(amount, filters=filters), AMOUNTS, FILTERS),
)
CONTENTS = st.builds(
    lambda prices: usd(*prices),
    st.lists(PRICES, min_size=1, max_size=2, unique_by=lambda price: str(price["metric"])),
)


@given(before=CONTENTS, after=CONTENTS)
def test_no_difference_is_overlooked_and_none_invented(before: Content, after: Content) -> None:
    assert (differences(before, after) == []) == (before == after)


@given(before=CONTENTS, after=CONTENTS)
def test_the_way_back_changes_as_many_fields(before: Content, after: Content) -> None:
    forth = {(one.path, one.field == "") for one in differences(before, after)}
    back = {(one.path, one.field == "") for one in differences(after, before)}

    assert len(forth) == len(back)
