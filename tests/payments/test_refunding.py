"""A channel is told of a refund once and asked ever after, until its own word ends it."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.billing.models import Invoice, InvoiceStatus
from app.channels.base import (
    ChannelName,
    ChannelRefused,
    ChannelShort,
    ChannelUnavailable,
)
from app.core.db import Transaction, begin
from app.payments import queries, refund_queries, refunding
from app.payments.refund_models import Refund, RefundStatus
from app.payments.refunding import Found
from tests.make import cny
from tests.payments.backing import answer, ask_back, paid_invoice
from tests.payments.builders import LATER, FakeChannel

URL = "https://pay.example.cn/api/webhooks/wechat"


@pytest.fixture
def refund(transaction: Transaction) -> Refund:
    with transaction() as session:
        invoice, _ = paid_invoice(session)
        return ask_back(session, invoice, cny(30_000))


def settle(watched: Transaction, channel: FakeChannel, refund: Refund) -> Found | None:
    return refunding.settle(
        watched, lambda _: channel, refund.id, notify_url=lambda _: URL, now=LATER
    )


def read(transaction: Transaction, refund: Refund) -> Refund:
    with transaction() as session:
        return refund_queries.get_refund(session, refund.id)


def invoice_of(session: Session, refund: Refund) -> Invoice:
    return session.get_one(Invoice, (refund.merchant_id, refund.invoice_id))


def test_the_channel_is_told_what_the_order_was_and_what_goes_back(
    watched: Transaction, channel: FakeChannel, refund: Refund
) -> None:
    assert settle(watched, channel, refund) is Found.WAITING

    [ask] = channel.refund_asks
    assert (ask.amount, ask.total) == (cny(30_000), cny(90_533))
    assert ask.out_refund_no == refund.out_refund_no
    assert ask.notify_url == URL
    assert channel.calls == ["refund"]


def test_what_was_asked_once_is_asked_about(
    watched: Transaction, channel: FakeChannel, refund: Refund
) -> None:
    settle(watched, channel, refund)
    channel.refunds[refund.out_refund_no] = answer(refund)

    assert settle(watched, channel, refund) is Found.SUCCEEDED
    assert channel.calls == ["refund", "query_refund"]
    assert settle(watched, channel, refund) is None
    with watched() as session:
        assert invoice_of(session, refund).status is InvoiceStatus.PARTIALLY_REFUNDED


@pytest.mark.parametrize("does_it_first", [True, False])
def test_an_answer_that_never_came_is_neither_yes_nor_no(
    watched: Transaction, channel: FakeChannel, refund: Refund, *, does_it_first: bool
) -> None:
    channel.mishap, channel.does_it_first = ChannelUnavailable("timed out"), does_it_first
    assert settle(watched, channel, refund) is Found.NO_ANSWER
    assert read(watched, refund).status is RefundStatus.SUBMITTED

    settle(watched, channel, refund)

    told = ["refund", "query_refund"] if does_it_first else ["refund", "query_refund", "refund"]
    assert channel.calls == told
    assert len(channel.refunds) == 1  # under one number


def test_a_refusal_gives_the_money_back_to_the_merchant(
    watched: Transaction, channel: FakeChannel, refund: Refund
) -> None:
    channel.mishap = ChannelRefused("USER_ACCOUNT_ABNORMAL", "closed")

    assert settle(watched, channel, refund) is Found.FAILED

    failed = read(watched, refund)
    assert failed.status is RefundStatus.FAILED
    assert failed.trouble == "USER_ACCOUNT_ABNORMAL closed"
    with watched() as session:
        assert queries.get_order(session, refund.payment_order_id).refunded_minor == 0


def test_an_empty_account_at_the_channel_is_waited_for(
    watched: Transaction, channel: FakeChannel, refund: Refund
) -> None:
    channel.mishap = ChannelShort("NOT_ENOUGH", "top up")

    assert settle(watched, channel, refund) is Found.WAITING

    waiting = read(watched, refund)
    assert waiting.status is RefundStatus.SUBMITTED
    assert "NOT_ENOUGH" in waiting.trouble
    assert settle(watched, channel, refund) is Found.WAITING
    assert channel.calls[-1] == "refund"  # the same ask again


def test_refunds_are_asked_about_up_the_ladder(
    watched: Transaction, channel: FakeChannel, refund: Refund
) -> None:
    now, waits = LATER, []
    for _ in range(11):
        settle_at = read(watched, refund).next_query_at
        assert settle_at is not None
        waits.append(settle_at - now)
        now = settle_at
        found = refunding.heal(watched, lambda _: channel, notify_url=lambda _: URL, now=now)
        assert found == {Found.WAITING: 1}

    minutes = [wait / timedelta(minutes=1) for wait in waits[1:]]
    assert minutes == [1, 1, 1, 1, 1, 5, 10, 20, 30, 30]


def test_a_refund_whose_job_was_lost_is_found(
    watched: Transaction, channel: FakeChannel, refund: Refund
) -> None:
    found = refunding.heal(watched, lambda _: channel, notify_url=lambda _: URL, now=LATER)

    assert found == {Found.WAITING: 1}
    assert channel.calls == ["refund"]
    assert read(watched, refund).queries == 1


def test_merchants_with_due_refunds_are_found(reader: Engine, refund: Refund) -> None:
    with begin(reader, None) as session:
        due = refund_queries.due_merchants(session, now=LATER)
        early = refund_queries.due_merchants(session, now=LATER - timedelta(days=1))

    assert refund.merchant_id in due
    assert refund.merchant_id not in early


def test_a_notice_about_no_number_has_the_channel_asked_at_once(
    watched: Transaction, channel: FakeChannel, refund: Refund
) -> None:
    settle(watched, channel, refund)
    soon = LATER + timedelta(seconds=1)

    with watched() as session:
        refund_queries.ask_soon(session, refund.payment_order_id, now=soon)

    assert read(watched, refund).next_query_at == soon


def test_a_number_belongs_to_one_channel(transaction: Transaction, refund: Refund) -> None:
    with transaction() as session:
        found = refund_queries.get_by_refund_no(session, ChannelName.WECHAT, refund.out_refund_no)
        assert found.id == refund.id
        with pytest.raises(Exception, match="alipay has no refund"):
            refund_queries.get_by_refund_no(session, ChannelName.ALIPAY, refund.out_refund_no)
