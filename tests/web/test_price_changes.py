"""Every button of the price editor does its one thing, and none loses what was typed."""

import pytest

from app.web.price_changes import change
from app.web.price_forms import PriceForm, Spot
from app.web.price_rows import ChargeRow, FilterRow, PriceRow, TierRow
from tests.web.test_price_forms import FILTERED, GRADUATED, STANDARD


def test_a_new_price_is_in_the_currency_of_the_open_one_and_opened() -> None:
    form = change(PriceForm((STANDARD, GRADUATED), at=Spot(1)), "add")

    assert form.rows == (STANDARD, GRADUATED, PriceRow(currency="CNY"))
    assert (form.at, form.focus) == (Spot(2), "metric")


def test_prices_are_copied_to_another_currency_once() -> None:
    form = change(PriceForm((STANDARD,)), "copy:EUR")

    assert [(row.currency, row.metric) for row in form.rows] == [
        ("USD", "images"),
        ("EUR", "images"),
    ]
    assert change(form, "copy:EUR").rows == form.rows
    assert change(form, "copy:XXX").rows == form.rows


def test_the_last_price_leaves_an_empty_one() -> None:
    assert change(PriceForm((STANDARD,)), "remove").rows == (PriceRow(),)


def test_a_removed_price_leaves_the_others_as_typed() -> None:
    assert change(PriceForm((STANDARD, GRADUATED)), "remove").rows == (GRADUATED,)


def test_another_model_keeps_what_was_typed() -> None:
    graduated = change(PriceForm((STANDARD,)), "model:graduated")
    assert graduated.charge.tiers == (TierRow(price="2"), TierRow())

    back = change(graduated, "model:standard")
    assert back.charge.unit_price == "2"
    assert back.charge.tiers == graduated.charge.tiers


def test_only_beside_filters_a_metric_may_have_no_default_price() -> None:
    assert change(PriceForm((STANDARD,)), "model:").charge == STANDARD.charge
    filtered = change(PriceForm((STANDARD,)), "filter-add")
    assert change(PriceForm(filtered.rows), "model:").charge.model == ""


def test_a_tier_behind_the_last_asks_for_the_bound_of_the_one_before() -> None:
    form = change(PriceForm((GRADUATED,)), "tier-add:1")

    assert form.charge.tiers == (*GRADUATED.charge.tiers, TierRow())
    assert form.focus == "tiers-1-up_to"


def test_a_tier_is_put_in_between() -> None:
    form = change(PriceForm((GRADUATED,)), "tier-add:0")

    first, last = GRADUATED.charge.tiers
    assert (form.charge.tiers, form.focus) == ((first, TierRow(), last), "tiers-1-up_to")


def test_a_tier_is_removed_by_its_number_and_the_last_one_stays() -> None:
    form = change(PriceForm((GRADUATED,)), "tier-remove:0")
    assert (form.charge.tiers, form.focus) == ((TierRow("", "0.012"),), "tiers-0-price")

    assert change(form, "tier-remove:0").charge.tiers == form.charge.tiers


def test_a_filter_begins_with_the_default_price_and_is_opened() -> None:
    form = change(PriceForm((STANDARD,)), "filter-add")

    assert form.row.filters == (FilterRow({}, STANDARD.charge),)
    assert form.at == Spot(0, 0)


def test_filters_move_and_stay_open() -> None:
    down = change(PriceForm((FILTERED,), at=Spot(0, 0)), "filter-down")
    assert (down.row.filters, down.at) == (FILTERED.filters[::-1], Spot(0, 1))

    assert change(down, "filter-down").row == down.row  # it is the last already
    assert change(down, "filter-up").row == FILTERED


def test_without_its_last_filter_a_price_has_a_default_again() -> None:
    only = PriceRow(charge=ChargeRow(model=""), filters=(FilterRow({}, ChargeRow(unit_price="3")),))

    form = change(PriceForm((only,), at=Spot(0, 0)), "filter-remove")

    assert (form.row.filters, form.charge, form.at) == ((), ChargeRow(unit_price="3"), Spot())


def test_any_charge_can_be_opened() -> None:
    form = PriceForm((STANDARD, FILTERED))

    assert change(form, "open:1:1").at == Spot(1, 1)
    assert change(form, "open:1:").at == Spot(1)


@pytest.mark.parametrize(
    "wish",
    [
        "",
        "publish",
        "keep",
        "open:9",
        "open:x",
        "model:free",
        "tier-add:7",
        "tier-add:²",
        "tier-remove:-1",
        "filter-remove",
        "filter-up",
        "nonsense:1",
    ],
)
def test_a_wish_for_nothing_changes_nothing(wish: str) -> None:
    form = change(PriceForm((STANDARD,), {"USD": "500"}), wish)

    assert (form.rows, form.commitments, form.at) == ((STANDARD,), {"USD": "500"}, Spot())
