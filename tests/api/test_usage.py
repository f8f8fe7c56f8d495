"""Every event of a batch is answered for by itself, and stored once."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from app.core.db import begin
from app.customers.models import Contract
from app.metering.models import UsageEvent
from tests.api.caller import Caller

SEED = b"""{
  "events": [
    {
      "customerExternalId": "user_42",
      "idempotencyKey": "evt_abc_1234",
      "metric": "tokens_input",
      "quantity": "12500",
      "occurredAt": "2026-05-25T10:00:00Z",
      "dimensions": { "model": "gpt-5", "region": "us-east-1" }
    }
  ]
}"""

UNREADABLE, NO_BATCH = (400, "invalid_json"), (422, "validation_failed")

pytestmark = pytest.mark.usefixtures("rows")


def event(key: str = "evt_1", **fields: Any) -> dict[str, Any]:
    printed: dict[str, Any] = json.loads(SEED)["events"][0]
    return printed | {"idempotencyKey": key} | fields


def raw_event(quantity: str) -> bytes:
    """Write an event whose quantity is not what a JSON library would write."""
    return json.dumps(event("evt_raw", quantity="@")).replace('"@"', quantity).encode()


def stored(engine: Engine, merchant_id: int) -> int:
    """Count the events that came through the door, without the one that was there before."""
    ours = UsageEvent.idempotency_key.not_like("stored%")
    with begin(engine, merchant_id) as session:
        return session.scalar(select(func.count()).select_from(UsageEvent).where(ours)) or 0


def test_the_integration_guides_request_works_as_printed(caller: Caller) -> None:
    answer = caller.call(
        "POST",
        "/usage-events",
        data=SEED,
        headers={
            "Idempotency-Key": "batch-2026-05-25-001",
            "Content-Type": "application/json",
        },
    )

    assert answer.status_code == 200
    assert answer.json == {
        "accepted": 1,
        "duplicates": 0,
        "late": 0,
        "rejected": 0,
        "results": [{"index": 0, "idempotencyKey": "evt_abc_1234", "status": "accepted"}],
    }


def test_the_same_event_again_is_a_duplicate(
    caller: Caller, engine: Engine, merchant_id: int
) -> None:
    caller.send("/usage-events", SEED)
    answer = caller.send("/usage-events", SEED)

    assert answer.get_json()["results"][0]["status"] == "duplicate"
    assert answer.get_json()["duplicates"] == 1
    assert stored(engine, merchant_id) == 1


@pytest.mark.parametrize(
    ("said", "spelt"),
    [
        ({"model": "gpt-5", "shard": 7}, '{ "shard" : 7,\n"model":"gpt\\u002d5" }'),
        ({"model": "千问"}, '{"model":"gpt-4","model":"\\u5343\\u95ee"}'),  # the last one counts
        ({"cached": True, "shard": 0}, '{"shard":-0,"cached":true}'),
        ({}, "null"),
        ({}, "{ }"),
    ],
    ids=str,
)
def test_dimensions_are_what_they_say_however_they_are_spelt(
    caller: Caller, said: dict[str, Any], spelt: str
) -> None:
    caller.post("/usage-events", {"events": [event(dimensions=said)]})
    again = json.dumps({"events": [event(dimensions="@")]}).replace('"@"', spelt).encode()

    (result,) = caller.send("/usage-events", again).get_json()["results"]

    assert result["status"] == "duplicate"


def test_the_same_key_with_other_content_is_a_conflict(caller: Caller) -> None:
    caller.post("/usage-events", {"events": [event()]})
    answer = caller.post("/usage-events", {"events": [event(quantity="1"), event("evt_2")]})

    first, second = answer.get_json()["results"]
    assert (first["status"], first["code"]) == ("conflict", "idempotency_conflict")
    assert first["path"] == "idempotencyKey"
    assert second["status"] == "accepted"


def test_unknown_customers_and_metrics_hold_up_nobody(caller: Caller) -> None:
    events = [event("a", customerExternalId="user_0"), event("b", metric="hours"), event("c")]
    answer = caller.post("/usage-events", {"events": events})

    results = answer.get_json()["results"]
    assert [result["status"] for result in results] == ["unmatched", "unmatched", "accepted"]
    assert [result.get("code") for result in results] == [
        "unknown_customer",
        "unknown_metric",
        None,
    ]
    assert answer.get_json()["rejected"] == 2


def test_500_events_are_taken_and_501_are_not(caller: Caller) -> None:
    events = [event(f"evt_{number}") for number in range(501)]
    full = caller.post("/usage-events", {"events": events[:500]})
    over = caller.post("/usage-events", {"events": events})

    assert full.get_json()["accepted"] == 500
    assert (over.status_code, over.get_json()["code"]) == (422, "batch_too_large")


def test_501_events_are_too_many_also_when_one_is_wrong(caller: Caller) -> None:
    answer = caller.post("/usage-events", {"events": [{}] * 501})

    assert (answer.status_code, answer.get_json()["code"]) == (422, "batch_too_large")


def test_an_empty_batch_is_refused(caller: Caller) -> None:
    assert caller.post("/usage-events", {"events": []}).status_code == 422


@pytest.mark.parametrize(
    "quantity",
    [
        "12.5",
        "1.0",
        "1e3",
        "-1",
        "null",
        "true",
        "[]",
        "{}",
        '""',
        '"-1"',
        '"NaN"',
        '"Infinity"',
        '"1e3"',
        '"0x10"',
        '"1,000"',
        '" 12 "',
        '"\uff11\uff12"',
        '"1\\u0000"',
        '"\\ud800"',
        '"1.0000000000001"',
        "1000000000000000000",
        f'"{"9" * 5000}"',
        "9" * 400,
        "9" * 5000,
    ],
)
def test_a_wrong_quantity_refuses_its_event_only(caller: Caller, quantity: str) -> None:
    batch = b'{"events":[%b,%b]}' % (raw_event(quantity), json.dumps(event("evt_2")).encode())
    answer = caller.send("/usage-events", batch)

    assert answer.status_code == 200
    wrong, right = answer.get_json()["results"]
    assert wrong["status"] == "invalid"
    assert wrong["code"]
    assert right["status"] == "accepted"


@pytest.mark.parametrize(
    "fields",
    [
        {"occurredAt": "2026-05-25T10:00:00"},
        {"occurredAt": "2026-W21-1"},
        {"occurredAt": "now"},
        {"occurredAt": "2026-05-25T10:00:00+16:21"},
        {"occurredAt": "2026-06-30T23:59:60Z"},
        {"occurredAt": "2999-01-01T00:00:00Z"},
        {"idempotencyKey": ""},
        {"idempotencyKey": "k" * 201},
        {"idempotencyKey": "a\x00b"},
        {"customerExternalId": 42},
        {"dimensions": {"model": {"name": "gpt-5"}}},
        {"dimensions": {"model": 1.5}},
        {"dimensions": {f"d{number}": "x" for number in range(21)}},
        {"dimensions": {"model": "\ud800"}},
        {"status": "paid"},
    ],
    ids=str,
)
def test_what_is_wrong_with_an_event_is_said_of_it(caller: Caller, fields: dict[str, Any]) -> None:
    answer = caller.post("/usage-events", {"events": [event(**fields), event("evt_2")]})

    assert answer.status_code == 200
    assert [result["status"] for result in answer.get_json()["results"]] == ["invalid", "accepted"]


@pytest.mark.parametrize(
    ("instant", "code"),
    [
        ("0001-01-01T00:00:00+14:00", "event_too_old"),
        ("1969-12-31T23:59:59Z", "event_too_old"),
        ("9999-12-31T23:59:59.999999-14:00", "event_in_future"),
    ],
)
def test_events_of_another_age_are_invalid(caller: Caller, instant: str, code: str) -> None:
    answer = caller.post("/usage-events", {"events": [event(occurredAt=instant)]})

    (result,) = answer.get_json()["results"]
    assert (result["status"], result["code"]) == ("invalid", code)


def test_a_late_event_is_accepted_and_counted_as_late(
    caller: Caller, engine: Engine, merchant_id: int
) -> None:
    with begin(engine, merchant_id) as session:
        for contract in session.scalars(select(Contract)):
            contract.billed_to = contract.next_period_at = datetime(2026, 5, 31, 16, tzinfo=UTC)
    answer = caller.post("/usage-events", {"events": [event("a")]}).get_json()

    assert (answer["accepted"], answer["late"], answer["rejected"]) == (1, 1, 0)
    assert answer["results"] == [{"index": 0, "status": "late", "idempotencyKey": "a"}]


def test_an_event_without_a_contract_is_kept_aside(caller: Caller) -> None:
    before = event(occurredAt="2026-04-30T15:59:59Z")
    answer = caller.post("/usage-events", {"events": [before]}).get_json()

    assert answer["rejected"] == 1
    assert answer["results"][0]["status"] == "unmatched"
    assert (answer["results"][0]["code"], answer["results"][0]["path"]) == (
        "no_contract",
        "occurredAt",
    )


def test_a_correction_takes_back(caller: Caller) -> None:
    events = [event("a", quantity="-500", corrects="b"), event("b"), event("c", corrects="d")]
    answer = caller.post("/usage-events", {"events": events}).get_json()

    assert [one["status"] for one in answer["results"]] == ["accepted", "accepted", "invalid"]
    assert answer["results"][2]["code"] == "corrects_unknown"


def test_a_path_names_the_field_as_the_caller_wrote_it(caller: Caller) -> None:
    events = [event("a", dimensions={"my_model": "x" * 257}), event("b", occurredAt="now")]
    answer = caller.post("/usage-events", {"events": events})

    results = answer.get_json()["results"]
    assert [result["path"] for result in results] == ["dimensions.my_model", "occurredAt"]


@pytest.mark.parametrize(
    ("raw", "refusal"),
    [
        (b"", UNREADABLE),
        (b"{", UNREADABLE),
        (b'{"events":[NaN]}', UNREADABLE),
        (b'{"events":[{"quantity":Infinity}]}', UNREADABLE),
        (b'{"events":' + b"[" * 50_000, UNREADABLE),
        (b'{"events":' + b"[" * 50_000 + b"]" * 50_000 + b"}", UNREADABLE),
        (SEED.decode().encode("utf-16"), UNREADABLE),
        (SEED.decode().encode("utf-16-le"), UNREADABLE),
        (b"\xef\xbb\xbf" + SEED, UNREADABLE),
        (SEED.replace(b"user_42", b"user_\xff"), UNREADABLE),
        (b"[]", NO_BATCH),
        (b'{"events":{}}', NO_BATCH),
        (b'{"events":null}', NO_BATCH),
        (b'{"events":[],"mode":"live"}', NO_BATCH),
    ],
    ids=lambda value: str(value[:30]) if isinstance(value, bytes) else None,
)
def test_a_body_that_is_no_batch_is_refused(
    caller: Caller, raw: bytes, refusal: tuple[int, str]
) -> None:
    answer = caller.send("/usage-events", raw)

    assert (answer.status_code, answer.get_json()["code"]) == refusal
    assert answer.mimetype == "application/problem+json"


def test_three_megabytes_are_too_many(caller: Caller) -> None:
    answer = caller.send("/usage-events", b" " * 3_000_000)

    assert (answer.status_code, answer.get_json()["code"]) == (413, "body_too_large")


def test_another_content_type_is_refused(caller: Caller) -> None:
    answer = caller.send("/usage-events", SEED, content_type="text/plain")

    assert (answer.status_code, answer.get_json()["code"]) == (415, "unsupported_media_type")
