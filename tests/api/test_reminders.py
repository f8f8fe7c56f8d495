"""A program sets the ladder, reminds by hand, and reads what became of each reminder."""

from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Engine

from app.billing import reminders
from app.core import clock
from app.core.db import begin
from app.core.ids import Prefix, read, show
from tests.api.caller import Caller
from tests.payments.builders import issue


@pytest.fixture
def invoice_id(engine: Engine, merchant_id: int) -> str:
    """Return an open invoice that was due yesterday."""
    now = clock.now()
    with begin(engine, merchant_id) as session:
        invoice = issue(
            session, finalized_at=now - timedelta(days=15), due_at=now - timedelta(days=1)
        )
        return show(Prefix.INVOICE, invoice.id)


def test_the_ladder_has_a_default_and_can_be_replaced(caller: Caller) -> None:
    before = caller.get("/reminder-settings").get_json()
    answer = caller.call("PUT", "/reminder-settings", json={"isOn": False, "steps": [30, -7]})

    assert before == {"isOn": True, "steps": [-3, 0, 3, 7, 14]}
    assert answer.get_json() == {"isOn": False, "steps": [-7, 30]}
    assert caller.get("/reminder-settings").get_json() == {"isOn": False, "steps": [-7, 30]}


def test_an_impossible_step_is_named(caller: Caller) -> None:
    answer = caller.call("PUT", "/reminder-settings", json={"isOn": True, "steps": [0, 91]})

    problem = answer.get_json()
    assert answer.status_code == 422
    assert (problem["code"], problem["path"]) == ("invalid_reminder_steps", "steps[1]")


def test_a_reminder_is_sent_by_hand_once_a_day(caller: Caller, invoice_id: str) -> None:
    answer = caller.post(f"/invoices/{invoice_id}/reminders", {})
    again = caller.post(f"/invoices/{invoice_id}/reminders", {})

    assert answer.status_code == 201, answer.text
    made = answer.get_json()
    assert made["id"].startswith("rem_")
    assert (made["kind"], made["days"], made["outcome"]) == ("manual", None, "mailed")
    assert (made["recipient"], made["mailStatus"]) == ("finance@example.cn", "queued")
    assert (again.status_code, again.get_json()["code"]) == (409, "reminded_today")
    assert caller.get(f"/invoices/{invoice_id}/reminders").get_json()["data"] == [made]


def test_what_was_not_sent_is_listed_too(
    caller: Caller, engine: Engine, merchant_id: int, invoice_id: str
) -> None:
    remind = partial(reminders.remind, base_url="https://pay.example.com", now=clock.now())
    with begin(engine, merchant_id) as session:
        remind(session, read(Prefix.INVOICE, invoice_id))

    found = caller.get(f"/invoices/{invoice_id}/reminders").get_json()["data"]

    assert [(row["days"], row["outcome"]) for row in found] == [(0, "mailed"), (-3, "skipped")]
    assert (found[1]["recipient"], found[1]["mailStatus"]) == (None, None)


def test_a_customer_says_whether_it_is_reminded(caller: Caller) -> None:
    made = caller.post("/customers", {"externalId": "a", "name": "Acme", "remind": False})
    public_id = made.get_json()["id"]

    assert made.get_json()["remind"] is False
    assert caller.patch(f"/customers/{public_id}", {"name": "B"}).get_json()["remind"] is False
    assert caller.patch(f"/customers/{public_id}", {"remind": True}).get_json()["remind"] is True
