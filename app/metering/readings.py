"""The events of a customer's metric as statements: those that count, apart by dimensions."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Numeric,
    Select,
    SQLColumnExpression,
    Text,
    cast,
    distinct,
    exists,
    extract,
    func,
    literal,
    null,
    select,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by, array
from sqlalchemy.orm import InstrumentedAttribute

from app.core.periods import Period
from app.metering.models import UsageEvent, UsageVoid
from app.pricing.models import Aggregation, Metric

Combination = tuple[str | None, ...]
"""The values of some named dimensions, in the order of the names; None where there is none."""


def is_counted() -> ColumnElement[bool]:
    """Return the condition that an event was not voided."""
    return ~exists().where(
        UsageVoid.merchant_id == UsageEvent.merchant_id,
        UsageVoid.occurred_at == UsageEvent.occurred_at,
        UsageVoid.event_id == UsageEvent.id,
    )


def counted_events(customer_id: int, metric: Metric, period: Period) -> Select[*tuple[Any, ...]]:
    """Return the events that happened in the period, without the voided ones."""
    return select(UsageEvent).where(
        UsageEvent.customer_id == customer_id,
        UsageEvent.metric_id == metric.id,
        UsageEvent.occurred_at >= period.start_at,
        UsageEvent.occurred_at < period.end_at,
        is_counted(),
    )


def usage_of_events(
    customer_id: int, metric: Metric, period: Period, *, names: Sequence[str]
) -> Select[*tuple[Any, ...]]:
    """Return what the events come to in every way, a row for each combination of the names."""
    event, combination = UsageEvent, combination_of(names)
    return (
        counted_events(customer_id, metric, period)
        .with_only_columns(
            combination,
            func.sum(event.quantity).label("quantity"),
            func.count().label("events"),
            func.max(event.quantity).label("maximum"),
            func.max(event.occurred_at).label("last_at"),
            newest(event.id, event.occurred_at, event.id).label("last_id"),
            newest(event.quantity, event.occurred_at, event.id).label("last_quantity"),
            _weight(metric, period).label("weight"),
            _different(metric).label("different"),
        )
        .group_by(combination)
    )


def combination_of(
    names: Sequence[str],
    dimensions: InstrumentedAttribute[dict[str, Any]] = UsageEvent.dimensions,
) -> ColumnElement[Any]:
    """Return the values of these dimensions as one array of texts."""
    values = [dimensions[name].astext for name in names]
    return cast(array(values), ARRAY(Text())).label("combination")


def newest(
    value: SQLColumnExpression[Any],
    at: SQLColumnExpression[datetime],
    row_id: SQLColumnExpression[int],
) -> ColumnElement[Any]:
    """Return the value of the row that happened last, and of those the one that came last."""
    return func.array_agg(aggregate_order_by(value, at.desc(), row_id.desc()))[1]


def _weight(metric: Metric, period: Period) -> ColumnElement[Any]:
    """Return quantities times the seconds they are there for; null but for a weighted sum."""
    if metric.aggregation is not Aggregation.WEIGHTED_SUM:
        return null()
    seconds = extract("epoch", literal(period.end_at) - UsageEvent.occurred_at)
    return func.sum(UsageEvent.quantity * type_coerce(seconds, Numeric))


def _different(metric: Metric) -> ColumnElement[Any]:
    """Return the different values unique_count tells apart; null for other aggregations."""
    if metric.aggregation is not Aggregation.UNIQUE_COUNT:
        return null()
    if metric.unique_by is None:
        return func.array_agg(distinct(cast(func.trim_scale(UsageEvent.quantity), Text())))
    value = UsageEvent.dimensions[metric.unique_by].astext
    return func.coalesce(
        func.array_agg(distinct(value)).filter(value.is_not(None)), cast([], ARRAY(Text()))
    )


def named(names: Sequence[str], combination: Iterable[str | None]) -> dict[str, str]:
    """Name the values; a dimension that an event did not have is left out."""
    pairs = zip(names, combination, strict=True)
    return {name: value for name, value in pairs if value is not None}
