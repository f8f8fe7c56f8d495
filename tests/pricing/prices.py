"""Any price: Hypothesis strategies for charges, prices and events."""

from decimal import Decimal

from hypothesis import strategies as st

from app.core.decimals import EXACT
from app.core.money import Currency, Rounding
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
from app.pricing.rating import Operation, Price, Transform, needs_events

QUANTITIES = st.decimals(min_value=0, max_value=10**18 - 1, places=12)
AMOUNTS = st.decimals(min_value=0, max_value=10**6, places=12)
RATES = st.decimals(min_value=0, max_value=1000, places=12)
EVENTS = st.lists(st.decimals(min_value=0, max_value=10**6, places=6), max_size=6)
CURRENCIES = st.sampled_from([Currency.USD, Currency.JPY])
BOUNDS = st.sets(QUANTITIES.filter(bool), max_size=5).map(lambda some: [*sorted(some), None])


def limits(minimum: Decimal) -> st.SearchStrategy[Decimal | None]:
    """Return maxima that leave room for `minimum`."""
    return st.none() | AMOUNTS.map(lambda more: EXACT.add(minimum, more))


@st.composite
def tiers(draw: st.DrawFn) -> tuple[Tier, ...]:
    return tuple(Tier(bound, draw(AMOUNTS), draw(AMOUNTS)) for bound in draw(BOUNDS))


@st.composite
def percentages(draw: st.DrawFn) -> Percentage:
    minimum = draw(st.just(Decimal(0)) | AMOUNTS)
    return Percentage(
        currency=draw(CURRENCIES),
        rate=draw(RATES),
        fixed_fee=draw(AMOUNTS),
        free_events=draw(st.integers(0, 4)),
        free_amount=draw(st.just(Decimal(0)) | AMOUNTS),
        minimum=minimum,
        maximum=draw(limits(minimum)),
    )


@st.composite
def graduated_percentages(draw: st.DrawFn) -> GraduatedPercentage:
    some = (PercentageTier(bound, draw(RATES), draw(AMOUNTS)) for bound in draw(BOUNDS))
    return GraduatedPercentage(draw(CURRENCIES), tuple(some))


def plain_percentages() -> st.SearchStrategy[Percentage]:
    return st.builds(
        Percentage, currency=CURRENCIES, rate=RATES, free_amount=st.just(Decimal(0)) | AMOUNTS
    )


def packages() -> st.SearchStrategy[Package]:
    return st.builds(
        Package,
        size=QUANTITIES.filter(bool),
        price=AMOUNTS,
        rounding=st.sampled_from([Rounding.UP, Rounding.DOWN]),
    )


MONOTONE = (
    st.builds(Standard, AMOUNTS)
    | st.builds(Graduated, tiers())
    | packages()
    | plain_percentages()
    | graduated_percentages()
)
BY_QUANTITY = MONOTONE | st.builds(Volume, tiers())
CHARGES: st.SearchStrategy[Charge] = BY_QUANTITY | percentages()


@st.composite
def transforms(draw: st.DrawFn, *, is_rounded: bool = True) -> Transform:
    roundings = [None, Rounding.CEILING, Rounding.FLOOR, Rounding.HALF_UP]
    return Transform(
        operation=draw(st.sampled_from(Operation)),
        factor=draw(QUANTITIES.filter(bool)),
        rounding=draw(st.sampled_from(roundings)) if is_rounded else None,
    )


@st.composite
def prices(draw: st.DrawFn, charges: st.SearchStrategy[Charge] = CHARGES) -> Price:
    charge, minimum = draw(charges), draw(st.just(Decimal(0)) | AMOUNTS)
    by_event = needs_events(Price(charge))
    return Price(
        charge=charge,
        transform=draw(st.none() | transforms(is_rounded=not by_event)),
        free_units=Decimal(0) if by_event else draw(st.just(Decimal(0)) | QUANTITIES),
        discount_percent=draw(st.decimals(min_value=0, max_value=100, places=12)),
        minimum_amount=minimum,
        maximum_amount=draw(limits(minimum)),
    )
