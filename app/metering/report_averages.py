"""Weighted sums in a report: running totals, averaged over each of its hours, days or months."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from sqlalchemy import Numeric, extract, func, literal, select, type_coerce
from sqlalchemy.orm import Session

from app.core.decimals import EXACT
from app.metering.aggregation import ZERO, average, seconds_of, settle_average
from app.metering.models import UsageEvent, UsageRollup, UsageSeries
from app.metering.readings import combination_of
from app.metering.report_sources import (
    NOBODY,
    Cell,
    Group,
    ReportQuery,
    events_of,
    has_dimensions,
    of_customers,
    start_of,
    times_of,
)


@dataclass(slots=True)
class _Change:
    """What a group's events of an hour, day or month change: by how much, and for how long."""

    quantity: Decimal = ZERO
    weight: Fraction = field(default_factory=Fraction)
    events: int = 0


def averages(
    session: Session, query: ReportQuery, metric_ids: Collection[int], *, zone: ZoneInfo
) -> Iterator[Cell]:
    """Yield each group's average of each time, oldest first, where it had events or a total.

    Averages of a group can be added to another's: a weighted sum of all is the sum of theirs.
    """
    running = _totals_before(session, query, metric_ids)
    changes = _changes(session, query, metric_ids, zone=zone)
    end_at = query.period(zone).end_at
    for start, period in times_of(query, zone):
        for group in sorted(running.keys() | changes[start].keys(), key=_order):
            change = changes[start].get(group, _Change())
            total = running.get(group, ZERO)
            if not (total or change.events):
                continue
            # Events know how long it is to the end of the report; here the time ends earlier.
            beyond = Fraction(change.quantity) * _seconds(end_at - period.end_at)
            weight = Fraction(total) * seconds_of(period) + change.weight - beyond
            quantity = settle_average(average(weight, period))
            yield Cell(start, group, quantity, change.events)
            running[group] = EXACT.add(total, change.quantity)


def _totals_before(
    session: Session, query: ReportQuery, metric_ids: Collection[int]
) -> dict[Group, Decimal]:
    """Return what each group's events before the report add up to, from the roll-ups."""
    table = UsageRollup
    combination = combination_of(query.by_dimensions, UsageSeries.dimensions)
    customer_id = table.customer_id if query.by_customer else literal(NOBODY)
    statement = (
        select(table.metric_id, customer_id, combination, func.sum(table.quantity))
        .outerjoin(UsageSeries, UsageSeries.id == table.series_id)
        .where(table.metric_id.in_(metric_ids), table.day < query.first_day)
        .where(*of_customers(table.customer_id, query))
        .where(*has_dimensions(UsageSeries.dimensions, query))
        .group_by(table.metric_id, combination)
    )
    if query.by_customer:
        statement = statement.group_by(table.customer_id)
    return {
        Group(metric_id, customer_id, tuple(combination)): total
        for metric_id, customer_id, combination, total in session.execute(statement)
    }


def _changes(
    session: Session, query: ReportQuery, metric_ids: Collection[int], *, zone: ZoneInfo
) -> defaultdict[date, dict[Group, _Change]]:
    """Return what the events of the report change, by the start of their time and by group."""
    event, end_at = UsageEvent, query.period(zone).end_at
    combination = combination_of(query.by_dimensions)
    start = start_of(times_of(query, zone), query.granularity)
    seconds = type_coerce(extract("epoch", literal(end_at) - event.occurred_at), Numeric)
    columns = [
        start,
        event.metric_id,
        event.customer_id if query.by_customer else literal(NOBODY).label("customer_id"),
        combination,
    ]
    statement = (
        events_of(query, metric_ids, zone)
        .with_only_columns(
            *columns,
            func.sum(event.quantity).label("quantity"),
            func.sum(event.quantity * seconds).label("weight"),
            func.count().label("events"),
        )
        .group_by(*columns)
    )
    found: defaultdict[date, dict[Group, _Change]] = defaultdict(dict)
    for row in session.execute(statement):
        group = Group(row.metric_id, row.customer_id, tuple(row.combination))
        found[row.start][group] = _Change(row.quantity, Fraction(row.weight), row.events)
    return found


def _seconds(length: timedelta) -> Fraction:
    return Fraction(length // timedelta(microseconds=1), 10**6)


def _order(group: Group) -> tuple[int, int, list[str]]:
    return group.metric_id, group.customer_id, [value or "" for value in group.combination]
