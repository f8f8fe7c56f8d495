"""Usage as invoices read it: from roll-ups where those can answer, else from the events."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Text,
    and_,
    any_,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on
from sqlalchemy.orm import Session

from app.core.decimals import EXACT
from app.core.periods import Period, local_date, local_midnight
from app.identity import clocks
from app.metering.aggregation import ZERO, average, seconds_of, settle_average
from app.metering.models import UsageEvent, UsageRollup, UsageSeries
from app.metering.readings import (
    Combination,
    combination_of,
    counted_events,
    named,
    usage_of_events,
)
from app.pricing.models import Aggregation, Metric

FROM_EVENTS = frozenset({Aggregation.UNIQUE_COUNT, Aggregation.WEIGHTED_SUM})
"""Aggregations that no roll-up holds: they need `event_usage`.

A weighted sum needs it also where the period has no events: what came before goes on.
"""

_ROWS_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Usage:
    """What a customer used of a metric: the one quantity it comes to, from how many events."""

    quantity: Decimal
    events: int


NO_USAGE = Usage(ZERO, 0)


@dataclass(frozen=True, slots=True)
class SeriesUsage:
    """What one combination of dimensions came to, in every way an aggregation may ask for.

    It can answer for `names`; `dimensions` has those that the events had, as texts. `quantity`
    is the sum, or for a weighted sum its part, unrounded. `last_*` is of the reading that
    happened last, if there is any; from roll-ups only of metrics that count the last one.
    `values` are what unique_count counts; None from roll-ups, which do not know.
    """

    names: frozenset[str]
    dimensions: Mapping[str, str]
    quantity: Decimal
    events: int
    maximum: Decimal
    last_at: datetime | None
    last_id: int
    last_quantity: Decimal
    values: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class _Corrections:
    """What changes events of a period, by the event's key, and the keys of what changes them."""

    changes: dict[str, Decimal]
    keys: set[str]


def combine(aggregation: Aggregation, usages: Iterable[SeriesUsage]) -> Usage:
    """Return what the series come to together, exactly and whatever their order; 0 if none.

    Raises ValueError for unique_count of series that do not know their values.
    """
    usages = list(usages)
    events = sum(usage.events for usage in usages)
    match aggregation:
        case Aggregation.SUM:
            quantity = _sum(usages)
        case Aggregation.COUNT:
            quantity = Decimal(events)
        case Aggregation.MAX:
            quantity = max((usage.maximum for usage in usages if usage.events), default=ZERO)
        case Aggregation.LAST:
            happened = [(usage.last_at, usage) for usage in usages if usage.last_at]
            newest = max(happened, key=lambda pair: (pair[0], pair[1].last_id), default=None)
            quantity = newest[1].last_quantity if newest else ZERO
        case Aggregation.UNIQUE_COUNT:
            quantity = Decimal(len(frozenset[str]().union(*map(_values, usages))))
        case Aggregation.WEIGHTED_SUM:
            quantity = settle_average(_sum(usages))
    return Usage(quantity, events)


def can_answer(usages: Iterable[SeriesUsage], needed: frozenset[str]) -> bool:
    """Return whether each of the series knows the values of all dimensions in `needed`."""
    return all(usage.names >= needed for usage in usages)


def series_usage(
    session: Session, customer_ids: Collection[int], *, first_day: date, end_day: date
) -> dict[tuple[int, int], list[SeriesUsage]]:
    """Return usage by (customer id, metric id), one for each series, from the roll-ups.

    `end_day` is exclusive. A customer that used nothing of a metric has no entry.
    """
    found: dict[tuple[int, int], list[SeriesUsage]] = defaultdict(list)
    rows = session.execute(_series_statement(customer_ids, first_day, end_day))
    for customer, metric, names, dimensions, quantity, events, maximum, *last in rows:
        last_at, last_id, last_quantity = last
        found[customer, metric].append(
            SeriesUsage(
                names=frozenset(names or ()),
                dimensions=dimensions or {},
                quantity=quantity,
                events=int(events),
                maximum=maximum,
                last_at=last_at,
                last_id=last_id or 0,
                last_quantity=ZERO if last_quantity is None else last_quantity,
                values=None,
            )
        )
    return dict(found)


