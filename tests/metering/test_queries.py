"""Lists of events show each event once, in the order they happened, and never take long."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.core import clock
from app.core.db import begin
from app.core.errors import NotFound
from app.core.paging import BadCursor, encode_cursor
from app.customers.models import Customer
from app.metering import queries
from app.metering.queries import (
    EventFilter,
    EventOutcome,
    EventPage,
    get_event,
    list_events,
    newest_events,
)
from app.pricing.models import Metric
from tests.make import Make
from tests.metering.plans import plans
from tests.metering.stored import Shelf, may, void

EVERYTHING = EventFilter()


@pytest.fixture
def shelf(session: Session) -> Shelf:
    return Shelf(session)


@pytest.fixture
def customer(make: Make) -> Customer:
    return make.customer()


@pytest.fixture
def metric(make: Make) -> Metric:
    return make.metric()


def keys(page: EventPage) -> list[str]:
    return [row.event.idempotency_key for row in page.rows]


def all_pages(session: Session, wanted: EventFilter, *, limit: int = 3) -> list[EventPage]:
    pages = [list_events(session, wanted, limit=limit)]
    while pages[-1].next_cursor:
        pages.append(list_events(session, wanted, cursor=pages[-1].next_cursor, limit=limit))
    return pages


@given(hours=st.lists(st.integers(0, 3), max_size=9), limit=st.integers(1, 4))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_paging_visits_every_event_once_the_last_to_happen_first(
    session: Session, make: Make, hours: list[int], limit: int
) -> None:
    with session.begin_nested() as outer:
        shelf, customer, metric = Shelf(session), make.customer(), make.metric()
        for hour in hours:
            shelf.add(metric, "1", at=may(3, hour), customer=customer)
        wanted = EventFilter(customer_id=customer.id)

        listed = [
            row.event for page in all_pages(session, wanted, limit=limit) for row in page.rows
        ]

        assert len(listed) == len(hours)
        for later, earlier in pairwise(listed):
            assert (later.occurred_at, later.id) > (earlier.occurred_at, earlier.id)
        outer.rollback()


def test_a_list_shows_what_meets_the_whole_filter(
    session: Session, make: Make, shelf: Shelf, customer: Customer, metric: Metric
) -> None:
    other = make.customer()
    shelf.add(metric, "1", at=may(10), customer=customer, dimensions={"model": "gpt-5"})
    found = shelf.add(metric, "1", at=may(11), customer=customer, dimensions={"model": "gpt-5"})
    shelf.add(metric, "1", at=may(11), customer=customer, dimensions={"model": "qwen"})
    shelf.add(metric, "1", at=may(11), customer=other, dimensions={"model": "gpt-5"})
    shelf.add(make.metric(), "1", at=may(11), customer=customer, dimensions={"model": "gpt-5"})
    shelf.add(metric, "1", at=may(12), customer=customer, dimensions={"model": "gpt-5"})
    wanted = EventFilter(
        customer_id=customer.id,
        metric_id=metric.id,
        from_at=may(11),
        to_at=may(12),
        dimensions={"model": ["gpt-5"]},
    )

    assert keys(list_events(session, wanted)) == [found.idempotency_key]


def test_a_dimension_is_compared_as_text(
    session: Session, shelf: Shelf, customer: Customer, metric: Metric
) -> None:
    for value in (7, "7", True, "true"):
        shelf.add(metric, "1", at=may(11), customer=customer, dimensions={"flag": value})

    assert len(list_events(session, EventFilter(dimensions={"flag": ["7"]})).rows) == 2
    assert len(list_events(session, EventFilter(dimensions={"flag": ["true"]})).rows) == 2


def test_every_dimension_that_is_named_has_one_of_its_values(
    session: Session, shelf: Shelf, customer: Customer, metric: Metric
) -> None:
    for model, region in (("a", "cn"), ("b", "cn"), ("c", "cn"), ("a", "us")):
        shelf.add(
            metric,
            "1",
            at=may(11),
            customer=customer,
            dimensions={"model": model, "region": region},
        )
    shelf.add(metric, "1", at=may(11), customer=customer, dimensions={"model": "a"})

    wanted = EventFilter(dimensions={"model": ["a", "b"], "region": ["cn"]})
    rows = list_events(session, wanted).rows

    assert sorted(row.event.dimensions["model"] for row in rows) == ["a", "b"]


def test_a_list_tells_what_has_become_of_each_event(
    session: Session, shelf: Shelf, customer: Customer, metric: Metric
) -> None:
    accepted = shelf.add(metric, "1", at=may(10), customer=customer)
    late = shelf.add(metric, "1", at=may(11), customer=customer, is_late=True)
    voided = shelf.add(metric, "1", at=may(12), customer=customer, is_late=True)
    void(session, voided)

    assert [row.outcome for row in list_events(session, EVERYTHING).rows] == [
        EventOutcome.VOIDED,
        EventOutcome.LATE,
        EventOutcome.ACCEPTED,
    ]
    for event, outcome in zip((accepted, late, voided), EventOutcome, strict=True):
        page = list_events(session, EventFilter(customer_id=customer.id, outcome=outcome))
        assert keys(page) == [event.idempotency_key]


def test_a_page_that_looked_at_enough_says_how_far(
    session: Session,
    make: Make,
    shelf: Shelf,
    customer: Customer,
    metric: Metric,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(queries, "LOOKED_AT", 4)
    rare = make.metric()
    shelf.add(rare, "1", at=may(2), customer=customer)
    for day in range(3, 12):
        shelf.add(metric, "1", at=may(day), customer=customer)
    shelf.add(rare, "1", at=may(12), customer=customer)

    pages = all_pages(session, EventFilter(metric_id=rare.id))

    assert [page.looked_back_to for page in pages] == [may(9), may(5), None]
    assert [len(page.rows) for page in pages] == [1, 0, 1]


def test_a_full_page_did_not_have_to_stop(
    session: Session,
    shelf: Shelf,
    customer: Customer,
    metric: Metric,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(queries, "LOOKED_AT", 4)
    for day in range(3, 12):
        shelf.add(metric, "1", at=may(day), customer=customer)

    pages = all_pages(session, EventFilter(metric_id=metric.id))

    assert [len(page.rows) for page in pages] == [3, 3, 3]
    assert {page.looked_back_to for page in pages} == {None}


@pytest.mark.parametrize(
    "cursor", [encode_cursor(10**18, 1), encode_cursor("x", 1), encode_cursor(1), "?"]
)
def test_a_cursor_of_something_else_is_refused(session: Session, cursor: str) -> None:
    with pytest.raises(BadCursor):
        list_events(session, EVERYTHING, cursor=cursor)


def test_an_event_is_found_by_its_id(
    session: Session, shelf: Shelf, customer: Customer, metric: Metric
) -> None:
    event = shelf.add(metric, "1", at=may(3), customer=customer)
    void(session, event)

    found = get_event(session, event.id)

    assert found.event.idempotency_key == event.idempotency_key
    assert found.void
    assert found.void.reason == "sent twice"
    with pytest.raises(NotFound):
        get_event(session, event.id + 1)


def test_a_live_list_has_what_arrived_since_whenever_it_happened(
    session: Session, shelf: Shelf, customer: Customer, metric: Metric
) -> None:
    minutes_ago = clock.now() - timedelta(minutes=3)
    shelf.add(metric, "1", at=may(20), customer=customer, received_at=minutes_ago)
    first = shelf.add(metric, "1", at=may(9), customer=customer)
    second = shelf.add(metric, "1", at=may(3), customer=customer)

    everything = newest_events(session, EVERYTHING)
    since = newest_events(session, EVERYTHING, after_id=first.id)

    assert [row.event.id for row in everything] == [second.id, first.id]
    assert [row.event.id for row in since] == [second.id]
    assert newest_events(session, EventFilter(dimensions={"model": ["gpt-5"]})) == []


@pytest.mark.parametrize("outcome", [None, *EventOutcome])
@pytest.mark.parametrize("is_of_customer", [False, True])
def test_lists_follow_an_index_and_sort_nothing(
    session: Session,
    shelf: Shelf,
    customer: Customer,
    metric: Metric,
    *,
    is_of_customer: bool,
    outcome: EventOutcome | None,
) -> None:
    shelf.fill(metric, 3_000, customer=customer)
    wanted = EventFilter(
        customer_id=customer.id if is_of_customer else None,
        metric_id=metric.id + 1,
        dimensions={"model": ["gpt-5"]},
        outcome=outcome,
    )

    plan = plans(session, lambda: list_events(session, wanted))

    assert "Sort" not in plan
    assert "Seq Scan" not in plan


def test_an_event_of_somebody_else_is_not_found(engine: Engine) -> None:
    with begin(engine, Make.new_merchant_id()) as session:
        Make(session).merchant()
        make = Make(session)
        event = Shelf(session).add(make.metric(), "1", at=may(3), customer=make.customer())

    with begin(engine, Make.new_merchant_id()) as session:
        Make(session).merchant()
        assert not list_events(session, EVERYTHING).rows
        with pytest.raises(NotFound):
            get_event(session, event.id)
