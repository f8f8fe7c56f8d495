"""What an invoice says on paper: our rows, copied into the print that documents set."""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal, localcontext
from typing import Any

from sqlalchemy.orm import Session

from app.billing import queries, redemptions, reissue
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
    PrintBrand,
    PrintDiscount,
    PrintForm,
    PrintLine,
    PrintLineKind,
    PrintParty,
    PrintPayment,
    PrintRate,
    PrintStep,
    PrintTax,
    PrintTier,
    PrintWorking,
)
from app.fx.conversion import RATE_DECIMALS
from app.identity import branding, clocks
from app.pricing.models import Coupon

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
    form: PrintForm = PrintForm.INVOICE,
    payment: PrintPayment | None = None,
) -> InvoicePrint:
    """Return the print of a finalised invoice; `payment` is what settled it, if a channel did.

    As an invoice it says what was issued, whatever was credited or paid since. Raises NotFound,
    and NotIssued for a draft.
    """
    invoice = queries.get_invoice(session, invoice_id)
    page = _as_issued(session, invoice, language, form=form)
    if form is PrintForm.INVOICE:
        return page
    successor = reissue.find_successor(session, invoice)
    return replace(
        _with_what_came(page, invoice),
        replaced_by=str(successor.number) if successor else "",
        payment=payment,
    )


def _as_issued(
    session: Session, invoice: Invoice, language: Language, *, form: PrintForm
) -> InvoicePrint:
    """Copy what was issued, whatever came since. Raises NotIssued."""
    if invoice.number is None or invoice.finalized_at is None:
        raise NotIssued("a draft is not printed")
    lines = queries.lines_of(session, invoice)
    return InvoicePrint(
        reference=show(Prefix.INVOICE, invoice.id),
        number=invoice.number,
        form=form,
        merchant=seller(session),
        customer=buyer(session, invoice.customer_id),
        zone=invoice.time_zone,
        issued_at=invoice.finalized_at,
        due_at=invoice.due_at,
        replaces=_replaced(session, invoice),
        note=invoice.note,
        period_from=invoice.period_from if invoice.kind is InvoiceKind.USAGE else None,
        period_to=invoice.period_to,
        lines=tuple(_line(line, invoice, language) for line in lines),
        discounts=discounts_of(session, invoice),
        subtotal=invoice.subtotal,
        taxes=taxes_of(lines, invoice.currency),
        total=invoice.total,
        collection=invoice.collection,
        balance_used=invoice.balance_used or None,
        rate=rate_of(invoice),
        brand=brand(session),
        is_sandbox=clocks.get_merchant(session).is_sandbox,
    )


def _with_what_came(page: InvoicePrint, invoice: Invoice) -> InvoicePrint:
    """Add what happened to the invoice since it was issued."""
    credited = invoice.collection - invoice.balance_used - invoice.due
    return replace(
        page,
        paid_at=invoice.paid_at,
        voided_at=invoice.voided_at,
        void_reason=invoice.void_reason or "",
        credited=credited or None,
    )


def seller(session: Session) -> PrintParty:
    """Return the merchant as documents name it."""
    found = branding.get_branding(session)
    name = found.legal_name or clocks.get_merchant(session).name
    return PrintParty(name, tax_id=found.tax_id, address=found.legal_address)


def buyer(session: Session, customer_id: int) -> PrintParty:
    customer = customers.get_customer(session, customer_id)
    return PrintParty(customer.name, customer.external_id, email=customer.email)


def brand(session: Session) -> PrintBrand:
    """Return how the merchant's documents look from now on."""
    found = branding.get_branding(session)
    return PrintBrand(found.logo or b"", found.color, found.footer)


def _replaced(session: Session, invoice: Invoice) -> str:
    """Return the number of the invoice that this one was issued anew for, or nothing."""
    if invoice.reissue_of_id is None:
        return ""
    return queries.get_invoice(session, invoice.reissue_of_id).number or ""


def discounts_of(session: Session, invoice: Invoice) -> tuple[PrintDiscount, ...]:
    """Return what each coupon takes off the invoice."""
    return tuple(
        PrintDiscount(_coupon_name(coupon), amount)
        for coupon, amount in redemptions.list_of_invoice(session, invoice)
        if amount
    )


def _coupon_name(coupon: Coupon) -> str:
    return coupon.name if coupon.percent is None else f"{coupon.name} ({decimal(coupon.percent)}%)"


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
        discount=Money(line.discount_minor, currency) if line.discount_minor else None,
        tax=None if line.tax_percent is None else Money(line.tax_minor, currency),
        tax_percent=line.tax_percent,
        working=tuple(_working(tier) for tier in line.tiers),
    )


def taxes_of(lines: Iterable[InvoiceLine], currency: Currency) -> tuple[PrintTax, ...]:
    """Add up the tax of the lines by rate, the highest first."""
    taxes: dict[tuple[Decimal, bool], tuple[int, int]] = {}
    for line in lines:
        if line.tax_percent is None:
            continue
        key = (line.tax_percent, line.tax_is_inclusive)
        base, tax = taxes.get(key, (0, 0))
        included = line.tax_minor if line.tax_is_inclusive else 0
        base += line.amount_minor - line.discount_minor - included
        taxes[key] = (base, tax + line.tax_minor)
    return tuple(
        PrintTax(percent, Money(base, currency), Money(tax, currency), is_inclusive)
        for (percent, is_inclusive), (base, tax) in sorted(taxes.items(), reverse=True)
    )


def _working(tier: dict[str, Any]) -> PrintWorking:
    """Copy a step as it is kept: exact minor units."""
    package_size = tier.get("package_size")
    return PrintWorking(
        step=PrintStep(tier.get("basis", PrintStep.UNITS)),
        above=Decimal(tier["above"]),
        up_to=None if tier["up_to"] is None else Decimal(tier["up_to"]),
        quantity=Decimal(tier["quantity"]),
        unit_price_minor=Decimal(tier["unit_price"]),
        flat_fee_minor=Decimal(tier["flat_fee"]),
        amount_minor=Decimal(tier["amount"]),
        package_size=None if package_size is None else Decimal(package_size),
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


def rate_of(invoice: Invoice) -> PrintRate | None:
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
