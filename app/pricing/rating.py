"""Rating: what a quantity costs at a price, exactly, with the working shown tier by tier.

Prices are decimals in minor units of their currency, with up to 12 decimals: 0.00015 CNY for a
token is `0.015` fen. The order is fixed: the quantity is transformed, free units come off, the
charge model prices the rest, then come discount, maximum and minimum. Nothing is rounded here; a
line is rounded once, when it becomes `Money`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from enum import StrEnum
from fractions import Fraction
from functools import partial, reduce
from itertools import accumulate, chain, islice, pairwise

from app.core.decimals import EXACT
from app.core.money import Money, Rounding, round_to
from app.pricing.charges import ZERO, Charge, Model, Percentage, RatedTier, Volume

_QUOTIENT_DECIMALS = 24
"""What a quotient is kept to: as many decimals as a product of quantity and factor can have."""

Usage = Decimal | Sequence[Decimal]
"""The quantity of a period, or for a price that needs them the amounts of its events."""
Step = tuple[tuple[RatedTier, ...], Decimal]
"""What one of several usages went through: tiers, and units of the allowance."""
_NEEDS_EVENTS = "a price with terms per event is rated by the amounts of the events"


class Operation(StrEnum):
    MULTIPLY = "multiply"
    DIVIDE = "divide"


@dataclass(frozen=True, slots=True)
class Transform:
    """Turns the metered quantity into the one that is priced: bytes ÷ 1000, rounded up, say."""

    operation: Operation
    factor: Decimal
    rounding: Rounding | None = None

    def apply(self, quantity: Decimal) -> Decimal:
        """Return the quantity to price; the rounding, if any, is to whole units."""
        if self.operation is Operation.MULTIPLY:
            exact = Fraction(quantity) * Fraction(self.factor)
        else:
            exact = Fraction(quantity) / Fraction(self.factor)
        if self.rounding is None:
            return round_to(exact, _QUOTIENT_DECIMALS, Rounding.HALF_UP)
        return round_to(exact, 0, self.rounding)


@dataclass(frozen=True, slots=True)
class Price:
    """The price of one metric, or of a part of it. Amounts in exact minor units.

    `free_units` come off before the charge; its amount is cut by `discount_percent`, then held
    to at most `maximum_amount` and at least `minimum_amount`.
    """

    charge: Charge
    transform: Transform | None = None
    free_units: Decimal = ZERO
    discount_percent: Decimal = ZERO
    maximum_amount: Decimal | None = None
    minimum_amount: Decimal = ZERO

    @property
    def model(self) -> Model:
        return self.charge.model


@dataclass(frozen=True, slots=True)
class Rated:
    """What a quantity costs, in exact minor units, and how that came about.

    `free_units` is how much the allowance took; what was left went through the tiers. They add
    up to `amount` less `discount`, less what the maximum took off (`capped`), and with what the
    minimum added (`topped_up`).
    """

    amount: Decimal
    tiers: tuple[RatedTier, ...]
    free_units: Decimal = ZERO
    discount: Decimal = ZERO
    capped: Decimal = ZERO
    topped_up: Decimal = ZERO

    def further(self, billed: Money) -> Money:
        """Return what is still due when `billed` was charged for a part of this.

        It is the rounded whole less what was billed, so the lines of a period add up to the
        price of the period; below zero, it is a credit.
        """
        return Money.rounded(self.amount, billed.currency) - billed


def needs_events(price: Price) -> bool:
    """Tell whether the price has terms per event, so that it is not a matter of the sum."""
    return isinstance(price.charge, Percentage) and price.charge.needs_events


def rate(price: Price, quantity: Decimal, *, closes_period: bool = True) -> Rated:
    """Rate the whole quantity of a period; a quantity below zero counts as zero.

    The minimum is due once, with the line that closes the period. Raises ValueError on a price
    that needs events.
    """
    if needs_events(price):
        raise ValueError(_NEEDS_EVENTS)
    priced = _priced(price, quantity)
    free = min(price.free_units, priced)
    tiers = price.charge.rated(EXACT.subtract(priced, free))
    return _settled(price, tiers, free_units=free, closes_period=closes_period)


def rate_events(price: Price, amounts: Sequence[Decimal], *, closes_period: bool = True) -> Rated:
    """Rate the events of a period by their amounts, each net of its corrections, in order.

    An amount below zero counts as zero. A price without terms per event rates their sum.
    """
    if not needs_events(price):
        return rate(price, _sum(amounts), closes_period=closes_period)
    ((tiers, _),) = _event_steps(price, [amounts])
    return _settled(price, tiers, closes_period=closes_period)


def rate_in_turn(
    price: Price, usages: Sequence[Usage], *, closes_period: bool = True
) -> list[Rated]:
    """Rate usages that go through one price one after the other, and share all of it.

    Each pays what it adds to those before it, so together they cost what all of it costs, with
    one allowance, maximum and minimum. Of a volume price all pay the tier of the whole. Raises
    ValueError where a price that needs events is given a quantity.
    """
    rated: list[Rated] = []
    before = ZERO
    steps = _event_steps(price, usages) if needs_events(price) else _steps(price, usages)
    for number, (tiers, free_units) in enumerate(steps, start=1):
        is_last = closes_period and number == len(usages)
        rated.append(
            _settled(price, tiers, free_units=free_units, before=before, closes_period=is_last)
        )
        before = EXACT.add(before, _sum(tier.amount for tier in tiers))
    return rated


def rate_further(
    price: Price, quantity: Decimal, *, billed: Money, closes_period: bool = True
) -> Money:
    """Return the line that is still due when `billed` was charged for a part of `quantity`."""
    return rate(price, quantity, closes_period=closes_period).further(billed)


def billable_quantity(price: Price, quantity: Decimal, *, previous: Decimal = ZERO) -> Decimal:
    """Return how much of `quantity` the allowance leaves, when `previous` came before it."""
    with localcontext(EXACT):
        allowance_left = max(price.free_units - previous, ZERO)
        return max(quantity - allowance_left, ZERO)


def _priced(price: Price, quantity: Decimal) -> Decimal:
    """Return the quantity as it is priced: transformed, and not below zero."""
    floored = max(quantity, ZERO)
    return price.transform.apply(floored) if price.transform else floored


def _steps(price: Price, usages: Iterable[Usage]) -> Iterator[Step]:
    """Yield what each usage adds to the tiers, the quantities running on."""
    quantities = [usage if isinstance(usage, Decimal) else _sum(usage) for usage in usages]
    running = [
        _priced(price, total) for total in accumulate(quantities, _add_floored, initial=ZERO)
    ]
    rated = price.charge.rated
    if isinstance(price.charge, Volume):
        rated = partial(price.charge.rated, of=billable_quantity(price, running[-1]))
    passed: tuple[RatedTier, ...] = ()
    for before, total in pairwise(running):
        free = min(price.free_units, total)
        tiers = rated(EXACT.subtract(total, free))
        added = (now.less(was) for now, was in zip(tiers, passed, strict=False) if now != was)
        yield (
            (*added, *tiers[len(passed) :]),
            EXACT.subtract(free, min(price.free_units, before)),
        )
        passed = tiers


def _event_steps(price: Price, usages: Sequence[Usage]) -> Iterator[Step]:
    """Yield what each usage adds to the tiers, the events running on."""
    charge, events = price.charge, [usage for usage in usages if not isinstance(usage, Decimal)]
    if not isinstance(charge, Percentage) or len(events) < len(usages):
        raise ValueError(_NEEDS_EVENTS)
    paid = charge.paid_parts(_priced(price, amount) for amount in chain.from_iterable(events))
    for amounts in events:
        yield charge.rated_paid(islice(paid, len(amounts))), ZERO


def _settled(
    price: Price,
    tiers: tuple[RatedTier, ...],
    *,
    free_units: Decimal = ZERO,
    before: Decimal = ZERO,
    closes_period: bool,
) -> Rated:
    """Put discount, maximum and minimum around tiers, when those `before` came to so much."""
    due, discount, capped = _due(price, EXACT.add(before, _sum(tier.amount for tier in tiers)))
    topped_up = ZERO
    if closes_period and due < price.minimum_amount:
        topped_up = EXACT.subtract(price.minimum_amount, due)
    if before:
        due_before, discount_before, capped_before = _due(price, before)
        due = EXACT.subtract(due, due_before)
        discount = EXACT.subtract(discount, discount_before)
        capped = EXACT.subtract(capped, capped_before)
    return Rated(EXACT.add(due, topped_up), tiers, free_units, discount, capped, topped_up)


def _due(price: Price, raw: Decimal) -> tuple[Decimal, Decimal, Decimal]:
    """Return what is due of what tiers come to, and what discount and maximum take off."""
    discount = capped = ZERO
    if price.discount_percent:
        discount = EXACT.scaleb(EXACT.multiply(raw, price.discount_percent), -2)
    due = EXACT.subtract(raw, discount)
    if price.maximum_amount is not None and due > price.maximum_amount:
        due, capped = price.maximum_amount, EXACT.subtract(due, price.maximum_amount)
    return due, discount, capped


def _sum(values: Iterable[Decimal]) -> Decimal:
    return reduce(EXACT.add, values, ZERO)


def _add_floored(total: Decimal, quantity: Decimal) -> Decimal:
    return EXACT.add(total, max(quantity, ZERO))
