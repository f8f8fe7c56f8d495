"""However the server misbehaves, an event is counted once or its caller is told; never neither."""

import logging
import threading
import time
from typing import Any

import pytest
from buffmoney import ApiError, BuffMoney, Closed, NoAnswer, Stats
from buffmoney.retries import pause
from hypothesis import given
from hypothesis import strategies as st

from tests.sdk import stub as bad
from tests.sdk.conftest import Connect, Heard
from tests.sdk.stub import UNKNOWN_CUSTOMER, Behaviour, Stub


def track(client: BuffMoney, count: int = 1, **fields: Any) -> list[str]:
    return [client.usage.track("user_42", "tokens_input", 1, **fields) for _ in range(count)]


def settled(stats: Stats) -> int:
    return stats.accepted + stats.duplicates + stats.late + stats.rejected + stats.undelivered


@pytest.mark.parametrize(
    "behaviour",
    [
        bad.hang_up,
        bad.lose_the_answer,
        bad.be_slow(1.0),
        bad.refuse(503, "database_unavailable", Retry_After="0"),
        bad.refuse(500, "internal_error"),
        bad.refuse(429, "too_many_requests", Retry_After="0"),
        bad.refuse(409, "idempotency_key_in_use", Retry_After="0"),
        bad.say(200, b"<html>sign in to the network</html>"),
        bad.say(200, b'{"results": []}'),
        bad.say(502, b"<html>bad gateway</html>", Retry_After="Fri, 20 Nov 2026 12:00:00 GMT"),
        bad.say(200, b"", Connection="close"),
    ],
    ids=[
        *("hangs up", "loses the answer", "is slow", "503", "500", "429", "still running"),
        *("a page", "another answer", "a proxy's page", "nothing"),
    ],
)
def test_a_batch_that_failed_is_sent_again_and_counted_once(
    connect: Connect, stub: Stub, heard: Heard, behaviour: Behaviour
) -> None:
    stub.plan.append(behaviour)
    with connect(timeout=0.5) as client:
        keys = track(client, 3)
        assert client.usage.flush(10)

    assert list(stub.counted) == keys
    first, second = stub.requests
    assert (first.key, first.body) == (second.key, second.body)
    assert first.key
    assert heard.undelivered == []
    assert settled(client.usage.stats) == 3
    assert client.usage.stats.retries == 1


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "invalid_json"),
        (401, "invalid_api_key"),
        (403, "insufficient_scope"),
        (409, "conflict"),
    ],
)
def test_what_the_api_refuses_for_good_is_not_sent_again(
    connect: Connect, stub: Stub, heard: Heard, status: int, code: str
) -> None:
    stub.plan.append(bad.refuse(status, code))
    with connect() as client:
        keys = track(client, 2)
        assert client.usage.flush(5)

    assert len(stub.requests) == 1
    (given_up,) = heard.undelivered
    assert [event.idempotency_key for event in given_up.events] == keys
    assert isinstance(given_up.error, ApiError)
    assert given_up.error.status == status
    assert given_up.error.code == code
    assert given_up.error.path == "here"
    assert given_up.error.request_id == "r-1"
    assert client.usage.stats == Stats(tracked=2, undelivered=2)


def test_a_redirect_is_not_followed(connect: Connect, stub: Stub, heard: Heard) -> None:
    stub.plan.append(bad.say(307, b"", Location="http://127.0.0.1:1/steal"))
    with connect() as client:
        track(client)

    assert isinstance(heard.undelivered[0].error, ApiError)
    assert heard.undelivered[0].error.status == 307


def test_the_server_says_how_long_to_wait(connect: Connect, stub: Stub) -> None:
    stub.plan.append(bad.refuse(429, "too_many_requests", Retry_After="1"))
    client = connect()
    track(client)

    assert client.usage.flush(5)
    first, second = stub.requests
    assert second.at - first.at >= 1.0


