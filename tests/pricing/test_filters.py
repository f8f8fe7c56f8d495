"""Usage has the price of the filter that says most about it, and else the default price."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.pricing.charges import Standard
from app.pricing.filters import ANY, PriceFilter, match
from app.pricing.rating import Price

PRICE = Price(Standard(Decimal(1)))
DECLARED = {"scheme": ["visa", "mastercard"], "card": None}


def filters(*matches: dict[str, tuple[str, ...]]) -> list[PriceFilter]:
    return [PriceFilter(each, PRICE) for each in matches]


@pytest.mark.parametrize(
    ("dimensions", "position"),
    [
        ({"scheme": "visa"}, 0),
        ({"scheme": "visa", "card": "credit"}, 1),
        ({"scheme": "visa", "card": "debit"}, 0),
        ({"scheme": "mastercard", "card": "credit"}, None),
        ({"card": "credit"}, None),
        ({}, None),
    ],
)
def test_the_filter_with_most_keys_wins(dimensions: dict[str, str], position: int | None) -> None:
    some = filters({"scheme": ("visa",)}, {"scheme": ("visa",), "card": ("credit",)})

    assert match(some, dimensions, DECLARED) == position


def test_of_filters_that_say_as_much_the_first_wins() -> None:
    some = filters({"card": ("credit",)}, {"scheme": ("visa",)})

    assert match(some, {"scheme": "visa", "card": "credit"}, DECLARED) == 0


@pytest.mark.parametrize(
    ("dimensions", "position"),
    [
        ({"scheme": "visa"}, 0),
        ({"scheme": "amex"}, None),
        ({"scheme": ANY}, None),
        ({}, None),
    ],
)
def test_any_is_any_declared_value(dimensions: dict[str, str], position: int | None) -> None:
    assert match(filters({"scheme": (ANY,)}), dimensions, DECLARED) == position


@pytest.mark.parametrize(("dimensions", "position"), [({"card": "x"}, 0), ({}, None)])
def test_any_is_whatever_is_there_where_no_values_are_declared(
    dimensions: dict[str, str], position: int | None
) -> None:
    assert match(filters({"card": (ANY,)}), dimensions, DECLARED) == position


NAMES, VALUES = ("a", "b", "c"), ("x", "y")
MATCHES = st.dictionaries(
    st.sampled_from(NAMES),
    st.just((ANY,)) | st.lists(st.sampled_from(VALUES), min_size=1, unique=True).map(tuple),
    min_size=1,
)
DIMENSIONS = st.dictionaries(st.sampled_from(NAMES), st.sampled_from([*VALUES, "z"]))


@given(st.lists(MATCHES, max_size=6), DIMENSIONS)
def test_no_filter_that_takes_the_usage_says_more(
    matches: list[dict[str, tuple[str, ...]]], dimensions: dict[str, str]
) -> None:
    declared = dict.fromkeys(NAMES, VALUES)
    some = filters(*matches)

    position = match(some, dimensions, declared)

    taking = [len(each.match) for each in some if each.takes(dimensions, declared)]
    if position is None:
        assert taking == []
    else:
        assert some[position].takes(dimensions, declared)
        assert len(some[position].match) == max(taking)
