"""The lines of an invoice as its page shows them, down to the events, and what they add up to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from flask import url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from app.billing import redemptions
from app.billing.models import Invoice, InvoiceLine, LineKind
from app.core.money import Money
from app.documents.formats import decimal
from app.pricing.filters import ANY
from app.web import line_steps, ranges
from app.web.line_steps import StepRow


@dataclass(frozen=True)
class Line:
    """One line of the invoice; `late_of` is the earlier period it is about.

    `events_url` leads to the events behind it, and is empty where there are none.
    """

    metric: str
    description: str
    late_of: tuple[date, date] | None
    unit: str
    quantity: str
    events: int
    events_url: str
    amount: Money
    discount: Money
    tax: Money
    tax_name: str
    is_priced: bool
    unit_price: str
    tiers: Sequence[StepRow]


@dataclass(frozen=True)
class Sum:
    """One row under the lines: what is added or taken off, and how much it is."""

    label: str
    amount: Money


def rows_of(lines: Sequence[InvoiceLine], invoice: Invoice, *, customer: str) -> list[Line]:
    """Return the lines as rows; `customer` is his external id."""
    return [_row(line, invoice, customer=customer) for line in lines]


def sums_of(session: Session, lines: Sequence[InvoiceLine], invoice: Invoice) -> list[Sum]:
    """Return what leads from the lines to the total, when that is not the lines alone.

    Inclusive tax is a part of the lines: the subtotal is without it.
    """
    if not invoice.discount and not any(line.tax_percent is not None for line in lines):
        return []
    gross = sum((line.amount_minor for line in lines), 0)
    taxes = _taxes(lines, invoice)
    coupons = redemptions.list_of_invoice(session, invoice)
    return [
        Sum(_("Lines"), Money(gross, invoice.currency)),
        *(Sum(_("Coupon %(name)s", name=coupon.name), -amount) for coupon, amount in coupons),
        Sum(_("Before tax") if taxes else _("Subtotal"), invoice.subtotal),
        *taxes,
    ]


def _taxes(lines: Sequence[InvoiceLine], invoice: Invoice) -> list[Sum]:
    by_name: dict[str, int] = {}
    for line in lines:
        if line.tax_percent is not None:
            name = tax_name(line)
            by_name[name] = by_name.get(name, 0) + line.tax_minor
    return [Sum(name, Money(minor, invoice.currency)) for name, minor in by_name.items()]


def tax_name(line: InvoiceLine) -> str:
    """Say which tax is on the line; nothing when none is."""
    if line.tax_percent is None:
        return ""
    rate = f"{decimal(line.tax_percent)}%"
    if line.tax_is_inclusive:
        return str(_("Tax %(rate)s, included", rate=rate))
    return str(_("Tax %(rate)s", rate=rate))


def _row(line: InvoiceLine, invoice: Invoice, *, customer: str) -> Line:
    is_commitment = line.kind is LineKind.COMMITMENT
    steps = line_steps.steps_of(line, invoice.currency)
    is_item = line.kind is LineKind.ITEM and len(steps) == 1  # the row itself says all of its step
    return Line(
        metric=line.metric_code,
        description=_("Minimum commitment") if is_commitment else line.description,
        late_of=invoice.earlier_period(line),
        unit=line.unit,
        quantity="" if is_commitment else decimal(line.quantity),
        events=line.events,
        events_url=_events_url(line, invoice, customer=customer) if line.metric_code else "",
        amount=Money(line.amount_minor, invoice.currency),
        discount=Money(line.discount_minor, invoice.currency),
        tax=Money(line.tax_minor, invoice.currency),
        tax_name=tax_name(line),
        is_priced=line.is_priced,
        unit_price=steps[0].unit_price if is_item else "",
        tiers=[] if is_item else steps,
    )


def _events_url(line: InvoiceLine, invoice: Invoice, *, customer: str) -> str:
    return url_for(
        "web.usage_events",
        customer=customer,
        metric=line.metric_code,
        range=ranges.days_key(line.period_from, line.period_to - timedelta(days=1)),
        dimension=[f"{name}={value}" for name, value in _dimensions(line, invoice)],
    )


def _dimensions(line: InvoiceLine, invoice: Invoice) -> list[tuple[str, str]]:
    """Return what tells the events of the line apart: names with a value each may have.

    A price for any value, or for what no other price takes, tells nothing apart by itself.
    """
    group = line.part.get("group", {})
    matched = _match(line, invoice.rate_card or {}, currency=invoice.currency.value)
    told = {name: values for name, values in matched.items() if values != ANY} | {
        name: [value] for name, value in group.items()
    }
    return [(name, value) for name, values in told.items() for value in values]


def _match(line: InvoiceLine, content: Mapping[str, Any], *, currency: str) -> Mapping[str, Any]:
    """Return what the filter of the line's price matches, by the invoice's copy of the prices."""
    position = line.part.get("filter")
    prices = content.get("currencies", {}).get(currency, [])
    if position is None or not isinstance(prices, list):
        return {}
    filters: list[Any] = next(
        (price.get("filters", []) for price in prices if price.get("metric") == line.metric_code),
        [],
    )
    matched: Mapping[str, Any] = filters[position]["match"] if position < len(filters) else {}
    return matched
