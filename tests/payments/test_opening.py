"""Opening a payment makes one order per invoice and channel, whatever the channel does."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial

import pytest

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
from app.payments import queries
from app.payments.capture import record_capture
from app.payments.models import PaymentOrder, PaymentStatus
from app.payments.opening import InvoiceNotPayable, NothingToPay, open_payment
from tests.make import NOON
from tests.payments.builders import FakeChannel, issue, paid

NOTIFY_URL = "http://127.0.0.1:8000/api/webhooks/wechat"
MINUTE = timedelta(minutes=1)
opened = partial(open_payment, notify_url=NOTIFY_URL)


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
    opening = opened(watched, channel, invoice.id, now=NOON)

    [ask] = channel.asks
    [order] = orders(watched, invoice)
    assert ask.amount == invoice.collection
    assert ask.notify_url == NOTIFY_URL
    assert ask.attach == show_merchant(invoice.merchant_id)
    assert ask.description == f"Lumen AI {invoice.number}"
    assert ask.expires_at == opening.expires_at == NOON + 15 * MINUTE
    assert order.status is PaymentStatus.PENDING
    assert order.qr_payload == opening.qr_payload
    assert opening.method is Method.NATIVE


def test_an_open_order_is_returned_again(
    watched: Transaction, channel: FakeChannel, invoice: Invoice
) -> None:
    first = opened(watched, channel, invoice.id, now=NOON)

    assert opened(watched, channel, invoice.id, now=NOON + 14 * MINUTE) == first
    assert channel.calls == ["open"]


def test_eight_openings_at_once_make_one_order(
    transaction: Transaction, channel: FakeChannel, invoice: Invoice
) -> None:
    def one(_: int) -> int:
        return opened(transaction, channel, invoice.id, now=NOON).order_id

    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(one, range(8)))

    [order] = orders(transaction, invoice)
    assert ids == {order.id}
    assert len({ask.out_trade_no for ask in channel.asks}) == 1


def test_each_channel_has_an_order_of_its_own(
    watched: Transaction, channel: FakeChannel, invoice: Invoice
) -> None:
    alipay = FakeChannel(ChannelName.ALIPAY, depth=channel.depth)
    opened(watched, channel, invoice.id, now=NOON)
    opened(watched, alipay, invoice.id, now=NOON)

    kinds = [(order.channel, order.status) for order in orders(watched, invoice)]
    assert kinds == [
        (ChannelName.WECHAT, PaymentStatus.PENDING),
        (ChannelName.ALIPAY, PaymentStatus.PENDING),
    ]


@pytest.mark.parametrize("does_it_first", [True, False])
def test_a_timeout_is_unknown_and_the_next_try_finds_the_same_order(
    watched: Transaction, channel: FakeChannel, invoice: Invoice, *, does_it_first: bool
) -> None:
    channel.mishap, channel.does_it_first = ChannelUnavailable("no answer"), does_it_first
    with pytest.raises(ChannelUnavailable):
        opened(watched, channel, invoice.id, now=NOON)
    [unknown] = orders(watched, invoice)
    assert unknown.status is PaymentStatus.CREATED
    assert unknown.next_query_at == NOON + timedelta(seconds=5)

    opening = opened(watched, channel, invoice.id, now=NOON + MINUTE)

    assert opening.order_id == unknown.id
    assert channel.calls == ["open", "query", "open"]
    assert len({ask.out_trade_no for ask in channel.asks}) == 1


def test_money_that_came_behind_a_timeout_is_found_before_anything_is_opened(
    watched: Transaction, channel: FakeChannel, invoice: Invoice
) -> None:
    channel.mishap, channel.does_it_first = ChannelUnavailable("no answer"), True
    with pytest.raises(ChannelUnavailable):
        opened(watched, channel, invoice.id, now=NOON)
    channel.pay(orders(watched, invoice)[0])

    with pytest.raises(InvoiceNotPayable):
        opened(watched, channel, invoice.id, now=NOON + MINUTE)

    [order] = orders(watched, invoice)
    assert order.status is PaymentStatus.CAPTURED


def test_an_expired_order_is_closed_before_a_new_one_opens(
    watched: Transaction, channel: FakeChannel, invoice: Invoice
) -> None:
    opened(watched, channel, invoice.id, now=NOON)

    opened(watched, channel, invoice.id, now=NOON + 15 * MINUTE)

    old, new = orders(watched, invoice)
    assert channel.calls == ["open", "query", "close", "open"]
    assert channel.trades[old.out_trade_no].state is TradeState.CLOSED
    assert (old.status, new.status) == (PaymentStatus.CLOSED, PaymentStatus.PENDING)
    assert old.next_query_at is None


def test_while_the_channel_is_silent_an_expired_order_is_not_replaced(
    watched: Transaction, channel: FakeChannel, invoice: Invoice
) -> None:
    opened(watched, channel, invoice.id, now=NOON)
    channel.mishap = ChannelUnavailable("no answer")

    with pytest.raises(ChannelUnavailable):
        opened(watched, channel, invoice.id, now=NOON + 15 * MINUTE)

    assert len(orders(watched, invoice)) == 1


def test_a_refused_order_is_asked_for_again_under_its_own_number(
    watched: Transaction, channel: FakeChannel, invoice: Invoice
) -> None:
    channel.mishap = ChannelRefused("NO_AUTH", "not allowed")
    with pytest.raises(ChannelRefused):
        opened(watched, channel, invoice.id, now=NOON)

    opened(watched, channel, invoice.id, now=NOON + MINUTE)

    [order] = orders(watched, invoice)
    assert order.status is PaymentStatus.PENDING


def test_a_void_invoice_is_not_payable(
    watched: Transaction, channel: FakeChannel, invoice: Invoice
) -> None:
    with watched() as session:
        locked = collection.lock_invoice(session, invoice.id)
        collection.void(session, locked, reason="wrong customer", now=NOON)

    with pytest.raises(InvoiceNotPayable):
        opened(watched, channel, invoice.id, now=NOON)

    assert channel.calls == []


def test_an_invoice_of_zero_needs_no_payment(watched: Transaction, channel: FakeChannel) -> None:
    with watched() as session:
        free = issue(session, collection_minor=0)

    with pytest.raises(NothingToPay):
        opened(watched, channel, free.id, now=NOON)


def test_another_merchants_invoice_is_not_found(watched: Transaction, channel: FakeChannel) -> None:
    with pytest.raises(NotFound):
        opened(watched, channel, 1, now=NOON)


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

    opened(watched, PaidAtOnce(depth=channel.depth), invoice.id, now=NOON)

    [order] = orders(watched, invoice)
    assert order.status is PaymentStatus.CAPTURED
