"""The life of an invoice by program: written by hand, corrected, given up, issued anew."""

from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine

from app.core.db import begin
from app.core.ids import Prefix, read
from app.core.language import Language
from app.documents import store
from app.documents.models import DocumentKind
from tests.api.caller import Caller
from tests.make import NOON

ITEM = {"description": "Setup", "quantity": "2", "unitPrice": "100000"}


@pytest.fixture
def customer(caller: Caller) -> str:
    made = caller.post("/customers", {"externalId": "user_42", "name": "星图", "email": "a@b.cn"})
    return str(made.get_json()["id"])


def drafted(caller: Caller, customer: str, **how: Any) -> dict[str, Any]:
    body = {"customerId": customer, "currency": "CNY", "items": [ITEM]} | how
    answer = caller.post("/invoices", body)
    assert answer.status_code == 201, answer.get_json()
    shown: dict[str, Any] = answer.get_json()
    return shown


def issued(caller: Caller, customer: str) -> str:
    invoice_id = drafted(caller, customer)["id"]
    answer = caller.post(f"/invoices/{invoice_id}/finalize")
    assert answer.status_code == 200, answer.get_json()
    return str(invoice_id)


def credit(caller: Caller, invoice_id: str, **headers: str) -> Any:
    body = {"invoiceId": invoice_id, "reason": "goodwill", "totalMinor": 50_000}
    return caller.post("/credit-notes", body, **headers)


def test_a_draft_is_written_changed_and_finalised(caller: Caller, customer: str) -> None:
    draft = drafted(caller, customer, note="As offered")
    assert (draft["kind"], draft["status"], draft["number"]) == ("one_off", "draft", None)
    assert (draft["contractId"], draft["note"]) == (None, "As offered")
    assert draft["lines"][0]["kind"] == "item"

    body = {"customerId": customer, "currency": "CNY", "items": [ITEM, ITEM]}
    changed = caller.call("PUT", f"/invoices/{draft['id']}", json=body).get_json()
    assert changed["total"] == {"amountMinor": 400_000, "currency": "CNY"}

    final = caller.post(f"/invoices/{draft['id']}/finalize").get_json()
    assert (final["status"], final["number"][:4]) == ("open", "LUM-")
    again = caller.post(f"/invoices/{draft['id']}/finalize").get_json()
    assert again == final
    late = caller.call("PUT", f"/invoices/{draft['id']}", json=body)
    assert (late.status_code, late.get_json()["code"]) == (409, "invoice_not_editable")


def test_a_draft_is_thrown_away(caller: Caller, customer: str) -> None:
    invoice_id = drafted(caller, customer)["id"]

    assert caller.post(f"/invoices/{invoice_id}/discard").get_json() == {"invoiceId": invoice_id}
    assert caller.get(f"/invoices/{invoice_id}").status_code == 404


def test_a_wrong_line_is_named(caller: Caller, customer: str) -> None:
    wrong = ITEM | {"unitPrice": "1e3"}
    body = {"customerId": customer, "currency": "CNY", "items": [ITEM, wrong]}

    answer = caller.post("/invoices", body)

    assert (answer.status_code, answer.get_json()["path"]) == (422, "items[1].unitPrice")


def test_a_credit_note_is_previewed_and_given_once(caller: Caller, customer: str) -> None:
    invoice_id = issued(caller, customer)
    body = {"invoiceId": invoice_id, "reason": "goodwill", "totalMinor": 50_000}
    preview = caller.post("/credit-note-previews", body).get_json()
    assert preview["amount"] == {"amountMinor": 50_000, "currency": "CNY"}

    first = credit(caller, invoice_id, Idempotency_Key="once")
    second = credit(caller, invoice_id, Idempotency_Key="once")

    assert (first.status_code, second.get_json()) == (201, first.get_json())
    note = first.get_json()
    assert (note["disposition"], note["toBalance"]["amountMinor"]) == ("invoice", 0)
    assert caller.get(f"/credit-notes/{note['id']}").get_json() == note
    assert caller.get("/credit-notes", invoiceId=invoice_id).get_json()["data"] == [note]
    assert caller.get("/credit-notes", reason=note["reason"]).get_json()["data"] == [note]
    assert caller.get("/credit-notes", reason="returned").get_json()["data"] == []
    shown = caller.get(f"/invoices/{invoice_id}").get_json()
    assert (shown["credited"]["amountMinor"], shown["status"]) == (50_000, "open")


