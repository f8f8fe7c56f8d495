"""Every event of a batch is stored once or told why not, whatever the others are."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.customers.models import Customer, CustomerStatus
from app.metering.events import InvalidEvent
from app.metering.ingestion import BatchSize
from app.metering.models import UsageEvent, UsageRollup
from app.pricing.models import CatalogStatus, Metric
from tests.make import NOON
from tests.metering.conftest import Event, answers, send


def stored(session: Session) -> list[UsageEvent]:
    return list(session.scalars(select(UsageEvent).order_by(UsageEvent.id)))


def test_an_event_is_stored_as_it_came(shop: Session) -> None:
    event = Event("evt_abc_1234", dimensions={"model": "gpt-5", "cached": True, "shard": 7})

    assert answers(send(shop, event)) == ["accepted"]

    (row,) = stored(shop)
    customer = shop.scalars(select(Customer).where(Customer.external_id == "user_42")).one()
    assert row.idempotency_key == "evt_abc_1234"
    assert row.customer_id == customer.id
    assert str(row.quantity) == "12500.000000000000"
    assert row.occurred_at == datetime(2026, 5, 25, 10, tzinfo=UTC)
    assert row.dimensions == {"model": "gpt-5", "cached": True, "shard": 7}


def test_an_event_sent_again_is_a_duplicate(shop: Session) -> None:
    send(shop, Event())

    assert answers(send(shop, Event())) == ["duplicate"]
    assert len(stored(shop)) == 1


@pytest.mark.parametrize(
    "again",
    [
        Event(quantity="12500.000"),
        Event(quantity=12500),
        Event(occurred_at=datetime.fromisoformat("2026-05-25T18:00:00+08:00")),
        Event(dimensions={"model": "gpt-5"}),
    ],
)
def test_the_same_content_in_other_words_is_a_duplicate(shop: Session, again: Event) -> None:
    send(shop, Event())

    assert answers(send(shop, again)) == ["duplicate"]


def test_dimensions_are_compared_as_text(shop: Session) -> None:
    send(shop, Event(dimensions={"a": "1", "b": True}))

    assert answers(send(shop, Event(dimensions={"b": "true", "a": 1}))) == ["duplicate"]


def test_no_dimensions_are_empty_dimensions(shop: Session) -> None:
    send(shop, Event(dimensions=None))

    assert answers(send(shop, Event(dimensions={}))) == ["duplicate"]


@pytest.mark.parametrize(
    "other",
    [
        Event(quantity="12500.000000000001"),
        Event(customer_external_id="user_43"),
        Event(metric="calls"),
        Event(occurred_at=datetime(2026, 5, 25, 10, 0, 0, 1, tzinfo=UTC)),
        Event(dimensions={"model": "gpt-5", "region": "cn"}),
        Event(dimensions={"model": "GPT-5"}),
        Event(dimensions=None),
    ],
)
def test_a_key_with_other_content_conflicts_and_the_first_stays(
    shop: Session, other: Event
) -> None:
    send(shop, Event())

    assert answers(send(shop, other)) == ["idempotency_conflict"]
    assert [str(row.quantity.normalize()) for row in stored(shop)] == ["1.25E+4"]


def test_a_key_that_comes_twice_in_one_batch_counts_once(shop: Session) -> None:
    results = send(shop, Event(), Event("evt_2"), Event(), Event(quantity="1"))

    assert answers(results) == ["accepted", "accepted", "duplicate", "idempotency_conflict"]
    assert len(stored(shop)) == 2


def test_keys_are_told_apart_by_case_and_script(shop: Session) -> None:
    keys = ["evt", "EVT", "évt", 'e"v\\t', "事件{1},2", "NULL", " evt", "a\nb"]

    assert answers(send(shop, *[Event(key) for key in keys])) == ["accepted"] * 8
    assert {row.idempotency_key for row in stored(shop)} == set(keys)


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (Event(customer_external_id="nobody"), "unknown_customer"),
        (Event(customer_external_id=""), "unknown_customer"),
        (Event(customer_external_id="USER_42"), "unknown_customer"),
        (Event(metric="nothing"), "unknown_metric"),
    ],
)
def test_unknown_names_are_unmatched(shop: Session, event: Event, code: str) -> None:
    (result,) = send(shop, event)

    assert (result.outcome, result.code) == ("unmatched", code)
    assert not stored(shop)


def test_archived_customers_and_metrics_take_no_events(shop: Session) -> None:
    send(shop, Event("before"))
    shop.scalars(select(Metric).where(Metric.code == "calls")).one().status = CatalogStatus.ARCHIVED
    customer = shop.scalars(select(Customer).where(Customer.external_id == "user_43")).one()
    customer.status = CustomerStatus.ARCHIVED
    shop.flush()  # the statements of ingestion do not know the session's objects

    results = send(shop, Event("a", metric="calls"), Event("b", customer_external_id="user_43"))

    assert answers(results) == ["unknown_metric", "unknown_customer"]


def test_a_stored_event_stays_a_duplicate_whatever_has_changed(shop: Session) -> None:
    send(shop, Event())
    customer = shop.scalars(select(Customer).where(Customer.external_id == "user_42")).one()
    customer.status = CustomerStatus.ARCHIVED
    shop.flush()  # the statements of ingestion do not know the session's objects

    assert answers(send(shop, Event())) == ["duplicate"]
    assert answers(send(shop, Event(), now=NOON + timedelta(days=300))) == ["duplicate"]


@pytest.mark.parametrize(
    ("age", "answer"),
    [
        (timedelta(days=35), "accepted"),
        (timedelta(days=35, microseconds=1), "event_too_old"),
        (timedelta(minutes=-5), "accepted"),
        (timedelta(minutes=-5, microseconds=-1), "event_in_future"),
    ],
)
def test_the_window_of_an_event(shop: Session, age: timedelta, answer: str) -> None:
    assert answers(send(shop, Event(occurred_at=NOON - age))) == [answer]


@pytest.mark.parametrize(
    ("instant", "code"),
    [
        ("0001-01-01T00:00:00+14:00", "event_too_old"),
        ("1969-12-31T23:59:59.999999+00:00", "event_too_old"),
        ("9999-12-31T23:59:59.999999-14:00", "event_in_future"),
    ],
)
def test_the_ends_of_all_time_are_answered_cleanly(shop: Session, instant: str, code: str) -> None:
    wrong = Event("bad", occurred_at=datetime.fromisoformat(instant))

    results = send(shop, wrong, Event("good"))

    assert answers(results) == [code, "accepted"]
    assert results[0].outcome == "invalid"


NOT_DECIMALS = ["12_", "+5", ".5", "1.", "007", "1e3", "1e999", "0x10", "1,000", "1_000", "--1"]
NOT_NUMBERS = ["", " 12 ", "NaN", "nan", "Infinity", "-Infinity", "\uff11\uff12", "\u0663"]
TOO_WIDE = ["1" * 19, "9" * 5000, "1.0000000000001", 10**18]


@pytest.mark.parametrize("quantity", [*NOT_DECIMALS, *NOT_NUMBERS, *TOO_WIDE])
def test_a_quantity_that_is_no_plain_decimal_is_refused(shop: Session, quantity: str | int) -> None:
    results = send(shop, Event("bad", quantity), Event("good"))

    assert answers(results) == ["invalid_decimal", "accepted"]
    assert results[0].path == "quantity"


def test_zero_and_the_widest_quantities_are_readings(shop: Session) -> None:
    quantities: list[str | int] = ["0", 0, "0.000000000001", "9" * 18 + "." + "9" * 12]

    results = send(shop, *[Event(f"e{index}", value) for index, value in enumerate(quantities)])

    assert answers(results) == ["accepted"] * 4


@pytest.mark.parametrize("key", ["", "x" * 201, "a\0b", "a\ud800b"])
def test_a_key_that_can_not_be_kept_is_refused(shop: Session, key: str) -> None:
    assert answers(send(shop, Event(key))) == ["invalid_idempotency_key"]


def test_the_longest_key_is_kept(shop: Session) -> None:
    assert answers(send(shop, Event("键" * 200))) == ["accepted"]


@pytest.mark.parametrize(
    "dimensions",
    [
        {f"d{number}": "x" for number in range(21)},
        {"n" * 65: "x"},
        {"model": "x" * 257},
        {"model": "a\0b"},
        {"a\0b": "x"},
        {"model": "\udfff"},
        {"big": 1 << 63},
    ],
)
def test_dimensions_that_can_not_be_kept_are_refused(
    shop: Session, dimensions: dict[str, str | int]
) -> None:
    results = send(shop, Event("bad", dimensions=dimensions), Event("good"))

    assert answers(results) == ["invalid_dimensions", "accepted"]


def test_the_widest_dimensions_are_kept(shop: Session) -> None:
    wide = {f"{number:02}".ljust(64, "n"): "值" * 256 for number in range(20)}

    assert answers(send(shop, Event(dimensions=wide))) == ["accepted"]
    assert stored(shop)[0].dimensions == wide


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "x" * 201])
def test_names_that_nothing_can_have_are_refused(shop: Session, text: str) -> None:
    results = send(shop, Event("a", customer_external_id=text), Event("b", metric=text))

    assert answers(results) == ["invalid_text", "invalid_text"]
    assert [result.path for result in results] == ["customer_external_id", "metric"]


def test_what_a_door_could_not_decode_keeps_its_place(shop: Session) -> None:
    wrong = InvalidEvent("invalid", "Expected `str`, got `null`", "quantity")

    results = send(shop, Event("a"), wrong, Event("b"))

    assert answers(results) == ["accepted", "invalid", "accepted"]
    assert (results[1].message, results[1].path) == ("Expected `str`, got `null`", "quantity")


def test_a_batch_of_nothing_but_refusals_touches_nothing(shop: Session) -> None:
    assert answers(send(shop, InvalidEvent("invalid", ""))) == ["invalid"]
    assert shop.scalar(select(func.count()).select_from(UsageRollup)) == 0


@pytest.mark.parametrize("size", [0, 501])
def test_a_batch_holds_1_to_500_events(shop: Session, size: int) -> None:
    with pytest.raises(BatchSize):
        send(shop, *[Event()] * size)
