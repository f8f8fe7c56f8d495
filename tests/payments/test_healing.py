"""What the channel did and did not tell us is found by asking; silence is never failure."""

from collections import Counter
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.billing.models import InvoiceStatus
from app.billing.queries import get_invoice
from app.channels.base import ChannelName, ChannelUnavailable, Method
from app.core.db import Transaction, begin
from app.identity import clocks
from app.payments import queries
from app.payments.healing import Found, ask, heal, next_query_at, watch
from app.payments.models import PaymentOrder, PaymentStatus
from tests.make import NOON, Make
from tests.payments.builders import FakeChannel, issue, order_for

SECOND = timedelta(seconds=1)
SOON = NOON + 5 * SECOND
NO_ANSWER = {"status": PaymentStatus.CREATED, "payload": None, "payload_at": None}
EXPIRED = NOON + timedelta(minutes=15)


@pytest.fixture
def order(transaction: Transaction) -> PaymentOrder:
    with transaction() as session:
        return order_for(session, issue(session))


def now_is(transaction: Transaction, order: PaymentOrder) -> PaymentOrder:
    with transaction() as session:
        return queries.get_order(session, order.id)


def test_a_lost_callback_heals(
    watched: Transaction, channel: FakeChannel, order: PaymentOrder
) -> None:
    channel.pay(order)

    assert heal(watched, {channel.name: channel}, now=SOON) == Counter({Found.CAPTURED: 1})
    assert now_is(watched, order).status is PaymentStatus.CAPTURED
    assert heal(watched, {channel.name: channel}, now=EXPIRED) == Counter()


def test_an_order_created_before_a_crash_heals(watched: Transaction, channel: FakeChannel) -> None:
    with watched() as session:
        invoice = issue(session)
        order = order_for(session, invoice, **NO_ANSWER)
    channel.pay(order)

    heal(watched, {channel.name: channel}, now=SOON)

    with watched() as session:
        assert queries.find_paying(session, invoice.id) is not None


def test_the_books_run_on_the_merchants_clock(
    watched: Transaction, channel: FakeChannel, order: PaymentOrder
) -> None:
    with watched() as session:
        clocks.get_merchant(session).clock_offset = timedelta(days=30)
    channel.pay(order)

    heal(watched, {channel.name: channel}, now=SOON)

    with watched() as session:
        invoice = queries.get_order(session, order.id).invoice_id
        assert paid_at(session, invoice) == SOON + timedelta(days=30)


def paid_at(session: Session, invoice_id: int) -> object:
    invoice = get_invoice(session, invoice_id)
    assert invoice.status is InvoiceStatus.PAID
    return invoice.paid_at


def test_an_order_that_waits_is_asked_about_less_and_less(
    watched: Transaction, channel: FakeChannel, order: PaymentOrder
) -> None:
    asked_at, now = [], SOON
    while now < EXPIRED:
        assert heal(watched, {channel.name: channel}, now=now) == Counter({Found.WAITING: 1})
        asked_at.append((now - NOON).total_seconds())
        now = now_is(watched, order).next_query_at or EXPIRED

    assert asked_at == [5, 30, 60, 180, 300, 600]
    assert now == EXPIRED


def test_an_expired_order_is_closed_at_the_channel(
    watched: Transaction, channel: FakeChannel, order: PaymentOrder
) -> None:
    channel.wait(order)

    assert heal(watched, {channel.name: channel}, now=EXPIRED) == Counter({Found.CLOSED: 1})
    assert channel.calls == ["query", "close"]
    assert now_is(watched, order).status is PaymentStatus.CLOSED
    assert now_is(watched, order).next_query_at is None


def test_money_that_came_during_the_close_is_booked(
    watched: Transaction, order: PaymentOrder, channel: FakeChannel
) -> None:
    class PaidMeanwhile(FakeChannel):
        def close(self, out_trade_no: str, *, now: datetime) -> None:
            self.pay(order)
            super().close(out_trade_no, now=now)

    quick = PaidMeanwhile(depth=channel.depth)

    assert heal(watched, {quick.name: quick}, now=EXPIRED) == Counter({Found.CAPTURED: 1})
    assert quick.calls == ["query", "close", "query"]


def test_silence_changes_nothing_and_is_asked_again(
    watched: Transaction, channel: FakeChannel, order: PaymentOrder
) -> None:
    channel.mishap = ChannelUnavailable("no answer")

    found = heal(watched, {channel.name: channel}, now=EXPIRED)

    after = now_is(watched, order)
    assert found == Counter({Found.NO_ANSWER: 1})
    assert after.status is PaymentStatus.PENDING
    assert after.next_query_at == EXPIRED + 5 * SECOND


def test_a_silent_channel_is_asked_once_a_call(
    watched: Transaction, channel: FakeChannel, order: PaymentOrder
) -> None:
    with watched() as session:
        order_for(session, issue(session))
    channel.mishap = ChannelUnavailable("no answer")

    assert heal(watched, {channel.name: channel}, now=SOON) == Counter({Found.NO_ANSWER: 2})
    assert channel.calls == ["query"]
    assert order.queries == 0


