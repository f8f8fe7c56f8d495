"""Whatever the price: the working adds up, bounds hold, and parts cost what the whole costs."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.decimals import EXACT
from app.core.money import Currency, Money
from app.pricing.charges import (
    Charge,
    Graduated,
    GraduatedPercentage,
    Package,
    Percentage,
    PercentageTier,
    Standard,
    Tier,
    Volume,
)
from app.pricing.rating import (
    Operation,
    Price,
    Transform,
    Usage,
    needs_events,
    rate,
    rate_events,
    rate_further,
    rate_in_turn,
)
from tests.pricing.prices import (
    AMOUNTS,
    BY_QUANTITY,
    EVENTS,
    MONOTONE,
    QUANTITIES,
    percentages,
    prices,
)

D = Decimal
WIDEST = D("999999999999999999.999999999999")
"""The most that a document can say."""
LARGEST: list[Charge] = [
    Standard(WIDEST),
    Graduated((Tier(D("0.000000000001"), WIDEST, WIDEST), Tier(None, WIDEST, WIDEST))),
    Volume((Tier(None, WIDEST, WIDEST),)),
    Package(D("0.000000000001"), WIDEST),
    Percentage(Currency.JPY, D("999.999999999999"), free_amount=D("0.000000000001")),
    GraduatedPercentage(Currency.USD, (PercentageTier(None, D("999.999999999999"), WIDEST),)),
]


def total(amounts: Sequence[Decimal]) -> Fraction:
    return sum((Fraction(amount) for amount in amounts), Fraction(0))


def usages_of(price: Price, events: list[list[Decimal]]) -> list[Usage]:
    """Return events as the price wants them: themselves, or only their sum."""
    if needs_events(price):
        return list(events)
    return [sum(amounts, D(0)) for amounts in events]


@given(prices(), EVENTS)
def test_the_working_adds_up(price: Price, amounts: list[Decimal]) -> None:
    rated = rate_events(price, amounts)

    for tier in rated.tiers:
        parts = Fraction(tier.quantity) * Fraction(tier.unit_price) + Fraction(tier.flat_fee)
        assert Fraction(tier.amount) == parts
    charged = total([tier.amount for tier in rated.tiers])
    around = total([rated.topped_up]) - total([rated.discount, rated.capped])
    assert Fraction(rated.amount) == charged + around


@given(prices(), EVENTS)
def test_the_amount_is_within_its_bounds(price: Price, amounts: list[Decimal]) -> None:
    rated = rate_events(price, amounts)

    assert rated.amount >= price.minimum_amount
    assert price.maximum_amount is None or rated.amount <= price.maximum_amount
    assert min(rated.discount, rated.capped, rated.topped_up, rated.free_units) >= 0


# Not of a volume price: the unit that reaches a cheaper tier makes those before it cheaper.
@given(prices(MONOTONE), QUANTITIES, QUANTITIES)
def test_more_never_costs_less(price: Price, quantity: Decimal, other: Decimal) -> None:
    less, more = sorted([quantity, other])

    assert rate(price, less).amount <= rate(price, more).amount


@given(prices(percentages()), EVENTS, AMOUNTS)
def test_one_event_more_never_costs_less(
    price: Price, amounts: list[Decimal], more: Decimal
) -> None:
    assert rate_events(price, amounts).amount <= rate_events(price, [*amounts, more]).amount


@given(prices(st.builds(Graduated, st.just((Tier(None, D(3)),)))), QUANTITIES)
def test_what_is_not_free_goes_through_the_tiers(price: Price, quantity: Decimal) -> None:
    rated = rate(price, quantity)
    priced = price.transform.apply(quantity) if price.transform else quantity

    assert total([tier.quantity for tier in rated.tiers]) + total([rated.free_units]) == Fraction(
        priced
    )


@given(prices(BY_QUANTITY), st.lists(QUANTITIES, min_size=1, max_size=4))
def test_the_lines_of_a_period_add_up_to_its_price(price: Price, quantities: list[Decimal]) -> None:
    billed, used = Money(0, Currency.USD), D(0)

    for number, quantity in enumerate(quantities, start=1):
        used = EXACT.add(used, quantity)
        is_last = number == len(quantities)
        billed += rate_further(price, used, billed=billed, closes_period=is_last)

    assert billed == Money.rounded(rate(price, used).amount, Currency.USD)


@given(prices(), st.lists(EVENTS, min_size=1, max_size=4))
def test_so_do_lines_of_events_that_came_one_after_the_other(
    price: Price, arrivals: list[list[Decimal]]
) -> None:
    billed, amounts = Money(0, Currency.USD), list[Decimal]()

    for number, arrival in enumerate(arrivals, start=1):
        amounts += arrival
        rated = rate_events(price, amounts, closes_period=number == len(arrivals))
        billed += rated.further(billed)

    assert billed == Money.rounded(rate_events(price, amounts).amount, Currency.USD)


@given(prices(), st.lists(EVENTS, min_size=1, max_size=4))
def test_usages_that_share_a_price_cost_what_all_of_it_costs(
    price: Price, events: list[list[Decimal]]
) -> None:
    shares = rate_in_turn(price, usages_of(price, events))

    whole = rate_events(price, [amount for amounts in events for amount in amounts])
    assert total([rated.amount for rated in shares]) == Fraction(whole.amount)
    assert total([rated.free_units for rated in shares]) == Fraction(whole.free_units)
    for rated in shares:
        for tier in rated.tiers:
            parts = Fraction(tier.quantity) * Fraction(tier.unit_price) + Fraction(tier.flat_fee)
            assert Fraction(tier.amount) == parts


@given(prices(), EVENTS)
def test_who_shares_with_nobody_pays_the_price(price: Price, amounts: list[Decimal]) -> None:
    (alone,) = rate_in_turn(price, usages_of(price, [amounts]))

    assert alone == rate_events(price, amounts)


@given(QUANTITIES)
def test_bounds_between_equal_tiers_cost_nothing(quantity: Decimal) -> None:
    cut = (Tier(D(100), D("0.3")), Tier(D(2000), D("0.3")), Tier(None, D("0.3")))

    for charge in (Graduated(cut), Volume(cut)):
        assert (
            rate(Price(charge), quantity).amount == rate(Price(Standard(D("0.3"))), quantity).amount
        )


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("charge", LARGEST, ids=lambda charge: charge.model)
def test_the_largest_figures_lose_no_digit(charge: Charge, operation: Operation) -> None:
    """The context raises where a digit would go: the widest quantity, factor, price and share."""
    factor = WIDEST if operation is Operation.MULTIPLY else D("0.000000000003")
    price = Price(
        charge, transform=Transform(operation, factor), discount_percent=D("12.345678901234")
    )

    rated = rate(price, D("99999999999999999999999999.999999999999"))

    charged = total([tier.amount for tier in rated.tiers])
    assert Fraction(rated.amount) == charged - total([rated.discount]) > 0
