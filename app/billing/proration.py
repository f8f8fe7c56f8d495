"""Proration: what a part of a period is of the whole, by local calendar days, exactly.

The share is a fraction and never rounded; only what comes out is: 12 of 31 days of 200.00 are
77.42, not what a factor of 0.3871 makes of it.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from app.core.money import Money, Rounding, round_to


@dataclass(frozen=True, slots=True)
class Days:
    """Local days from `first` up to, and without, `end`; none when they are the same."""

    first: date
    end: date


def share(days: Days, *, of: Days) -> Fraction:
    """Return which part of a period the days are; those outside of it do not count.

    Raises ValueError when the period has no day.
    """
    whole = (of.end - of.first).days
    if whole <= 0:
        raise ValueError(f"a period can not start on {of.first} and end on {of.end}")
    inside = (min(days.end, of.end) - max(days.first, of.first)).days
    return Fraction(max(inside, 0), whole)


def prorate(amount: Money, part: Fraction) -> Money:
    """Return the part of an amount, rounded."""
    return Money.rounded(amount.minor * part, amount.currency)


def prorated_allowance(units: Decimal, part: Fraction) -> Decimal:
    """Return the part of an allowance, rounded up to whole units: in the customer's favour."""
    return round_to(Fraction(units) * part, 0, Rounding.CEILING)


def true_up(minimum: Money, billed: Money) -> Money:
    """Return what is missing to a committed minimum, zero when it was reached.

    Both are money already: usage is rounded line by line before it is compared.
    """
    return max(minimum - billed, Money.zero(minimum.currency))
