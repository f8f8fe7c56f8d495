"""The same request again is answered the same and done once; a crash leaves nothing."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import Engine, select

from app.core.db import begin
from app.core.idempotency import IdempotencyRecord
from app.identity.models import Scope
from tests.api.caller import Caller
from tests.api.conftest import Call
from tests.api.probe import Door

PRODUCT = {"code": "chat_api", "name": "Chat API"}
PROBE = "/api/probe/products"


def codes(caller: Caller) -> list[str]:
    return [product["code"] for product in caller.get("/products").get_json()["data"]]


def test_a_replay_is_equal_to_the_byte(caller: Caller) -> None:
    first = caller.post("/products", PRODUCT, Idempotency_Key="k-1")
    again = caller.post("/products", PRODUCT, Idempotency_Key="k-1")

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.data == first.data
    assert again.content_type == first.content_type
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert codes(caller) == ["chat_api"]


def test_the_same_key_with_another_body_is_refused(caller: Caller) -> None:
    caller.post("/products", PRODUCT, Idempotency_Key="k-1")
    answer = caller.post("/products", PRODUCT | {"name": "Other"}, Idempotency_Key="k-1")

    assert (answer.status_code, answer.get_json()["code"]) == (422, "idempotency_key_reused")


def test_the_same_key_for_another_path_is_refused(caller: Caller) -> None:
    body = {"code": "minutes", "name": "Minutes", "unit": "minute"}
    caller.post("/products", PRODUCT, Idempotency_Key="k-1")

    assert caller.post("/metrics", body, Idempotency_Key="k-1").status_code == 422


def test_a_refusal_is_not_kept(caller: Caller) -> None:
    wrong = caller.post("/products", {"code": "Chat", "name": "x"}, Idempotency_Key="k-1")
    right = caller.post("/products", PRODUCT, Idempotency_Key="k-1")

    assert (wrong.status_code, right.status_code) == (422, 201)


def test_keys_of_two_merchants_never_meet(caller: Caller, stranger: Caller) -> None:
    ours = caller.post("/products", PRODUCT, Idempotency_Key="k-1")
    theirs = stranger.post("/products", PRODUCT, Idempotency_Key="k-1")

    assert ours.status_code == theirs.status_code == 201
    assert ours.get_json()["id"] != theirs.get_json()["id"]


def test_a_replay_needs_the_scope(caller: Caller, caller_with: Call) -> None:
    caller.post("/products", PRODUCT, Idempotency_Key="k-1")
    answer = caller_with(scopes=[Scope.CATALOG_READ]).post(
        "/products", PRODUCT, Idempotency_Key="k-1"
    )

    assert answer.status_code == 403
    assert "chat_api" not in answer.text


@pytest.mark.parametrize("key", ["", "a b", "k" * 256, "schlüssel", "a\tb"])
def test_a_key_is_visible_ascii(caller: Caller, key: str) -> None:
    answer = caller.post("/products", PRODUCT, Idempotency_Key=key)

    assert (answer.status_code, answer.get_json()["code"]) == (422, "invalid_idempotency_key")


def test_a_crash_leaves_nothing_and_the_retry_does_it(caller: Caller, door: Door) -> None:
    door.crashes = 1
    crashed = caller.post(PROBE, {"code": "voice"}, Idempotency_Key="k-1")
    assert (crashed.status_code, crashed.get_json()["code"]) == (500, "internal_error")
    assert codes(caller) == []

    retried = caller.post(PROBE, {"code": "voice"}, Idempotency_Key="k-1")

    assert retried.get_json() == {"code": "voice"}
    assert "Idempotent-Replayed" not in retried.headers
    assert codes(caller) == ["voice"]


def test_while_the_first_still_runs_its_twin_is_told_to_wait(caller: Caller, door: Door) -> None:
    door.is_open.clear()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(caller.post, PROBE, {"code": "voice"}, Idempotency_Key="k-1")
        assert door.entered.wait(20)
        twin = other_thread(caller).post(PROBE, {"code": "voice"}, Idempotency_Key="k-1")
        door.is_open.set()

    assert (twin.status_code, twin.get_json()["code"]) == (409, "idempotency_key_in_use")
    assert twin.headers["Retry-After"] == "1"
    assert first.result().status_code == 200
    assert codes(caller) == ["voice"]


def test_twenty_at_once_do_it_once(caller: Caller) -> None:
    def post(_: int) -> int:
        return other_thread(caller).post("/products", PRODUCT, Idempotency_Key="k-1").status_code

    with ThreadPoolExecutor(10) as pool:
        statuses = list(pool.map(post, range(20)))

    assert set(statuses) <= {201, 409}
    assert codes(caller) == ["chat_api"]


def test_a_flow_is_replayed_too(caller: Caller, rows: dict[str, str]) -> None:
    path = f"/invoices/{rows['invoice_id']}/checkout"
    first = caller.post(path, {"channel": "wechat"}, Idempotency_Key="k-1")
    again = caller.post(path, {"channel": "wechat"}, Idempotency_Key="k-1")

    assert first.status_code == again.status_code == 200
    assert again.data == first.data
    assert again.headers["Idempotent-Replayed"] == "true"


def test_answers_lie_sealed(caller: Caller, engine: Engine, merchant_id: int) -> None:
    endpoint = {"url": "https://example.com/hooks", "eventTypes": ["invoice.paid"]}
    made = caller.post("/webhook-endpoints", endpoint, Idempotency_Key="k-1").get_json()

    with begin(engine, merchant_id) as session:
        record = session.scalars(select(IdempotencyRecord)).one()

    assert record.body is not None
    assert made["secret"].encode() not in record.body


def other_thread(caller: Caller) -> Caller:
    """Return the same program with a client of its own: one client serves one thread."""
    return replace(caller, client=caller.client.application.test_client())
