"""Invoices made by hand: lines that somebody writes, of no contract and no usage.

A draft waits for him who made it: nothing finalises it by itself, and he may change it or throw
it away. Finalised, it is an invoice as any other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.billing import collection
from app.billing.lines import MAX_LINE, LineTooLarge
from app.billing.models import Invoice, InvoiceKind, InvoiceLine, InvoiceStatus, LineKind
from app.billing.proration import Days
from app.billing.quotes import Quote, quote
from app.billing.totals import Charge, LineTotal, Totals, total_of
from app.billing.working import hand_written
from app.core import ids
from app.core.decimals import EXACT, InvalidDecimal, parse_decimal
from app.core.errors import Conflict, Invalid
from app.core.money import Currency, Money
from app.core.periods import local_date, local_midnight
from app.core.text import clean_name, clean_text
from app.customers import queries as customers
from app.customers.contracts import CustomerArchived
from app.customers.models import Customer, CustomerStatus
from app.fx.rates import RateSource
from app.identity import clocks
from app.pricing import taxes
from app.pricing.models import TaxRate
from app.pricing.taxing import Tax

MAX_ITEMS = 100
NOTE_LENGTH = 500
LONGEST_PERIOD = timedelta(days=3660)


class NotADraftByHand(Conflict):
    """What is issued never changes, and what a contract makes is not changed by hand."""

    code = "invoice_not_editable"


class InvalidItems(Invalid):
    code = "invalid_items"


@dataclass(frozen=True, slots=True)
class Item:
    """A line as it is asked for; quantity and price, in minor units, are decimal texts.

    Without a tax rate the line is under the customer's, else the merchant's default.
    """

    description: str
    quantity: str
    unit_price: str
    tax_rate_id: int | None = None


@dataclass(frozen=True, slots=True)
class OneOff:
    """An invoice as it is asked for. Without a period it is about the day it is made on."""

    customer_id: int
    currency: Currency
    items: Sequence[Item]
    note: str = ""
    period: Days | None = None


def draft(session: Session, asked: OneOff, *, now: datetime) -> Invoice:
    """Write down a draft with its lines and totals.

    Raises NotFound, CustomerArchived, Invalid and LineTooLarge, naming the field.
    """
    merchant = clocks.get_merchant(session)
    invoice = Invoice(
        merchant_id=merchant.merchant_id,
        id=ids.new_id(),
        kind=InvoiceKind.ONE_OFF,
        status=InvoiceStatus.DRAFT,
        time_zone=merchant.time_zone,
        subtotal_minor=0,
        settlement_currency=merchant.settlement_currency,
        link_secret=ids.random_base62(collection.SECRET_LENGTH),
        created_at=now,
    )
    _write(session, invoice, asked, now=now)
    return invoice


def rewrite(session: Session, invoice_id: int, asked: OneOff, *, now: datetime) -> Invoice:
    """Replace all that a draft made by hand says.

    Locks it. Raises NotADraftByHand, and what `draft` raises.
    """
    invoice = _lock_draft(session, invoice_id)
    session.execute(delete(InvoiceLine).where(InvoiceLine.invoice_id == invoice.id))
    _write(session, invoice, asked, now=now)
    return invoice


def discard(session: Session, invoice_id: int) -> None:
    """Throw away a draft made by hand. Locks it. Raises NotFound and NotADraftByHand."""
    invoice = _lock_draft(session, invoice_id)
    session.execute(delete(InvoiceLine).where(InvoiceLine.invoice_id == invoice.id))
    session.delete(invoice)


def preview(session: Session, invoice: Invoice, *, rates: RateSource, now: datetime) -> Quote:
    """Return what a draft would lock if it were finalised now. Raises NoRate."""
    return quote(session, invoice.total, rates=rates, now=now)


def tax_rates_of(
    session: Session, invoice: Invoice, lines: Sequence[InvoiceLine]
) -> list[int | None]:
    """Return the rate that each line of a draft was put under by hand, None for the customer's.

    A line keeps what its tax is, not which rate that was: of two that say the same, the one that
    may still be given, and of those the newest.
    """
    customer = customers.get_customer(session, invoice.customer_id)
    usual = _usual_tax(session, customer)
    archived_first = select(TaxRate).order_by(TaxRate.status.desc(), TaxRate.id)
    known = {
        Tax(rate.percent, rate.is_inclusive): rate.id for rate in session.scalars(archived_first)
    }
    found = [_tax_of(line) for line in lines]
    return [None if tax in {usual, None} else known[tax] for tax in found]


def is_editable(invoice: Invoice) -> bool:
    return invoice.kind is InvoiceKind.ONE_OFF and invoice.status is InvoiceStatus.DRAFT


def _lock_draft(session: Session, invoice_id: int) -> Invoice:
    invoice = collection.lock_invoice(session, invoice_id)
    if not is_editable(invoice):
        raise NotADraftByHand("only a draft made by hand can be changed or thrown away")
    return invoice


def _write(session: Session, invoice: Invoice, asked: OneOff, *, now: datetime) -> None:
    customer = _customer(session, asked.customer_id)
    if not 1 <= len(asked.items) <= MAX_ITEMS:
        raise InvalidItems(f"must be 1 to {MAX_ITEMS} lines", path="items")
    zone = ZoneInfo(invoice.time_zone)
    today = local_date(now, zone)
    period = _checked(asked.period or Days(today, today + timedelta(days=1)))
    invoice.customer_id, invoice.currency = customer.id, asked.currency
    invoice.note = clean_text(asked.note, path="note", max_length=NOTE_LENGTH)
    invoice.period_from, invoice.period_to = period.first, period.end
    invoice.period_start_at = local_midnight(period.first, zone)
    invoice.period_end_at = local_midnight(period.end, zone)
    rows = [_row(invoice, position, item) for position, item in enumerate(asked.items, start=1)]
    charges = [
        Charge(Money(row.amount_minor, asked.currency), _tax(session, customer, item))
        for row, item in zip(rows, asked.items, strict=True)
    ]
    _set_totals(invoice, rows, total_of(charges, [], asked.currency))
    session.add(invoice)
    session.flush()  # its lines' foreign key needs the row
    session.add_all(rows)


def _customer(session: Session, customer_id: int) -> Customer:
    customer = customers.get_customer(session, customer_id)
    if customer.status is CustomerStatus.ARCHIVED:
        raise CustomerArchived(f"{customer.external_id} is archived", path="customer_id")
    return customer


def _checked(period: Days) -> Days:
    if not timedelta(0) < period.end - period.first <= LONGEST_PERIOD:
        raise Invalid("must end after it starts, within ten years", path="period_to")
    if not date(2000, 1, 1) <= period.first < date(2200, 1, 1):
        raise Invalid("must be between the years 2000 and 2199", path="period_from")
    return period


def _row(invoice: Invoice, position: int, item: Item) -> InvoiceLine:
    path = f"items[{position - 1}]"
    quantity = parse_decimal(item.quantity, path=f"{path}.quantity")
    if not quantity:
        raise InvalidDecimal("must be above zero", path=f"{path}.quantity")
    unit_price = parse_decimal(item.unit_price, path=f"{path}.unit_price")
    exact = EXACT.multiply(quantity, unit_price)
    if exact > MAX_LINE:
        raise LineTooLarge("it comes to more than we bill", path=f"{path}.unit_price")
    return InvoiceLine(
        merchant_id=invoice.merchant_id,
        invoice_id=invoice.id,
        position=position,
        kind=LineKind.ITEM,
        part={},
        period_from=invoice.period_from,
        period_to=invoice.period_to,
        metric_id=None,
        metric_code="",
        description=clean_name(item.description, path=f"{path}.description"),
        unit="",
        quantity=quantity,
        events=0,
        amount_minor=Money.rounded(exact, invoice.currency).minor,
        is_priced=True,
        tiers=hand_written(quantity, unit_price, exact),
    )


def _tax(session: Session, customer: Customer, item: Item) -> Tax | None:
    if item.tax_rate_id is None:
        return _usual_tax(session, customer)
    rate = taxes.lock_active(session, item.tax_rate_id)
    return Tax(rate.percent, rate.is_inclusive)


def _usual_tax(session: Session, customer: Customer) -> Tax | None:
    return taxes.tax_of(
        session,
        customer_rate_id=customer.tax_rate_id,
        is_exempt=customer.is_tax_exempt,
        product_rate_id=None,
    )


def _tax_of(line: InvoiceLine) -> Tax | None:
    return None if line.tax_percent is None else Tax(line.tax_percent, line.tax_is_inclusive)


def _set_totals(invoice: Invoice, rows: Sequence[InvoiceLine], totals: Totals) -> None:
    invoice.discount_minor = totals.discount.minor
    invoice.subtotal_minor, invoice.tax_minor = totals.subtotal.minor, totals.tax.minor
    invoice.total_minor = totals.total.minor
    for row, total in zip(rows, totals.lines, strict=True):
        _set_tax(row, total)


def _set_tax(row: InvoiceLine, total: LineTotal) -> None:
    row.discount_minor, row.tax_minor = total.discount.minor, total.tax.minor
    row.tax_percent, row.tax_is_inclusive = total.tax_percent, total.is_inclusive
