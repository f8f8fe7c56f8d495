"""Whichever channel calls, and whenever: the money is booked once, and pays only what it should.

Each channel proves its calls in its own way; what follows from one is the same.
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.billing import collection
from app.billing.models import InvoiceStatus
from app.billing.queries import get_invoice
from app.channels.base import ChannelName
from app.core import clock
from app.core.db import Transaction
from app.identity import clocks
from app.identity.models import Mode
from app.ledger.queries import unbalanced
from app.payments import queries, refund_moves, refund_queries
from app.payments.models import CaseReason, PaymentStatus
from app.payments.refund_models import RefundPurpose, RefundStatus
from app.payments.trade_numbers import new_trade_no
from tests.callbacks.calls import ALIPAY, WECHAT, is_heard, order_of, paid_notice, path, send
from tests.callbacks.conftest import Due
from tests.payments.backing import answer, ask_back
from tests.payments.builders import books

channels = pytest.mark.parametrize("channel", ChannelName)


def status(transaction: Transaction, due: Due) -> InvoiceStatus:
    with transaction() as session:
        return get_invoice(session, due.invoice_id).status


def received(transaction: Transaction, channel: ChannelName) -> int:
    """Return what came by the channel, in fen."""
    with transaction() as session:
        assert unbalanced(session) == []
        return books(session).get(f"channel_clearing/{channel} CNY", 0)


@channels
def test_a_call_before_our_own_commit_is_booked_when_it_comes_again(
    client: FlaskClient, transaction: Transaction, due: Due, channel: ChannelName
) -> None:
    number = new_trade_no(due.wechat.merchant_id)
    body = paid_notice(due, channel, number=number)
    assert send(client, channel, body).status_code == 404
    assert received(transaction, channel) == 0

    with transaction() as session:  # our commit
        queries.lock_order(session, order_of(due, channel).id).out_trade_no = number

    assert is_heard(send(client, channel, body), channel)
    assert status(transaction, due) is InvoiceStatus.PAID


@channels
def test_fifty_calls_at_once_are_booked_once_and_all_answered(
    door: Flask, transaction: Transaction, due: Due, channel: ChannelName
) -> None:
    body = paid_notice(due, channel)

    def call(_: int) -> bool:
        return is_heard(send(door.test_client(), channel, body), channel)

    with ThreadPoolExecutor(5) as pool:
        assert all(pool.map(call, range(50)))

    assert received(transaction, channel) == 90_533


@channels
def test_a_payment_that_is_told_of_after_the_close_pays(
    client: FlaskClient, transaction: Transaction, due: Due, channel: ChannelName
) -> None:
    with transaction() as session:
        order = queries.lock_order(session, order_of(due, channel).id)
        order.status, order.next_query_at = PaymentStatus.CLOSED, None

    assert is_heard(send(client, channel, paid_notice(due, channel)), channel)

    assert status(transaction, due) is InvoiceStatus.PAID
    assert received(transaction, channel) == 90_533


@channels
def test_f28_a_payment_of_a_void_invoice_is_put_aside_and_goes_back(
    client: FlaskClient, transaction: Transaction, due: Due, channel: ChannelName
) -> None:
    with transaction() as session:
        invoice = collection.lock_invoice(session, due.invoice_id)
        collection.void(session, invoice, reason="开错了", now=clocks.now(session))

    assert is_heard(send(client, channel, paid_notice(due, channel)), channel)

    assert status(transaction, due) is InvoiceStatus.VOID
    with transaction() as session:
        [case] = queries.list_unallocated(session)
        [refund] = refund_queries.list_of_case(session, case.id)
    assert case.reason is CaseReason.INVOICE_NOT_PAYABLE
    assert (refund.purpose, refund.status) == (RefundPurpose.SEND_BACK, RefundStatus.SUBMITTED)
    assert received(transaction, channel) == 90_533


@channels
def test_f30_who_pays_at_both_channels_gets_the_second_payment_back(
    client: FlaskClient, transaction: Transaction, due: Due, channel: ChannelName
) -> None:
    first = ALIPAY if channel is WECHAT else WECHAT

    answers = [send(client, each, paid_notice(due, each)) for each in (first, channel)]

    assert [is_heard(*heard) for heard in zip(answers, (first, channel), strict=True)] == [True] * 2
    assert (received(transaction, first), received(transaction, channel)) == (90_533, 90_533)
    with transaction() as session:
        [case] = queries.list_unallocated(session)
        [refund] = refund_queries.list_of_case(session, case.id)
    assert (case.channel, refund.channel) == (channel, channel)
    assert refund.purpose is RefundPurpose.SEND_BACK


@channels
def test_f27_a_payment_told_of_again_after_its_refund_changes_nothing(
    client: FlaskClient, transaction: Transaction, due: Due, channel: ChannelName
) -> None:
    body = paid_notice(due, channel)
    send(client, channel, body)
    with transaction() as session:
        now = clocks.now(session)
        refund = ask_back(session, get_invoice(session, due.invoice_id), now=now)
        refund_moves.record(session, refund.id, answer(refund), now=now)

    assert is_heard(send(client, channel, body), channel)

    assert status(transaction, due) is InvoiceStatus.REFUNDED
    assert received(transaction, channel) == 0


@channels
def test_x048_yesterdays_call_is_refused_or_changes_nothing(
    client: FlaskClient, transaction: Transaction, due: Due, channel: ChannelName
) -> None:
    body = paid_notice(due, channel)
    send(client, channel, body)

    again = send(client, channel, body, signed_at=clock.now() - timedelta(days=1))

    assert again.status_code == (401 if channel is WECHAT else 200)  # Alipay signs no time
    assert received(transaction, channel) == 90_533
    with transaction() as session:
        assert queries.list_unallocated(session) == []


@channels
def test_a_sandboxs_keys_pay_no_live_merchants_order(
    client: FlaskClient, transaction: Transaction, due: Due, channel: ChannelName
) -> None:
    with transaction() as session:
        clocks.get_merchant(session).mode = Mode.LIVE

    answered = send(client, channel, paid_notice(due, channel))

    assert answered.status_code == 404
    assert status(transaction, due) is InvoiceStatus.OPEN


@channels
def test_another_merchants_echo_is_refused(
    client: FlaskClient, transaction: Transaction, due: Due, channel: ChannelName
) -> None:
    answered = send(client, channel, paid_notice(due, channel, echo="00000000001"))

    assert answered.status_code == 404
    assert status(transaction, due) is InvoiceStatus.OPEN


@channels
def test_an_order_of_the_other_channel_is_unknown(
    client: FlaskClient, transaction: Transaction, due: Due, channel: ChannelName
) -> None:
    other = order_of(due, ALIPAY if channel is WECHAT else WECHAT)

    answered = send(client, channel, paid_notice(due, channel, number=other.out_trade_no))

    assert answered.status_code == 404
    assert status(transaction, due) is InvoiceStatus.OPEN


@channels
def test_x053_only_a_plain_post_of_a_bounded_size_is_read(
    client: FlaskClient, due: Due, channel: ChannelName
) -> None:
    body = paid_notice(due, channel)

    assert client.get(path(channel)).status_code == 405
    assert client.post(path(channel), data=b"0" * (1024 * 1024 + 1)).status_code == 413
    packed = client.post(path(channel), data=body, headers={"Content-Encoding": "gzip"})
    assert packed.status_code == 415
