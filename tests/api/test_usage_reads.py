"""Usage is read as it was sent, event by event, and added up as it will be billed."""

import json
from functools import partial
from typing import Any

import pytest

from app.core.db import Transaction
from app.metering import days, queries
from tests.api.caller import Caller
from tests.api.test_usage import SEED, event

pytestmark = pytest.mark.usefixtures("rows")

WEEK = {"from": "2026-05-24", "to": "2026-05-31"}
OF_MODELS = [
    event("a", dimensions={"model": "gpt-5"}, quantity="5"),
    event("b", dimensions={"model": "qwen"}, quantity="3"),
    event("c", dimensions={"model": "gpt-5"}, quantity="2", occurredAt="2026-05-26T10:00:00Z"),
    event("d", metric="images", quantity="1"),
]


def send(caller: Caller, *events: dict[str, Any]) -> None:
    answer = caller.post("/usage-events", {"events": events}).get_json()
    assert answer["accepted"] == len(events), answer


@pytest.fixture
def report(caller: Caller, transaction_of: Transaction) -> Any:
    """Return what adds up the days and asks for a report of the week."""

    def asked(**query: str) -> Any:
        with transaction_of() as session:
            days.recount_days(session, days.every_day(session))
        return caller.get("/usage", **(WEEK | query)).get_json()["data"]

    return asked


def test_events_are_listed_by_customer_metric_and_time(caller: Caller) -> None:
    send(
        caller,
        event("a", occurredAt="2026-05-25T10:00:00Z"),
        event("b", occurredAt="2026-05-26T10:00:00Z", metric="images", quantity=3),
        event("c", occurredAt="2026-05-27T10:00:00Z", quantity="1.50"),
    )

    def keys(**query: str) -> list[str]:
        found = caller.get("/usage-events", **query).get_json()["data"]
        return [one["idempotencyKey"] for one in found]

    assert keys(**{"from": "2026-05-20T00:00:00Z"}) == ["c", "b", "a"]
    assert keys(metric="images") == ["b"]
    assert keys(**{"from": "2026-05-26T10:00:00Z", "to": "2026-05-27T10:00:00Z"}) == ["b"]
    assert keys(customerExternalId="user_42", metric="tokens_input") == ["c", "a"]
    assert keys(customerExternalId="user_0") == []
    assert keys(metric="hours") == []


def test_events_are_listed_by_dimension_and_outcome(caller: Caller) -> None:
    send(caller, *OF_MODELS)
    caller.post("/usage-voids", {"idempotencyKeys": ["c"], "reason": "Sent twice"})

    def keys(**query: str) -> list[str]:
        found = caller.get("/usage-events", customerExternalId="user_42", **query).get_json()
        return [one["idempotencyKey"] for one in found["data"]]

    assert keys(dimension="model:gpt-5", metric="tokens_input") == ["c", "a"]
    assert keys(outcome="voided") == ["c"]
    assert sorted(keys(outcome="accepted")) == ["a", "b", "d"]
    assert keys(outcome="late") == []


def test_a_correction_is_listed_as_it_was_sent(caller: Caller) -> None:
    send(caller, event("a", quantity="5"), event("b", quantity="-2.5", corrects="a"))

    found = caller.get("/usage-events", metric="tokens_input").get_json()["data"]
    assert {one["idempotencyKey"]: (one["quantity"], one["corrects"]) for one in found} == {
        "a": ("5", None),
        "b": ("-2.5", "a"),
    }


def test_corrections_may_bring_a_report_below_zero(caller: Caller, report: Any) -> None:
    send(
        caller,
        event("a", quantity="2"),
        event("b", quantity="-5", corrects="a", occurredAt="2026-05-26T10:00:00Z"),
    )

    rows = report(metric="tokens_input")
    assert [(row["day"], row["quantity"]) for row in rows] == [
        ("2026-05-25", "2"),
        ("2026-05-26", "-5"),
    ]


@pytest.mark.parametrize(
    "query",
    [
        {"from": "2026-05-26T10:00:00-22:21"},
        {"dimension": "gpt-5"},
        {"outcome": "duplicate"},
        {"cursor": "x"},
    ],
)
def test_a_filter_of_nothing_is_refused(caller: Caller, query: dict[str, str]) -> None:
    assert caller.get("/usage-events", **query).status_code == 422


def test_an_event_is_shown_as_it_was_sent(caller: Caller) -> None:
    caller.send("/usage-events", SEED)

    (shown,) = caller.get("/usage-events", customerExternalId="user_42").get_json()["data"]
    assert caller.get(f"/usage-events/{shown['id']}").get_json() == shown
    assert shown.pop("id").startswith("evt_")
    assert shown.pop("receivedAt").endswith("Z")
    assert shown == json.loads(SEED)["events"][0] | {
        "corrects": None,
        "outcome": "accepted",
        "voidedAt": None,
        "voidReason": None,
    }


def test_pages_of_events_show_each_once(caller: Caller) -> None:
    send(caller, *(event(f"evt_{number}") for number in range(5)))
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = caller.get(
            "/usage-events", customerExternalId="user_42", limit=2, cursor=cursor
        ).get_json()
        assert page["lookedBackTo"] is None
        seen += [one["idempotencyKey"] for one in page["data"]]
        cursor = page["nextCursor"]

    assert seen == ["evt_4", "evt_3", "evt_2", "evt_1", "evt_0"]


