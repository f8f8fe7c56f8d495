"""Opening a payment makes one order per invoice and channel, whatever the channel does."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from app.billing import collection
from app.billing.models import Invoice
from app.channels.base import (
    Ask,
    ChannelName,
    ChannelRefused,
    ChannelUnavailable,
    Method,
    Opened,
    TradeState,
)
from app.core.db import Transaction
from app.core.errors import NotFound
from app.core.ids import show_merchant
from app.payments import queries, refund_queries
from app.payments.capture import record_capture
from app.payments.closing import PaymentUnderWay
from app.payments.models import PaymentOrder, PaymentStatus
from app.payments.opening import InvoiceNotPayable, MethodNotOffered, NothingToPay
from app.payments.refund_models import RefundPurpose
from tests.make import NOON
from tests.payments.builders import FakeChannel, issue, opened_at, order_for, paid

MINUTE = timedelta(minutes=1)
H5: Any = {
    "method": Method.H5,
    "payer_ip": "203.0.113.7",
}


@pytest.fixture
def invoice(transaction: Transaction) -> Invoice:
    with transaction() as session:
        return issue(session)


def orders(transaction: Transaction, invoice: Invoice) -> list[PaymentOrder]:
    with transaction() as session:
        return list(queries.list_of_invoice(session, invoice.id))


def test_opening_asks_the_channel_for_what_the_invoice_says(
    watched: Transaction, channel: FakeChannel, invoice: Invoice
) -> None:
    opening = opened_at(watched, channel, invoice.id, now=NOON)

    [ask] = channel.asks
    [order] = orders(watched, invoice)
    assert ask.amount == invoice.collection
    assert ask.notify_url == "https://pay.example.com/api/webhooks/wechat"
    assert ask.attach == show_merchant(invoice.merchant_id)
    assert ask.description == f"Lumen AI {invoice.number}"
    assert ask.expires_at == opening.expires_at == NOON + 15 * MINUTE
    assert order.status is PaymentStatus.PENDING
    assert order.payload == opening.payload
    assert opening.method is Method.NATIVE


def test_an_open_order_is_returned_again(
    watched: Transaction, channel: FakeChannel, invoice: Invoice
) -> None:
    first = opened_at(watched, channel, invoice.id, now=NOON)

    assert opened_at(watched, channel, invoice.id, now=NOON + 14 * MINUTE) == first
    assert channel.calls == ["open"]


def test_eight_openings_at_once_make_one_order(
    transaction: Transaction, channel: FakeChannel, invoice: Invoice
) -> None:
    def one(_: int) -> int:
        return opened_at(transaction, channel, invoice.id, now=NOON).order_id

    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(one, range(8)))

    [order] = orders(transaction, invoice)
    assert ids == {order.id}
    assert len({ask.out_trade_no for ask in channel.asks}) == 1


@pytest.fixture
def alipay(channel: FakeChannel) -> FakeChannel:
    return FakeChannel(ChannelName.ALIPAY, depth=channel.depth)


def test_who_goes_to_another_channel_has_the_first_order_closed(
    watched: Transaction, channel: FakeChannel, alipay: FakeChannel, invoice: Invoice
) -> None:
    opened_at(watched, channel, invoice.id, now=NOON)
    opened_at(watched, alipay, invoice.id, beside=channel, now=NOON + MINUTE)

    kinds = [(order.channel, order.status) for order in orders(watched, invoice)]
    assert kinds == [
        (ChannelName.WECHAT, PaymentStatus.CLOSED),
        (ChannelName.ALIPAY, PaymentStatus.PENDING),
    ]
    assert channel.calls == ["open", "query", "close"]


def test_another_channels_silence_holds_nobody_up(
    watched: Transaction, channel: FakeChannel, alipay: FakeChannel, invoice: Invoice
) -> None:
    opened_at(watched, channel, invoice.id, now=NOON)
    channel.mishap = ChannelUnavailable("no answer")
    opened_at(watched, alipay, invoice.id, beside=channel, now=NOON + MINUTE)

    first, second = orders(watched, invoice)
    assert (first.status, second.status) == (PaymentStatus.PENDING, PaymentStatus.PENDING)
    assert first.next_query_at == NOON + timedelta(seconds=5)


def test_of_two_channels_that_are_both_paid_the_second_goes_back(
    watched: Transaction, channel: FakeChannel, alipay: FakeChannel, invoice: Invoice
) -> None:
    opened_at(watched, channel, invoice.id, now=NOON)
    channel.mishap = ChannelUnavailable("no answer")
    opened_at(watched, alipay, invoice.id, beside=channel, now=NOON + MINUTE)
    first, second = orders(watched, invoice)

    for fake, order in ((alipay, second), (channel, first)):
        with watched() as session:
            record_capture(session, paid(order), channel=fake.name, now=NOON + 2 * MINUTE)

    with watched() as session:
        [refund] = refund_queries.list_of_invoice(session, invoice.id)
        assert (refund.payment_order_id, refund.amount_minor) == (first.id, 90_533)
        assert refund.purpose is RefundPurpose.SEND_BACK


def test_money_behind_the_first_order_is_found_before_another_opens(
    watched: Transaction, channel: FakeChannel, alipay: FakeChannel, invoice: Invoice
) -> None:
    opened_at(watched, channel, invoice.id, now=NOON)
    channel.pay(orders(watched, invoice)[0])

    with pytest.raises(InvoiceNotPayable):
        opened_at(watched, alipay, invoice.id, beside=channel, now=NOON + MINUTE)

    assert alipay.calls == []


def test_a_second_method_closes_the_first_order_at_its_channel(
    watched: Transaction, channel: FakeChannel, invoice: Invoice
) -> None:
    opened_at(watched, channel, invoice.id, now=NOON)

    h5 = opened_at(watched, channel, invoice.id, **H5, now=NOON + MINUTE)

    old, new = orders(watched, invoice)
    assert channel.calls == ["open", "query", "close", "open"]
    assert (old.status, new.status) == (PaymentStatus.CLOSED, PaymentStatus.PENDING)
    assert (new.id, new.method, new.payer_ip) == (h5.order_id, Method.H5, "203.0.113.7")
    assert channel.asks[1].payer_ip == "203.0.113.7"


def test_while_its_channel_is_silent_no_second_method_opens(
    watched: Transaction, channel: FakeChannel, invoice: Invoice
) -> None:
    opened_at(watched, channel, invoice.id, now=NOON)
    channel.mishap = ChannelUnavailable("no answer")

    with pytest.raises(ChannelUnavailable):
        opened_at(watched, channel, invoice.id, **H5, now=NOON + MINUTE)

    assert len(orders(watched, invoice)) == 1


def test_another_payer_in_wechat_gets_an_order_of_his_own(
    watched: Transaction, channel: FakeChannel, invoice: Invoice
) -> None:
    for openid in ("oWei", "oWei", "oLin"):
        opened_at(watched, channel, invoice.id, method=Method.JSAPI, openid=openid, now=NOON)

    assert [ask.openid for ask in channel.asks] == ["oWei", "oLin"]
    assert [order.openid for order in orders(watched, invoice)] == ["", "oLin"]


def test_a_url_that_is_too_old_to_begin_with_is_asked_for_anew(
    watched: Transaction, channel: FakeChannel, invoice: Invoice
) -> None:
    for minutes in (0, 3, 4, 5):
        opened_at(watched, channel, invoice.id, **H5, now=NOON + minutes * MINUTE)

    [order] = orders(watched, invoice)
    assert channel.calls == ["open", "open"]
    assert channel.asks[0] == channel.asks[1]
    assert order.payload_at == NOON + 4 * MINUTE


def test_two_ways_at_once_open_one_order(
    transaction: Transaction, channel: FakeChannel, invoice: Invoice
) -> None:
    def one(number: int) -> int | None:
        way = H5 if number % 2 else {}
        try:
            return opened_at(transaction, channel, invoice.id, **way, now=NOON).order_id
        except PaymentUnderWay:
            return None

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(8)))

    with transaction() as session:
        assert len(queries.list_open(session, invoice.id)) == 1


def test_without_the_lock_the_key_still_lets_one_order_in(
    transaction: Transaction, invoice: Invoice
) -> None:
    with transaction() as session:
        order_for(session, invoice)

    with pytest.raises(IntegrityError, match="uq_payment_orders_open"), transaction() as session:
        order_for(session, invoice)


@pytest.mark.parametrize(
    ("payer", "path"),
    [
        ({"method": Method.PAGE}, "method"),
        ({"method": Method.JSAPI}, "openid"),
        ({"method": Method.H5}, "payerIp"),
        ({"method": Method.H5, "payer_ip": "::g"}, "payerIp"),
    ],
)
def test_a_choice_that_lacks_something_is_refused(
    watched: Transaction, channel: FakeChannel, invoice: Invoice, *, payer: Any, path: str
) -> None:
    with pytest.raises(MethodNotOffered) as refusal:
        opened_at(watched, channel, invoice.id, **payer, now=NOON)

    assert refusal.value.path == path
    assert channel.calls == []


@pytest.mark.parametrize("does_it_first", [True, False])
def test_a_timeout_is_unknown_and_the_next_try_finds_the_same_order(
    watched: Transaction, channel: FakeChannel, invoice: Invoice, *, does_it_first: bool
) -> None:
    channel.mishap, channel.does_it_first = ChannelUnavailable("no answer"), does_it_first
    with pytest.raises(ChannelUnavailable):
        opened_at(watched, channel, invoice.id, now=NOON)
    [unknown] = orders(watched, invoice)
    assert unknown.status is PaymentStatus.CREATED
    assert unknown.next_query_at == NOON + timedelta(seconds=5)

    opening = opened_at(watched, channel, invoice.id, now=NOON + MINUTE)

    assert opening.order_id == unknown.id
    assert channel.calls == ["open", "query", "open"]
    assert len({ask.out_trade_no for ask in channel.asks}) == 1


def test_money_that_came_behind_a_timeout_is_found_before_anything_is_opened_at(
    watched: Transaction, channel: FakeChannel, invoice: Invoice
) -> None:
    channel.mishap, channel.does_it_first = ChannelUnavailable("no answer"), True
    with pytest.raises(ChannelUnavailable):
        opened_at(watched, channel, invoice.id, now=NOON)
    channel.pay(orders(watched, invoice)[0])

    with pytest.raises(InvoiceNotPayable):
        opened_at(watched, channel, invoice.id, now=NOON + MINUTE)

    [order] = orders(watched, invoice)
    assert order.status is PaymentStatus.CAPTURED


def test_an_expired_order_is_closed_before_a_new_one_opens(
    watched: Transaction, channel: FakeChannel, invoice: Invoice
) -> None:
    opened_at(watched, channel, invoice.id, now=NOON)

    opened_at(watched, channel, invoice.id, now=NOON + 15 * MINUTE)

    old, new = orders(watched, invoice)
    assert channel.calls == ["open", "query", "close", "open"]
    assert channel.trades[old.out_trade_no].state is TradeState.CLOSED
    assert (old.status, new.status) == (PaymentStatus.CLOSED, PaymentStatus.PENDING)
    assert old.next_query_at is None


def test_while_the_channel_is_silent_an_expired_order_is_not_replaced(
    watched: Transaction, channel: FakeChannel, invoice: Invoice
) -> None:
    opened_at(watched, channel, invoice.id, now=NOON)
    channel.mishap = ChannelUnavailable("no answer")

    with pytest.raises(ChannelUnavailable):
        opened_at(watched, channel, invoice.id, now=NOON + 15 * MINUTE)

    assert len(orders(watched, invoice)) == 1


def test_a_refused_order_is_asked_for_again_under_its_own_number(
    watched: Transaction, channel: FakeChannel, invoice: Invoice
) -> None:
    channel.mishap = ChannelRefused("NO_AUTH", "not allowed")
    with pytest.raises(ChannelRefused):
        opened_at(watched, channel, invoice.id, now=NOON)

    opened_at(watched, channel, invoice.id, now=NOON + MINUTE)

    [order] = orders(watched, invoice)
    assert order.status is PaymentStatus.PENDING


def test_a_void_invoice_is_not_payable(
    watched: Transaction, channel: FakeChannel, invoice: Invoice
) -> None:
    with watched() as session:
        locked = collection.lock_invoice(session, invoice.id)
        collection.void(session, locked, reason="wrong customer", now=NOON)

    with pytest.raises(InvoiceNotPayable):
        opened_at(watched, channel, invoice.id, now=NOON)

    assert channel.calls == []


def test_an_invoice_of_zero_needs_no_payment(watched: Transaction, channel: FakeChannel) -> None:
    with watched() as session:
        free = issue(session, collection_minor=0)

    with pytest.raises(NothingToPay):
        opened_at(watched, channel, free.id, now=NOON)


def test_another_merchants_invoice_is_not_found(watched: Transaction, channel: FakeChannel) -> None:
    with pytest.raises(NotFound):
        opened_at(watched, channel, 1, now=NOON)


def test_a_callback_before_our_own_commit_still_pays(
    watched: Transaction, channel: FakeChannel, invoice: Invoice
) -> None:
    class PaidAtOnce(FakeChannel):
        def open(self, ask: Ask, *, now: datetime) -> Opened:
            answer = super().open(ask, now=now)
            [order] = orders(watched, invoice)
            with watched() as session:
                record_capture(session, paid(order), channel=self.name, now=now)
            return answer

    opened_at(watched, PaidAtOnce(depth=channel.depth), invoice.id, now=NOON)

    [order] = orders(watched, invoice)
    assert order.status is PaymentStatus.CAPTURED
