"""WeChat Pay's call pays an order once it is proved, and is answered after the commit only."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from app.billing.models import InvoiceStatus
from app.billing.queries import get_invoice
from app.channels.base import ChannelName
from app.core import clock
from app.core.db import Transaction, begin
from app.identity import clocks
from app.payments import quarantine, queries, refund_queries
from app.payments.capture import record_capture
from app.payments.models import CaseReason, ChannelCallback, PaymentStatus
from app.payments.refund_models import Refund, RefundStatus
from app.payments.trade_numbers import new_trade_no
from tests.callbacks.conftest import Due, keys
from tests.channels import signers
from tests.conftest import Databases
from tests.make import cny
from tests.payments.backing import ask_back
from tests.payments.builders import books, paid
from tests.payments.doors import open_doors

PATH = "/api/webhooks/wechat"
TXN = "4200000000202611200000000001"


def trade(due: Due, **changes: Any) -> dict[str, object]:
    """Return what WeChat Pay says of the order of `due`, paid to the fen."""
    fields = {
        "out_trade_no": due.wechat.out_trade_no,
        "transaction_id": TXN,
        "attach": due.merchant,
        "amount": {"total": 90_533, "payer_total": 90_533, "currency": "CNY"},
    }
    return signers.wechat_trade(**(fields | changes))


def send(
    client: FlaskClient, body: bytes, headers: Mapping[str, str] | None = None
) -> TestResponse:
    signed = signers.wechat_headers(body, at=clock.now()) if headers is None else headers
    return client.post(PATH, data=body, headers=signed, content_type="application/json")


def status(transaction: Transaction, due: Due) -> InvoiceStatus:
    with transaction() as session:
        return get_invoice(session, due.invoice_id).status


def test_a_paid_notice_pays_the_invoice(
    client: FlaskClient, transaction: Transaction, due: Due
) -> None:
    answer = send(client, signers.wechat_notice(trade(due)))

    assert (answer.status_code, answer.data) == (204, b"")
    assert "Set-Cookie" not in answer.headers
    with transaction() as session:
        order = queries.get_order(session, due.wechat.id)
        assert order.status is PaymentStatus.CAPTURED
        assert order.channel_txn_id == TXN
        assert get_invoice(session, due.invoice_id).status is InvoiceStatus.PAID


def test_the_call_is_kept_as_it_came(client: FlaskClient, engine: Engine, due: Due) -> None:
    body = signers.wechat_notice(trade(due), id="EV-kept")
    send(client, body, {**signers.wechat_headers(body, at=clock.now()), "Cookie": "a=b"})

    with begin(engine, None) as session:
        kept = session.get_one(ChannelCallback, (ChannelName.WECHAT, "EV-kept"))
    assert kept.body == body
    assert kept.merchant_id == due.wechat.merchant_id
    assert kept.headers["Wechatpay-Serial"] == signers.PLATFORM_ID
    assert "Cookie" not in kept.headers
    assert kept.booked_at is not None


def test_a_call_before_our_own_commit_is_booked_when_it_comes_again(
    client: FlaskClient, transaction: Transaction, engine: Engine, due: Due
) -> None:
    number = new_trade_no(due.wechat.merchant_id)
    body = signers.wechat_notice(trade(due, out_trade_no=number), id="EV-early")
    assert send(client, body).status_code == 404
    day = timedelta(hours=24, seconds=1)
    with begin(engine, None) as session:
        late = quarantine.list_quarantined(session, now=clock.now() + day, limit=1000).rows
        assert "EV-early" in {call.notice_id for call in late}
        now = quarantine.list_quarantined(session, now=clock.now(), limit=1000).rows
        assert "EV-early" not in {call.notice_id for call in now}

    with transaction() as session:  # our commit
        queries.lock_order(session, due.wechat.id).out_trade_no = number
    assert send(client, body).status_code == 204

    with begin(engine, None) as session:
        late = quarantine.list_quarantined(session, now=clock.now() + day, limit=1000).rows
        assert "EV-early" not in {call.notice_id for call in late}


def test_the_books_take_the_merchants_time(
    client: FlaskClient, transaction: Transaction, due: Due
) -> None:
    with transaction() as session:
        clocks.get_merchant(session).clock_offset = timedelta(days=40)

    send(client, signers.wechat_notice(trade(due)))

    with transaction() as session:
        paid_at = get_invoice(session, due.invoice_id).paid_at
    assert paid_at is not None
    assert paid_at > clock.now() + timedelta(days=39)


def test_twenty_notices_of_one_payment_are_booked_once(
    client: FlaskClient, transaction: Transaction, due: Due
) -> None:
    answers = {
        send(client, signers.wechat_notice(trade(due), id=f"EV-{number}")).status_code
        for number in range(20)
    }

    assert answers == {204}
    with transaction() as session:
        assert books(session)["channel_clearing/wechat CNY"] == 90_533


@pytest.mark.parametrize(
    "amount", [{"total": 1, "currency": "CNY"}, {"total": 90_533, "currency": "USD"}]
)
def test_another_amount_is_answered_as_success_and_put_aside(
    client: FlaskClient, transaction: Transaction, due: Due, *, amount: dict[str, object]
) -> None:
    answer = send(client, signers.wechat_notice(trade(due, amount=amount)))

    assert answer.status_code == 204
    assert status(transaction, due) is InvoiceStatus.OPEN
    with transaction() as session:
        [case] = queries.list_unallocated(session)
    assert case.reason is CaseReason.AMOUNT_MISMATCH


def forged(body: bytes) -> list[Mapping[str, str]]:
    """Return headers that prove nothing about `body`."""
    now = clock.now()
    return [
        {},
        signers.wechat_headers(b"another body", at=now),
        signers.wechat_headers(body, at=now, key=signers.STRANGERS_KEY),
        signers.wechat_headers(body, at=now, serial="PUB_KEY_ID_0000000000"),
        signers.wechat_headers(body, at=now - timedelta(minutes=6)),
        signers.wechat_headers(body, at=now + timedelta(minutes=6)),
        {**signers.wechat_headers(body, at=now), "Wechatpay-Signature": "WECHATPAY/SIGNTEST/xx"},
        {**signers.wechat_headers(body, at=now), "Wechatpay-Signature-Type": "HMAC-SHA256"},
    ]


@pytest.mark.parametrize("case", range(8))
def test_a_call_that_can_not_be_proved_is_refused(
    client: FlaskClient, transaction: Transaction, due: Due, *, case: int
) -> None:
    body = signers.wechat_notice(trade(due))

    answer = send(client, body, forged(body)[case])

    assert answer.status_code == 401
    assert json.loads(answer.data)["code"] == "FAIL"
    assert status(transaction, due) is InvoiceStatus.OPEN


@pytest.mark.parametrize("account", [{"mchid": "1900000000"}, {"appid": "wx0000000000000000"}])
def test_money_of_another_account_is_refused(
    client: FlaskClient, transaction: Transaction, due: Due, *, account: dict[str, str]
) -> None:
    answer = send(client, signers.wechat_notice(trade(due, **account)))

    assert answer.status_code == 401
    assert status(transaction, due) is InvoiceStatus.OPEN


def test_a_resource_under_another_key_is_refused(client: FlaskClient, due: Due) -> None:
    body = signers.wechat_notice(trade(due), api_v3_key="x" * 32)

    assert send(client, body).status_code == 401


@pytest.mark.parametrize(
    "number", ["INV20261120000001", new_trade_no(12345)], ids=["alien", "ours"]
)
def test_an_unknown_order_is_asked_to_call_again(
    client: FlaskClient, due: Due, number: str
) -> None:
    answer = send(client, signers.wechat_notice(trade(due, out_trade_no=number)))

    assert answer.status_code == 404
    assert json.loads(answer.data)["code"] == "FAIL"


def asked_back(transaction: Transaction, due: Due) -> Refund:
    """Pay the order of `due` and ask for 300 yuan back."""
    with transaction() as session:
        now, order = clocks.now(session), queries.get_order(session, due.wechat.id)
        record_capture(session, paid(order, txn=TXN), channel=ChannelName.WECHAT, now=now)
        return ask_back(session, get_invoice(session, due.invoice_id), cny(30_000), now=now)


def refund_of(due: Due, refund: Refund, state: str = "SUCCESS", **changes: Any) -> bytes:
    """Sign what WeChat Pay tells of a refund."""
    fields = {
        "out_trade_no": due.wechat.out_trade_no,
        "transaction_id": TXN,
        "out_refund_no": refund.out_refund_no,
        "refund_status": state,
        "amount": {
            "total": 90_533,
            "refund": 30_000,
            "payer_total": 90_533,
            "payer_refund": 30_000,
        },
    }
    plain = signers.wechat_refund(**(fields | changes))
    return signers.wechat_notice(plain, event_type=f"REFUND.{state}")


def test_a_refund_notice_books_the_refund_once_however_often_it_comes(
    client: FlaskClient, transaction: Transaction, due: Due
) -> None:
    refund = asked_back(transaction, due)

    answers = [send(client, refund_of(due, refund)).status_code for _ in range(3)]

    assert answers == [204] * 3
    assert status(transaction, due) is InvoiceStatus.PARTIALLY_REFUNDED
    with transaction() as session:
        assert refund_queries.get_refund(session, refund.id).status is RefundStatus.SUCCEEDED
        assert books(session)["channel_clearing/wechat CNY"] == 60_533


@pytest.mark.parametrize(
    ("state", "status"),
    [("CLOSED", RefundStatus.FAILED), ("ABNORMAL", RefundStatus.ABNORMAL)],
)
def test_a_refund_that_did_not_arrive_is_told_as_such(
    client: FlaskClient, transaction: Transaction, due: Due, *, state: str, status: RefundStatus
) -> None:
    refund = asked_back(transaction, due)

    assert send(client, refund_of(due, refund, state)).status_code == 204
    with transaction() as session:
        assert refund_queries.get_refund(session, refund.id).status is status


def test_a_refund_that_nobody_asked_for_is_asked_to_call_again(
    client: FlaskClient, transaction: Transaction, due: Due
) -> None:
    refund = asked_back(transaction, due)

    answer = send(client, refund_of(due, refund, out_refund_no=new_trade_no(7)))

    assert answer.status_code == 404
    assert status(transaction, due) is InvoiceStatus.PAID


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch"])
def test_only_post_is_taken(client: FlaskClient, method: str) -> None:
    assert getattr(client, method)(PATH).status_code == 405


def test_a_body_of_more_than_a_megabyte_is_refused(client: FlaskClient) -> None:
    assert send(client, b"0" * (1024 * 1024 + 1), {}).status_code == 413


def test_a_compressed_body_is_refused(client: FlaskClient) -> None:
    assert send(client, b"{}", {"Content-Encoding": "gzip"}).status_code == 415


def test_a_hundred_bad_calls_do_not_keep_the_good_one_out(client: FlaskClient, due: Due) -> None:
    assert {send(client, b"{}", {}).status_code for _ in range(100)} == {401}

    assert send(client, signers.wechat_notice(trade(due))).status_code == 204


def test_without_a_database_the_channel_is_asked_to_call_again(
    databases: Databases, tmp_path: Path, due: Due
) -> None:
    nowhere = replace(databases, app="postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    (tmp_path / "simulator.json").write_text(keys())
    body = signers.wechat_notice(trade(due))

    with open_doors(nowhere, tmp_path) as door:
        answer = send(door.test_client(), body)

    assert answer.status_code == 503
    assert json.loads(answer.data)["code"] == "FAIL"
