"""What an invoice says on paper: our rows, copied into the print that documents set."""

from decimal import Decimal, localcontext
from typing import Any

from sqlalchemy.orm import Session

from app.billing import queries
from app.billing.models import Invoice, InvoiceKind, InvoiceLine, LineKind
from app.core.decimals import EXACT
from app.core.errors import Conflict
from app.core.ids import Prefix, show
from app.core.language import Language
from app.core.money import Currency, Money, round_half_up
from app.customers import queries as customers
from app.documents.formats import decimal, price
from app.documents.invoice_print import (
    InvoicePrint,
    PrintLine,
    PrintLineKind,
    PrintParty,
    PrintPayment,
    PrintRate,
    PrintStatus,
    PrintStep,
    PrintTier,
)
from app.fx.conversion import RATE_DECIMALS
from app.identity import clocks

_NO_PRICE = "—"
_WITH_QUANTITY = frozenset(
    {PrintStep.UNITS, PrintStep.PACKAGES, PrintStep.AMOUNT, PrintStep.EVENTS}
)


class NotIssued(Conflict):
    code = "invoice_not_issued"


def print_model(
    session: Session,
    invoice_id: int,
    *,
    language: Language,
    payment: PrintPayment | None = None,
) -> InvoicePrint:
    """Return the print of a finalised invoice; `payment` is what settled it, if something did.

    Raises NotFound, and NotIssued for a draft.
    """
    invoice = queries.get_invoice(session, invoice_id)
    if invoice.number is None or invoice.finalized_at is None:
        raise NotIssued("a draft is not printed")
    merchant = clocks.get_merchant(session)
    customer = customers.get_customer(session, invoice.customer_id)
    return InvoicePrint(
        reference=show(Prefix.INVOICE, invoice.id),
        number=invoice.number,
        status=PrintStatus(invoice.status),
        merchant=PrintParty(merchant.name),
        customer=PrintParty(customer.name, customer.external_id, email=customer.email),
        zone=invoice.time_zone,
        issued_at=invoice.finalized_at,
        due_at=invoice.due_at,
        period_from=invoice.period_from if invoice.kind is InvoiceKind.USAGE else None,
        period_to=invoice.period_to,
        lines=tuple(_line(line, invoice, language) for line in queries.lines_of(session, invoice)),
        subtotal=invoice.subtotal,
        collection=invoice.collection,
        rate=_rate(invoice),
        payment=payment,
        is_sandbox=merchant.is_sandbox,
    )


def _line(line: InvoiceLine, invoice: Invoice, language: Language) -> PrintLine:
    currency = invoice.currency
    is_tiered = len(line.tiers) > 1
    is_commitment = line.kind is LineKind.COMMITMENT
    return PrintLine(
        description=line.description,
        amount=Money(line.amount_minor, currency),
        metric=line.metric_code,
        quantity=None if is_commitment else line.quantity,
        unit=line.unit,
        unit_price=""
        if is_tiered or is_commitment
        else _unit_price(line.tiers, currency, language),
        tiers=tuple(_tier(tier, currency, language) for tier in line.tiers) if is_tiered else (),
        kind=PrintLineKind(line.kind),
        late_days=invoice.earlier_period(line),
    )


def _unit_price(tiers: list[Any], currency: Currency, language: Language) -> str:
    return _tier(tiers[0], currency, language).unit_price if tiers else _NO_PRICE


def _tier(tier: dict[str, Any], currency: Currency, language: Language) -> PrintTier:
    step = PrintStep(tier.get("basis", PrintStep.UNITS))
    has_quantity = step in _WITH_QUANTITY
    return PrintTier(
        above=Decimal(tier["above"]),
        up_to=None if tier["up_to"] is None else Decimal(tier["up_to"]),
        quantity=Decimal(tier["quantity"]) if has_quantity else None,
        unit_price=_price_of(tier, step, currency=currency, language=language)
        if has_quantity
        else "",
        amount=_shown(tier["amount"], currency, language),
        step=step,
    )


def _price_of(
    tier: dict[str, Any], step: PrintStep, *, currency: Currency, language: Language
) -> str:
    if step is PrintStep.AMOUNT:  # minor units for each major one: the percentage that is
        rate = EXACT.scaleb(Decimal(tier["unit_price"]), 2 - currency.exponent)
        unit_price = f"{decimal(rate)}%"
    elif tier["unit_price"] == "0":
        unit_price = _NO_PRICE
    else:
        unit_price = _shown(tier["unit_price"], currency, language)
    if step is PrintStep.PACKAGES:
        unit_price = f"{unit_price} / {decimal(Decimal(tier['package_size']))}"
    if tier["flat_fee"] != "0":
        unit_price = f"{unit_price} + {_shown(tier['flat_fee'], currency, language)}"
    return unit_price


def _shown(minor: str, currency: Currency, language: Language) -> str:
    with localcontext(EXACT):
        return price(Decimal(minor).scaleb(-currency.exponent), currency, language)


def _rate(invoice: Invoice) -> PrintRate | None:
    """Return the snapshot of the pricing currency, or None where prices are in CNY."""
    if invoice.fx is None or invoice.currency is Currency.CNY:
        return None
    return PrintRate(
        currency=invoice.currency,
        midpoint=invoice.fx.pricing_midpoint,
        spread_bps=invoice.fx.spread_bps,
        rate=round_half_up(invoice.fx.pricing_rate, RATE_DECIMALS),
        source=invoice.fx.publisher,
        published_at=invoice.fx.published_at,
    )
