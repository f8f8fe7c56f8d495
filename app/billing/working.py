"""How a line came about, as it is kept: JSON of exact minor units, written once, read for ever.

A row for each tier, in the order the quantity went through them, and one for whatever else
changed the amount. A row without `basis` counts units; the amounts of all rows add up to the line
before it was rounded.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any

from app.core.decimals import EXACT, plain
from app.core.money import Money
from app.pricing.charges import ZERO, Basis, RatedTier
from app.pricing.rating import Price, Rated

Row = dict[str, Any]


class Step(StrEnum):
    """What a row is about: what its quantity counts, or what else changed the amount.

    Those from the discount on have an amount and nothing else.
    """

    UNITS = Basis.UNITS.value
    PACKAGES = Basis.PACKAGES.value
    AMOUNT = Basis.AMOUNT.value
    EVENTS = Basis.EVENTS.value
    EVENT_LIMITS = Basis.EVENT_LIMITS.value
    DISCOUNT = "discount"
    MAXIMUM = "maximum"
    MINIMUM = "minimum"
    COMMITTED = "committed"
    USED = "used"  # what the usage of the period came to, against a commitment
    BILLED = "billed"  # what earlier invoices charged for the same usage


def working(price: Price, rated: Rated) -> list[Row]:
    """Write how `rated` came about: free units, tiers, discount, maximum or minimum."""
    return [*_free_units(price, rated), *_tiers(price, rated), *_adjustments(rated)]


def hand_written(quantity: Decimal, unit_price: Decimal, amount: Decimal) -> list[Row]:
    """Write how a line came about that somebody wrote: so many at that price."""
    return [_row(ZERO, None, RatedTier(quantity, unit_price, ZERO, amount))]


def missing_to(committed: Money, used: Money) -> list[Row]:
    """Write what is missing to a commitment."""
    return [
        _adjustment(Step.COMMITTED, Decimal(committed.minor)),
        _adjustment(Step.USED, Decimal(-used.minor)),
    ]


def less_billed(rows: Sequence[Row], billed: Money) -> list[Row]:
    """Take off what earlier invoices charged, if it was anything."""
    if not billed:
        return list(rows)
    return [*rows, _adjustment(Step.BILLED, Decimal(-billed.minor))]


def _free_units(price: Price, rated: Rated) -> Iterator[Row]:
    """Write the free units before all tiers, as one whose price is 0."""
    if price.free_units:
        taken = RatedTier(rated.free_units, ZERO, ZERO, ZERO)
        yield _row(ZERO, price.free_units, taken)


def _tiers(price: Price, rated: Rated) -> Iterator[Row]:
    free = price.free_units
    for tier in rated.tiers:
        up_to = None if tier.up_to is None else EXACT.add(free, tier.up_to)
        row = _row(EXACT.add(free, tier.above), up_to, tier)
        if tier.basis is not Basis.UNITS:
            row["basis"] = tier.basis.value
        if tier.package_size is not None:
            row["package_size"] = plain(tier.package_size)
        yield row


def _adjustments(rated: Rated) -> Iterator[Row]:
    if rated.discount:
        yield _adjustment(Step.DISCOUNT, EXACT.minus(rated.discount))
    if rated.capped:
        yield _adjustment(Step.MAXIMUM, EXACT.minus(rated.capped))
    if rated.topped_up:
        yield _adjustment(Step.MINIMUM, rated.topped_up)


def _adjustment(step: Step, amount: Decimal) -> Row:
    return _row(ZERO, None, RatedTier(ZERO, ZERO, ZERO, amount)) | {"basis": step.value}


def _row(above: Decimal, up_to: Decimal | None, tier: RatedTier) -> Row:
    return {
        "above": plain(above),
        "up_to": None if up_to is None else plain(up_to),
        "quantity": plain(tier.quantity),
        "unit_price": plain(tier.unit_price),
        "flat_fee": plain(tier.flat_fee),
        "amount": plain(tier.amount),
    }