def test_every_event_that_was_not_just_accepted_is_told_of(
    connect: Connect, stub: Stub, heard: Heard
) -> None:
    results = (
        b'{"results":[{"status":"accepted"},{"status":"late"},{"status":"duplicate"},'
        b'{"status":"postponed","code":"new_code","message":"later","path":"metric","new":1}]}'
    )
    stub.plan.append(bad.say(200, results))
    with connect() as client:
        keys = track(client, 4)
        assert client.usage.flush(5)

    assert [result.event.idempotency_key for result in heard.results] == keys[1:]
    assert [result.outcome for result in heard.results] == ["late", "duplicate", "postponed"]
    assert [result.is_counted for result in heard.results] == [True, True, False]
    last = heard.results[-1]
    assert (last.code, last.message, last.path) == ("new_code", "later", "metric")
    assert client.usage.stats == Stats(tracked=4, accepted=1, late=1, duplicates=1, rejected=1)


def test_an_event_that_was_refused_can_be_sent_again(
    connect: Connect, stub: Stub, heard: Heard
) -> None:
    with connect() as client:
        client.usage.track(UNKNOWN_CUSTOMER, "tokens_input", 1, idempotency_key="evt_1")
        assert client.usage.flush(5)
        stub.then = bad.say(200, b'{"results":[{"status":"accepted"}]}')
        client.usage.resend(heard.results[0].event)

    assert heard.results[0].code == "unknown_customer"
    assert stub.requests[1].events == stub.requests[0].events


def test_without_callbacks_the_log_tells(
    connect: Connect, stub: Stub, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "buffmoney")
    client = connect(on_result=None, on_error=None)
    client.usage.track(UNKNOWN_CUSTOMER, "tokens_input", 1, idempotency_key="evt_1")
    assert client.usage.flush(5)
    stub.plan.append(bad.refuse(401, "invalid_api_key"))
    track(client, 2)
    assert client.usage.flush(5)

    assert [record.getMessage() for record in caplog.records] == [
        "usage: event evt_1 is unmatched: unknown_customer",
        "usage: 2 events were given up: 401 invalid_api_key at here: said the stub",
    ]


