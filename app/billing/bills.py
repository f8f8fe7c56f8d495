"""Bills: what an invoice comes to, line by line, worked out and not yet written down."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy.orm import Session

from app.billing import late, queries, redemptions
from app.billing.amounts import sum_lines
from app.billing.desk import Desk
from app.billing.late import LatePeriod
from app.billing.lines import Line, rate_period
from app.billing.models import Invoice, InvoiceKind, InvoiceLine
from app.billing.scopes import Scope
from app.billing.totals import Charge, Totals, total_of
from app.core.money import Currency, Money
from app.customers.models import Contract
from app.metering.usage import Usage
from app.pricing.discounts import Discount
from app.pricing.models import Coupon, Product
from app.pricing.taxing import Tax


@dataclass(frozen=True, slots=True)
class Draw:
    """The lines of an invoice as they are rated: its own period first, then late usage of earlier.

    `late_from` is the first day of a period whose credit was left for the next invoice.
    """

    currency: Currency
    lines: Sequence[Line]
    late_from: date | None = None

    @property
    def amount(self) -> Money:
        return sum_lines((line.amount for line in self.lines), self.currency)


@dataclass(frozen=True, slots=True)
class Bill:
    """What an invoice bills: its lines, the coupons it uses, and what all comes to with tax."""

    draw: Draw
    coupons: Sequence[Coupon]
    totals: Totals

    @property
    def lines(self) -> Sequence[Line]:
        return self.draw.lines

    @property
    def discounts(self) -> list[tuple[Coupon, Money]]:
        """Each coupon with what it takes off, in their order."""
        return list(zip(self.coupons, self.totals.discounts, strict=True))


def bill_of(desk: Desk, contract: Contract | None, invoice: Invoice) -> Bill:
    """Work out what the invoice bills with the usage there is now. Raises LineTooLarge.

    One made by hand, of no contract, bills the lines that were written, at their tax. Locks the
    coupons that the contract redeems with it; the contract and the invoice are locked.
    """
    if contract is None:
        return _written(desk.session, invoice)
    if invoice.kind is InvoiceKind.LATE:
        draw = draw_late(desk, contract)
    else:
        draw = _draw_period(desk, contract, desk.scope_of(contract, invoice))
    coupons = (
        redemptions.usable_by(desk.session, contract, invoice) if desk.may_redeem(contract) else []
    )
    return _totalled(desk, contract, draw, coupons=coupons)


def period_bill(desk: Desk, contract: Contract, scope: Scope) -> Bill:
    """Work out what one period of the contract would be billed. Raises LineTooLarge."""
    draw = _draw_period(desk, contract, scope)
    coupons = redemptions.usable(desk.session, contract, on=scope.end_day)
    return _totalled(desk, contract, draw, coupons=coupons)


def draw_late(desk: Desk, contract: Contract) -> Draw:
    """Work out the lines of late usage alone. Raises LineTooLarge."""
    return _with_late(desk, contract, [])


def _draw_period(desk: Desk, contract: Contract, scope: Scope) -> Draw:
    return _with_late(desk, contract, rate_period(desk, scope))


def _with_late(desk: Desk, contract: Contract, own: Sequence[Line]) -> Draw:
    periods = late.late_periods(desk, contract)
    taken = late.fitting(sum_lines((line.amount for line in own), contract.currency), periods)
    lines = [*own, *(line for period in taken for line in period.lines)]
    return Draw(contract.currency, lines, _first_left(periods, taken))


def _totalled(desk: Desk, contract: Contract, draw: Draw, *, coupons: Sequence[Coupon]) -> Bill:
    """Take the coupons off the lines, and put the tax of customer and product on them."""
    tax = desk.tax_of(contract)
    charges = [Charge(line.amount, tax) for line in draw.lines]
    discounts = [_discount(coupon, desk.product_of(contract), draw.lines) for coupon in coupons]
    return Bill(draw, coupons, total_of(charges, discounts, draw.currency))


def _discount(coupon: Coupon, product: Product, lines: Sequence[Line]) -> Discount:
    covered = frozenset(
        position
        for position, line in enumerate(lines)
        if coupon.covers(product.code, line.metric.code if line.metric else "")
    )
    return Discount(coupon.reduction, covered, coupon.minimum)


def _written(session: Session, invoice: Invoice) -> Bill:
    rows = queries.lines_of(session, invoice)
    charges = [
        Charge(
            Money(row.amount_minor, invoice.currency),
            None if row.tax_percent is None else Tax(row.tax_percent, row.tax_is_inclusive),
        )
        for row in rows
    ]
    draw = Draw(invoice.currency, _written_lines(rows, invoice.currency))
    return Bill(draw, [], total_of(charges, [], invoice.currency))


def _written_lines(rows: Iterable[InvoiceLine], currency: Currency) -> list[Line]:
    return [
        Line(
            kind=line.kind,
            metric=None,
            part=line.part,
            description=line.description,
            usage=Usage(line.quantity, line.events),
            amount=Money(line.amount_minor, currency),
            tiers=line.tiers,
            first_day=line.period_from,
            end_day=line.period_to,
        )
        for line in rows
    ]


def _first_left(periods: Sequence[LatePeriod], taken: Sequence[LatePeriod]) -> date | None:
    left = (period.invoice.period_from for period in periods if period not in taken)
    return min(left, default=None)
