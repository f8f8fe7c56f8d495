"""Where a report reads what it tells: each metric from the cheapest source that knows it.

    sum, count       the days of charts; roll-ups where customers are told apart
    max, last        the same by the day; else roll-ups: a month's highest is not its days' sum
    unique_count     events: what was different on two days may be the same
    weighted_sum     `report_averages`
    any by the hour  events

A source is a statement with a row for each group and time: `start`, `metric_id`, `customer_id`
(0 for all), `combination` (the values of the dimensions), `quantity`, `events`.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import groupby, pairwise
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    DateTime,
    Select,
    SQLColumnExpression,
    Text,
    case,
    cast,
    distinct,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.elements import Grouping

from app.core.periods import Period, local_midnight
from app.metering.models import EVERY_SERIES, UsageDay, UsageEvent, UsageRollup, UsageSeries
from app.metering.readings import Combination, combination_of, is_counted, newest
from app.pricing.models import Aggregation, Metric

ADDING = frozenset({Aggregation.SUM, Aggregation.COUNT})
PEAKS = frozenset({Aggregation.MAX, Aggregation.LAST})

_HOUR = timedelta(hours=1)

MOST_EVENT_DAYS = 31
"""How long a report may be to read events. In a longer one what only they know is not told."""

Source = Select[*tuple[Any, ...]]
_Dimensions = InstrumentedAttribute[dict[str, Any]]
NOBODY = 0
_NOBODY = literal(NOBODY, BigInteger).label("customer_id")


class Time(NamedTuple):
    """A time that a row of a report is about, and how it is named: by its day, or an instant."""

    start: date
    period: Period


class Group(NamedTuple):
    """What a row of a report is of; the customer is NOBODY where they are not told apart."""

    metric_id: int
    customer_id: int
    combination: Combination


class Cell(NamedTuple):
    """What a group came to in one time of the report; None where nobody can tell."""

    start: date
    group: Group
    quantity: Decimal | None
    events: int


class Granularity(StrEnum):
    """What a row of a report is about, on the merchant's clock and calendar."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"
    TOTAL = "total"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportQuery:
    """What a report is about: local days from `first_day` to, and without, `end_day`.

    `metric_ids` and `customer_ids` None are all. `dimensions` has the values, as texts, that
    usage must have one of. Rows are always of one metric; `by_customer` and `by_dimensions`
    (two at most) tell them apart further.
    """

    first_day: date
    end_day: date
    granularity: Granularity = Granularity.DAY
    metric_ids: frozenset[int] | None = None
    customer_ids: frozenset[int] | None = None
    dimensions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    by_customer: bool = False
    by_dimensions: tuple[str, ...] = ()

    @property
    def is_of_customers(self) -> bool:
        """Whether what one customer used must be told from what another did."""
        return self.by_customer or self.customer_ids is not None

    @property
    def is_of_dimensions(self) -> bool:
        return bool(self.by_dimensions or self.dimensions)

    @property
    def reads_events(self) -> bool:
        """Whether the report is short enough to count events, where nothing else knows."""
        return (self.end_day - self.first_day).days <= MOST_EVENT_DAYS

    def period(self, zone: ZoneInfo) -> Period:
        return Period(local_midnight(self.first_day, zone), local_midnight(self.end_day, zone))


_Place = Callable[[ReportQuery, Collection[int], ZoneInfo], Source]


def sources(query: ReportQuery, metrics: Iterable[Metric], *, zone: ZoneInfo) -> list[Source]:
    """Return the statements that together tell all of these metrics, no weighted sum among them.

    A quantity that only events know is null in a report too long to read them.
    """
    found: dict[_Place, list[int]] = defaultdict(list)
    for metric in metrics:
        found[_place(query, metric.aggregation)].append(metric.id)
    return [place(query, metric_ids, zone) for place, metric_ids in found.items()]


