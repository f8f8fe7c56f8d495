"""Tax: what one line owes, on top of its price or within it; rounded per line, never below it."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from app.core.money import Exact, Money, round_half_up


@dataclass(frozen=True, slots=True)
class Tax:
    """A rate in percent. With an inclusive one, prices hold the tax already."""

    percent: Decimal
    is_inclusive: bool = False

    def on(self, base: Money) -> Money:
        """Return the tax of a line; a credit has negative tax."""
        tax = included_tax if self.is_inclusive else added_tax
        return Money(tax(base.minor, self.percent), base.currency)


def added_tax(net: Exact, percent: Decimal) -> int:
    """Return the tax that comes on top of `net` minor units."""
    return int(round_half_up(Fraction(net) * Fraction(percent) / 100))


def included_tax(gross: int, percent: Decimal) -> int:
    """Return the tax within `gross` minor units: what the net, rounded, leaves of it."""
    net = Fraction(gross) / (1 + Fraction(percent) / 100)
    return gross - int(round_half_up(net))
