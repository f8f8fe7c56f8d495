"""Conversion by a locked rate: multiply into CNY, divide out of CNY, never invert.

A rate is CNY for one major unit of the foreign currency. An inverse, once rounded, would not
lead back to the amount it came from, so none is ever computed.
"""

from decimal import Decimal
from fractions import Fraction
from functools import cache, lru_cache

from app.core.money import Currency, CurrencyMismatch, Money, round_half_up

RATE_DECIMALS = 8
CNY_RATE = Decimal(1)
"""What CNY itself is worth: an invoice priced or settled in CNY locks this rate."""


class BadRate(ValueError):
    """No rate can be zero or less, nor CNY be worth another number of CNY: a fault, never input."""


def locked_rate(midpoint_per_100: Decimal, spread_bps: int) -> Decimal:
    """Return CNY for one foreign unit, from a midpoint per 100 units, with our spread on top.

    Rounded half up to 8 decimals; this is the number the invoice keeps and shows.
    Raises BadRate.
    """
    spread = 1 + Fraction(spread_bps, 10_000)
    return round_half_up(_checked(midpoint_per_100) / 100 * spread, RATE_DECIMALS)


def to_cny(amount: Money, rate: Decimal) -> Money:
    """Convert `amount` at the rate of its currency. Raises BadRate."""
    _check_own_rate(amount.currency, rate)
    decimals = (amount.currency.exponent, Currency.CNY.exponent)
    return Money.rounded(multiplied(amount.minor, rate, decimals=decimals), Currency.CNY)


def from_cny(amount: Money, rate: Decimal, currency: Currency) -> Money:
    """Convert `amount` of CNY to `currency` at the rate of `currency`.

    Raises BadRate, and CurrencyMismatch when `amount` is not CNY.
    """
    if amount.currency is not Currency.CNY:
        raise CurrencyMismatch(f"{amount} is not CNY")
    _check_own_rate(currency, rate)
    decimals = (Currency.CNY.exponent, currency.exponent)
    return Money.rounded(divided(amount.minor, rate, decimals=decimals), currency)


def multiplied(minor: int, rate: Decimal, *, decimals: tuple[int, int]) -> Fraction:
    """Multiply minor units by a rate of major units, exactly; `decimals` of source and target."""
    return minor * _checked(rate) * _shift(decimals)


def divided(minor: int, rate: Decimal, *, decimals: tuple[int, int]) -> Fraction:
    """Divide minor units by a rate of major units, exactly; `decimals` of source and target."""
    return minor / _checked(rate) * _shift(decimals)


@lru_cache(maxsize=64)  # a run converts by one rate
def _checked(rate: Decimal) -> Fraction:
    if rate <= 0:
        raise BadRate(f"{rate} is not a rate")
    return Fraction(rate)


def _check_own_rate(currency: Currency, rate: Decimal) -> None:
    if currency is Currency.CNY and rate != CNY_RATE:
        raise BadRate(f"CNY is not worth {rate} CNY")


@cache
def _shift(decimals: tuple[int, int]) -> Fraction:
    source, target = decimals
    return Fraction(10) ** (target - source)