@pytest.mark.usefixtures("order")
def test_an_order_at_a_channel_that_is_set_up_no_more_waits(watched: Transaction) -> None:
    assert heal(watched, {}, now=SOON) == Counter({Found.NO_ANSWER: 1})


def test_after_its_time_an_order_is_asked_about_from_the_foot_of_the_ladder(
    order: PaymentOrder,
) -> None:
    later = EXPIRED + timedelta(hours=1)

    assert next_query_at(order, now=EXPIRED) == EXPIRED + 5 * SECOND
    assert next_query_at(order, now=EXPIRED + 5 * SECOND) == EXPIRED + 30 * SECOND
    assert next_query_at(order, now=later) == later + timedelta(minutes=30)


def test_a_code_nobody_had_come_to_is_looked_at_once_more(
    watched: Transaction, channel: FakeChannel, order: PaymentOrder
) -> None:
    heal(watched, {channel.name: channel}, now=EXPIRED)
    closed = now_is(watched, order)
    again = EXPIRED + timedelta(minutes=1)

    assert (closed.status, closed.next_query_at) == (PaymentStatus.CLOSED, again)
    assert heal(watched, {channel.name: channel}, now=again) == Counter({Found.CLOSED: 1})
    assert now_is(watched, order).next_query_at is None


def test_money_for_a_code_that_could_not_be_closed_is_found_without_a_callback(
    watched: Transaction, channel: FakeChannel, order: PaymentOrder
) -> None:
    heal(watched, {channel.name: channel}, now=EXPIRED)
    channel.pay(order)

    found = heal(watched, {channel.name: channel}, now=EXPIRED + timedelta(minutes=1))

    assert found == Counter({Found.CAPTURED: 1})
    with watched() as session:
        assert paid_at(session, order.invoice_id) is not None


def test_who_says_that_he_has_paid_is_believed_enough_to_ask_at_once(
    watched: Transaction, channel: FakeChannel, order: PaymentOrder
) -> None:
    found = [ask(watched, channel, order.id, now=NOON + n * SECOND / 2) for n in (1, 2, 4)]
    channel.pay(order)

    assert found == [Found.WAITING, None, Found.WAITING]
    assert ask(watched, channel, order.id, now=NOON + 4 * SECOND) is Found.CAPTURED
    assert ask(watched, channel, order.id, now=NOON + 8 * SECOND) is None


def test_an_order_that_has_ended_forgets_who_wanted_to_pay(
    watched: Transaction, channel: FakeChannel
) -> None:
    with watched() as session:
        invoice = issue(session)
        h5 = order_for(session, invoice, method=Method.H5, payer_ip="203.0.113.7")
        jsapi = order_for(session, invoice, method=Method.JSAPI, openid="oUpF8uMuAJO_M2pxb1Q9zNjW")
    channel.pay(jsapi)

    heal(watched, {channel.name: channel}, now=EXPIRED)

    assert (now_is(watched, h5).status, now_is(watched, h5).payer_ip) == (PaymentStatus.CLOSED, "")
    assert (now_is(watched, jsapi).status, now_is(watched, jsapi).openid) == (
        PaymentStatus.CAPTURED,
        "",
    )


def test_a_payer_who_waits_finds_out_at_once(
    watched: Transaction, channel: FakeChannel, order: PaymentOrder
) -> None:
    channel.pay(order)

    assert watch(watched, channel, order.id, now=NOON + 3 * SECOND) is None
    assert watch(watched, channel, order.id, now=NOON + 4 * SECOND) is Found.CAPTURED
    assert watch(watched, channel, order.id, now=NOON + 8 * SECOND) is None


def test_a_payer_who_waits_asks_every_three_seconds_at_most(
    watched: Transaction, channel: FakeChannel, order: PaymentOrder
) -> None:
    found = [
        watch(watched, channel, order.id, now=NOON + seconds * SECOND)
        for seconds in (4, 6, 7, 8, 10)
    ]

    assert found == [Found.WAITING, None, Found.WAITING, None, Found.WAITING]
    assert channel.calls == ["query"] * 3


def test_the_sweep_knows_who_has_due_orders(engine: Engine, reader: Engine) -> None:
    merchant_id = Make.new_merchant_id()
    with begin(engine, merchant_id) as session:
        Make(session).merchant()
        order_for(session, issue(session))

    with begin(reader, None) as sweep:
        assert merchant_id in queries.due_merchants(sweep, now=SOON)
        assert merchant_id not in queries.due_merchants(sweep, now=NOON)


def test_channels_share_no_silence(
    watched: Transaction, channel: FakeChannel, order: PaymentOrder
) -> None:
    alipay = FakeChannel(ChannelName.ALIPAY, depth=channel.depth)
    with watched() as session:
        other = order_for(session, issue(session), channel=ChannelName.ALIPAY)
    channel.mishap = ChannelUnavailable("no answer")
    alipay.pay(other)

    found = heal(watched, {channel.name: channel, alipay.name: alipay}, now=SOON)

    assert found == Counter({Found.NO_ANSWER: 1, Found.CAPTURED: 1})
    assert now_is(watched, order).status is PaymentStatus.PENDING
