"""The lines of an invoice, there or to come, with the working of each."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

import msgspec

from app.api.v1.base import Amount, DecimalText, Out
from app.billing.lines import Line
from app.billing.models import InvoiceLine, LineKind
from app.billing.totals import LineTotal
from app.billing.working import Step
from app.core.decimals import plain
from app.core.money import Currency, Money

SignedDecimal = Annotated[
    str,
    msgspec.Meta(
        description="An exact decimal, as text; below zero where something is taken back.",
        extra_json_schema={"pattern": r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$"},
    ),
]


class TierOut(Out):
    """One step of a line's working: its amounts, in exact minor units, add up to the line.

    `basis` says what the quantity counts. `discount`, `maximum`, `minimum` and `billed`, which is
    what earlier invoices charged, have an amount alone.
    """

    above: SignedDecimal
    up_to: SignedDecimal | None
    quantity: SignedDecimal
    unit_price: SignedDecimal
    flat_fee: SignedDecimal
    amount: SignedDecimal
    basis: Step = Step.UNITS
    package_size: SignedDecimal | None = None


class InvoiceLineOut(Out):
    """One part of a metric's price, a commitment's rest, or usage that came late.

    `part` tells the parts of a metric's price apart: `{}` is the default price, `filter` the
    position of a filter, `group` the values of a group; `description` says it in words. The usage
    is that of the days from `periodFrom` to `periodTo`: of a `late` line an earlier period's, and
    so is that of a `commitment` which late usage changed. Usage without a price is a line of zero
    that is not priced.

    `amount` is what the line was rated at, `discount` its share of the coupons. Of the rest, an
    inclusive `tax` is a part; any other comes on top of it.
    """

    kind: LineKind
    metric: str | None
    part: dict[str, Any]
    description: str
    period_from: date
    period_to: date
    unit: str
    quantity: SignedDecimal
    events: int
    amount: Amount
    discount: Amount
    tax: Amount
    tax_percent: DecimalText | None
    tax_is_inclusive: bool
    is_priced: bool
    tiers: list[TierOut]

    @classmethod
    def of(cls, line: InvoiceLine, currency: Currency) -> "InvoiceLineOut":
        return cls(
            kind=line.kind,
            metric=line.metric_code or None,
            part=line.part,
            description=line.description,
            period_from=line.period_from,
            period_to=line.period_to,
            unit=line.unit,
            quantity=plain(line.quantity),
            events=line.events,
            amount=Amount.of(Money(line.amount_minor, currency)),
            discount=Amount.of(Money(line.discount_minor, currency)),
            tax=Amount.of(Money(line.tax_minor, currency)),
            tax_percent=None if line.tax_percent is None else plain(line.tax_percent),
            tax_is_inclusive=line.tax_is_inclusive,
            is_priced=line.is_priced,
            tiers=[_tier(tier) for tier in line.tiers],
        )

    @classmethod
    def to_come(cls, line: Line, total: LineTotal) -> "InvoiceLineOut":
        return cls(
            kind=line.kind,
            metric=line.metric.code if line.metric else None,
            part=dict(line.part),
            description=line.description,
            period_from=line.first_day,
            period_to=line.end_day,
            unit=line.metric.unit if line.metric else "",
            quantity=plain(line.usage.quantity),
            events=line.usage.events,
            amount=Amount.of(line.amount),
            discount=Amount.of(total.discount),
            tax=Amount.of(total.tax),
            tax_percent=None if total.tax_percent is None else plain(total.tax_percent),
            tax_is_inclusive=total.is_inclusive,
            is_priced=line.is_priced,
            tiers=[_tier(tier) for tier in line.tiers],
        )


def _tier(tier: Mapping[str, Any]) -> TierOut:
    return TierOut(**{**tier, "basis": Step(tier.get("basis", Step.UNITS))})
