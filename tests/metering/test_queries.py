"""Invoices, charts and lists read the same usage, each in its own shape."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.core.db import begin
from app.customers.models import Customer
from app.metering.models import UsageEvent
from app.metering.queries import (
    NO_USAGE,
    DayUsage,
    EventFilter,
    Usage,
    daily_usage,
    list_events,
    period_usage,
)
from app.pricing.models import Metric
from tests.make import NOON, Make
from tests.metering.conftest import Event, furnish, send

MAY, JUNE = date(2026, 5, 1), date(2026, 6, 1)


def customer_id(session: Session, external_id: str = "user_42") -> int:
    return session.scalars(select(Customer.id).where(Customer.external_id == external_id)).one()


def metric_id(session: Session, code: str) -> int:
    return session.scalars(select(Metric.id).where(Metric.code == code)).one()


def on(day: int, hour: int = 4) -> datetime:
    """Return an hour, in UTC, of a day in May."""
    return datetime(2026, 5, day, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("metric", "quantity"),
    [("tokens", "33.5"), ("calls", "4"), ("storage", "20"), ("seats", "0.5")],
)
def test_a_period_comes_to_what_the_metric_says(shop: Session, metric: str, quantity: str) -> None:
    readings = [("5", on(10)), ("20", on(11)), ("0.5", on(12)), ("8", on(11, 3))]
    for key, (value, occurred_at) in enumerate(readings):
        send(shop, Event(str(key), value, metric=metric, occurred_at=occurred_at))

    usage = period_usage(shop, [customer_id(shop)], first_day=MAY, end_day=JUNE)

    assert usage == {(customer_id(shop), metric_id(shop, metric)): Usage(Decimal(quantity), 4)}


def test_a_period_begins_and_ends_at_the_merchants_midnight(shop: Session) -> None:
    midnights = ["2026-04-30T16:00:00", "2026-05-31T15:59:59", "2026-05-31T16:00:00"]
    for key, text in enumerate(midnights):
        occurred_at = datetime.fromisoformat(f"{text}+00:00")
        send(shop, Event(str(key), "1", occurred_at=occurred_at))

    (usage,) = period_usage(shop, [customer_id(shop)], first_day=MAY, end_day=JUNE).values()

    assert usage == Usage(Decimal(2), 2)


def test_customers_are_read_in_one_go_and_only_those_asked_for(shop: Session) -> None:
    send(shop, Event("a", "1"), Event("b", "2", customer_external_id="user_43"))
    first, second = customer_id(shop), customer_id(shop, "user_43")
    tokens = metric_id(shop, "tokens")

    both = period_usage(shop, [first, second], first_day=MAY, end_day=JUNE)
    one = period_usage(shop, [second], first_day=MAY, end_day=JUNE)

    assert both == {(first, tokens): Usage(Decimal(1), 1), (second, tokens): Usage(Decimal(2), 1)}
    assert one == {(second, tokens): Usage(Decimal(2), 1)}
    assert one.get((first, tokens), NO_USAGE) == Usage(Decimal(0), 0)
    assert period_usage(shop, [], first_day=MAY, end_day=JUNE) == {}


def test_a_chart_shows_each_day_and_metric_that_was_used(shop: Session) -> None:
    send(
        shop,
        Event("a", "1", occurred_at=on(10)),
        Event("b", "2", occurred_at=on(12)),
        Event("c", "3", occurred_at=on(12), customer_external_id="user_43"),
        Event("d", "7", occurred_at=on(12), metric="calls"),
    )
    tokens, calls = metric_id(shop, "tokens"), metric_id(shop, "calls")

    everything = daily_usage(shop, first_day=MAY, end_day=JUNE)
    of_one = daily_usage(
        shop, first_day=MAY, end_day=JUNE, metric_id=tokens, customer_id=customer_id(shop)
    )

    assert sorted(everything, key=lambda usage: (usage.day, usage.events)) == [
        DayUsage(date(2026, 5, 10), tokens, Decimal(1), 1),
        DayUsage(date(2026, 5, 12), calls, Decimal(1), 1),
        DayUsage(date(2026, 5, 12), tokens, Decimal(5), 2),
    ]
    assert of_one == [
        DayUsage(date(2026, 5, 10), tokens, Decimal(1), 1),
        DayUsage(date(2026, 5, 12), tokens, Decimal(2), 1),
    ]
    assert daily_usage(shop, first_day=MAY, end_day=date(2026, 5, 10)) == []


def test_a_chart_adds_up_the_highest_of_each_customer(shop: Session) -> None:
    send(
        shop,
        Event("a", "5", metric="storage"),
        Event("b", "9", metric="storage"),
        Event("c", "2", metric="storage", customer_external_id="user_43"),
    )

    (usage,) = daily_usage(shop, first_day=MAY, end_day=JUNE)

    assert usage.quantity == Decimal(11)


def test_paging_visits_every_event_once_newest_first(shop: Session) -> None:
    for key in range(7):
        send(shop, Event(str(key)))

    seen: list[str] = []
    cursor = None
    while True:
        page = list_events(shop, EventFilter(), cursor=cursor, limit=3)
        seen += [event.idempotency_key for event in page.rows]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert seen == ["6", "5", "4", "3", "2", "1", "0"]


def test_a_list_shows_what_meets_the_whole_filter(shop: Session) -> None:
    send(
        shop,
        Event("a", occurred_at=on(10)),
        Event("b", occurred_at=on(11)),
        Event("c", occurred_at=on(11), customer_external_id="user_43"),
        Event("d", occurred_at=on(11), metric="calls"),
        Event("e", occurred_at=on(12)),
    )
    wanted = EventFilter(
        customer_id=customer_id(shop),
        metric_id=metric_id(shop, "tokens"),
        from_at=on(11),
        to_at=on(12),
    )

    assert [event.idempotency_key for event in list_events(shop, wanted).rows] == ["b"]


def test_merchants_share_keys_and_names_but_no_usage(engine: Engine) -> None:
    merchants = []
    for quantity in ("1", "2"):
        merchant_id = Make.new_merchant_id()
        merchants.append(merchant_id)
        with begin(engine, merchant_id) as session:
            Make(session).merchant()
            furnish(session)
            (result,) = send(session, Event("same", quantity), now=NOON + timedelta(hours=1))
            assert result.outcome == "accepted"

    with begin(engine, merchants[0]) as session:
        events = session.scalars(select(UsageEvent)).all()
        (usage,) = daily_usage(session, first_day=MAY, end_day=JUNE)

    assert [event.quantity for event in events] == [Decimal(1)]
    assert usage.quantity == Decimal(1)
