"""An event is written exactly, or refused to the caller's face."""

import signal
import threading
import uuid
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from buffmoney import Event, clock
from buffmoney.keys import TimeOrderedKeys
from hypothesis import given
from hypothesis import strategies as st

from tests.sdk.conftest import Connect
from tests.sdk.stub import Stub

NOON = datetime(2026, 6, 2, 12, tzinfo=timezone(timedelta(hours=8)))


def sent(connect: Connect, stub: Stub, quantity: Any, **fields: Any) -> dict[str, Any]:
    """Track one event and return it as the server reads it."""
    with connect() as client:
        client.usage.track("user_42", "tokens_input", quantity, **fields)
    (request,) = stub.requests
    (event,) = request.events
    return event


def test_an_event_has_the_fields_of_the_api(connect: Connect, stub: Stub) -> None:
    event = sent(
        connect,
        stub,
        12_500,
        dimensions={"model": "gpt-5", "层级": "专业", "seats": 3, "trial": False},
        occurred_at=NOON,
        idempotency_key="evt_abc_1234",
        corrects="evt_abc_1233",
    )

    assert event == {
        "customerExternalId": "user_42",
        "idempotencyKey": "evt_abc_1234",
        "metric": "tokens_input",
        "quantity": "12500",
        "occurredAt": "2026-06-02T04:00:00+00:00",
        "dimensions": {"model": "gpt-5", "层级": "专业", "seats": 3, "trial": False},
        "corrects": "evt_abc_1233",
    }


def test_an_event_is_now_with_a_key_of_its_own_unless_told(connect: Connect, stub: Stub) -> None:
    before = datetime.now(UTC)  # noqa: TID251  # the real clock is what is asked for
    event = sent(connect, stub, 1)

    assert set(event) == {
        *("customerExternalId", "idempotencyKey", "metric", "quantity", "occurredAt")
    }
    assert abs(datetime.fromisoformat(event["occurredAt"]) - before) < timedelta(seconds=5)
    assert uuid.UUID(event["idempotencyKey"]).version == 7


@pytest.mark.parametrize(
    ("quantity", "written"),
    [
        (0, "0"),
        (signal.SIGKILL, "9"),
        (10**17, "100000000000000000"),
        (Decimal("0.1"), "0.1"),
        (Decimal("1E+3"), "1000"),
        (Decimal("1E-12"), "0.000000000001"),
        ("12500.50", "12500.50"),
    ],
)
def test_no_digit_is_lost(connect: Connect, stub: Stub, quantity: Any, written: str) -> None:
    assert sent(connect, stub, quantity)["quantity"] == written


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"quantity": 0.1}, TypeError),
        ({"quantity": True}, TypeError),
        ({"quantity": Decimal("NaN")}, ValueError),
        ({"quantity": Decimal("Infinity")}, ValueError),
        ({"occurred_at": datetime(2026, 6, 2, 12)}, ValueError),  # noqa: DTZ001  # naive on purpose
        ({"occurred_at": "2026-06-02T12:00:00Z"}, TypeError),
        ({"occurred_at": ""}, TypeError),
        ({"customer": 42}, TypeError),
        ({"customer": "half \ud83d"}, ValueError),
        ({"metric": None}, TypeError),
        ({"idempotency_key": 7}, TypeError),
        ({"dimensions": {"share": 0.5}}, TypeError),
        ({"dimensions": {"model": None}}, TypeError),
        ({"dimensions": {7: "model"}}, TypeError),
        ({"customer": "x" * 1_000_000}, ValueError),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_can_not_be_sent_exactly_is_refused_at_once(
    connect: Connect, stub: Stub, wrong: dict[str, Any], error: type[Exception]
) -> None:
    with connect() as client:
        event: dict[str, Any] = {"customer": "user_42", "metric": "tokens_input", "quantity": 1}
        with pytest.raises(error):
            client.usage.track(**event | wrong)

        assert client.usage.stats.tracked == 0
    assert stub.requests == []


def test_an_empty_key_is_the_callers_not_a_missing_one(connect: Connect, stub: Stub) -> None:
    assert sent(connect, stub, 1, idempotency_key="")["idempotencyKey"] == ""


def test_an_event_given_back_is_sent_again_as_it_was(connect: Connect, stub: Stub) -> None:
    event = Event("user_42", "tokens_input", "1.50", NOON, "evt_1", {"model": "gpt-5"}, "evt_0")
    with connect() as client:
        client.usage.resend(event)

    assert Event.decode(stub.requests[0].events[0]) == event


def test_keys_grow_also_between_threads() -> None:
    keys = TimeOrderedKeys()
    made: list[list[str]] = [[] for _ in range(4)]

    def make(mine: list[str]) -> None:
        mine.extend(keys.new() for _ in range(5_000))

    threads = [threading.Thread(target=make, args=(mine,)) for mine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert all(mine == sorted(mine) for mine in made)
    assert len({key for mine in made for key in mine}) == 20_000


@given(st.lists(st.integers(0, 2**48 - 2), min_size=2, max_size=50))
def test_keys_grow_whatever_the_clock_does(times: list[int]) -> None:
    keys, made = TimeOrderedKeys(), []
    with pytest.MonkeyPatch.context() as patch:
        for time in times:
            patch.setattr(clock, "milliseconds", lambda time=time: time)
            made.append(keys.new())

    assert made == sorted(set(made))
    assert all(uuid.UUID(key).version == 7 for key in made)
    assert all(uuid.UUID(key).variant == uuid.RFC_4122 for key in made)
    assert made[0].startswith(f"{times[0]:012x}"[:8])
