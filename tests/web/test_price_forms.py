"""A rate card's rows say exactly what its version says, and no button loses a row's text."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import Invalid
from app.web.price_forms import PriceForm, PriceRow, TierRow, from_content, read_form

GRADUATED = PriceRow(
    currency="CNY",
    metric="tokens_input",
    model="graduated",
    tiers=(TierRow("1000", "0.015"), TierRow("", "0.012")),
)
STANDARD = PriceRow(metric="images", tiers=(TierRow(unit_price="2"),))

numbers = st.integers(min_value=1, max_value=10**9).map(str)
tiers = st.builds(
    lambda bounds, prices, fees: [
        {"up_to": str(bound) if bound else None, "unit_price": price, "flat_fee": fee}
        for bound, price, fee in zip([*sorted(bounds), 0], prices, fees, strict=False)
    ],
    st.sets(st.integers(min_value=1, max_value=10**9), min_size=2, max_size=4),
    st.lists(numbers, min_size=5, max_size=5),
    st.lists(st.sampled_from(["0", "500"]), min_size=5, max_size=5),
)
extras = st.fixed_dictionaries({}, optional={"free_units": numbers, "maximum_amount": numbers})
standard = st.builds(
    lambda price, extra: {"model": "standard", "unit_price": price} | extra, numbers, extras
)
graduated = st.builds(
    lambda tiers, extra: {"model": "graduated", "tiers": tiers} | extra, tiers, extras
)
prices = st.lists(st.one_of(standard, graduated), min_size=1, max_size=4).map(
    lambda found: [{"metric": f"metric_{n}"} | price for n, price in enumerate(found)]
)
contents = st.dictionaries(st.sampled_from(["CNY", "JPY", "USD"]), prices, min_size=1).map(
    lambda currencies: {"currencies": currencies}
)


def posted(form: PriceForm) -> dict[str, str]:
    """Return the fields a browser sends for these rows."""
    fields: dict[str, str] = {}
    for index, row in enumerate(form.rows):
        names = ("currency", "metric", "model", "free_units", "minimum_amount", "maximum_amount")
        fields |= {f"prices-{index}-{name}": getattr(row, name) for name in names}
        for number, tier in enumerate(row.tiers):
            at = f"prices-{index}-tiers-{number}"
            fields |= {
                f"{at}-{name}": getattr(tier, name) for name in ("up_to", "unit_price", "flat_fee")
            }
    return fields


@given(contents)
def test_rows_say_exactly_what_the_version_says(content: dict[str, Any]) -> None:
    assert from_content(content).content() == content


@given(contents)
def test_a_browser_sends_the_rows_it_was_shown(content: dict[str, Any]) -> None:
    form = from_content(content)

    assert read_form(posted(form)).rows == form.rows


def test_a_new_row_is_in_the_currency_of_the_last() -> None:
    form = PriceForm([STANDARD, GRADUATED]).change("add:0")

    assert form.rows == [STANDARD, GRADUATED, PriceRow(currency="CNY")]


def test_the_last_row_leaves_an_empty_one() -> None:
    assert PriceForm([STANDARD]).change("remove:0").rows == [PriceRow()]


def test_a_removed_row_leaves_the_others_as_typed() -> None:
    assert PriceForm([STANDARD, GRADUATED]).change("remove:0").rows == [GRADUATED]


def test_another_model_keeps_what_was_typed() -> None:
    (row,) = PriceForm([STANDARD]).change("model:0:graduated").rows

    assert row.tiers == (TierRow(unit_price="2"), TierRow())


def test_a_tier_is_added_last_and_removed_by_its_number() -> None:
    form = PriceForm([GRADUATED]).change("add-tier:0")
    assert form.rows[0].tiers == (*GRADUATED.tiers, TierRow())

    (row,) = form.change("remove-tier:0:0").rows
    assert row.tiers == (TierRow("", "0.012"), TierRow())


@pytest.mark.parametrize(
    "wish",
    ["", "publish", "keep:0", "remove:9", "remove:x", "remove:-1", "remove:²", "model:0:volume"],
)
def test_a_wish_for_nothing_changes_nothing(wish: str) -> None:
    assert PriceForm([STANDARD]).change(wish).rows == [STANDARD]


def test_an_error_is_put_at_the_field_that_was_typed() -> None:
    form = PriceForm([STANDARD, GRADUATED])

    form.refuse(Invalid("no", path="currencies.CNY[0].tiers[1].flat_fee"))
    form.refuse(Invalid("no", path="currencies.USD[0].unit_price"))

    assert set(form.errors) == {"prices-1-tiers-1-flat_fee", "prices-0-tiers-0-unit_price"}


def test_a_form_without_rows_has_an_empty_one() -> None:
    assert read_form({}).rows == [PriceRow()]


def test_more_fields_than_a_browser_may_send_are_noticed() -> None:
    assert not PriceForm([STANDARD] * 99).is_too_long
    assert PriceForm([STANDARD] * 101).is_too_long