def test_a_callback_that_fails_stops_nothing(
    connect: Connect, stub: Stub, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("the caller's fault")

    with connect(on_result=fail, on_error=fail) as client:
        client.usage.track(UNKNOWN_CUSTOMER, "tokens_input", 1)
        assert client.usage.flush(5)
        stub.plan.append(bad.refuse(401, "invalid_api_key"))
        track(client)
        assert client.usage.flush(5)
        track(client)

    assert client.usage.stats == Stats(tracked=3, rejected=1, undelivered=1, accepted=1)
    assert [record.msg for record in caplog.records] == ["usage: a callback failed on %r"] * 2


def test_a_callback_may_track_but_not_wait_for_itself(connect: Connect, heard: Heard) -> None:
    refused: list[str] = []

    def on_result(_: object) -> None:
        track(client)
        for wait in (client.usage.flush, client.close):
            with pytest.raises(RuntimeError) as info:
                wait()
            refused.append(str(info.value))

    client = connect(on_result=on_result)
    client.usage.track(UNKNOWN_CUSTOMER, "tokens_input", 1)
    assert client.usage.flush(5)
    assert client.usage.flush(5)

    assert refused == ["a callback would wait for itself"] * 2
    assert client.usage.stats.accepted == 1
    assert heard.undelivered == []


def test_a_connection_is_kept_and_one_that_was_closed_meanwhile_costs_no_retry(
    connect: Connect, stub: Stub
) -> None:
    stub.plan.extend([bad.count, bad.close_after(bad.count), bad.count])
    client = connect()
    for _ in range(3):
        track(client)
        assert client.usage.flush(5)
        time.sleep(0.05)

    first, second, third = [request.connection for request in stub.requests]
    assert first == second
    assert second != third
    assert client.usage.stats == Stats(tracked=3, accepted=3)


def test_a_batch_the_server_always_chokes_on_holds_up_no_others(
    connect: Connect, stub: Stub, heard: Heard
) -> None:
    stub.then = bad.choke_on("poison")
    client = connect()
    track(client, idempotency_key="poison")
    time.sleep(0.1)
    keys = track(client, 50)

    deadline = time.monotonic() + 10
    while len(stub.counted) < 50:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    client.close(0)
    assert sorted(stub.counted) == keys
    assert [event.idempotency_key for event in heard.undelivered[0].events] == ["poison"]


def test_what_is_too_old_is_given_up(connect: Connect, stub: Stub, heard: Heard) -> None:
    stub.stop()
    client = connect(max_age=0.5)
    keys = track(client, 2)

    assert client.usage.flush(10)
    (given_up,) = heard.undelivered
    assert [event.idempotency_key for event in given_up.events] == keys
    assert isinstance(given_up.error, NoAnswer)
    assert client.usage.stats.undelivered == 2


def test_close_gives_up_in_time_and_says_so(connect: Connect, stub: Stub, heard: Heard) -> None:
    stub.then = bad.be_slow(3.0)
    client = connect()
    sent = track(client)
    time.sleep(0.2)
    waiting = track(client, 2)

    started = time.monotonic()
    client.close(0.3)

    assert time.monotonic() - started < 2.0
    given_up = [event.idempotency_key for batch in heard.undelivered for event in batch.events]
    assert given_up == sent + waiting
    assert all(isinstance(batch.error, Closed) for batch in heard.undelivered)
    assert client.usage.stats == Stats(tracked=3, undelivered=3)
    with pytest.raises(Closed):
        track(client)


@pytest.mark.parametrize("late", [bad.be_slow(0.5), bad.hang_up_after(0.5)])
def test_what_comes_after_it_was_given_up_changes_nothing(
    connect: Connect, stub: Stub, heard: Heard, late: Behaviour
) -> None:
    stub.then = late
    client = connect()
    track(client)
    while not stub.requests:
        time.sleep(0.01)
    (sender,) = [thread for thread in threading.enumerate() if thread.name == "buffmoney"][-1:]
    client.close(0)
    sender.join(10)

    assert len(heard.undelivered) == 1
    assert client.usage.stats == Stats(tracked=1, undelivered=1)
    assert len(stub.requests) == 1
    assert not sender.is_alive()


def test_close_does_not_wait_out_a_pause(connect: Connect, stub: Stub) -> None:
    stub.plan.append(bad.refuse(503, "unavailable", Retry_After="60"))
    client = connect()
    track(client)
    while client.usage.stats.retries == 0:
        time.sleep(0.01)

    client.close(5)

    assert len(stub.counted) == 1


def test_a_full_queue_refuses_at_once(connect: Connect, stub: Stub) -> None:
    stub.then = bad.be_slow(0.5)
    client = connect(max_queue=10, linger=60)
    track(client, 10)

    with pytest.raises(Exception, match="10 events wait to be sent") as refused:
        track(client)
    assert type(refused.value).__name__ == "QueueFull"
    assert client.usage.flush(5)
    assert len(stub.counted) == 10
    assert client.usage.stats.tracked == 10


def test_a_full_queue_holds_up_who_wants_to_wait(connect: Connect, stub: Stub) -> None:
    stub.then = bad.be_slow(0.05)
    with connect(max_queue=10, linger=0, block_timeout=10) as client:
        keys = track(client, 100)

    assert list(stub.counted) == keys
    assert max(len(request.events) for request in stub.requests) <= 10


def test_eight_threads_lose_nothing_on_a_bad_day(
    connect: Connect, stub: Stub, heard: Heard
) -> None:
    ill = [bad.lose_the_answer, bad.refuse(503, "unavailable"), bad.hang_up, bad.count]
    stub.plan.extend(ill * 2)
    keys: list[str] = []
    with connect(linger=0.01) as client:
        threads = [
            threading.Thread(target=lambda: keys.extend(track(client, 1_000))) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert client.usage.flush(60)

    assert len(keys) == len(set(keys)) == 8_000
    assert set(stub.counted) == set(keys)
    assert heard.undelivered == []
    assert settled(client.usage.stats) == client.usage.stats.tracked == 8_000


def test_requests_carry_what_the_api_asks_for(connect: Connect, stub: Stub) -> None:
    with connect() as client:
        track(client)

    (request,) = stub.requests
    assert (request.method, request.path) == ("POST", "/api/v1/usage-events")
    assert request.headers["Authorization"].startswith("Bearer bm_sandbox_")
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["User-Agent"].startswith("buffmoney-python/0.1.0 ")


@given(st.integers(1, 10_000))
def test_a_pause_is_short_at_first_and_never_long(failures: int) -> None:
    assert 0 <= pause(failures) <= min(0.5 * 2 ** min(failures - 1, 10), 30.0)