def event_usage(
    session: Session,
    customer_id: int,
    metric: Metric,
    *,
    start_at: datetime,
    end_at: datetime,
    dimensions: frozenset[str],
) -> list[SeriesUsage]:
    """Return usage of the events themselves, one for each combination of the named dimensions.

    Voided events are left out. A weighted sum begins with the total of all the customer's events
    before `start_at`, and may have combinations without any event since.
    """
    period, names = Period(start_at, end_at), sorted(dimensions)
    rows = session.execute(usage_of_events(customer_id, metric, period, names=names)).all()
    if metric.aggregation is Aggregation.WEIGHTED_SUM:
        before = _totals_before(session, customer_id, metric, start_at=start_at, names=names)
        return list(_averaged(rows, before, period=period, names=names))
    return [_of_events(row, names, row.quantity) for row in rows]


def event_amounts(
    session: Session,
    customer_id: int,
    metric: Metric,
    *,
    start_at: datetime,
    end_at: datetime,
    dimensions: frozenset[str],
) -> Iterator[tuple[Mapping[str, str], Decimal]]:
    """Yield each event's values of the named dimensions and its quantity, as they happened.

    The quantity is net of the event's corrections, which are not yielded, however long their
    chain; a correction of what happened before the period comes by itself. Voided events are left
    out. Rows come as they are asked for: a million take no memory, but for the corrections.
    """
    period, names = Period(start_at, end_at), sorted(dimensions)
    corrections = _corrections(session, customer_id, metric, period=period)
    statement = (
        counted_events(customer_id, metric, period)
        .with_only_columns(combination_of(names), UsageEvent.quantity, UsageEvent.idempotency_key)
        .order_by(UsageEvent.occurred_at, UsageEvent.id)
        .execution_options(yield_per=_ROWS_AT_ONCE)
    )
    for combination, quantity, key in session.execute(statement):
        if key not in corrections.keys:
            change = corrections.changes.get(key, ZERO)
            yield named(names, combination), EXACT.add(quantity, change)


def _series_statement(
    customer_ids: Collection[int], first_day: date, end_day: date
) -> Select[*tuple[Any, ...]]:
    rollup = UsageRollup
    key = rollup.customer_id, rollup.metric_id, rollup.series_id
    # Joined, not IN: the plan that serves any customers would read all the merchant's days.
    asked = func.unnest(literal([*set(customer_ids)], ARRAY(BigInteger))).column_valued("asked")
    is_asked = and_(rollup.customer_id == asked, rollup.day >= first_day, rollup.day < end_day)
    used = (
        select(
            *key,
            func.sum(rollup.quantity).label("quantity"),
            func.sum(rollup.events).label("events"),
            func.max(rollup.maximum).label("maximum"),
        )
        .where(is_asked)
        .group_by(*key)
        .subquery()
    )
    # Apart: to put all days in order costs more than to add them up, and few metrics ask for it.
    last = (
        select(*key, rollup.last_at, rollup.last_id, rollup.last_quantity)
        .ext(distinct_on(*key))
        .join(Metric, Metric.id == rollup.metric_id)
        .where(is_asked, Metric.aggregation == Aggregation.LAST)
        .order_by(*key, rollup.last_at.desc(), rollup.last_id.desc())
        .subquery()
    )
    of_series = [used.c[column.key] == last.c[column.key] for column in key]
    return (
        select(
            used.c.customer_id,
            used.c.metric_id,
            UsageSeries.names,
            UsageSeries.dimensions,
            used.c.quantity,
            used.c.events,
            used.c.maximum,
            last.c.last_at,
            last.c.last_id,
            last.c.last_quantity,
        )
        .outerjoin(last, and_(*of_series))
        .outerjoin(UsageSeries, UsageSeries.id == used.c.series_id)
    )


def _corrections(
    session: Session, customer_id: int, metric: Metric, *, period: Period
) -> _Corrections:
    """Find the corrections of the period whose first event is of the period too."""
    event = UsageEvent
    statement = (
        counted_events(customer_id, metric, period)
        .with_only_columns(event.idempotency_key, event.corrects, event.quantity)
        .where(event.corrects.is_not(None))
    )
    rows = session.execute(statement).all()
    if not rows:
        return _Corrections({}, set())
    targets = {row.idempotency_key: row.corrects for row in rows}
    firsts: dict[str, str] = {}
    for key in targets:
        path, last = [], key
        while last in targets and last not in firsts:
            path.append(last)
            last = targets[last]
        firsts |= dict.fromkeys(path, firsts.get(last, last))
    wanted = literal(sorted(set(firsts.values())), ARRAY(Text()))
    there = session.scalars(
        counted_events(customer_id, metric, period)
        .with_only_columns(event.idempotency_key)
        .where(event.idempotency_key == any_(wanted))
    )
    found = _Corrections(dict.fromkeys(there, ZERO), set())
    for row in rows:
        first = firsts[row.idempotency_key]
        if first in found.changes:
            found.keys.add(row.idempotency_key)
            found.changes[first] = EXACT.add(found.changes[first], row.quantity)
    return found


