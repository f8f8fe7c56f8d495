"""Bills: all the lines that an invoice of a contract has, worked out and not yet written down."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy.orm import Session

from app.billing import late, queries
from app.billing.amounts import sum_lines
from app.billing.late import LatePeriod
from app.billing.lines import Line, rate_period
from app.billing.models import Invoice, InvoiceKind
from app.billing.scopes import Scope, scope_of_invoice
from app.core.money import Currency, Money
from app.customers.models import Contract
from app.metering.usage import Usage


@dataclass(frozen=True, slots=True)
class Bill:
    """The lines of an invoice: its own period first, then late usage of earlier ones.

    `late_from` is the first day of a period whose credit was left for the next invoice.
    """

    currency: Currency
    lines: Sequence[Line]
    late_from: date | None

    @property
    def subtotal(self) -> Money:
        return sum_lines((line.amount for line in self.lines), self.currency)


def bill_of(session: Session, contract: Contract | None, invoice: Invoice) -> Bill:
    """Work out what the invoice bills with the usage there is now. Raises LineTooLarge.

    One made by hand, of no contract, bills the lines that were written.
    """
    if contract is None:
        return Bill(invoice.currency, _written_lines(session, invoice), None)
    if invoice.kind is InvoiceKind.LATE:
        return late_bill(session, contract)
    return period_bill(session, contract, scope_of_invoice(contract, invoice))


def period_bill(session: Session, contract: Contract, scope: Scope) -> Bill:
    """Work out the bill of one period of the contract. Raises LineTooLarge."""
    return _with_late(session, contract, rate_period(session, scope))


def late_bill(session: Session, contract: Contract) -> Bill:
    """Work out the bill of late usage alone. Raises LineTooLarge."""
    return _with_late(session, contract, [])


def _with_late(session: Session, contract: Contract, own: Sequence[Line]) -> Bill:
    periods = late.late_periods(session, contract)
    taken = late.fitting(sum_lines((line.amount for line in own), contract.currency), periods)
    lines = [*own, *(line for period in taken for line in period.lines)]
    return Bill(contract.currency, lines, _first_left(periods, taken))


def _written_lines(session: Session, invoice: Invoice) -> list[Line]:
    return [
        Line(
            kind=line.kind,
            metric=None,
            part=line.part,
            description=line.description,
            usage=Usage(line.quantity, line.events),
            amount=Money(line.amount_minor, invoice.currency),
            tiers=line.tiers,
            first_day=line.period_from,
            end_day=line.period_to,
        )
        for line in queries.lines_of(session, invoice)
    ]


def _first_left(periods: Sequence[LatePeriod], taken: Sequence[LatePeriod]) -> date | None:
    left = (period.invoice.period_from for period in periods if period not in taken)
    return min(left, default=None)
