"""Previews: what the open period of a contract would be billed with the usage so far."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.billing import balances, bills
from app.billing.bills import Bill
from app.billing.desk import Desk
from app.billing.lines import Line
from app.billing.models import Invoice, InvoiceStatus
from app.billing.quotes import Quote, quote
from app.billing.scopes import Scope, scope_of
from app.billing.totals import Totals
from app.core.errors import Conflict
from app.customers import queries as customers
from app.customers.models import Contract
from app.fx.rates import RateSource
from app.identity import clocks
from app.pricing import queries as catalogue
from app.pricing.price_sets import read_terms


class NotADraft(Conflict):
    code = "invoice_not_draft"


@dataclass(frozen=True, slots=True)
class Preview:
    """The next invoice as it would be if its period were over: with all that it would bill.

    Late usage, commitment, coupons and tax are in it. Of the customer's balance nothing is taken,
    unless it says so.
    """

    period_from: date
    period_to: date
    bill: Bill
    quote: Quote

    @property
    def lines(self) -> Sequence[Line]:
        return self.bill.lines

    @property
    def totals(self) -> Totals:
        return self.bill.totals

    @property
    def unpriced(self) -> list[Line]:
        """Usage that no price takes: it would be billed at nothing."""
        return [line for line in self.lines if not line.is_priced]


def preview(
    session: Session, contract: Contract, *, rates: RateSource, now: datetime
) -> Preview | None:
    """Return what the contract's open period comes to so far, or None when it has none.

    Nothing is written. Raises LineTooLarge and NoRate.
    """
    scope = open_scope(session, contract)
    if scope is None:
        return None
    bill = bills.period_bill(Desk(session), contract, scope)
    quoted = quote(session, bill.totals.total, rates=rates, now=now)
    return Preview(scope.first_day, scope.end_day, bill, quoted)


def preview_draft(
    session: Session, invoice: Invoice, *, rates: RateSource, now: datetime
) -> Preview:
    """Return what a draft would be if it were finalised now: with the usage that came since.

    What the customer's balance would pay of it is taken off. Nothing is written. Raises NotADraft,
    LineTooLarge and NoRate.
    """
    if invoice.status is not InvoiceStatus.DRAFT:
        raise NotADraft(f"an invoice that is {invoice.status} is as it is")
    contract = None
    if invoice.contract_id is not None:
        contract = customers.get_contract(session, invoice.contract_id)
    bill = bills.bill_of(Desk(session), contract, invoice)
    quoted = quote(session, bill.totals.total, rates=rates, now=now)
    balance = balances.balance_of(session, invoice.customer_id)
    quoted = quoted.less(min(balance, quoted.amounts.collect))
    return Preview(invoice.period_from, invoice.period_to, bill, quoted)


def open_scope(session: Session, contract: Contract) -> Scope | None:
    """Return what the contract's next invoice is about, None when it has none."""
    period = contract.open_period
    if period is None:
        return None
    zone = ZoneInfo(clocks.get_merchant(session).time_zone)
    version = catalogue.get_version(session, contract.rate_card_version_id)
    return scope_of(contract, period, read_terms(version.content, contract.currency), zone=zone)
