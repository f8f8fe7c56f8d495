"""Money: an integer of minor units and a currency, one rounding rule, one way to split.

Amounts are never floats: quantities and unit prices are exact decimals, and a line becomes money
once, by `Money.rounded`, half away from zero.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from fractions import Fraction

Exact = int | Decimal | Fraction


class Currency(StrEnum):
    CNY = "CNY"
    USD = "USD"
    EUR = "EUR"
    GBP = "GBP"
    SGD = "SGD"
    AUD = "AUD"
    NZD = "NZD"
    HKD = "HKD"
    THB = "THB"
    JPY = "JPY"
    KRW = "KRW"
    VND = "VND"
    CLP = "CLP"

    @property
    def exponent(self) -> int:
        """How many decimals the major unit has: 2, or 0 for JPY, KRW, VND and CLP."""
        return 0 if self in _WHOLE else 2


_WHOLE = frozenset({Currency.JPY, Currency.KRW, Currency.VND, Currency.CLP})
SETTLEMENT_CURRENCIES = (
    Currency.USD,
    Currency.EUR,
    Currency.GBP,
    Currency.SGD,
    Currency.AUD,
    Currency.NZD,
    Currency.HKD,
    Currency.JPY,
    Currency.THB,
)


class CurrencyMismatch(ValueError):
    """Two amounts of different currencies met in one sum: a fault in the program, never input."""


class Rounding(StrEnum):
    """Which of its two neighbours a number becomes. Money is rounded half up, and only so."""

    HALF_UP = "half_up"  # the nearer one; a half goes away from zero
    HALF_DOWN = "half_down"  # the nearer one; a half goes towards zero
    HALF_EVEN = "half_even"  # the nearer one; a half goes to the even one
    UP = "up"  # away from zero
    DOWN = "down"  # towards zero
    CEILING = "ceiling"
    FLOOR = "floor"


_HALF = Fraction(1, 2)
_MAGNITUDES: dict[Rounding, Callable[[Fraction], int]] = {
    Rounding.HALF_UP: lambda value: math.floor(value + _HALF),
    Rounding.HALF_DOWN: lambda value: math.ceil(value - _HALF),
    Rounding.HALF_EVEN: round,
    Rounding.UP: math.ceil,
    Rounding.DOWN: math.floor,
}
"""The roundings that treat −1.5 as 1.5 with a sign, as functions of what is not below zero."""


def round_to(value: Exact, decimals: int, rounding: Rounding) -> Decimal:
    """Round the exact value to `decimals`; negative ones round to tens, hundreds and so on.

    However long the number, no digit of the result is lost.
    """
    scaled = Fraction(value) * Fraction(10) ** decimals
    if rounding is Rounding.CEILING:
        whole = math.ceil(scaled)
    elif rounding is Rounding.FLOOR:
        whole = math.floor(scaled)
    else:
        magnitude = _MAGNITUDES[rounding](abs(scaled))
        whole = -magnitude if scaled < 0 else magnitude
    # Built from text, because arithmetic on a Decimal would cut it to the context's 28 digits.
    return Decimal(f"{whole}E{-decimals}")


def round_half_up(value: Exact, decimals: int = 0) -> Decimal:
    """Round half away from zero on the exact value: 0.5 → 1, −0.5 → −1, 10.005 → 10.01."""
    return round_to(value, decimals, Rounding.HALF_UP)


@dataclass(frozen=True, slots=True)
class Money:
    """`minor` units of `currency`. Adds only to its own kind; may be negative."""

    minor: int
    currency: Currency

    @classmethod
    def zero(cls, currency: Currency) -> "Money":
        return cls(0, currency)

    @classmethod
    def rounded(cls, minor: Exact, currency: Currency) -> "Money":
        """Round an exact number of minor units to money; the one place where a line is rounded."""
        if isinstance(minor, Decimal):  # as exact as by a fraction, in a tenth of the time
            return cls(int(minor.to_integral_value(ROUND_HALF_UP)), currency)
        return cls(int(round_half_up(minor)), currency)

    def __add__(self, other: "Money") -> "Money":
        return Money(self.minor + self._same(other).minor, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.minor - self._same(other).minor, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.minor, self.currency)

    def __lt__(self, other: "Money") -> bool:
        return self.minor < self._same(other).minor

    def __bool__(self) -> bool:
        return self.minor != 0

    def __str__(self) -> str:
        """Print as `126.41 USD`: for logs and messages; pages format by locale."""
        return f"{self.major} {self.currency}"

    @property
    def major(self) -> Decimal:
        """The amount in major units, with exactly the currency's decimals."""
        return Decimal(self.minor).scaleb(-self.currency.exponent)

    def percent(self, rate: Exact) -> "Money":
        """Return `rate` percent of the amount, rounded."""
        return Money.rounded(self.minor * Fraction(rate) / 100, self.currency)

    def allocate(self, weights: Sequence[Exact]) -> "list[Money]":
        """Split by weight so that the parts add up: see `allocate`."""
        return [Money(part, self.currency) for part in allocate(self.minor, weights)]

    def _same(self, other: "Money") -> "Money":
        if other.currency is not self.currency:
            raise CurrencyMismatch(f"{self} and {other}")
        return other


def allocate(total: int, weights: Sequence[Exact]) -> list[int]:
    """Split `total` by `weights`, the missing units going to the largest remainders.

    Ties go to the earlier part; the parts always add up to `total`, which may be negative.
    With no weight at all everything goes to the first part. Raises ValueError on no parts or
    a negative weight.
    """
    if not weights or any(weight < 0 for weight in weights):
        raise ValueError("weights must be a non-empty list of numbers not below zero")
    whole = sum(Fraction(weight) for weight in weights)
    shares = [Fraction(weight) / whole if whole else Fraction(0) for weight in weights]
    if not whole:
        shares[0] = Fraction(1)
    exact = [abs(total) * share for share in shares]
    parts = [int(part) for part in exact]
    missing = abs(total) - sum(parts)
    by_remainder = sorted(range(len(parts)), key=lambda index: parts[index] - exact[index])
    for index in by_remainder[:missing]:
        parts[index] += 1
    return [-part for part in parts] if total < 0 else parts


def allocate_within(total: int, weights: Sequence[Exact]) -> list[int]:
    """Split `total` by `weights` as `allocate` does, but never more than the weights add up to.

    So that a discount spread over whole-number amounts takes no part below zero.
    """
    return allocate(min(total, int(sum(Fraction(weight) for weight in weights))), weights)
