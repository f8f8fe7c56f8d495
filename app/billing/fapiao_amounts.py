"""What a fapiao is about: the CNY that its invoice still comes to, by tax rate."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from app.billing.models import Invoice, InvoiceLine
from app.core.decimals import plain
from app.core.money import Currency, Money


@dataclass(frozen=True, slots=True)
class TaxRow:
    """What is taxed at one rate, in CNY: `amount` includes `tax`. `percent` None is untaxed."""

    percent: Decimal | None
    amount: Money
    tax: Money

    def dump(self) -> dict[str, Any]:
        """Write the row as it is stored."""
        percent = None if self.percent is None else plain(self.percent)
        return {"percent": percent, "amount": self.amount.minor, "tax": self.tax.minor}

    @classmethod
    def load(cls, stored: dict[str, Any]) -> "TaxRow":
        """Read what `dump` wrote."""
        percent = stored["percent"]
        return cls(
            None if percent is None else Decimal(percent),
            Money(stored["amount"], Currency.CNY),
            Money(stored["tax"], Currency.CNY),
        )


@dataclass
class _Group:
    """The lines of one rate, in the pricing currency: with tax, and the tax within."""

    gross: int = 0
    tax: int = 0


def left_of(invoice: Invoice) -> Money:
    """Return what a finalised invoice comes to in CNY, less what credit notes took off."""
    return Money(invoice.collection_minor - (invoice.credited_minor or 0), Currency.CNY)


def tax_rows(invoice: Invoice, lines: Sequence[InvoiceLine]) -> tuple[TaxRow, ...]:
    """Return the amounts of the fapiao of an invoice, which add up to `left_of`.

    Each rate gets its share of the CNY as its lines have it of the total, and in it the share of
    tax. Lines without a rate come first.
    """
    groups = _groups(lines)
    total = sum(group.gross for group in groups.values())
    left = left_of(invoice)
    if not total:
        return (TaxRow(None, left, Money.zero(Currency.CNY)),)
    rows, given, seen = [], 0, 0
    for percent, group in groups.items():
        seen += group.gross
        reached = Money.rounded(Fraction(left.minor * seen, total), Currency.CNY).minor
        amount, given = Money(reached - given, Currency.CNY), reached
        share = Fraction(group.tax, group.gross) if group.gross else Fraction(0)
        rows.append(TaxRow(percent, amount, Money.rounded(amount.minor * share, Currency.CNY)))
    return tuple(rows)


def tax_of(rows: Iterable[TaxRow]) -> Money:
    """Return the tax within all rows."""
    return sum((row.tax for row in rows), Money.zero(Currency.CNY))


def _groups(lines: Sequence[InvoiceLine]) -> dict[Decimal | None, _Group]:
    groups: dict[Decimal | None, _Group] = {}
    for line in sorted(lines, key=lambda line: (line.tax_percent or 0, line.position)):
        group = groups.setdefault(line.tax_percent, _Group())
        base = line.amount_minor - line.discount_minor
        group.gross += base if line.tax_is_inclusive else base + line.tax_minor
        group.tax += line.tax_minor
    return groups