def test_a_page_says_how_far_it_looked(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "LOOKED_AT", 1)
    send(caller, event("a"), event("b", metric="images", occurredAt="2026-05-26T10:00:00Z"))

    page = caller.get("/usage-events", metric="tokens_input").get_json()

    assert (page["data"], page["lookedBackTo"]) == ([], "2026-05-26T10:00:00Z")
    rest = caller.get("/usage-events", metric="tokens_input", cursor=page["nextCursor"])
    assert [one["idempotencyKey"] for one in rest.get_json()["data"]] == ["a"]


def test_events_are_taken_back_by_their_keys(caller: Caller) -> None:
    send(caller, event("a"), event("b"))
    body = {"idempotencyKeys": ["a", "nobody"], "reason": "Sent twice"}

    first = caller.post("/usage-voids", body).get_json()
    again = caller.post("/usage-voids", body).get_json()

    assert first == {
        "voided": 1,
        "results": [
            {"index": 0, "idempotencyKey": "a", "status": "voided"},
            {"index": 1, "idempotencyKey": "nobody", "status": "unknown"},
        ],
    }
    assert [item["status"] for item in again["results"]] == ["repeated", "unknown"]
    (shown,) = caller.get("/usage-events", outcome="voided").get_json()["data"]
    assert (shown["idempotencyKey"], shown["voidReason"]) == ("a", "Sent twice")
    resent = caller.post("/usage-events", {"events": [event("a")]}).get_json()
    assert resent["duplicates"] == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"idempotencyKeys": ["a"], "reason": ""}, "invalid_reason"),
        ({"idempotencyKeys": [], "reason": "x"}, "invalid_batch_size"),
        ({"idempotencyKeys": ["a"] * 501, "reason": "x"}, "invalid_batch_size"),
    ],
)
def test_a_void_that_says_too_little_is_refused(
    caller: Caller, body: dict[str, Any], code: str
) -> None:
    answer = caller.post("/usage-voids", body)

    assert (answer.status_code, answer.get_json()["code"]) == (422, code)


def test_days_are_the_merchants_own(caller: Caller, report: Any) -> None:
    send(
        caller,
        event("a", occurredAt="2026-05-25T15:59:59Z", quantity="1"),
        event("b", occurredAt="2026-05-25T16:00:00Z", quantity="2"),
        event("c", occurredAt="2026-05-26T02:00:00Z", quantity="0.5"),
    )

    assert report() == [
        {"day": "2026-05-25", "metric": "tokens_input", "quantity": "1", "events": 1},
        {"day": "2026-05-26", "metric": "tokens_input", "quantity": "2.5", "events": 2},
    ]


def test_a_report_is_of_hours_months_or_the_whole(caller: Caller, report: Any) -> None:
    send(caller, *OF_MODELS)
    tokens = partial(report, metric="tokens_input")

    assert [row["hour"] for row in tokens(granularity="hour")] == [
        "2026-05-25T10:00:00Z",
        "2026-05-26T10:00:00Z",
    ]
    assert tokens(granularity="month") == [
        {"month": "2026-05", "metric": "tokens_input", "quantity": "10", "events": 3}
    ]
    assert report(granularity="total", metric="images,tokens_input") == [
        {"metric": "tokens_input", "quantity": "10", "events": 3},
        {"metric": "images", "quantity": "1", "events": 1},
    ]
    assert report(metric="images,nothing") == []


def test_a_report_tells_customers_and_dimensions_apart(caller: Caller, report: Any) -> None:
    send(caller, *OF_MODELS)
    tokens = partial(report, metric="tokens_input", granularity="total")

    assert tokens(groupBy="customer,dimension:model") == [
        {
            "metric": "tokens_input",
            "customerExternalId": "user_42",
            "dimensions": {"model": "gpt-5"},
            "quantity": "7",
            "events": 2,
        },
        {
            "metric": "tokens_input",
            "customerExternalId": "user_42",
            "dimensions": {"model": "qwen"},
            "quantity": "3",
            "events": 1,
        },
    ]
    assert tokens(dimension="model:qwen", customerExternalId="user_42") == [
        {"metric": "tokens_input", "quantity": "3", "events": 1}
    ]
    assert tokens(customerExternalId="user_0") == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"from": "2025-01-01", "to": "2026-05-27"}, "span_too_long"),
        ({"to": "2026-06-30", "granularity": "hour"}, "span_too_long"),
        ({"to": "2026-05-24"}, "invalid"),
        ({"groupBy": "dimension:a,dimension:b,dimension:c"}, "too_many_dimensions"),
        ({"groupBy": "model"}, "validation_failed"),
    ],
)
def test_a_report_that_asks_too_much_is_refused(
    caller: Caller, query: dict[str, str], code: str
) -> None:
    answer = caller.get("/usage", **(WEEK | query))

    assert (answer.status_code, answer.get_json()["code"]) == (422, code)
