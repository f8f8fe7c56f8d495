"""Bills: what an invoice comes to, line by line, worked out and not yet written down."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy.orm import Session

from app.billing import late, queries, redemptions
from app.billing.amounts import sum_lines
from app.billing.late import LatePeriod
from app.billing.lines import Line, rate_period
from app.billing.models import Invoice, InvoiceKind, InvoiceLine
from app.billing.scopes import Scope, scope_of_invoice
from app.billing.totals import Charge, Totals, total_of
from app.core.money import Currency, Money
from app.customers import queries as customers
from app.customers.models import Contract
from app.metering.usage import Usage
from app.pricing import queries as catalogue
from app.pricing import taxes
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


def bill_of(session: Session, contract: Contract | None, invoice: Invoice) -> Bill:
    """Work out what the invoice bills with the usage there is now. Raises LineTooLarge.

    One made by hand, of no contract, bills the lines that were written, at their tax. Locks the
    coupons that the contract redeems with it; the contract and the invoice are locked.
    """
    if contract is None:
        return _written(session, invoice)
    if invoice.kind is InvoiceKind.LATE:
        draw = draw_late(session, contract)
    else:
        draw = _draw_period(session, contract, scope_of_invoice(contract, invoice))
    return _totalled(
        session, contract, draw, coupons=redemptions.usable_by(session, contract, invoice)
    )


def period_bill(session: Session, contract: Contract, scope: Scope) -> Bill:
    """Work out what one period of the contract would be billed. Raises LineTooLarge."""
    draw = _draw_period(session, contract, scope)
    coupons = redemptions.usable(session, contract, on=scope.end_day)
    return _totalled(session, contract, draw, coupons=coupons)


def draw_late(session: Session, contract: Contract) -> Draw:
    """Work out the lines of late usage alone. Raises LineTooLarge."""
    return _with_late(session, contract, [])


def _draw_period(session: Session, contract: Contract, scope: Scope) -> Draw:
    return _with_late(session, contract, rate_period(session, scope))


def _with_late(session: Session, contract: Contract, own: Sequence[Line]) -> Draw:
    periods = late.late_periods(session, contract)
    taken = late.fitting(sum_lines((line.amount for line in own), contract.currency), periods)
    lines = [*own, *(line for period in taken for line in period.lines)]
    return Draw(contract.currency, lines, _first_left(periods, taken))


def _totalled(
    session: Session, contract: Contract, draw: Draw, *, coupons: Sequence[Coupon]
) -> Bill:
    """Take the coupons off the lines, and put the tax of customer and product on them."""
    product = catalogue.product_of_version(session, contract.rate_card_version_id)
    customer = customers.get_customer(session, contract.customer_id)
    tax = taxes.tax_of(
        session,
        customer_rate_id=customer.tax_rate_id,
        is_exempt=customer.is_tax_exempt,
        product_rate_id=product.tax_rate_id,
    )
    charges = [Charge(line.amount, tax) for line in draw.lines]
    discounts = [_discount(coupon, product, draw.lines) for coupon in coupons]
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
