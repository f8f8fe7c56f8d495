"""Usage as invoices, charts and lists read it: totals from roll-ups, single events by page."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, case, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

from app.core.paging import DEFAULT_LIMIT, Page, newest_first
from app.metering.models import UsageEvent, UsageRollup
from app.metering.usage import NO_USAGE, Usage
from app.pricing.models import Aggregation, Metric

__all__ = [
    "NO_USAGE",
    "DayUsage",
    "EventFilter",
    "Usage",
    "daily_usage",
    "list_events",
    "period_usage",
]


@dataclass(frozen=True, slots=True)
class DayUsage:
    """A metric on one local day of the merchant."""

    day: date
    metric_id: int
    quantity: Decimal
    events: int


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events a list shows: those that meet all that is given. The end is exclusive."""

    customer_id: int | None = None
    metric_id: int | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None


def period_usage(
    session: Session, customer_ids: Collection[int], *, first_day: date, end_day: date
) -> dict[tuple[int, int], Usage]:
    """Return usage by (customer id, metric id) on the local days from `first_day` to `end_day`.

    `end_day` is exclusive. The metric's aggregation says what the days come to together. A
    customer that used nothing of a metric has no entry: `NO_USAGE`.
    """
    newest_last = aggregate_order_by(UsageRollup.last_quantity, UsageRollup.last_at.desc())
    quantity = _by_aggregation(
        total=func.sum(UsageRollup.quantity),
        events=func.sum(UsageRollup.events),
        maximum=func.max(UsageRollup.maximum),
        last=func.array_agg(newest_last)[1],
    )
    statement = (
        select(
            UsageRollup.customer_id, UsageRollup.metric_id, quantity, func.sum(UsageRollup.events)
        )
        .join(Metric, Metric.id == UsageRollup.metric_id)
        .where(
            UsageRollup.customer_id.in_(customer_ids),
            UsageRollup.day >= first_day,
            UsageRollup.day < end_day,
        )
        .group_by(UsageRollup.customer_id, UsageRollup.metric_id, Metric.aggregation)
    )
    return {
        (customer_id, metric_id): Usage(quantity, int(events))
        for customer_id, metric_id, quantity, events in session.execute(statement)
    }


def daily_usage(
    session: Session,
    *,
    first_day: date,
    end_day: date,
    metric_id: int | None = None,
    customer_id: int | None = None,
) -> list[DayUsage]:
    """Return each day and metric with usage, oldest first; days without usage are left out.

    Over several customers a day's quantity is the sum of what each of them came to: the highest
    storage of every customer, added up.
    """
    quantity = _by_aggregation(
        total=UsageRollup.quantity,
        events=UsageRollup.events,
        maximum=UsageRollup.maximum,
        last=UsageRollup.last_quantity,
    )
    statement = (
        select(
            UsageRollup.day,
            UsageRollup.metric_id,
            func.sum(quantity),
            func.sum(UsageRollup.events),
        )
        .join(Metric, Metric.id == UsageRollup.metric_id)
        .where(UsageRollup.day >= first_day, UsageRollup.day < end_day)
        .group_by(UsageRollup.day, UsageRollup.metric_id)
        .order_by(UsageRollup.day, UsageRollup.metric_id)
    )
    if metric_id is not None:
        statement = statement.where(UsageRollup.metric_id == metric_id)
    if customer_id is not None:
        statement = statement.where(UsageRollup.customer_id == customer_id)
    return [
        DayUsage(day, metric, quantity, int(events))
        for day, metric, quantity, events in session.execute(statement)
    ]


def list_events(
    session: Session,
    wanted: EventFilter,
    *,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[UsageEvent]:
    """Return one page of events in the order they were stored, newest first.

    The times of the filter are those at which events happened. Raises Invalid and BadCursor.
    """
    return newest_first(session, _matching(wanted), UsageEvent.id, cursor=cursor, limit=limit)


def _matching(wanted: EventFilter) -> Select[UsageEvent]:
    statement = select(UsageEvent)
    if wanted.customer_id is not None:
        statement = statement.where(UsageEvent.customer_id == wanted.customer_id)
    if wanted.metric_id is not None:
        statement = statement.where(UsageEvent.metric_id == wanted.metric_id)
    if wanted.from_at is not None:
        statement = statement.where(UsageEvent.occurred_at >= wanted.from_at)
    if wanted.to_at is not None:
        statement = statement.where(UsageEvent.occurred_at < wanted.to_at)
    return statement


def _by_aggregation(
    *,
    total: SQLColumnExpression[Decimal],
    events: SQLColumnExpression[int],
    maximum: SQLColumnExpression[Decimal],
    last: SQLColumnExpression[Decimal],
) -> ColumnElement[Decimal]:
    """Choose the column that the metric's aggregation asks for."""
    return case(
        (Metric.aggregation == Aggregation.SUM, total),
        (Metric.aggregation == Aggregation.COUNT, events),
        (Metric.aggregation == Aggregation.MAX, maximum),
        else_=last,
    )