def _of_events(row: Any, names: Sequence[str], quantity: Decimal) -> SeriesUsage:
    return SeriesUsage(
        names=frozenset(names),
        dimensions=named(names, row.combination),
        quantity=quantity,
        events=row.events,
        maximum=row.maximum,
        last_at=row.last_at,
        last_id=row.last_id,
        last_quantity=row.last_quantity,
        values=None if row.different is None else frozenset(row.different),
    )


def _averaged(
    rows: Iterable[Any],
    before: dict[Combination, Decimal],
    *,
    period: Period,
    names: Sequence[str],
) -> Iterator[SeriesUsage]:
    """Yield the parts of a weighted sum: what the events add, and the totals they add it to."""
    seconds = seconds_of(period)
    for row in rows:
        initial = before.pop(tuple(row.combination), ZERO)
        weight = Fraction(row.weight) + Fraction(initial) * seconds
        yield _of_events(row, names, average(weight, period))
    for combination, initial in before.items():
        yield SeriesUsage(
            names=frozenset(names),
            dimensions=named(names, combination),
            quantity=initial,
            events=0,
            maximum=ZERO,
            last_at=None,
            last_id=0,
            last_quantity=ZERO,
            values=None,
        )


def _totals_before(
    session: Session, customer_id: int, metric: Metric, *, start_at: datetime, names: Sequence[str]
) -> dict[Combination, Decimal]:
    """Return what all the customer's events before `start_at` add up to, by combination.

    Whole days come from roll-ups. Read from events are only the hours since the last midnight,
    and the days of series that do not know all the names.
    """
    zone = ZoneInfo(clocks.get_merchant(session).time_zone)
    today = local_date(start_at, zone)
    midnight = local_midnight(today, zone)
    totals: dict[Combination, Decimal] = defaultdict(Decimal)

    def add(combination: Iterable[str | None], quantity: Decimal) -> None:
        key = tuple(combination)
        totals[key] = EXACT.add(totals[key], quantity)

    def add_events(since: datetime, until: datetime, *wanted: ColumnElement[bool]) -> None:
        if since < until:
            period = Period(since, until)
            statement = usage_of_events(customer_id, metric, period, names=names).where(*wanted)
            for row in session.execute(statement):
                add(row.combination, row.quantity)

    past = session.execute(_past_statement(customer_id, metric, today)).all()
    blind = [row for row in past if not frozenset(row.names or ()) >= frozenset(names)]
    for row in past:
        if row not in blind:
            add(((row.dimensions or {}).get(name) for name in names), row.quantity)
    if blind:
        first_day = min(row.first_day for row in blind)
        is_blind = UsageEvent.series_id.in_([row.series_id for row in blind])
        add_events(local_midnight(first_day, zone), midnight, is_blind)
    add_events(midnight, start_at)
    return totals


def _past_statement(customer_id: int, metric: Metric, end_day: date) -> Select[*tuple[Any, ...]]:
    rollup = UsageRollup
    return (
        select(
            rollup.series_id,
            UsageSeries.names,
            UsageSeries.dimensions,
            func.sum(rollup.quantity).label("quantity"),
            func.min(rollup.day).label("first_day"),
        )
        .outerjoin(UsageSeries, UsageSeries.id == rollup.series_id)
        .where(
            rollup.customer_id == customer_id,
            rollup.metric_id == metric.id,
            rollup.day < end_day,
        )
        .group_by(rollup.series_id, UsageSeries.names, UsageSeries.dimensions)
    )


def _sum(usages: Iterable[SeriesUsage]) -> Decimal:
    return reduce(EXACT.add, (usage.quantity for usage in usages), ZERO)


def _values(usage: SeriesUsage) -> frozenset[str]:
    if usage.values is None:
        raise ValueError("this usage does not know its different values")
    return usage.values
