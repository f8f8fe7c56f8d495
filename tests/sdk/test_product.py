"""Against the product itself: what is tracked is billed, once, whatever breaks in between."""

import threading
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.client import HTTPConnection

import pytest
from buffmoney import ApiError, Stats

from tests.sdk.conftest import Merchant
from tests.sdk.stub import Behaviour, Handler, Request, Stub


def pass_on(port: int, *, answer: bool) -> Behaviour:
    """Pass the request on to the product; hang up instead of passing its answer back."""

    def behave(handler: Handler, request: Request) -> None:
        upstream = HTTPConnection("127.0.0.1", port, timeout=20)
        upstream.request(request.method, request.path, request.body, request.headers)
        response = upstream.getresponse()
        body = response.read()
        upstream.close()
        if answer:
            handler.answer(response.status, body)
        else:
            handler.close_connection = True

    return behave


def test_what_is_tracked_is_billed(merchant: Merchant) -> None:
    with merchant.connect() as client:
        for quantity in (1, "2.000", Decimal(3)):
            client.usage.track(
                "user_42", "tokens_input", quantity, dimensions={"model": "gpt-5", "层级": "专业"}
            )

    assert client.usage.stats == Stats(tracked=3, accepted=3)
    assert merchant.usage() == (Decimal(6), 3)


def test_a_batch_whose_answer_was_lost_is_counted_once(merchant: Merchant, stub: Stub) -> None:
    port = merchant.product.settings.port
    stub.plan.extend([pass_on(port, answer=False)] * 2)
    stub.then = pass_on(port, answer=True)
    with merchant.connect(url=stub.url) as client:
        for _ in range(10):
            client.usage.track("user_42", "tokens_input", 7)
        assert client.usage.flush(20)

    assert client.usage.stats == Stats(tracked=10, accepted=10, retries=2)
    assert merchant.usage() == (Decimal(70), 10)


def test_an_event_sent_again_later_is_a_duplicate(merchant: Merchant) -> None:
    with merchant.connect() as client:
        client.usage.track("user_42", "tokens_input", 7, idempotency_key="evt_1")
        assert client.usage.flush(20)
        happened = datetime.now(UTC) - timedelta(hours=1)  # noqa: TID251  # the product's own time
        for quantity in (8, 8):
            client.usage.track(
                *("user_42", "tokens_input", quantity),
                idempotency_key="evt_2",
                occurred_at=happened,
            )
            assert client.usage.flush(20)
        client.usage.track("user_42", "tokens_input", 9, idempotency_key="evt_1")

    outcomes = [(result.event.idempotency_key, result.outcome) for result in merchant.heard.results]
    assert outcomes == [("evt_2", "duplicate"), ("evt_1", "conflict")]
    assert client.usage.stats == Stats(tracked=4, accepted=2, duplicates=1, rejected=1)
    assert merchant.usage() == (Decimal(15), 2)


def test_events_that_can_not_be_billed_come_back_with_the_reason(merchant: Merchant) -> None:
    with merchant.connect() as client:
        client.usage.track("nobody", "tokens_input", 1)
        client.usage.track("user_42", "moonlight", 1)
        client.usage.track("user_42", "tokens_input", "1.2.3")

    found = {result.code: (result.is_counted, result.path) for result in merchant.heard.results}
    assert found == {
        "unknown_customer": (False, "customerExternalId"),
        "unknown_metric": (False, "metric"),
        "invalid_decimal": (False, "quantity"),
    }
    assert merchant.usage() == (Decimal(0), 0)


def test_a_killed_server_loses_no_event(merchant: Merchant) -> None:
    client = merchant.connect(linger=0.01)

    def track() -> None:
        for _ in range(60):
            client.usage.track("user_42", "tokens_input", 1)
            time.sleep(0.01)

    threads = [threading.Thread(target=track) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    merchant.product.kill()
    for thread in threads:
        thread.join()
    merchant.product.start()
    merchant.product.wait()

    assert client.usage.flush(60)
    client.close()
    assert merchant.heard.undelivered == []
    assert client.usage.stats.retries > 0
    assert merchant.usage() == (Decimal(240), 240)


def test_the_rest_of_the_api_is_a_request_away(merchant: Merchant) -> None:
    with merchant.connect() as client:
        made = client.request("POST", "/customers", {"externalId": "user_77", "name": "星图"})
        listed = client.request("GET", "/customers?limit=1")

        assert made["externalId"] == "user_77"
        assert listed["data"][0] == made
        with pytest.raises(ApiError) as taken:
            client.request("POST", "/customers", {"externalId": "user_77", "name": "星图"})

    assert (taken.value.status, taken.value.code) == (409, "external_id_taken")
    assert taken.value.request_id


def test_a_call_that_writes_is_done_once_though_its_answer_was_lost(
    merchant: Merchant, stub: Stub
) -> None:
    port = merchant.product.settings.port
    stub.plan.append(pass_on(port, answer=False))
    stub.then = pass_on(port, answer=True)
    with merchant.connect(url=stub.url) as client:
        made = client.request("POST", "/customers", {"externalId": "user_88", "name": "Acme"})

    assert made["externalId"] == "user_88"
    assert [request.method for request in stub.requests] == ["POST", "POST"]


@pytest.mark.parametrize(
    ("path", "document", "error"),
    [
        ("customers", None, ValueError),
        ("/customers?name=星图", None, ValueError),
        ("/a b", None, ValueError),
        ("/customers", {"at": object()}, TypeError),
    ],
)
def test_a_request_that_can_not_be_sent_is_refused(
    merchant: Merchant, path: str, document: object, error: type[Exception]
) -> None:
    with merchant.connect() as client, pytest.raises(error):
        client.request("POST", path, document)
