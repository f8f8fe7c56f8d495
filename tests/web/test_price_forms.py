"""A form says exactly what its version says, and a browser sends back what it was shown."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from app.core.errors import Invalid
from app.web.price_forms import PriceForm, Spot, from_content, read_form
from app.web.price_rows import ChargeRow, FilterRow, PriceRow, TierRow, match_document

GRADUATED = PriceRow(
    currency="CNY",
    metric="tokens_input",
    charge=ChargeRow("graduated", tiers=(TierRow("1000", "0.015"), TierRow("", "0.012"))),
)
STANDARD = PriceRow(metric="images", charge=ChargeRow(unit_price="2"))
FILTERED = PriceRow(
    metric="tokens_output",
    charge=ChargeRow(model=""),
    filters=(FilterRow({"model": "gpt-5, o3"}), FilterRow({"region": "*"})),
)

numbers = st.integers(min_value=1, max_value=10**9).map(str)
bounds = st.lists(st.integers(1, 10**9), min_size=1, max_size=3, unique=True).map(sorted)


def tiers(price: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.builds(
        lambda found, texts, fees: [
            {"up_to": str(bound) if bound else None, price: text, "flat_fee": fee}
            for bound, text, fee in zip([*found, 0], texts, fees, strict=False)
        ],
        bounds,
        st.lists(numbers, min_size=4, max_size=4),
        st.lists(st.sampled_from(["0", "500"]), min_size=4, max_size=4),
    )


around = st.fixed_dictionaries(
    {},
    optional={
        "free_units": numbers,
        "discount_percent": numbers,
        "minimum_amount": numbers,
        "maximum_amount": numbers,
        "transform": st.just({"operation": "divide", "factor": "1000", "rounding": "ceiling"}),
    },
)
charges = st.builds(
    lambda charge, extra: charge | extra,
    st.one_of(
        st.fixed_dictionaries({"model": st.just("standard"), "unit_price": numbers}),
        st.fixed_dictionaries({"model": st.just("graduated"), "tiers": tiers("unit_price")}),
        st.fixed_dictionaries({"model": st.just("volume"), "tiers": tiers("unit_price")}),
        st.fixed_dictionaries({"model": st.just("graduated_percentage"), "tiers": tiers("rate")}),
        st.fixed_dictionaries(
            {
                "model": st.just("package"),
                "package_size": numbers,
                "package_price": numbers,
                "package_rounding": st.sampled_from(["up", "down"]),
            }
        ),
        st.fixed_dictionaries(
            {"model": st.just("percentage"), "rate": numbers},
            optional={
                "fixed_fee": numbers,
                "free_events": st.integers(1, 9),
                "free_amount": numbers,
            },
        ),
    ),
    around,
)
values = st.text("abc-1 ,\"'", min_size=1, max_size=5)
matches = st.dictionaries(
    st.sampled_from(["model", "region"]),
    st.just("*") | st.lists(values, min_size=1, max_size=3, unique=True),
    min_size=1,
)
filters = st.lists(
    st.builds(lambda match, charge: {"match": match} | charge, matches, charges), max_size=3
)
prices = st.lists(
    st.builds(
        lambda charge, found, extra: charge | ({"filters": found} if found else {}) | extra,
        charges,
        filters,
        st.sampled_from([{}, {"group_by": ["region"], "share_tiers": True}]),
    ),
    min_size=1,
    max_size=3,
).map(lambda found: [{"metric": f"metric_{n}"} | price for n, price in enumerate(found)])
contents = st.dictionaries(st.sampled_from(["CNY", "JPY", "USD"]), prices, min_size=1).map(
    lambda currencies: {"currencies": currencies, "commitments": {next(iter(currencies)): "500"}}
)


def posted(form: PriceForm) -> MultiDict[str, str]:
    """Return the fields a browser sends for the page of this form."""
    charge = form.charge
    fields = MultiDict({"state": form.state, "at": form.at.text, "model": charge.model})
    fields["currency"], fields["metric"] = form.row.currency, form.row.metric
    for name in ChargeRow.__dataclass_fields__:
        if name not in {"tiers", "model"} and getattr(charge, name):
            fields[name] = getattr(charge, name)
    for number, tier in enumerate(charge.tiers):
        fields[f"tiers-{number}-price"] = tier.price
        fields[f"tiers-{number}-up_to"] = tier.up_to
        fields[f"tiers-{number}-flat_fee"] = tier.flat_fee
    for name, text in (form.taken.match if form.taken else {}).items():
        fields[f"match-{name}"] = text
    for name in form.row.group_by:
        fields.add("group_by", name)
    if form.row.share_tiers:
        fields["share_tiers"] = "1"
    for currency, text in form.commitments.items():
        fields[f"commitment-{currency}"] = text
    return fields


@given(contents)
@settings(max_examples=50)
def test_rows_say_exactly_what_the_version_says(content: dict[str, Any]) -> None:
    assert from_content(content).content() == content


@given(contents, st.integers(0, 2), st.none() | st.integers(0, 2))
@settings(max_examples=50)
def test_a_browser_sends_the_rows_it_was_shown(
    content: dict[str, Any], price: int, position: int | None
) -> None:
    form = from_content(content)
    row = form.rows[price % len(form.rows)]
    has_it = position is not None and position < len(row.filters)
    form.at = Spot(price % len(form.rows), position if has_it else None)

    read = read_form(posted(form))

    assert (read.rows, read.commitments, read.at) == (form.rows, form.commitments, form.at)


def test_values_stand_between_commas() -> None:
    assert match_document(FilterRow({"model": 'gpt-5, "a, b",o3', "region": "*", "tier": ""})) == {
        "model": ["gpt-5", "a, b", "o3"],
        "region": "*",
    }


def test_an_error_is_put_at_the_field_that_was_typed_and_its_charge_is_opened() -> None:
    form = PriceForm((STANDARD, GRADUATED))

    form.refuse(Invalid("no", path="currencies.CNY[0].tiers[1].flat_fee"))

    assert (form.at, set(form.errors)) == (Spot(1), {"tiers-1-flat_fee"})


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("unit_price", "unit_price"),
        ("tiers[0].rate", "tiers-0-price"),
        ("tiers[2].up_to", "tiers-2-up_to"),
        ("transform.factor", "factor"),
        ("match.region[1]", "match-region"),
        ("match", "match"),
        ("group_by[0]", "group_by"),
    ],
)
def test_every_path_has_its_field(path: str, name: str) -> None:
    form = PriceForm((FILTERED,)).refuse(Invalid("no", path=f"currencies.USD[0].filters[1].{path}"))

    assert (form.at, set(form.errors), form.error) == (Spot(0, 1), {name}, "")


def test_an_error_about_the_whole_stands_above_the_rows() -> None:
    form = PriceForm((STANDARD,)).refuse(Invalid("no", path="currencies.USD"))

    assert (form.errors, form.error) == ({}, "no")


def test_an_empty_field_takes_no_room_in_what_travels() -> None:
    assert PriceForm((STANDARD,)).state == '[{"metric":"images","charge":{"unit_price":"2"}}]'
    assert not PriceForm((STANDARD,) * 1000).is_too_long
    assert PriceForm((STANDARD,) * 10_000).is_too_long


def test_a_form_without_rows_has_an_empty_one() -> None:
    assert read_form(MultiDict()).rows == (PriceRow(),)


@pytest.mark.parametrize(
    "state", ["{", "[1]", '[{"currency":"XXX"}]', '[{"charge":{"model":"free"}}]']
)
def test_a_state_that_is_not_ours_is_refused(state: str) -> None:
    with pytest.raises(Invalid):
        read_form(MultiDict({"state": state}))


@pytest.mark.parametrize("at", ["", "9", "0:9", "x", "-1:", "²:"])
def test_a_spot_that_is_not_there_is_the_first_price(at: str) -> None:
    assert read_form(MultiDict({"state": PriceForm((STANDARD,)).state, "at": at})).at == Spot()
