"""Events go out in as few requests as the limits allow, none lost, none twice, all in order."""

import json
import time
from collections import deque
from collections.abc import Sequence

import pytest
from buffmoney import QueueFull, buffering
from buffmoney.buffering import MAX_BATCH, MAX_BODY, MAX_EVENT, Line, cut
from hypothesis import given
from hypothesis import strategies as st

from tests.sdk.conftest import Connect
from tests.sdk.stub import Stub


def lines(sizes: Sequence[int]) -> "deque[Line]":
    """Make events of these many bytes that say their own place."""
    made = (json.dumps({"n": number}).encode() for number in range(len(sizes)))
    padded = (raw.ljust(size) for raw, size in zip(made, sizes, strict=True))
    return deque(Line(number, raw, 0.0) for number, raw in enumerate(padded))


def places(body: bytes) -> list[int]:
    return [event["n"] for event in json.loads(body)["events"]]


@given(st.lists(st.integers(20, 1_500) | st.integers(200_000, MAX_EVENT), min_size=1, max_size=40))
def test_every_batch_is_within_the_limits_and_none_is_smaller_than_it_must(
    sizes: list[int],
) -> None:
    fresh, bodies = lines(sizes), []
    while fresh:
        batch = cut(fresh)
        bodies.append(batch.body)
        assert 1 <= batch.count <= 500
        assert len(batch.body) <= 1_000_000
        assert not fresh or len(batch.body) + 1 + len(fresh[0].raw) > 1_000_000

    assert [n for body in bodies for n in places(body)] == list(range(len(sizes)))


def test_a_batch_holds_at_most_five_hundred_events() -> None:
    fresh = lines([20] * 1_201)

    assert [cut(fresh).count for _ in range(3)] == [500, 500, 201]


def test_an_event_may_fill_a_request_to_the_last_byte() -> None:
    assert len(cut(lines([MAX_EVENT])).body) == MAX_BODY == 1_000_000
    assert MAX_BATCH == 500


def test_events_that_come_together_go_together(connect: Connect, stub: Stub) -> None:
    client = connect(linger=0.5)
    for _ in range(20):
        client.usage.track("user_42", "tokens_input", 1)
    assert stub.requests == []

    wait_for_requests(stub)
    assert [len(request.events) for request in stub.requests] == [20]


@pytest.mark.parametrize(("count", "padding"), [(500, 1), (25, 50_000)])
def test_a_full_batch_does_not_linger(
    connect: Connect, stub: Stub, count: int, padding: int
) -> None:
    client = connect(linger=60.0)
    for _ in range(count):
        client.usage.track("user_42", "tokens_input", 1, dimensions={"note": "x" * padding})

    wait_for_requests(stub)


def wait_for_requests(stub: Stub) -> None:
    deadline = time.monotonic() + 10
    while not stub.requests:
        assert time.monotonic() < deadline, "nothing was sent"
        time.sleep(0.01)


def test_flush_sends_at_once_and_waits_until_it_is_settled(connect: Connect, stub: Stub) -> None:
    client = connect(linger=60.0)
    for _ in range(3):
        client.usage.track("user_42", "tokens_input", 1)

    assert client.usage.flush(5)
    assert len(stub.counted) == 3
    assert client.usage.flush(0)


def test_ten_thousand_events_take_few_requests(connect: Connect, stub: Stub) -> None:
    with connect(linger=1.0) as client:
        for _ in range(10_000):
            client.usage.track("user_42", "tokens_input", 1)

    assert len(stub.counted) == 10_000
    assert len(stub.requests) <= 25
    assert len({request.connection for request in stub.requests}) == 1


def test_what_waits_is_bounded_by_the_limits() -> None:
    limits = buffering.Limits(events=3, size=100, linger=60, max_age=60)
    buffer = buffering.Buffer(limits)
    for _ in range(2):
        buffer.put(b"x" * 40, timeout=0)

    with pytest.raises(QueueFull):
        buffer.put(b"x" * 40, timeout=0)
    buffer.put(b"x" * 20, timeout=0)
    with pytest.raises(QueueFull):
        buffer.put(b"", timeout=0)
    assert buffer.stats().queued == 3


def test_what_is_gone_makes_room(connect: Connect, stub: Stub) -> None:
    with connect(max_queue=10, max_queue_bytes=2_000) as client:
        for _ in range(5):
            for _ in range(7):
                client.usage.track("user_42", "tokens_input", 1)
            assert client.usage.flush(5)

    assert len(stub.counted) == 35
