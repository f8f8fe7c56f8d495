"""Totals: from the lines of an invoice to what it comes to. Lines, then coupons, then tax.

    subtotal   all lines less their discounts, without tax
    tax        the sum of the lines' tax
    total      subtotal and tax: what is converted, and collected

Nothing above a line is ever rounded: it is a sum of amounts that are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from app.billing.amounts import sum_lines
from app.core.money import Currency, Money
from app.pricing.discounts import Discount, apply_discounts
from app.pricing.taxing import Tax


@dataclass(frozen=True, slots=True)
class Charge:
    """What a line comes to before coupons, and the tax it is under, None for none."""

    amount: Money
    tax: Tax | None = None


@dataclass(frozen=True, slots=True)
class LineTotal:
    """What coupons and tax make of one line; the tax keeps the percent it was worked out with."""

    amount: Money
    discount: Money
    tax: Money
    tax_percent: Decimal | None = None
    is_inclusive: bool = False

    @property
    def net(self) -> Money:
        """The line less its discount, without tax."""
        base = self.amount - self.discount
        return base - self.tax if self.is_inclusive else base


@dataclass(frozen=True, slots=True)
class Totals:
    """What an invoice comes to; `discounts` is what each coupon took off, in their order."""

    lines: tuple[LineTotal, ...]
    discounts: tuple[Money, ...]
    discount: Money
    subtotal: Money
    tax: Money

    @property
    def total(self) -> Money:
        return self.subtotal + self.tax


def total_of(
    charges: Sequence[Charge], discounts: Sequence[Discount], currency: Currency
) -> Totals:
    """Work out what the charges come to after discounts and tax.

    Charges that are not below zero together make a total that is not, either.
    """
    taken = apply_discounts([charge.amount for charge in charges], discounts, currency)
    lines = _not_below_zero(
        [_line_total(charge, share) for charge, share in zip(charges, taken.shares, strict=True)]
    )
    return Totals(
        lines=tuple(lines),
        discounts=taken.amounts,
        discount=sum_lines(taken.shares, currency),
        subtotal=sum_lines((line.net for line in lines), currency),
        tax=sum_lines((line.tax for line in lines), currency),
    )


def _line_total(charge: Charge, discount: Money) -> LineTotal:
    tax, base = charge.tax, charge.amount - discount
    if tax is None:
        return LineTotal(charge.amount, discount, Money.zero(base.currency))
    return LineTotal(charge.amount, discount, tax.on(base), tax.percent, tax.is_inclusive)


def _not_below_zero(lines: list[LineTotal]) -> list[LineTotal]:
    """Take from the credits' tax what rounding alone would take the whole below zero by.

    Many small lines may round to no tax, and the one credit that cancels them to some.
    """
    net = sum(line.amount.minor - line.discount.minor for line in lines)
    added = sum(line.tax.minor for line in lines if not line.is_inclusive)
    if net < 0 or net + added >= 0:
        return lines
    position = min(range(len(lines)), key=lambda each: _added(lines[each]))
    lowest = lines[position]
    rest = Money(-net - added, lowest.tax.currency)
    return [*lines[:position], replace(lowest, tax=lowest.tax + rest), *lines[position + 1 :]]


def _added(line: LineTotal) -> int:
    return 0 if line.is_inclusive else line.tax.minor
