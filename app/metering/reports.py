"""Reports: usage by the hour, the day, the month or in total, by metric, customer, dimensions.

Quantities of different metrics are never added, so every row is of one metric. Over customers a
quantity adds up what each of them came to in that hour, day or month, which is what an invoice
of that time would bill him for. `report_sources` says where it is read.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Select, case, func, select, union_all
from sqlalchemy.orm import Session

from app.core.decimals import EXACT
from app.core.errors import Invalid
from app.metering.aggregation import ZERO
from app.metering.readings import named
from app.metering.report_averages import averages
from app.metering.report_sources import Cell, Granularity, Group, ReportQuery, Source, sources
from app.pricing.models import Aggregation, Metric

MOST_GROUPS = 1_000
MOST_DIMENSIONS = 2
MOST_DAYS = {
    Granularity.HOUR: 7,
    Granularity.DAY: 400,
    Granularity.MONTH: 3_660,
    Granularity.TOTAL: 3_660,
}
"""How many days a report may be about."""


class ReportRow(NamedTuple):
    """What was used of a metric in one hour, day or month, or in all of them.

    `start` is the day it begins on, or the instant of an hour. `customer_id` is None unless
    customers are told apart, `dimensions` has the values that usage had. `is_other` adds up the
    groups that came after the first thousand. `quantity` is None where only the events know it
    and the report is too long to read them.
    """

    start: date
    metric_id: int
    customer_id: int | None
    dimensions: Mapping[str, str]
    quantity: Decimal | None
    events: int
    is_other: bool = False


class SpanTooLong(Invalid):
    code = "span_too_long"


class TooManyDimensions(Invalid):
    code = "too_many_dimensions"


def usage_report(session: Session, query: ReportQuery, *, zone: ZoneInfo) -> list[ReportRow]:
    """Return the rows of the report, oldest first, and of one time the groups most used first.

    What was not used has no row. Of more than a thousand groups the others, by the number of
    their events, are one of their metric. Days of charts are a few seconds behind. Raises
    SpanTooLong and TooManyDimensions.
    """
    _check(query)
    metrics = session.scalars(_metrics(query)).all()
    weighted = [
        metric.id
        for metric in metrics
        if metric.aggregation is Aggregation.WEIGHTED_SUM and query.reads_events
    ]
    rest = [metric for metric in metrics if metric.id not in weighted]
    rows = list(_rows(session, query, sources(query, rest, zone=zone)))
    if weighted:
        rows += _fold(query, list(averages(session, query, weighted, zone=zone)))
        rows.sort(key=lambda row: row.start)  # which keeps the order of the groups
    return rows


def _check(query: ReportQuery) -> None:
    days = (query.end_day - query.first_day).days
    if days < 1:
        raise Invalid("must be after the first day", path="to")
    if days > MOST_DAYS[query.granularity]:
        most = MOST_DAYS[query.granularity]
        raise SpanTooLong(f"must be at most {most} days after `from`", path="to")
    if len(query.by_dimensions) > MOST_DIMENSIONS:
        raise TooManyDimensions(f"must be at most {MOST_DIMENSIONS}", path="group_by")


def _metrics(query: ReportQuery) -> Select[Metric]:
    statement = select(Metric).order_by(Metric.id)
    if query.metric_ids is None:
        return statement
    return statement.where(Metric.id.in_(query.metric_ids))


def _rows(session: Session, query: ReportQuery, found: Sequence[Source]) -> Iterator[ReportRow]:
    """Read the sources as one, with the groups after the first thousand folded into others."""
    if not found:
        return
    used = union_all(*found).subquery()
    group = (used.c.metric_id, used.c.customer_id, used.c.combination)
    weighed = select(used, func.sum(used.c.events).over(partition_by=group).label("weight"))
    heavy = weighed.subquery()
    order = (heavy.c.weight.desc(), heavy.c.metric_id, heavy.c.customer_id, heavy.c.combination)
    ranked = select(heavy, func.dense_rank().over(order_by=order).label("rank")).subquery()
    rank = case((ranked.c.rank <= MOST_GROUPS, ranked.c.rank)).label("rank")
    statement = (
        select(
            ranked.c.start,
            ranked.c.metric_id,
            rank,
            func.min(ranked.c.customer_id).label("customer_id"),
            func.min(ranked.c.combination).label("combination"),
            func.sum(ranked.c.quantity).label("quantity"),
            func.sum(ranked.c.events).label("events"),
        )
        .group_by(ranked.c.start, ranked.c.metric_id, rank)
        .order_by(ranked.c.start, rank.nulls_last(), ranked.c.metric_id)
    )
    for start, metric_id, place, customer_id, combination, quantity, events in session.execute(
        statement
    ):
        if place is None:
            yield ReportRow(start, metric_id, None, {}, quantity, int(events), is_other=True)
        else:
            of = Group(metric_id, customer_id, tuple(combination))
            yield _row(query, Cell(start, of, quantity, int(events)))


def _fold(query: ReportQuery, found: Sequence[Cell]) -> Iterator[ReportRow]:
    """Show the averages, with those of the groups after the first thousand added up."""
    weight: Counter[Group] = Counter()
    for each in found:
        weight[each.group] += each.events
    shown = {group for group, _ in weight.most_common(MOST_GROUPS)}
    others: dict[tuple[date, int], ReportRow] = {}
    for cell in found:
        row = _row(query, cell)
        if cell.group in shown:
            yield row
            continue
        key = row.start, row.metric_id
        before = others.get(key, ReportRow(*key, None, {}, ZERO, 0, is_other=True))
        others[key] = before._replace(
            quantity=EXACT.add(before.quantity or ZERO, row.quantity or ZERO),
            events=before.events + row.events,
        )
    yield from others.values()


def _row(query: ReportQuery, cell: Cell) -> ReportRow:
    metric_id, customer_id, combination = cell.group
    return ReportRow(
        start=cell.start,
        metric_id=metric_id,
        customer_id=customer_id if query.by_customer else None,
        dimensions=named(query.by_dimensions, combination),
        quantity=cell.quantity,
        events=cell.events,
    )
