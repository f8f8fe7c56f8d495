"""Refunds over the API: a preview moves nothing, a refund is asked for once, disputes are read."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask

from app.core import clock
from app.core.db import Transaction
from app.core.ids import Prefix, show
from app.identity.models import Scope
from app.payments.disputes import Complaint, open_dispute
from tests.api.caller import Caller
from tests.api.conftest import Call
from tests.make import cny
from tests.payments.backing import WEI, paid_invoice
from tests.payments.builders import books, issue

BODY = {"amountMinor": 30_000, "reason": "服务未交付"}


@pytest.fixture
def invoice(transaction_of: Transaction) -> str:
    with transaction_of() as session:
        paid, _ = paid_invoice(session, now=clock.now())
        return show(Prefix.INVOICE, paid.id)


def refund(caller: Caller, invoice: str, **headers: str) -> Any:
    return caller.post("/refunds", BODY | {"invoiceId": invoice}, **headers)


def test_a_preview_says_what_goes_back_and_moves_nothing(
    caller: Caller, invoice: str, transaction_of: Transaction
) -> None:
    shown = caller.post("/refund-previews", BODY | {"invoiceId": invoice}).get_json()

    assert shown["amount"] == {"amountMinor": 30_000, "currency": "CNY"}
    assert shown["platformFeeReturned"] == {"amountMinor": 900, "currency": "CNY"}
    assert shown["settlement"] == {"amountMinor": 4_063, "currency": "USD"}
    assert shown["left"] == {"amountMinor": 90_533, "currency": "CNY"}
    with transaction_of() as session:
        assert "refund_in_transit CNY" not in books(session)


def test_a_refund_is_asked_for_once_however_often_it_is_sent(
    caller: Caller, invoice: str, transaction_of: Transaction
) -> None:
    answers = [refund(caller, invoice, Idempotency_Key="once-0001") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].data == answers[1].data
    made = answers[0].get_json()
    assert (made["status"], made["purpose"]) == ("submitted", "invoice")
    assert caller.get(f"/refunds/{made['id']}").get_json() == made
    assert caller.get("/refunds", invoiceId=invoice, status="submitted").get_json()["data"] == [
        made
    ]
    assert caller.get("/refunds", status="failed").get_json()["data"] == []
    with transaction_of() as session:
        assert books(session)["refund_in_transit CNY"] == -30_000


def test_a_refund_may_say_which_lines_it_is_about(caller: Caller, invoice: str) -> None:
    body = BODY | {"invoiceId": invoice, "lines": [{"position": 7, "amountMinor": 30_000}]}

    answer = caller.post("/refunds", body)

    assert (answer.status_code, answer.get_json()["code"]) == (422, "invalid_refund")


def test_more_than_is_left_is_refused(caller: Caller, invoice: str) -> None:
    refund(caller, invoice)

    answer = caller.post("/refunds", BODY | {"invoiceId": invoice, "amountMinor": 60_534})

    assert (answer.status_code, answer.get_json()["code"]) == (409, "refund_too_large")


@pytest.mark.parametrize(
    "wrong",
    [
        {"amountMinor": 0},
        {"amountMinor": -1},
        {"amountMinor": 1.5},
        {"amountMinor": "30000"},
        {"currency": "USD"},
        {"reason": " "},
    ],
    ids=str,
)
def test_x029_what_is_no_amount_of_yuan_is_refused(
    caller: Caller, invoice: str, wrong: dict[str, Any]
) -> None:
    answer = caller.post("/refunds", BODY | {"invoiceId": invoice} | wrong)

    assert answer.status_code == 422
    assert caller.get("/refunds").get_json()["data"] == []


def test_x029_an_unpaid_invoice_is_not_refunded(
    caller: Caller, transaction_of: Transaction
) -> None:
    with transaction_of() as session:
        unpaid = show(Prefix.INVOICE, issue(session).id)

    answer = refund(caller, unpaid)

    assert (answer.status_code, answer.get_json()["code"]) == (409, "not_refundable")


def test_x029_of_two_whole_refunds_at_once_one_is_refused(
    app: Flask, caller: Caller, invoice: str
) -> None:
    body = {"invoiceId": invoice, "amountMinor": 90_533, "reason": "服务未交付"}

    def ask(_: int) -> int:
        return Caller(app.test_client(), caller.key).post("/refunds", body).status_code

    with ThreadPoolExecutor(2) as pool:
        answers = sorted(pool.map(ask, range(2)))

    assert answers == [201, 409]
    assert len(caller.get("/refunds").get_json()["data"]) == 1


def test_paying_back_needs_a_scope_of_its_own(caller_with: Call, invoice: str) -> None:
    reader = caller_with(scopes=[Scope.INVOICE_READ, Scope.INVOICE_WRITE])

    assert refund(reader, invoice).status_code == 403


def test_disputes_are_read(caller: Caller, transaction_of: Transaction) -> None:
    with transaction_of() as session:
        paid, _ = paid_invoice(session, now=clock.now())
        complaint = Complaint("4200001", cny(20_000), "未收到")
        open_dispute(session, paid.id, complaint, actor=WEI, now=clock.now())

    (shown,) = caller.get("/disputes", invoiceId=show(Prefix.INVOICE, paid.id)).get_json()["data"]

    assert (shown["status"], shown["channelCaseNo"]) == ("open", "4200001")
    assert shown["held"] == {"amountMinor": 2_709, "currency": "USD"}
    assert caller.get(f"/disputes/{shown['id']}").get_json() == shown
    assert caller.get("/disputes", channel="wechat").get_json()["data"] == [shown]
    assert caller.get("/disputes", channel="alipay").get_json()["data"] == []
    assert caller.get("/disputes", status="won").get_json()["data"] == []


def test_the_window_is_set_and_holds_at_once(caller: Caller, invoice: str) -> None:
    assert caller.get("/refund-settings").get_json() == {"windowDays": 180, "returnsFee": True}

    answer = caller.call("PUT", "/refund-settings", json={"windowDays": 0})

    assert answer.get_json() == {"windowDays": 0, "returnsFee": True}
    refused = refund(caller, invoice)
    assert (refused.status_code, refused.get_json()["code"]) == (409, "refund_window_over")
    too_long = caller.call("PUT", "/refund-settings", json={"windowDays": 366})
    assert too_long.status_code == 422


def test_a_refund_that_was_not_paid_is_not_mailed(caller: Caller, invoice: str) -> None:
    made = refund(caller, invoice).get_json()

    answer = caller.post(f"/refunds/{made['id']}/resend", {})

    assert (answer.status_code, answer.get_json()["code"]) == (409, "refund_not_mailable")
