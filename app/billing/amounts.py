"""The amounts of an invoice: what it comes to, what is collected, our fee, what is settled.

Each line is rounded by itself; everything above the lines is a sum of rounded amounts.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from app.core.money import Currency, Money
from app.fx import conversion

NO_BALANCE = Money.zero(Currency.CNY)


class NegativeAmount(ValueError):
    """An amount to collect is below zero: that is a credit note's business, not an invoice's."""


@dataclass(frozen=True, slots=True)
class PlatformFee:
    """Our fee: a share of what is captured and a fixed part, in minor units of that currency."""

    bps: int
    fixed_minor: int = 0

    def on(self, captured: Money) -> Money:
        """Return the fee on `captured`, which is never more than `captured`.

        The share is rounded before the fixed part is added. Raises NegativeAmount.
        """
        if captured.minor < 0:
            raise NegativeAmount(f"no fee is taken on {captured}")
        share = Money.rounded(captured.minor * Fraction(self.bps, 10_000), captured.currency)
        return min(captured, share + Money(self.fixed_minor, captured.currency))


@dataclass(frozen=True, slots=True)
class LockedRates:
    """CNY for one unit of the pricing and of the settlement currency, from one snapshot."""

    pricing: Decimal
    settlement: Decimal


@dataclass(frozen=True, slots=True)
class InvoiceAmounts:
    """The amounts an invoice records, frozen when it is finalised."""

    total: Money  # pricing currency
    collect: Money  # CNY
    due: Money  # CNY, what of it a channel collects: the customer's balance pays the rest
    platform_fee: Money  # CNY, ours
    settlement: Money  # settlement currency, what the merchant is owed

    @property
    def net(self) -> Money:
        """What is left of the CNY due after our fee."""
        return self.due - self.platform_fee


def sum_lines(lines: Iterable[Money], currency: Currency) -> Money:
    """Add up lines that are already rounded. Raises CurrencyMismatch."""
    return sum(lines, Money.zero(currency))


def invoice_amounts(
    total: Money,
    rates: LockedRates,
    fee: PlatformFee,
    *,
    settlement_currency: Currency,
    balance: Money = NO_BALANCE,
) -> InvoiceAmounts:
    """Work out the amounts of an invoice over `total`, of which the customer's balance pays a part.

    Multiplies into CNY and divides out of CNY, each rounded once. The fee is taken from what is
    due, for only that is captured. With one currency for pricing and settlement the spread
    cancels out. Raises NegativeAmount.
    """
    collect = conversion.to_cny(total, rates.pricing)
    due = collect - balance
    platform_fee = fee.on(due)
    settlement = conversion.from_cny(due - platform_fee, rates.settlement, settlement_currency)
    return InvoiceAmounts(total, collect, due, platform_fee, settlement)
