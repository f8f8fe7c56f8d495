"""A replay over the API: started for a draft, done by a job, read with totals and by contract."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine

from app.core.db import begin
from app.core.ids import Prefix, read
from app.pricing import metrics
from jobs import billing as jobs
from tests.api.caller import Caller
from tests.make import NOON

CENT = {"USD": [{"metric": "agent_runs", "model": "standard", "unitPrice": "1"}]}
THREE = {"USD": [{"metric": "agent_runs", "model": "standard", "unitPrice": "3"}]}


@pytest.fixture
def card(caller: Caller, engine: Engine, merchant_id: int) -> str:
    """Sell runs at a cent, to a customer that used 100 of them in May."""
    with begin(engine, merchant_id) as session:
        metrics.make_built_in(session, now=NOON)
    caller.post("/sandbox/clock", {"now": "2026-05-20T00:00:00Z"})
    product = caller.post("/products", {"code": "chat", "name": "Chat"}).get_json()["id"]
    customer = caller.post("/customers", {"externalId": "user_42", "name": "Acme"}).get_json()
    made = caller.post(
        "/rate-cards",
        {"productId": product, "code": "standard", "name": "Standard", "currencies": CENT},
    ).get_json()
    caller.post(
        "/contracts",
        {
            "customerId": customer["id"],
            "rateCardId": made["id"],
            "currency": "USD",
            "cycle": "monthly_calendar",
            "startsOn": "2026-05-01",
        },
    )
    event = {
        "customerExternalId": "user_42",
        "idempotencyKey": "evt_1",
        "metric": "agent_runs",
        "quantity": "100",
        "occurredAt": "2026-05-19T00:00:00Z",
    }
    assert caller.post("/usage-events", {"events": [event]}).get_json()["accepted"] == 1
    caller.post("/sandbox/clock", {"now": "2026-06-10T00:00:00Z"})
    return str(made["id"])


def test_a_draft_is_replayed(app: Flask, caller: Caller, merchant_id: int, card: str) -> None:
    caller.call("PUT", f"/rate-cards/{card}/draft", json={"currencies": THREE})

    started = caller.post(f"/rate-cards/{card}/replays", {}).get_json()
    with app.app_context():
        jobs.replay_prices(merchant_id=merchant_id, replay=started["id"])

    done = caller.get(f"/replays/{started['id']}").get_json()
    assert (started["status"], started["total"]) == ("queued", 1)
    assert (started["periodFrom"], started["periodTo"]) == ("2026-05-01", "2026-06-01")
    assert (done["status"], done["done"], done["events"]) == ("done", 1, 1)
    assert [total["change"] for total in done["totals"]] == [
        {"amountMinor": 200, "currency": "USD"}
    ]
    (row,) = caller.get(f"/replays/{started['id']}/contracts").get_json()["data"]
    assert (row["current"]["amountMinor"], row["draft"]["amountMinor"]) == (100, 300)
    assert read(Prefix.CONTRACT, row["contractId"])


def test_without_a_draft_there_is_nothing_to_replay(caller: Caller, card: str) -> None:
    answer = caller.post(f"/rate-cards/{card}/replays", {})

    assert (answer.status_code, answer.get_json()["code"]) == (409, "no_draft")


@pytest.mark.parametrize(
    "days", [{"periodFrom": "2026-05-01"}, {"periodFrom": "2026-05-01", "periodTo": "2026-05-01"}]
)
def test_days_that_are_none_are_refused(caller: Caller, card: str, days: dict[str, Any]) -> None:
    version = caller.get(f"/rate-cards/{card}").get_json()["currentVersion"]["id"]

    answer = caller.post(f"/rate-cards/{card}/replays", {"rateCardVersionId": version} | days)

    assert (answer.status_code, answer.get_json()["code"]) == (422, "invalid_replay_days")


def test_the_upcoming_invoice_shows_what_has_no_price(caller: Caller, card: str) -> None:
    (contract,) = caller.get("/contracts").get_json()["data"]
    event = {
        "customerExternalId": "user_42",
        "idempotencyKey": "evt_2",
        "metric": "images",
        "quantity": "7",
        "occurredAt": "2026-05-19T00:00:00Z",
    }
    caller.post("/usage-events", {"events": [event]})

    upcoming = caller.get(f"/contracts/{contract['id']}/upcoming-invoice").get_json()

    assert card
    assert upcoming["subtotal"] == {"amountMinor": 100, "currency": "USD"}
    assert upcoming["unpriced"] == ["images"]
    assert [(line["kind"], line["metric"], line["isPriced"]) for line in upcoming["lines"]] == [
        ("usage", "agent_runs", True),
        ("usage", "images", False),
    ]