def _place(query: ReportQuery, aggregation: Aggregation) -> _Place:
    if query.granularity is Granularity.HOUR:
        return _from_events
    if aggregation is Aggregation.UNIQUE_COUNT and query.reads_events:
        return _from_events
    if query.is_of_customers:
        return _from_rollups
    if aggregation in PEAKS and (
        query.granularity is not Granularity.DAY or query.is_of_dimensions
    ):
        return _from_rollups
    return _from_days


def _from_days(query: ReportQuery, metric_ids: Collection[int], _zone: ZoneInfo) -> Source:
    table = UsageDay
    start, combination = (
        _of_day(table.day, query),
        combination_of(query.by_dimensions, UsageSeries.dimensions),
    )
    quantity = case((Metric.aggregation.in_(ADDING | PEAKS), func.sum(table.quantity)))
    statement = (
        select(
            start,
            table.metric_id,
            _NOBODY,
            combination,
            quantity.label("quantity"),
            func.sum(table.events).label("events"),
        )
        .join(Metric, Metric.id == table.metric_id)
        .outerjoin(UsageSeries, UsageSeries.id == table.series_id)
        .where(table.metric_id.in_(metric_ids), *_on_days(table.day, query))
        .where(*has_dimensions(UsageSeries.dimensions, query))
        .group_by(start, table.metric_id, Metric.aggregation, combination)
    )
    if query.is_of_dimensions:
        return statement.where(table.series_id != EVERY_SERIES)
    return statement.where(table.series_id == EVERY_SERIES)


def _from_rollups(query: ReportQuery, metric_ids: Collection[int], _zone: ZoneInfo) -> Source:
    table = UsageRollup
    start, combination = (
        _of_day(table.day, query),
        combination_of(query.by_dimensions, UsageSeries.dimensions),
    )
    quantity = case(
        (Metric.aggregation == Aggregation.SUM, func.sum(table.quantity)),
        (Metric.aggregation == Aggregation.COUNT, func.sum(table.events)),
        (Metric.aggregation == Aggregation.MAX, func.max(table.maximum)),
        (
            Metric.aggregation == Aggregation.LAST,
            newest(table.last_quantity, table.last_at, table.last_id),
        ),
    )
    statement = (
        select(
            start,
            table.metric_id,
            table.customer_id,
            combination,
            quantity.label("quantity"),
            func.sum(table.events).label("events"),
        )
        .join(Metric, Metric.id == table.metric_id)
        .outerjoin(UsageSeries, UsageSeries.id == table.series_id)
        .where(table.metric_id.in_(metric_ids), *_on_days(table.day, query))
        .where(
            *of_customers(table.customer_id, query), *has_dimensions(UsageSeries.dimensions, query)
        )
        .group_by(start, table.metric_id, table.customer_id, Metric.aggregation, combination)
    )
    return _over_customers(statement, query)


def _from_events(query: ReportQuery, metric_ids: Collection[int], zone: ZoneInfo) -> Source:
    table = UsageEvent
    start = start_of(times_of(query, zone), query.granularity)
    combination = combination_of(query.by_dimensions)
    value = case(
        (Metric.unique_by.is_(None), cast(func.trim_scale(table.quantity), Text())),
        else_=table.dimensions[Metric.unique_by].astext,
    )
    quantity = case(
        (Metric.aggregation == Aggregation.SUM, func.sum(table.quantity)),
        (Metric.aggregation == Aggregation.COUNT, func.count()),
        (Metric.aggregation == Aggregation.MAX, func.max(table.quantity)),
        (Metric.aggregation == Aggregation.UNIQUE_COUNT, func.count(distinct(value))),
        else_=newest(table.quantity, table.occurred_at, table.id),
    )
    statement = (
        events_of(query, metric_ids, zone)
        .join(Metric, Metric.id == table.metric_id)
        .with_only_columns(
            start,
            table.metric_id,
            table.customer_id,
            combination,
            quantity.label("quantity"),
            func.count().label("events"),
        )
        .group_by(start, table.metric_id, table.customer_id, Metric.aggregation, combination)
    )
    return _over_customers(statement, query)


