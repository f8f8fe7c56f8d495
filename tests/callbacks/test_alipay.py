"""Alipay's call pays an order once it is proved; `success` is said after the commit only."""

from collections.abc import Mapping
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.billing.models import InvoiceStatus
from app.billing.queries import get_invoice
from app.core.db import Transaction
from app.identity import clocks
from app.payments import queries, refund_queries
from app.payments.models import CaseReason, PaymentStatus
from app.payments.refund_models import RefundStatus
from app.payments.trade_numbers import new_trade_no
from tests.callbacks.conftest import Due
from tests.channels import signers
from tests.make import cny
from tests.payments.backing import ask_back
from tests.payments.builders import books

PATH = "/api/webhooks/alipay"


def notice(due: Due, changes: Mapping[str, str | None] | None = None) -> bytes:
    """Sign what Alipay says of the order of `due`, paid to the fen."""
    fields: dict[str, str | None] = {
        "out_trade_no": due.alipay.out_trade_no,
        "total_amount": "905.33",
        "passback_params": due.merchant,
        "notify_id": f"notify-{due.alipay.id}",
    }
    return signers.alipay_notice(fields | dict(changes or {}))


def send(client: FlaskClient, body: bytes) -> TestResponse:
    return client.post(PATH, data=body, content_type="application/x-www-form-urlencoded")


def status(transaction: Transaction, due: Due) -> InvoiceStatus:
    with transaction() as session:
        return get_invoice(session, due.invoice_id).status


def test_a_paid_notice_pays_the_invoice(
    client: FlaskClient, transaction: Transaction, due: Due
) -> None:
    answer = send(client, notice(due))

    assert (answer.status_code, answer.data) == (200, b"success")
    with transaction() as session:
        assert queries.get_order(session, due.alipay.id).status is PaymentStatus.CAPTURED
        assert books(session)["channel_clearing/alipay CNY"] == 90_533


def test_a_resent_notice_is_a_success_and_changes_nothing(
    client: FlaskClient, transaction: Transaction, due: Due
) -> None:
    answers = [send(client, notice(due)).data for _ in range(3)]

    assert answers == [b"success"] * 3
    with transaction() as session:
        assert books(session)["channel_clearing/alipay CNY"] == 90_533


def test_another_amount_is_a_success_and_put_aside(
    client: FlaskClient, transaction: Transaction, due: Due
) -> None:
    assert send(client, notice(due, {"total_amount": "905.34"})).data == b"success"
    with transaction() as session:
        [case] = queries.list_unallocated(session)
    assert case.reason is CaseReason.AMOUNT_MISMATCH
    assert status(transaction, due) is InvoiceStatus.OPEN


@pytest.mark.parametrize("state", ["WAIT_BUYER_PAY", "TRADE_CLOSED"])
def test_a_trade_without_money_pays_nothing(
    client: FlaskClient, transaction: Transaction, due: Due, *, state: str
) -> None:
    body = notice(due, {"trade_status": state, "gmt_payment": None})

    assert send(client, body).data == b"success"
    assert status(transaction, due) is InvoiceStatus.OPEN


@pytest.mark.parametrize(
    "changes",
    [
        {"app_id": "2021000000000000"},
        {"seller_id": "2088000000000000"},
        {"sign_type": "RSA"},
        {"trade_status": "TRADE_IMAGINED"},
    ],
)
def test_a_call_for_another_account_or_in_other_words_is_refused(
    client: FlaskClient, transaction: Transaction, due: Due, *, changes: dict[str, str]
) -> None:
    answer = send(client, notice(due, changes))

    assert (answer.status_code, answer.data) == (400, b"failure")
    assert status(transaction, due) is InvoiceStatus.OPEN


@pytest.mark.parametrize("tail", [b"&extra=1", b"&out_trade_no=1", b"&total_amount=0.01"])
def test_a_call_that_somebody_changed_is_refused(
    client: FlaskClient, transaction: Transaction, due: Due, *, tail: bytes
) -> None:
    answer = send(client, notice(due) + tail)

    assert (answer.status_code, answer.data) == (400, b"failure")
    assert status(transaction, due) is InvoiceStatus.OPEN


def test_a_strangers_signature_is_refused(client: FlaskClient, due: Due) -> None:
    body = signers.alipay_notice(
        {"out_trade_no": due.alipay.out_trade_no}, key=signers.STRANGERS_KEY
    )

    assert send(client, body).data == b"failure"


def test_an_unknown_order_is_a_failure(client: FlaskClient, due: Due) -> None:
    answer = send(client, notice(due, {"out_trade_no": new_trade_no(12345)}))

    assert (answer.status_code, answer.data) == (404, b"failure")


def test_a_notice_about_a_refund_has_the_channel_asked_at_once(
    client: FlaskClient, transaction: Transaction, due: Due
) -> None:
    send(client, notice(due))
    with transaction() as session:
        invoice, now = get_invoice(session, due.invoice_id), clocks.now(session)
        refund = ask_back(session, invoice, cny(30_000), now=now)
        refund.next_query_at = now + timedelta(hours=1)

    told = {"gmt_refund": "2026-11-20 10:05:00.000", "refund_fee": "300.00", "notify_id": "again"}
    assert send(client, notice(due, told)).data == b"success"

    with transaction() as session:
        found = refund_queries.get_refund(session, refund.id)
        assert found.next_query_at is not None
        assert found.next_query_at < now + timedelta(minutes=1)
        assert found.status is RefundStatus.SUBMITTED
