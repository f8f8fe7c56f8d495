"""Discounts: what coupons take off the lines of an invoice, and how long they go on doing so.

One coupon after the other, in the order they were attached, each on what the ones before it left.
What a coupon comes to is rounded once and then shared out among its lines, so that the shares
always add up to it; a line that is a credit gets no share, and lowers what there is to take.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from app.core.money import Currency, Exact, Money, allocate, round_half_up
from app.core.periods import Unit, add_units


class Duration(StrEnum):
    ONCE = "once"  # one invoice of the contract
    REPEATING = "repeating"  # the invoices of some months, from the first one on
    FOREVER = "forever"


@dataclass(frozen=True, slots=True)
class PercentOff:
    """A share, above 0 and at most 100 percent."""

    percent: Decimal


@dataclass(frozen=True, slots=True)
class AmountOff:
    """A fixed amount, of which the rest is forfeited."""

    amount: Money


Reduction = PercentOff | AmountOff


@dataclass(frozen=True, slots=True)
class Discount:
    """One coupon on one invoice: what it takes off the lines at `positions`, None for all.

    With a minimum it takes nothing off lines that come to less, before any coupon, or that are
    in another currency.
    """

    reduction: Reduction
    positions: frozenset[int] | None = None
    minimum: Money | None = None


@dataclass(frozen=True, slots=True)
class Discounted:
    """What each discount took off in all, and what each line lost to all of them."""

    amounts: tuple[Money, ...]
    shares: tuple[Money, ...]


def apply_discounts(
    lines: Sequence[Money], discounts: Sequence[Discount], currency: Currency
) -> Discounted:
    """Take the discounts off the lines, one after the other; neither they nor a line go below zero.

    `lines` are amounts of `currency`; those below zero are credits. A coupon's amounts add up to
    the shares of the lines.
    """
    before = sum(line.minor for line in lines)
    left = [line.minor for line in lines]
    amounts = []
    for discount in discounts:
        parts = [0] * len(left)
        if _reaches(before, discount.minimum, currency):
            parts = _parts(left, discount, currency)
        left = [amount - part for amount, part in zip(left, parts, strict=True)]
        amounts.append(Money(sum(parts), currency))
    shares = (line - Money(rest, currency) for line, rest in zip(lines, left, strict=True))
    return Discounted(tuple(amounts), tuple(shares))


def taken_off(base: Exact, reduction: Reduction, currency: Currency) -> int:
    """Return what is taken off `base` minor units of `currency`: rounded once, never more than it.

    An amount of another currency takes off nothing.
    """
    match reduction:
        case PercentOff(percent):
            return int(round_half_up(Fraction(base) * Fraction(percent) / 100))
        case AmountOff(amount) if amount.currency is currency:
            return int(min(Fraction(amount.minor), Fraction(base)))
        case AmountOff():
            return 0


def applies_on(
    duration: Duration, on: date, *, first_on: date | None, months: int | None = None
) -> bool:
    """Tell whether a coupon first applied on `first_on`, None for not yet, applies `on` a day."""
    if first_on is None:
        return True
    match duration:
        case Duration.ONCE:
            return on <= first_on
        case Duration.REPEATING:
            return on < ends_before(first_on, months or 0)
        case Duration.FOREVER:
            return True


def ends_before(first_on: date, months: int) -> date:
    """Return the first day on which a coupon of so many months does not apply any more."""
    return add_units(first_on, months, Unit.MONTH)


def _reaches(amount: int, minimum: Money | None, currency: Currency) -> bool:
    if minimum is None:
        return True
    return minimum.currency is currency and amount >= minimum.minor


def _parts(left: Sequence[int], discount: Discount, currency: Currency) -> list[int]:
    """Return what the discount takes off each line."""
    covered = [
        amount if discount.positions is None or position in discount.positions else 0
        for position, amount in enumerate(left)
    ]
    base = min(sum(covered), sum(left))
    if base <= 0:
        return [0] * len(left)
    off = taken_off(base, discount.reduction, currency)
    return allocate(off, [max(each, 0) for each in covered])
