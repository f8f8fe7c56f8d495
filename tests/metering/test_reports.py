"""A report says what invoices of each hour, day and month would: from whichever source it reads."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app.core.errors import Invalid
from app.core.periods import Period, local_date, local_midnight
from app.customers.models import Customer
from app.metering import days, reports
from app.metering.aggregation import Reading, aggregate, average, seconds_of, settle_average
from app.metering.models import UsageEvent
from app.metering.report_sources import Granularity, ReportQuery
from app.metering.reports import ReportRow, SpanTooLong, TooManyDimensions, usage_report
from app.pricing.models import Aggregation, Metric
from tests.make import Make
from tests.metering.plans import plans
from tests.metering.stored import SHANGHAI, Shelf, may

MAY, JUNE = date(2026, 5, 1), date(2026, 6, 1)
OF_MAY = ReportQuery(first_day=MAY, end_day=JUNE)
MODEL = {"dimensions": {"model": None}}


@pytest.fixture
def shelf(session: Session) -> Shelf:
    return Shelf(session)


@pytest.fixture
def customer(make: Make) -> Customer:
    return make.customer()


def report(session: Session, query: ReportQuery, zone: ZoneInfo = SHANGHAI) -> list[ReportRow]:
    """Refresh the days of charts and report."""
    days.recount_days(session, days.every_day(session))
    return usage_report(session, query, zone=zone)


def told(rows: Iterable[ReportRow]) -> list[tuple[object, Decimal | None, int]]:
    return [(row.start, row.quantity, row.events) for row in rows]


def test_a_day_of_charts_has_all_customers_and_each_metric(
    session: Session, make: Make, shelf: Shelf, customer: Customer
) -> None:
    tokens, storage = make.metric(), make.metric(aggregation=Aggregation.MAX)
    other = make.customer()
    for quantity, who in (("5", customer), ("7", customer), ("1", other)):
        shelf.add(tokens, quantity, at=may(3), customer=who)
        shelf.add(storage, quantity, at=may(3), customer=who)

    rows = report(session, OF_MAY)

    assert {row.metric_id: (row.start, row.quantity, row.events) for row in rows} == {
        tokens.id: (date(2026, 5, 3), Decimal(13), 3),
        storage.id: (date(2026, 5, 3), Decimal(8), 3),
    }


def test_the_highest_of_a_month_is_not_the_sum_of_its_days(
    session: Session, make: Make, shelf: Shelf, customer: Customer
) -> None:
    metric = make.metric(aggregation=Aggregation.MAX)
    for day, quantity in ((3, "5"), (4, "9"), (5, "2")):
        shelf.add(metric, quantity, at=may(day), customer=customer)

    assert told(report(session, replace(OF_MAY, granularity=Granularity.MONTH))) == [
        (MAY, Decimal(9), 3)
    ]


def test_customers_and_dimensions_are_told_apart_when_asked(
    session: Session, make: Make, shelf: Shelf, customer: Customer
) -> None:
    metric, other = make.metric(**MODEL), make.customer()
    for who, model, quantity in (
        (customer, "gpt-5", "5"),
        (customer, "qwen", "3"),
        (other, "gpt-5", "1"),
        (other, "gpt-5", "1"),
    ):
        shelf.add(metric, quantity, at=may(3), customer=who, dimensions={"model": model})
    total = replace(OF_MAY, granularity=Granularity.TOTAL)

    by_model = report(session, replace(total, by_dimensions=("model",)))
    by_both = report(session, replace(total, by_dimensions=("model",), by_customer=True))
    of_one = report(
        session,
        replace(
            total,
            customer_ids=frozenset({customer.id}),
            dimensions={"model": frozenset({"gpt-5", "claude"})},
        ),
    )

    assert [(row.dimensions["model"], row.quantity) for row in by_model] == [
        ("gpt-5", Decimal(7)),
        ("qwen", Decimal(3)),
    ]
    assert [(row.customer_id, row.dimensions["model"], row.quantity) for row in by_both] == [
        (other.id, "gpt-5", Decimal(2)),
        (customer.id, "gpt-5", Decimal(5)),
        (customer.id, "qwen", Decimal(3)),
    ]
    assert told(of_one) == [(MAY, Decimal(5), 1)]


def test_what_is_beyond_the_first_groups_is_one_row_of_its_metric(
    session: Session,
    make: Make,
    shelf: Shelf,
    customer: Customer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reports, "MOST_GROUPS", 2)
    metrics = [make.metric(**MODEL), make.metric(**MODEL, aggregation=Aggregation.WEIGHTED_SUM)]
    for metric in metrics:
        for day, model in ((3, "a"), (3, "a"), (4, "a"), (3, "b"), (4, "b"), (3, "c"), (3, "d")):
            shelf.add(metric, "1", at=may(day, 0), customer=customer, dimensions={"model": model})
    query = replace(OF_MAY, granularity=Granularity.DAY, by_dimensions=("model",))

    for metric in metrics:
        rows = report(session, replace(query, metric_ids=frozenset({metric.id})))
        third = [row for row in rows if row.start == date(2026, 5, 3)]
        assert [(row.dimensions, row.quantity, row.is_other) for row in third] == [
            ({"model": "a"}, Decimal(2), False),
            ({"model": "b"}, Decimal(1), False),
            ({}, Decimal(2), True),
        ]


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Asia/Kolkata", date(2026, 5, 3), 24),
        ("America/New_York", date(2026, 3, 8), 23),
        ("America/New_York", date(2026, 11, 1), 25),
    ],
)
def test_a_day_has_the_hours_of_its_zone(
    session: Session, make: Make, customer: Customer, *, zone: str, day: date, hours: int
) -> None:
    local = ZoneInfo(zone)
    shelf, metric = Shelf(session, local), make.metric()
    starts_at = local_midnight(day, local)
    ends_at = local_midnight(day + timedelta(days=1), local)
    at = starts_at
    while at < ends_at:
        shelf.add(metric, "1", at=at + timedelta(minutes=59), customer=customer)
        at += timedelta(hours=1)
    shelf.add(metric, "1", at=ends_at, customer=customer)
    query = ReportQuery(
        first_day=day, end_day=day + timedelta(days=1), granularity=Granularity.HOUR
    )

    rows = report(session, query, local)

    assert len(rows) == hours
    assert {row.events for row in rows} == {1}
    assert rows[0].start == starts_at
    assert report(session, replace(query, granularity=Granularity.DAY), local) == [
        ReportRow(day, metric.id, None, {}, Decimal(hours), hours)
    ]


def test_different_values_of_two_days_may_be_the_same(
    session: Session, make: Make, shelf: Shelf, customer: Customer
) -> None:
    metric = make.metric(aggregation=Aggregation.UNIQUE_COUNT, unique_by="user")
    for day, user in ((3, "ada"), (3, "lin"), (4, "ada"), (4, "ada")):
        shelf.add(metric, "1", at=may(day), customer=customer, dimensions={"user": user})
    query = OF_MAY

    assert told(report(session, query)) == [
        (date(2026, 5, 3), Decimal(2), 2),
        (date(2026, 5, 4), Decimal(1), 2),
    ]
    assert told(report(session, replace(query, granularity=Granularity.TOTAL))) == [
        (MAY, Decimal(2), 4)
    ]


@pytest.mark.parametrize("aggregation", [Aggregation.UNIQUE_COUNT, Aggregation.WEIGHTED_SUM])
def test_a_long_report_does_not_read_events(
    session: Session, make: Make, shelf: Shelf, customer: Customer, aggregation: Aggregation
) -> None:
    shelf.add(make.metric(aggregation=aggregation), "1", at=may(3), customer=customer)
    query = ReportQuery(first_day=MAY, end_day=JUNE + timedelta(days=1))

    assert told(report(session, query)) == [(date(2026, 5, 3), None, 1)]
    assert "usage_events" not in plans(session, lambda: report(session, query))


def test_reports_have_limits(session: Session) -> None:
    hours = ReportQuery(first_day=MAY, end_day=date(2026, 5, 9), granularity=Granularity.HOUR)
    with pytest.raises(SpanTooLong):
        usage_report(session, hours, zone=SHANGHAI)
    with pytest.raises(Invalid, match="after the first day"):
        usage_report(session, ReportQuery(first_day=MAY, end_day=MAY), zone=SHANGHAI)
    with pytest.raises(TooManyDimensions):
        usage_report(session, replace(OF_MAY, by_dimensions=("a", "b", "c")), zone=SHANGHAI)


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(Aggregation),
        st.integers(0, 9),
        st.integers(-300, 24 * 60),  # minutes since ten in the evening of the 30th of April
        st.sampled_from(["one", "other"]),
        st.sampled_from(["gpt-5", "qwen", None]),
    ),
    max_size=10,
)


@given(
    sent=EVENTS,
    granularity=st.sampled_from(Granularity),
    by_customer=st.booleans(),
    by_dimensions=st.sampled_from([(), ("model",)]),
)
@example(  # each customer has a twelfth: a sixth together, rounded up
    sent=[(Aggregation.WEIGHTED_SUM, 1, 115, who, None) for who in ("one", "other")],
    granularity=Granularity.HOUR,
    by_customer=False,
    by_dimensions=(),
)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_report_is_what_the_events_of_each_time_come_to(
    session: Session,
    make: Make,
    sent: list[tuple[Aggregation, int, int, str, str | None]],
    granularity: Granularity,
    *,
    by_customer: bool,
    by_dimensions: tuple[str, ...],
) -> None:
    with session.begin_nested() as outer:
        shelf = Shelf(session)
        metrics = {each: make.metric(**MODEL, aggregation=each) for each in Aggregation}
        customers = {name: make.customer() for name in ("one", "other")}
        evening = datetime(2026, 4, 30, 22, tzinfo=SHANGHAI).astimezone(UTC)
        events = [
            shelf.add(
                metrics[aggregation],
                str(quantity),
                at=evening + timedelta(minutes=minutes),
                customer=customers[who],
                dimensions={"model": model} if model else {},
            )
            for aggregation, quantity, minutes, who, model in sent
        ]
        query = ReportQuery(
            first_day=date(2026, 4, 30),
            end_day=date(2026, 5, 2),
            granularity=granularity,
            by_customer=by_customer,
            by_dimensions=by_dimensions,
        )

        found = report(session, query)

        assert {
            (row.start, row.metric_id, row.customer_id, row.dimensions.get("model")): (
                row.quantity,
                row.events,
            )
            for row in found
        } == wanted(query, events, {metric.id: metric for metric in metrics.values()})
        outer.rollback()
    session.expunge_all()  # what was rolled back is not to be seen by the next example


Key = tuple[object, int, int | None, str | None]


def wanted(
    query: ReportQuery, events: list[UsageEvent], metrics: dict[int, Metric]
) -> dict[Key, tuple[Decimal, int]]:
    """Aggregate the events of every customer and time by hand, and add the customers up."""
    found: dict[Key, tuple[Decimal, int]] = {}
    groups: dict[tuple[int, int, str | None], list[UsageEvent]] = defaultdict(list)
    for event in events:
        model = event.dimensions.get("model") if query.by_dimensions else None
        groups[event.metric_id, event.customer_id, model].append(event)
    for (metric_id, customer_id, model), group in groups.items():
        for start, period in periods(query):
            inside = [event for event in group if event.occurred_at in period]
            before = sum(event.quantity for event in group if event.occurred_at < period.start_at)
            readings = [
                Reading(event.quantity, event.occurred_at, event.id, f"{event.quantity:f}")
                for event in inside
            ]
            if metrics[metric_id].aggregation is Aggregation.WEIGHTED_SUM:
                quantity = averaged(readings, period, initial=Decimal(before))
                if not (before or inside):
                    continue
            else:
                quantity = aggregate(metrics[metric_id].aggregation, readings)
                if not inside:
                    continue
            key = start, metric_id, customer_id if query.by_customer else None, model
            total, count = found.get(key, (Decimal(0), 0))
            found[key] = total + quantity, count + len(inside)
    return {key: (settle_average(total), count) for key, (total, count) in found.items()}


def averaged(readings: Iterable[Reading], period: Period, *, initial: Decimal) -> Decimal:
    """Return the running total averaged over the period; only the sum of all is rounded."""
    weight = Fraction(initial) * seconds_of(period)
    for each in readings:
        left = Period(each.occurred_at, period.end_at)
        weight += Fraction(each.quantity) * seconds_of(left)
    return average(weight, period)


def periods(query: ReportQuery) -> Iterable[tuple[object, Period]]:
    first, end = (local_midnight(day, SHANGHAI) for day in (query.first_day, query.end_day))
    if query.granularity is Granularity.TOTAL:
        return [(query.first_day, Period(first, end))]
    if query.granularity is Granularity.MONTH:
        may_1 = local_midnight(MAY, SHANGHAI)
        return [(date(2026, 4, 1), Period(first, may_1)), (MAY, Period(may_1, end))]
    step = timedelta(hours=1 if query.granularity is Granularity.HOUR else 24)
    found = []
    while first < end:
        start = first if step < timedelta(days=1) else local_date(first, SHANGHAI)
        found.append((start, Period(first, first + step)))
        first += step
    return found


def test_hours_are_read_in_one_range_of_an_index(
    session: Session, make: Make, shelf: Shelf, customer: Customer
) -> None:
    metric = make.metric()
    shelf.fill(metric, 3_000, customer=make.customer())
    query = ReportQuery(
        first_day=date(2026, 5, 2), end_day=date(2026, 5, 3), granularity=Granularity.HOUR
    )
    of_one = replace(query, customer_ids=frozenset({customer.id}))

    for each in (query, of_one):  # of which index depends on what was counted of the table
        plan = plans(session, partial(usage_report, session, each, zone=SHANGHAI))
        assert " on usage_events" in plan
        assert "Seq Scan on usage_events" not in plan
        assert "occurred_at >= '2026-05-01 16:00:00+00'" in plan
