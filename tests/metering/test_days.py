"""The days of charts are what the roll-ups add up to, whenever they are added up."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, select
from sqlalchemy.orm import Session

from app.core import clock
from app.core.db import Transaction, begin
from app.metering import days
from app.metering.days import MetricDay
from app.metering.models import EVERY_SERIES, OTHER_SERIES, UsageDay, UsageRefresh
from app.pricing.models import Aggregation, Metric
from tests.make import NOON, Make
from tests.metering.stored import Shelf, may

THIRD = date(2026, 5, 3)
Stored = tuple[int, Decimal, int, int]


@pytest.fixture
def shelf(session: Session) -> Shelf:
    return Shelf(session)


def stored(session: Session, metric: Metric, day: date = THIRD) -> list[Stored]:
    """Return series, quantity, events and customers of a day, the row of every series first."""
    rows = session.execute(
        select(UsageDay.series_id, UsageDay.quantity, UsageDay.events, UsageDay.customers)
        .where(UsageDay.metric_id == metric.id, UsageDay.day == day)
        .order_by(UsageDay.series_id)
    )
    return [(series, quantity, events, users) for series, quantity, events, users in rows]


@pytest.mark.parametrize(
    ("aggregation", "quantity"),
    [
        (Aggregation.SUM, 10),
        (Aggregation.COUNT, 4),
        (Aggregation.MAX, 6),  # 5 of the one and 1 of the other
        (Aggregation.LAST, 4),  # 3 and 1
    ],
)
def test_a_day_adds_up_what_each_customer_came_to(
    session: Session, make: Make, shelf: Shelf, aggregation: Aggregation, quantity: int
) -> None:
    metric = make.metric(aggregation=aggregation, dimensions={"region": None})
    one, other = make.customer(), make.customer()
    shelf.add(metric, "5", at=may(3, 1), customer=one, dimensions={"region": "cn"})
    shelf.add(metric, "1", at=may(3, 2), customer=one, dimensions={"region": "us"})
    shelf.add(metric, "3", at=may(3, 3), customer=one, dimensions={"region": "us"})
    shelf.add(metric, "1", at=may(3, 4), customer=other, dimensions={"region": "us"})

    days.refresh(session, [MetricDay(metric.id, THIRD)], now=NOON)

    assert stored(session, metric)[0] == (EVERY_SERIES, Decimal(quantity), 4, 2)
    assert [row[2:] for row in stored(session, metric)[1:]] == [(1, 1), (3, 2)]
    assert not days.wrong_days(session)


def test_only_touched_days_are_added_up_but_for_the_first_time(
    session: Session, make: Make, shelf: Shelf
) -> None:
    metric, customer = make.metric(), make.customer()
    shelf.add(metric, "5", at=may(3), customer=customer)
    days.refresh(session, [], now=NOON)
    assert stored(session, metric) == [
        (EVERY_SERIES, Decimal(5), 1, 1),
        (OTHER_SERIES, Decimal(5), 1, 1),
    ]

    shelf.add(metric, "1", at=may(3), customer=customer)
    shelf.add(metric, "1", at=may(4), customer=customer)
    days.refresh(session, [MetricDay(metric.id, date(2026, 5, 4))], now=NOON)

    assert stored(session, metric)[0] == (EVERY_SERIES, Decimal(5), 1, 1)
    assert stored(session, metric, date(2026, 5, 4))[0] == (EVERY_SERIES, Decimal(1), 1, 1)
    assert days.wrong_days(session) == [MetricDay(metric.id, THIRD)]


def test_a_day_without_usage_goes(session: Session, make: Make, shelf: Shelf) -> None:
    metric = make.metric()
    rollup = shelf.rollup(shelf.add(metric, "5", at=may(3), customer=make.customer()))
    days.refresh(session, [], now=NOON)
    session.delete(rollup)
    session.flush()

    days.recount_days(session, [MetricDay(metric.id, THIRD)])

    assert not stored(session, metric)


usage = st.lists(
    st.tuples(
        st.sampled_from(["sum", "max"]),
        st.integers(0, 9),
        st.integers(0, 3),  # hours from half past eleven at night
        st.sampled_from(["one", "other"]),
        st.sampled_from(["cn", "us"]),
    ),
    max_size=6,
)


@given(st.lists(usage, max_size=4))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_days_refreshed_by_and_by_are_days_added_up_at_once(
    session: Session, make: Make, sent: list[list[tuple[str, int, int, str, str]]]
) -> None:
    with session.begin_nested() as outer:
        shelf = Shelf(session)
        metrics = {
            name: make.metric(aggregation=name, dimensions={"region": None})
            for name in ("sum", "max")
        }
        customers = {name: make.customer() for name in ("one", "other")}
        for batch in sent:
            touched = set()
            for name, quantity, hours, who, region in batch:
                at = may(3, 23, 30) + timedelta(hours=hours)
                event = shelf.add(
                    metrics[name],
                    str(quantity),
                    at=at,
                    customer=customers[who],
                    dimensions={"region": region},
                )
                touched.add(MetricDay(event.metric_id, shelf.rollup(event).day))
            days.refresh(session, touched, now=NOON)

        assert not days.wrong_days(session)
        outer.rollback()
    session.expunge_all()  # what was rolled back is not to be seen by the next example


def test_the_sweep_finds_the_days_of_what_arrived_since(engine: Engine, reader: Engine) -> None:
    merchant_id, new_york = Make.new_merchant_id(), "America/New_York"
    started = clock.now()
    with begin(engine, merchant_id) as session:
        make = Make(session)
        make.merchant(time_zone=new_york)
        metric, customer = make.metric(), make.customer()
        shelf = Shelf(session)
        shelf.add(metric, "1", at=may(3, 1), customer=customer)  # in New York still the second
        shelf.add(metric, "1", at=may(3, 2), customer=customer)
        long_ago = started - timedelta(minutes=2)
        shelf.add(metric, "1", at=may(9), customer=customer, received_at=long_ago)

    with begin(reader, None) as session:
        touched = days.touched_days(session, since=started)
        none = days.touched_days(session, since=started + timedelta(minutes=5))

    assert touched[merchant_id] == {MetricDay(metric.id, date(2026, 5, 2))}
    assert not none


def test_the_sweep_goes_on_from_the_last_refresh_of_anybody(
    transaction: Transaction, reader: Engine
) -> None:
    later = clock.now() + timedelta(days=1)
    with transaction() as session:
        days.refresh(session, [], now=later)
        days.refresh(session, [], now=later - timedelta(hours=1))

    with begin(reader, None) as session:
        last = days.last_refresh(session)

    with transaction() as session:
        session.execute(delete(UsageRefresh))  # the sweeps of other tests are not of tomorrow
    assert last == later
