"""Late usage: what came after the invoice of its period was out goes on a later invoice.

The period is rated again, whole, at the prices its invoice kept; what earlier invoices charged
for it comes off, line by line. So however often and in whichever order usage comes, all lines
about a period add up to what the period costs (`docs/decisions/0015-late-usage.md`).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.billing import lines as rating
from app.billing.amounts import sum_lines
from app.billing.desk import Desk
from app.billing.lines import Key, Line, line_key
from app.billing.models import Invoice, InvoiceKind, InvoiceLine, InvoiceStatus, LineKind
from app.billing.working import less_billed
from app.core.decimals import EXACT
from app.core.money import Currency, Money
from app.customers.models import Contract
from app.metering.usage import NO_USAGE, Usage
from app.pricing import queries as catalogue


@dataclass(frozen=True, slots=True)
class Billed:
    """What invoices charged so far for one part of a period, and for how much of it."""

    usage: Usage
    amount: Money
    last: InvoiceLine


@dataclass(frozen=True, slots=True)
class LatePeriod:
    """What is due for a period beyond its invoice, in the invoice's currency; may be a credit."""

    invoice: Invoice
    lines: Sequence[Line]

    @property
    def first_day(self) -> date:
        return self.invoice.period_from

    @property
    def net(self) -> Money:
        return sum_lines((line.amount for line in self.lines), self.invoice.currency)


def late_periods(desk: Desk, contract: Contract) -> list[LatePeriod]:
    """Return the periods for which more, or less, is due than was billed; the oldest first.

    Only periods whose invoice is out, from the contract's `late_from` on, are looked at. With
    the contract locked, no usage is missed: who stores late usage locks it too. Raises
    LineTooLarge.
    """
    if contract.late_from is None:
        return []
    invoices = _invoices_since(desk.session, contract, contract.late_from)
    billed = _billed(desk.session, contract, invoices)
    found = [
        LatePeriod(invoice, list(_differences(desk, contract, invoice, billed=billed)))
        for invoice in invoices
    ]
    return [period for period in found if period.lines]


def fitting(own: Money, periods: Iterable[LatePeriod]) -> list[LatePeriod]:
    """Return the periods an invoice takes on top of `own`, so that it does not fall below zero.

    A period is taken whole or left whole, to the next invoice: its credits and its charges may
    belong together. Those that add come first; of the others the oldest that fit.
    """
    taken, total = [], own
    for period in sorted(periods, key=lambda period: period.net.minor < 0):  # stable: by age
        if (total + period.net).minor >= 0:
            total += period.net
            taken.append(period)
    return sorted(taken, key=lambda period: period.invoice.period_start_at)


def _invoices_since(session: Session, contract: Contract, day: date) -> Sequence[Invoice]:
    return session.scalars(
        select(Invoice)
        .where(
            Invoice.contract_id == contract.id,
            Invoice.kind == InvoiceKind.USAGE,
            Invoice.status != InvoiceStatus.DRAFT,
            Invoice.reissue_of_id.is_(None),
            Invoice.period_to > day,
        )
        .order_by(Invoice.period_start_at)
    ).all()


def _billed(
    session: Session, contract: Contract, invoices: Iterable[Invoice]
) -> dict[date, dict[Key, Billed]]:
    """Return what is billed of these invoices' periods, by first day and part.

    A void invoice counts: whoever voids it decides not to collect that, and would else be
    surprised to find it on the next one.
    """
    statement = (
        select(InvoiceLine, Invoice.currency)
        .join(
            Invoice,
            (Invoice.merchant_id == InvoiceLine.merchant_id)
            & (Invoice.id == InvoiceLine.invoice_id),
        )
        .where(
            Invoice.contract_id == contract.id,
            Invoice.status != InvoiceStatus.DRAFT,
            Invoice.reissue_of_id.is_(None),  # it has the lines of the one it replaces
            InvoiceLine.period_from.in_([invoice.period_from for invoice in invoices]),
        )
        .order_by(Invoice.period_start_at, InvoiceLine.position)
    )
    billed: dict[date, dict[Key, Billed]] = defaultdict(dict)
    for line, currency in session.execute(statement):
        known = billed[line.period_from]
        key = line_key(line.metric_id, line.part)
        known[key] = _billed_further(known.get(key), line, currency)
    return billed


def _billed_further(before: Billed | None, line: InvoiceLine, currency: Currency) -> Billed:
    usage, amount = Usage(line.quantity, line.events), Money(line.amount_minor, currency)
    if before is not None:
        usage, amount = _plus(before.usage, usage), before.amount + amount
    return Billed(usage, amount, line)


def _differences(
    desk: Desk,
    contract: Contract,
    invoice: Invoice,
    *,
    billed: Mapping[date, Mapping[Key, Billed]],
) -> Iterator[Line]:
    """Yield what is due beyond what was billed, in the order of the prices."""
    left = dict(billed.get(invoice.period_from, {}))
    for line in rating.rate_period(desk, desk.scope_of(contract, invoice)):
        further = _less(line, left.pop(line.key, None))
        if further.amount or further.usage != NO_USAGE:
            yield further
    for gone in left.values():  # billed, and now it costs nothing: a commitment that was reached
        if gone.amount or gone.usage != NO_USAGE:
            yield _taken_back(desk.session, invoice, gone)


def _less(line: Line, billed: Billed | None) -> Line:
    """Return `line` as the late line it is when `billed` was charged for a part of it."""
    if billed is None:
        return replace(line, kind=_late(line.kind))
    return replace(
        line,
        kind=_late(line.kind),
        usage=_plus(line.usage, _negative(billed.usage)),
        amount=line.amount - billed.amount,
        tiers=less_billed(line.tiers, billed.amount),
    )


def _taken_back(session: Session, invoice: Invoice, billed: Billed) -> Line:
    """Return the credit for what was billed of a part that is no more."""
    last = billed.last
    return Line(
        kind=_late(last.kind),
        metric=None if last.metric_id is None else catalogue.get_metric(session, last.metric_id),
        part=last.part,
        description=last.description,
        usage=_negative(billed.usage),
        amount=-billed.amount,
        tiers=less_billed([], billed.amount),
        first_day=invoice.period_from,
        end_day=invoice.period_to,
        is_priced=last.is_priced,
    )


def _late(kind: LineKind) -> LineKind:
    # A commitment stays one: that it is about an earlier period says that it is late.
    return kind if kind is LineKind.COMMITMENT else LineKind.LATE


def _plus(usage: Usage, other: Usage) -> Usage:
    return Usage(EXACT.add(usage.quantity, other.quantity), usage.events + other.events)


def _negative(usage: Usage) -> Usage:
    return Usage(EXACT.minus(usage.quantity), -usage.events)