def events_of(query: ReportQuery, metric_ids: Collection[int], zone: ZoneInfo) -> Source:
    """Return the events the report is about, without the voided ones."""
    period = query.period(zone)
    return select(UsageEvent).where(
        UsageEvent.metric_id.in_(metric_ids),
        UsageEvent.occurred_at >= period.start_at,
        UsageEvent.occurred_at < period.end_at,
        *of_customers(UsageEvent.customer_id, query),
        *has_dimensions(UsageEvent.dimensions, query),
        is_counted(),
    )


def start_of(times: Sequence[Time], granularity: Granularity) -> ColumnElement[Any]:
    """Return the start of the time an event happened in, which must be one of them."""
    kind = DateTime(timezone=True) if granularity is Granularity.HOUR else Date()
    starts = literal([time.start for time in times], ARRAY(kind))
    bounds = literal([time.period.start_at for time in times], ARRAY(DateTime(timezone=True)))
    return Grouping(starts)[func.width_bucket(UsageEvent.occurred_at, bounds)].label("start")


def times_of(query: ReportQuery, zone: ZoneInfo) -> list[Time]:
    """Return the hours, days or months of the report, oldest first; only one for a total.

    Hours are counted from midnight: a day on which the clocks are put back has one more. Where
    the report begins or ends within a month, so does that month.
    """
    if query.granularity is Granularity.TOTAL:
        return [Time(query.first_day, query.period(zone))]
    days = [query.first_day + timedelta(n) for n in range((query.end_day - query.first_day).days)]
    midnights = [local_midnight(day, zone) for day in [*days, query.end_day]]
    by_day = list(zip(days, pairwise(midnights), strict=True))
    if query.granularity is Granularity.MONTH:
        months = groupby(by_day, key=lambda of_day: of_day[0].replace(day=1))
        return [Time(month, _span(bounds for _, bounds in each)) for month, each in months]
    if query.granularity is Granularity.DAY:
        # A day that was skipped, when a country moved across the date line, has no time at all.
        return [Time(day, Period(*bounds)) for day, bounds in by_day if bounds[0] < bounds[1]]
    return [hour for _, bounds in by_day for hour in _hours(*bounds)]


def _hours(start_at: datetime, end_at: datetime) -> Iterator[Time]:
    while start_at < end_at:
        next_at = min(start_at + _HOUR, end_at)
        yield Time(start_at, Period(start_at, next_at))
        start_at = next_at


def _span(bounds: Iterable[tuple[datetime, datetime]]) -> Period:
    starts, ends = zip(*bounds, strict=True)
    return Period(starts[0], ends[-1])


def _of_day(day: SQLColumnExpression[date], query: ReportQuery) -> ColumnElement[Any]:
    match query.granularity:
        case Granularity.MONTH:
            return cast(func.date_trunc("month", day), Date).label("start")
        case Granularity.TOTAL:
            return literal(query.first_day, Date).label("start")
        case _:
            return day.label("start")


def _on_days(day: SQLColumnExpression[date], query: ReportQuery) -> list[ColumnElement[bool]]:
    return [day >= query.first_day, day < query.end_day]


def of_customers(
    customer_id: SQLColumnExpression[int], query: ReportQuery
) -> list[ColumnElement[bool]]:
    """Return the condition that usage is of one of the report's customers."""
    return [] if query.customer_ids is None else [customer_id.in_(query.customer_ids)]


def has_dimensions(dimensions: _Dimensions, query: ReportQuery) -> list[ColumnElement[bool]]:
    """Return the conditions that usage has the report's dimensions."""
    return [
        dimensions[name].astext.in_(sorted(values)) for name, values in query.dimensions.items()
    ]


def _over_customers(statement: Source, query: ReportQuery) -> Source:
    """Add up what each customer came to, unless they are told apart."""
    if query.by_customer:
        return statement
    each = statement.subquery()
    return select(
        each.c.start,
        each.c.metric_id,
        _NOBODY,
        each.c.combination,
        func.sum(each.c.quantity).label("quantity"),
        func.sum(each.c.events).label("events"),
    ).group_by(each.c.start, each.c.metric_id, each.c.combination)
