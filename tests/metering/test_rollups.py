"""A roll-up is its raw events: however they were batched, ordered, repeated or raced."""

import random
import threading
import time
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.core.db import Transaction
from app.core.periods import local_date
from app.metering.aggregation import Reading, aggregate
from app.metering.ingestion import MerchantWindow, ingest
from app.metering.models import UsageEvent, UsageRollup
from app.metering.rollups import wrong_rollups
from app.pricing.models import Aggregation
from tests.make import NOON
from tests.metering.conftest import Event, answers, furnish, send

quantities = st.decimals(0, 10**6, places=3).map(str)
instants = st.integers(0, 5).map(lambda hours: NOON - timedelta(hours=7 * hours))
batches = st.lists(
    st.lists(
        st.builds(
            Event,
            idempotency_key=st.integers(0, 30).map(str),
            quantity=quantities,
            customer_external_id=st.sampled_from(["user_42", "user_43"]),
            metric=st.sampled_from(["tokens", "storage"]),
            occurred_at=instants,
        ),
        min_size=1,
        max_size=8,
    ),
    max_size=6,
)


@given(batches)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_a_rollup_is_what_its_raw_events_come_to(shop: Session, sent: list[list[Event]]) -> None:
    outer = shop.begin_nested()
    for batch in sent:
        send(shop, *batch)

    readings: dict[tuple[int, int, date], list[Reading]] = defaultdict(list)
    for event in shop.scalars(select(UsageEvent)):
        day = local_date(event.occurred_at, ZoneInfo("Asia/Shanghai"))
        reading = Reading(event.quantity, event.occurred_at, event.id)
        readings[event.customer_id, event.metric_id, day].append(reading)

    rollups = {
        (row.customer_id, row.metric_id, row.day): (
            row.quantity,
            row.events,
            row.maximum,
            row.last_quantity,
        )
        for row in shop.scalars(select(UsageRollup))
    }
    assert rollups == {
        key: (
            aggregate(Aggregation.SUM, group),
            len(group),
            aggregate(Aggregation.MAX, group),
            aggregate(Aggregation.LAST, group),
        )
        for key, group in readings.items()
    }
    assert not wrong_rollups(shop, zone=ZoneInfo("Asia/Shanghai"))
    outer.rollback()
    shop.expunge_all()  # what was rolled back is not to be seen by the next example


@pytest.mark.parametrize("backwards", [False, True])
def test_the_last_reading_is_the_newest_to_happen(shop: Session, *, backwards: bool) -> None:
    readings = [("10", 1), ("50", 3), ("3", 2)]
    for quantity, hour in reversed(readings) if backwards else readings:
        occurred_at = datetime(2026, 5, 25, hour, tzinfo=UTC)
        send(shop, Event(f"e{hour}", quantity, metric="seats", occurred_at=occurred_at))

    rollup = shop.scalars(select(UsageRollup)).one()
    assert (rollup.last_quantity, rollup.maximum) == (Decimal(50), Decimal(50))
    assert rollup.events == 3


@pytest.mark.parametrize(
    ("zone", "instant", "day"),
    [
        ("Asia/Shanghai", "2026-05-31T15:59:59.999999+00:00", date(2026, 5, 31)),
        ("Asia/Shanghai", "2026-05-31T16:00:00+00:00", date(2026, 6, 1)),
        ("Asia/Kolkata", "2026-05-31T18:29:59+00:00", date(2026, 5, 31)),
        ("Asia/Kolkata", "2026-05-31T18:30:00+00:00", date(2026, 6, 1)),
        ("Asia/Kathmandu", "2026-05-31T18:15:00+00:00", date(2026, 6, 1)),
        ("America/New_York", "2026-03-08T04:59:59+00:00", date(2026, 3, 7)),
        ("America/New_York", "2026-03-09T04:00:00+00:00", date(2026, 3, 9)),
        ("Pacific/Kiritimati", "2026-05-31T10:00:00+00:00", date(2026, 6, 1)),
    ],
)
def test_an_event_falls_on_the_local_day_it_happened(
    shop: Session, *, zone: str, instant: str, day: date
) -> None:
    occurred_at = datetime.fromisoformat(instant)
    window = MerchantWindow(zone, late_window_days=400)

    ingest(shop, [Event(occurred_at=occurred_at)], merchant=window, now=NOON)

    assert shop.scalars(select(UsageRollup.day)).all() == [day]
    assert local_date(occurred_at, ZoneInfo(zone)) == day


def await_waiting(transaction: Transaction, count: int) -> None:
    """Return when `count` sessions of this database wait for a lock."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    for _ in range(200):
        with transaction() as session:
            if session.scalar(waiting) == count:
                return
        time.sleep(0.01)
    raise AssertionError("the writers do not wait for each other")


def test_writers_of_the_same_keys_store_each_once_and_never_deadlock(
    transaction: Transaction,
) -> None:
    """While one writer holds a key, all others run into it, each with the keys it has so far."""
    with transaction() as session:
        furnish(session)
    rounds, writers, size = 3, 8, 500
    counted: list[str] = []

    def write(events: list[Event]) -> None:
        with transaction() as session:
            counted.extend(answers(send(session, *events)))

    for number in range(rounds):
        events = [
            Event(f"{number}-{index}", "2", customer_external_id=f"user_{42 + index % 2}")
            for index in range(size)
        ]
        shuffled = [random.Random(seed).sample(events, size) for seed in range(writers)]  # noqa: S311  # an order, not a secret
        threads = [threading.Thread(target=write, args=(batch,)) for batch in shuffled]
        with transaction() as session:
            counted.extend(answers(send(session, events[size // 2])))
            for thread in threads:
                thread.start()
            await_waiting(transaction, writers)
        for thread in threads:
            thread.join(60)

    assert counted.count("accepted") == rounds * size
    assert counted.count("duplicate") == rounds * (size * (writers - 1) + 1)
    with transaction() as session:
        assert session.scalar(select(func.count()).select_from(UsageEvent)) == rounds * size
        totals = session.execute(
            select(func.sum(UsageRollup.quantity), func.sum(UsageRollup.events))
        ).one()
    assert totals == (2 * rounds * size, rounds * size)
