"""Costs for charts: what each day of an open period added, and what each month came to."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from sqlalchemy import Date, cast, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.billing import previews
from app.billing.amounts import sum_lines
from app.billing.lines import rate_metric
from app.billing.models import Invoice, InvoiceLine, InvoiceStatus
from app.billing.scopes import Scope
from app.core.decimals import EXACT
from app.core.ids import Prefix, show
from app.core.money import Money
from app.core.periods import local_date
from app.customers.models import Contract
from app.metering.models import UsageRollup, UsageSeries
from app.metering.usage import FROM_EVENTS, SeriesUsage, can_answer
from app.pricing import queries as catalogue
from app.pricing.metric_prices import MetricPrice
from app.pricing.models import Metric

SeriesByDay = Mapping[date, Mapping[int, SeriesUsage]]
"""What one metric had on each day, by series."""


class CostGroup(StrEnum):
    METRIC = "metric"
    CUSTOMER = "customer"
    PART = "part"  # a metric's filters and groups apart, by their words


@dataclass(frozen=True, slots=True)
class DayCost:
    """What a day of a period added to the bill, by the code of the metric."""

    day: date
    amounts: Mapping[str, Money]


@dataclass(frozen=True, slots=True)
class MonthCost:
    """What the usage of a month came to, for one metric, customer or part.

    `key` is the metric's code, the customer's public id, or the part's words. The month is that
    in which the period began, also of late usage. A commitment has no metric.
    """

    month: date
    key: str
    amount: Money


def daily_costs(session: Session, contract: Contract, *, now: datetime) -> list[DayCost]:
    """Return what each day of the contract's open period added so far, oldest first.

    A metric's days add up to what its lines would come to now. What only single events tell, such
    as a unique count, is spread over the days by their number of events. Raises LineTooLarge.
    """
    scope = previews.open_scope(session, contract)
    if scope is None:
        return []
    end_day = min(scope.end_day, local_date(now, scope.zone) + timedelta(days=1))
    days = [
        scope.first_day + timedelta(days=number)
        for number in range((end_day - scope.first_day).days)
    ]
    metrics = catalogue.all_metrics(session)
    usage = _usage_by_day(session, scope)
    costs = {
        code: _costs_of(
            session, scope, metrics[code], price=price, by_day=usage.get(metrics[code].id, {})
        )
        for code, price in scope.terms.prices.items()
    }
    return [
        DayCost(day, {code: costs[code][day] for code in costs if costs[code].get(day)})
        for day in days
    ]


def monthly_costs(
    session: Session, *, first_month: date, end_month: date, group_by: CostGroup
) -> list[MonthCost]:
    """Return what each month came to, in each currency, oldest and largest first.

    From invoice lines: drafts count as they stand, void invoices do not. `end_month` is exclusive.
    """
    month = cast(func.date_trunc("month", cast(InvoiceLine.period_from, Date)), Date)
    key = _key_of(group_by)
    amount = func.sum(InvoiceLine.amount_minor)
    statement = (
        select(month, Invoice.currency, key, amount)
        .join(
            Invoice,
            (Invoice.merchant_id == InvoiceLine.merchant_id)
            & (Invoice.id == InvoiceLine.invoice_id),
        )
        .where(
            Invoice.status != InvoiceStatus.VOID,
            InvoiceLine.period_from >= first_month,
            InvoiceLine.period_from < end_month,
        )
        .group_by(month, Invoice.currency, key)
        .order_by(month, amount.desc(), key)
    )
    return [
        MonthCost(on, _shown(found), Money(int(minor), currency))
        for on, currency, found, minor in session.execute(statement)
    ]


def _shown(key: object) -> str:
    return show(Prefix.CUSTOMER, key) if isinstance(key, int) else str(key)


def _key_of(group_by: CostGroup) -> InstrumentedAttribute[str] | InstrumentedAttribute[int]:
    match group_by:
        case CostGroup.METRIC:
            return InvoiceLine.metric_code
        case CostGroup.CUSTOMER:
            return Invoice.customer_id
        case CostGroup.PART:
            return InvoiceLine.description


def _usage_by_day(session: Session, scope: Scope) -> Mapping[int, SeriesByDay]:
    """Return the scope's usage by metric, day and series: in one statement."""
    rollup = UsageRollup
    statement = (
        select(rollup, UsageSeries.names, UsageSeries.dimensions)
        .outerjoin(UsageSeries, UsageSeries.id == rollup.series_id)
        .where(
            rollup.customer_id == scope.customer_id,
            rollup.day >= scope.first_day,
            rollup.day < scope.end_day,
        )
    )
    usage: dict[int, dict[date, dict[int, SeriesUsage]]] = defaultdict(lambda: defaultdict(dict))
    for row, names, dimensions in session.execute(statement):
        usage[row.metric_id][row.day][row.series_id] = SeriesUsage(
            names=frozenset(names or ()),
            dimensions=dimensions or {},
            quantity=row.quantity,
            events=row.events,
            maximum=row.maximum,
            last_at=row.last_at,
            last_id=row.last_id,
            last_quantity=row.last_quantity,
            values=None,
        )
    return dict(usage)


def _costs_of(
    session: Session, scope: Scope, metric: Metric, *, price: MetricPrice, by_day: SeriesByDay
) -> dict[date, Money]:
    """Return what the metric's days added; a day that added nothing may be left out."""

    def cost(series: Sequence[SeriesUsage]) -> Money:
        found = rate_metric(session, scope, metric, price=price, usage={metric.id: series})
        return sum_lines((line.amount for line in found), scope.currency)

    if not by_day:  # what is due without usage: a minimum, or a sum that goes on
        return {scope.first_day: cost([])}
    every = [series for day in by_day.values() for series in day.values()]
    is_summable = metric.aggregation not in FROM_EVENTS and not price.needs_events
    if is_summable and can_answer(every, price.needed_dimensions):
        return dict(_added(((day, cost(series)) for day, series in _cumulated(by_day)), scope))
    weights = {day: sum(each.events for each in by_day[day].values()) for day in sorted(by_day)}
    shares = cost(every).allocate(list(weights.values()))
    return dict(zip(weights, shares, strict=True))


def _cumulated(by_day: SeriesByDay) -> Iterator[tuple[date, Sequence[SeriesUsage]]]:
    """Yield each day with all there was until then, series by series."""
    so_far: dict[int, SeriesUsage] = {}
    for day in sorted(by_day):
        for series_id, usage in by_day[day].items():
            known = so_far.get(series_id)
            so_far[series_id] = usage if known is None else _merged(known, usage)
        yield day, list(so_far.values())


def _merged(earlier: SeriesUsage, later: SeriesUsage) -> SeriesUsage:
    """Return two days of one series as one; the later day has the newest reading."""
    return SeriesUsage(
        names=later.names,
        dimensions=later.dimensions,
        quantity=EXACT.add(earlier.quantity, later.quantity),
        events=earlier.events + later.events,
        maximum=max(earlier.maximum, later.maximum),
        last_at=later.last_at,
        last_id=later.last_id,
        last_quantity=later.last_quantity,
        values=None,
    )


def _added(totals: Iterable[tuple[date, Money]], scope: Scope) -> Iterator[tuple[date, Money]]:
    before = Money.zero(scope.currency)
    for day, total in totals:
        yield day, total - before
        before = total