def test_the_document_of_a_credit_note_is_served_once_it_is_printed(
    caller: Caller, customer: str, app: Flask, engine: Engine, merchant_id: int
) -> None:
    note = credit(caller, issued(caller, customer)).get_json()["id"]
    before = caller.get(f"/credit-notes/{note}/pdf")
    assert (before.status_code, before.get_json()["code"]) == (404, "document_not_ready")

    store.store_document(
        partial(begin, engine, merchant_id),
        app.extensions["buffmoney"].storage,
        b"%PDF-1.7",
        kind=DocumentKind.CREDIT_NOTE_PDF,
        subject_id=read(Prefix.CREDIT_NOTE, note),
        language=Language.ZH_HANS_CN,
        now=NOON,
    )

    answer = caller.get(f"/credit-notes/{note}/pdf")
    assert (answer.data, answer.mimetype) == (b"%PDF-1.7", "application/pdf")
    assert caller.get(f"/credit-notes/{note}/pdf", language="en").status_code == 404


def test_more_than_is_left_is_refused(caller: Caller, customer: str) -> None:
    invoice_id = issued(caller, customer)
    body = {"invoiceId": invoice_id, "reason": "goodwill"}

    too_much = caller.post("/credit-notes", body | {"totalMinor": 200_001})
    of_a_line = caller.post(
        "/credit-notes", body | {"lines": [{"position": 1, "amountMinor": 200_001}]}
    )
    of_nothing = caller.post("/credit-notes", body)
    claimed = caller.post("/credit-notes", body | {"totalMinor": 1, "reason": "late_usage"})

    assert [answer.get_json()["code"] for answer in (too_much, of_a_line, of_nothing, claimed)] == [
        "credit_too_large",
        "credit_too_large",
        "invalid_credit",
        "invalid_credit",
    ]


def test_a_payment_under_way_is_closed_before_a_credit(caller: Caller, customer: str) -> None:
    invoice_id = issued(caller, customer)
    opened = caller.post(f"/invoices/{invoice_id}/checkout", {"channel": "wechat"}).get_json()
    assert opened["amount"] == 200_000

    assert credit(caller, invoice_id).status_code == 201

    anew = caller.post(f"/invoices/{invoice_id}/checkout", {"channel": "wechat"}).get_json()
    assert anew["paymentOrderId"] != opened["paymentOrderId"]
    assert anew["amount"] == 150_000


def test_a_balance_is_given_told_and_used(caller: Caller, customer: str) -> None:
    path = f"/customers/{customer}/balance"
    assert caller.get(path).get_json()["balance"] == {"amountMinor": 0, "currency": "CNY"}

    body = {"amountMinor": 30_000, "reason": "Thanks for the bug report"}
    given = caller.post(f"{path}/adjustments", body)
    assert (given.status_code, given.get_json()["createdBy"]) == (201, "tests")
    too_much = caller.post(f"{path}/adjustments", body | {"amountMinor": -30_001})
    assert too_much.get_json()["code"] == "balance_too_low"
    invoice_id = issued(caller, customer)

    used, first = caller.get(f"{path}/entries").get_json()["data"]
    assert first == given.get_json()
    assert (used["kind"], used["invoiceId"]) == ("used", invoice_id)
    assert used["amount"]["amountMinor"] == -30_000


def test_an_invoice_is_given_up(caller: Caller, customer: str) -> None:
    invoice_id = issued(caller, customer)

    shown = caller.post(f"/invoices/{invoice_id}/mark-uncollectible").get_json()

    assert shown["status"] == "uncollectible"
    assert shown["uncollectibleAt"] is not None
    again = caller.post(f"/invoices/{invoice_id}/mark-uncollectible")
    assert again.get_json()["code"] == "invoice_not_open"


def test_an_old_invoice_is_issued_anew(caller: Caller, customer: str) -> None:
    caller.post("/sandbox/clock", {"now": "2027-01-04T04:00:00Z"})
    invoice_id = issued(caller, customer)
    early = caller.post(f"/invoices/{invoice_id}/reissue")
    assert early.get_json()["code"] == "reissue_too_early"
    caller.post("/sandbox/clock", {"now": "2027-02-08T04:00:00Z"})
    outdated = caller.post(f"/invoices/{invoice_id}/checkout", {"channel": "wechat"})
    assert outdated.get_json()["code"] == "invoice_outdated"

    answer = caller.post(f"/invoices/{invoice_id}/reissue")

    assert answer.status_code == 201
    assert answer.get_json()["reissueOfId"] == invoice_id
    assert caller.get(f"/invoices/{invoice_id}").get_json()["status"] == "void"


def test_nobody_else_does_any_of_it(caller: Caller, stranger: Caller, customer: str) -> None:
    invoice_id = issued(caller, customer)

    assert credit(stranger, invoice_id).status_code == 404
    for action in ("finalize", "discard", "mark-uncollectible", "reissue"):
        assert stranger.post(f"/invoices/{invoice_id}/{action}").status_code == 404
    assert stranger.get(f"/customers/{customer}/balance").status_code == 404
    assert stranger.get(f"/customers/{customer}/balance/entries").status_code == 404
