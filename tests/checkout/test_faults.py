"""Whatever a channel does to a payment or a refund, it ends in the right state and in the books.

The product and the simulator know each other by HTTP only; each fault is switched on for one order.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest
from flask import Flask
from sqlalchemy import select

from app.billing.models import Invoice, InvoiceStatus
from app.billing.queries import get_invoice
from app.channels.base import ChannelName, ChannelUnavailable
from app.core import clock
from app.core.db import Transaction
from app.core.money import Money
from app.extensions import runtime
from app.identity.models import Mode
from app.ledger.queries import unbalanced
from app.payments import healing, opening, queries, refund_queries, refunding
from app.payments.models import CaseReason, PaymentOrder
from app.payments.refund_models import RefundStatus
from app.webhooks.models import WebhookEvent
from tests.checkout.conftest import Simulator
from tests.make import cny
from tests.payments.backing import ask_back
from tests.payments.builders import books, issue

PATIENCE_SECONDS = 10
LOST = ("drop", "bad_signature", "unknown_serial", "stale", "tampered", "notice_app")
ODD: dict[str, dict[str, object]] = {
    "duplicate": {"copies": 50},
    "delay": {"seconds": 0.2},
    "reorder": {},
    "sign_test": {},
}
UNKNOWN = ("down", "error", "no_answer", "broken_answer", "forged_answer")
channels = pytest.mark.parametrize("channel", ChannelName)


@dataclass
class Shop:
    """A merchant before one channel, whose jobs are done when a test says so."""

    transaction: Transaction
    simulator: Simulator
    port: int
    channel: ChannelName

    def open(self, invoice: Invoice) -> PaymentOrder:
        opened = self.try_to_open(invoice)
        with self.transaction() as session:
            [order] = queries.list_of_invoice(session, invoice.id)
            assert order.id == opened.order_id
            return order

    def issue(self) -> Invoice:
        with self.transaction() as session:
            return issue(session, finalized_at=clock.now())

    def fault(self, order: PaymentOrder, kind: str, **narrowed: object) -> None:
        self.simulator.control(
            "faults", kind=kind, channel=self.channel, outTradeNo=order.out_trade_no, **narrowed
        )

    def pay(self, order: PaymentOrder) -> None:
        self.simulator.control("pay", outTradeNo=order.out_trade_no, channel=self.channel)

    def heal(self, order: PaymentOrder) -> None:
        """Ask about the order as its ladder would; no answer that can be used changes nothing."""
        gateway = runtime().channel(self.channel, Mode.SANDBOX)
        with suppress(ChannelUnavailable):
            healing.settle(
                self.transaction, gateway, healing.Question.about(order), now=clock.now()
            )

    def give_back(self, invoice: Invoice, amount: Money | None = None) -> int:
        with self.transaction() as session:
            return ask_back(session, invoice, amount, now=clock.now()).id

    def settle(self, refund_id: int) -> RefundStatus:
        refunding.settle(
            self.transaction,
            lambda name: runtime().channel(name, Mode.SANDBOX),
            refund_id,
            notify_url=self._url,
            now=clock.now(),
        )
        with self.transaction() as session:
            return refund_queries.get_refund(session, refund_id).status

    def status(self, invoice: Invoice) -> InvoiceStatus:
        with self.transaction() as session:
            return get_invoice(session, invoice.id).status

    def books(self) -> dict[str, int]:
        with self.transaction() as session:
            assert unbalanced(session) == []
            return books(session)

    def told(self, event: str) -> int:
        with self.transaction() as session:
            kinds = session.scalars(select(WebhookEvent.event_type)).all()
        return [kind.value for kind in kinds].count(event)

    def try_to_open(self, invoice: Invoice) -> opening.Opening:
        return opening.open_payment(
            self.transaction,
            lambda name: runtime().channel(name, Mode.SANDBOX),
            invoice.id,
            choice=opening.Choice(self.channel, opening.METHODS[self.channel][0]),
            notify_url=self._url(self.channel),
            now=clock.now(),
        )

    def _url(self, channel: ChannelName) -> str:
        return f"http://127.0.0.1:{self.port}/api/webhooks/{channel}"


@pytest.fixture
def shop(
    app: Flask, transaction: Transaction, simulator: Simulator, channel: ChannelName
) -> Iterator[Shop]:
    with app.app_context():
        yield Shop(transaction, simulator, runtime().settings.port, channel)


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def paid(shop: Shop) -> tuple[Invoice, PaymentOrder]:
    invoice = shop.issue()
    order = shop.open(invoice)
    shop.pay(order)
    shop.heal(order)
    return invoice, order


def is_paid_once(shop: Shop, invoice: Invoice) -> None:
    until(lambda: shop.status(invoice) is InvoiceStatus.PAID)
    assert shop.books()[f"channel_clearing/{shop.channel} CNY"] == 90_533
    assert shop.told("invoice.paid") == 1


@channels
@pytest.mark.parametrize("kind", LOST)
def test_a_payment_whose_notices_are_worth_nothing_is_found_by_asking(
    shop: Shop, kind: str
) -> None:
    invoice = shop.issue()
    order = shop.open(invoice)
    shop.fault(order, kind)
    shop.pay(order)

    shop.heal(order)

    is_paid_once(shop, invoice)


@channels
@pytest.mark.parametrize("kind", ODD)
def test_notices_that_come_often_late_or_out_of_order_pay_once(shop: Shop, kind: str) -> None:
    invoice = shop.issue()
    order = shop.open(invoice)
    shop.fault(order, kind, count=1, **ODD[kind])

    shop.pay(order)

    is_paid_once(shop, invoice)


@channels
@pytest.mark.parametrize("kind", UNKNOWN)
def test_a_question_without_an_answer_is_asked_again(shop: Shop, kind: str) -> None:
    invoice = shop.issue()
    order = shop.open(invoice)
    shop.fault(order, "drop")
    shop.fault(order, kind, operation="query", count=1)
    shop.pay(order)
    shop.heal(order)
    assert shop.status(invoice) is InvoiceStatus.OPEN

    shop.heal(order)

    is_paid_once(shop, invoice)


@channels
def test_another_amount_than_asked_for_waits_for_somebody(shop: Shop) -> None:
    invoice = shop.issue()
    order = shop.open(invoice)
    shop.fault(order, "paid_amount", amountMinor=100)
    shop.pay(order)

    shop.heal(order)

    with shop.transaction() as session:
        [case] = queries.list_unallocated(session)
    assert (case.amount, case.reason) == (cny(100), CaseReason.AMOUNT_MISMATCH)
    assert shop.status(invoice) is InvoiceStatus.OPEN
    assert shop.books()["unallocated_payments CNY"] == -100


@channels
@pytest.mark.parametrize("kind", UNKNOWN)
def test_a_refund_without_an_answer_is_paid_back_once(shop: Shop, kind: str) -> None:
    invoice, order = paid(shop)
    shop.fault(order, kind, operation="refund", count=1)
    refund_id = shop.give_back(invoice, cny(30_000))
    shop.settle(refund_id)

    until(lambda: shop.settle(refund_id) is RefundStatus.SUCCEEDED)

    assert shop.status(invoice) is InvoiceStatus.PARTIALLY_REFUNDED
    assert shop.books()[f"channel_clearing/{shop.channel} CNY"] == 60_533
    assert shop.told("refund.succeeded") == 1


@channels
def test_a_refund_that_the_channel_refuses_leaves_the_books_as_they_were(shop: Shop) -> None:
    invoice, order = paid(shop)
    before = shop.books()
    shop.fault(order, "refund_refused")

    assert shop.settle(shop.give_back(invoice)) is RefundStatus.FAILED
    assert shop.books() == before
    assert shop.status(invoice) is InvoiceStatus.PAID


@channels
def test_a_refund_that_we_can_not_pay_waits_until_we_can(shop: Shop) -> None:
    invoice, order = paid(shop)
    shop.fault(order, "refund_not_enough", count=1)
    refund_id = shop.give_back(invoice)
    assert shop.settle(refund_id) is RefundStatus.SUBMITTED

    until(lambda: shop.settle(refund_id) is RefundStatus.SUCCEEDED)

    assert shop.status(invoice) is InvoiceStatus.REFUNDED
    assert shop.books() == {}


@channels
@pytest.mark.parametrize("kind", UNKNOWN)
def test_an_order_that_was_opened_without_an_answer_is_the_one_that_is_paid(
    shop: Shop, kind: str
) -> None:
    invoice = shop.issue()
    shop.simulator.control("faults", kind=kind, channel=shop.channel, operation="open", count=1)
    with pytest.raises(ChannelUnavailable):
        shop.try_to_open(invoice)

    order = shop.open(invoice)
    shop.pay(order)
    shop.heal(order)

    is_paid_once(shop, invoice)


@channels
def test_a_refund_that_takes_its_time_is_under_way_until_it_is_there(shop: Shop) -> None:
    invoice, order = paid(shop)
    shop.fault(order, "refund_slow", seconds=0.5)
    refund_id = shop.give_back(invoice, cny(30_000))

    shop.settle(refund_id)
    until(lambda: shop.settle(refund_id) is not RefundStatus.SUBMITTED)

    assert shop.books()[f"channel_clearing/{shop.channel} CNY"] == 60_533
    assert "refund_in_transit CNY" not in shop.books()
