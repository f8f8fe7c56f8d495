"""A merchant before one channel of the simulator, whose jobs are done when a test says so."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import pytest
from flask import Flask
from sqlalchemy import select

from app.billing.models import Invoice, InvoiceStatus
from app.billing.queries import get_invoice
from app.channels.base import Channel, ChannelName, ChannelUnavailable
from app.core import clock
from app.core.db import Transaction
from app.core.money import Money
from app.extensions import runtime
from app.identity.models import Mode
from app.ledger.queries import unbalanced
from app.payments import healing, opening, queries, refund_queries, refunding
from app.payments.models import PaymentOrder
from app.payments.refund_models import RefundStatus
from app.webhooks.models import WebhookEvent
from tests.checkout.conftest import Simulator
from tests.loopback import NO_TLS
from tests.payments.backing import ask_back
from tests.payments.builders import books, issue

PATIENCE_SECONDS = 10
UNKNOWN = ("down", "error", "limited", "no_answer", "broken_answer", "forged_answer")
"""After these nobody knows what the channel did."""

channels = pytest.mark.parametrize("channel", ChannelName)


@dataclass
class Shop:
    """What a test does to a payment, to a refund, and to the channel between them."""

    transaction: Transaction
    simulator: Simulator
    port: int
    channel: ChannelName

    def issue(self) -> Invoice:
        with self.transaction() as session:
            return issue(session, finalized_at=clock.now())

    def open(self, invoice: Invoice) -> PaymentOrder:
        opened = self.try_to_open(invoice)
        with self.transaction() as session:
            [order] = queries.list_of_invoice(session, invoice.id)
            assert order.id == opened.order_id
            return order

    def try_to_open(self, invoice: Invoice) -> opening.Opening:
        return opening.open_payment(
            self.transaction,
            _gateway,
            invoice.id,
            choice=opening.Choice(self.channel, opening.METHODS[self.channel][0]),
            base_url=f"http://127.0.0.1:{self.port}",
            now=clock.now(),
        )

    def opened(self) -> tuple[Invoice, PaymentOrder]:
        invoice = self.issue()
        return invoice, self.open(invoice)

    def paid(self) -> tuple[Invoice, PaymentOrder]:
        invoice, order = self.opened()
        self.pay(order)
        self.heal(order)
        return invoice, order

    def pay(self, order: PaymentOrder, *, late: bool = False) -> None:
        """Pay as a payer does: `late` although the channel has closed the order."""
        self.simulator.control(
            "pay", outTradeNo=order.out_trade_no, channel=self.channel, late=late
        )

    def fault(self, order: PaymentOrder | None, kind: str, **narrowed: object) -> None:
        """Switch a fault on: for one order, or for whatever comes next."""
        if order is not None:
            narrowed["outTradeNo"] = order.out_trade_no
        self.simulator.control("faults", kind=kind, channel=self.channel, **narrowed)

    def repair(self) -> None:
        """Switch every fault off, and put the book's clock right."""
        self._call("DELETE", "faults")
        self.simulator.control("clock", reset=True)

    def call_again(self, order: PaymentOrder) -> None:
        """Have the channel send its notices of the order again, as its ladder would later."""
        self.simulator.control("notify", outTradeNo=order.out_trade_no, channel=self.channel)

    def attempts(self, order: PaymentOrder) -> list[dict[str, Any]]:
        """Return every attempt that was made to tell us of the order or of its refunds."""
        told = self._call("GET", f"orders/{self.channel}/{order.out_trade_no}")
        sendings = [made for notice in told["notices"] for made in notice["sendings"]]
        return [made for made in sendings if made["doneAt"]]

    def has_bitten(self, order: PaymentOrder, kind: str) -> bool:
        """Say whether an attempt went wrong like that: was lost, held back, or spoilt."""
        if kind == "drop":
            return any(made["answer"] == "lost on its way" for made in self.attempts(order))
        twists = {"waited", "held"} if kind in {"delay", "reorder"} else {kind}
        return any(made["twist"] in twists for made in self.attempts(order))

    def heal(self, order: PaymentOrder) -> None:
        """Ask about the order as its ladder would; no answer that can be used changes nothing."""
        with suppress(ChannelUnavailable):
            self.ask(order, now=clock.now())

    def ask(self, order: PaymentOrder, *, now: datetime) -> healing.Found:
        question = healing.Question.about(order)
        return healing.settle(self.transaction, _gateway(self.channel), question, now=now)

    def give_back(self, invoice: Invoice, amount: Money | None = None) -> int:
        with self.transaction() as session:
            return ask_back(session, invoice, amount, now=clock.now()).id

    def settle(self, refund_id: int) -> RefundStatus:
        """Tell the channel of the refund, or ask what became of it."""
        refunding.settle(
            self.transaction, _gateway, refund_id, notify_url=self._url, now=clock.now()
        )
        return self.state_of(refund_id)

    def hear(self, refund_id: int) -> RefundStatus:
        """Look after the refund if a notice made it due: by its ladder it is in a minute."""
        refunding.heal(self.transaction, _gateway, notify_url=self._url, now=clock.now())
        return self.state_of(refund_id)

    def state_of(self, refund_id: int) -> RefundStatus:
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

    def is_paid_once(self, invoice: Invoice) -> None:
        until(lambda: self.status(invoice) is InvoiceStatus.PAID)
        assert self.books()[f"channel_clearing/{self.channel} CNY"] == 90_533
        assert self.told("invoice.paid") == 1

    def is_refunded_once(self, invoice: Invoice) -> None:
        """Assert that 300 of 905.33 yuan went back."""
        assert self.status(invoice) is InvoiceStatus.PARTIALLY_REFUNDED
        assert self.books()[f"channel_clearing/{self.channel} CNY"] == 60_533
        assert "refund_in_transit CNY" not in self.books()
        assert self.told("refund.succeeded") == 1

    def _call(self, method: str, path: str) -> Any:
        url = f"http://127.0.0.1:{self.simulator.port}/control/{path}"
        answer = httpx.request(method, url, trust_env=False, verify=NO_TLS)
        return answer.raise_for_status().json()

    def _url(self, channel: ChannelName) -> str:
        return f"http://127.0.0.1:{self.port}/api/webhooks/{channel}"


@pytest.fixture
def shop(
    app: Flask, transaction: Transaction, simulator: Simulator, channel: ChannelName
) -> Iterator[Shop]:
    with app.app_context():
        shop = Shop(transaction, simulator, runtime().settings.port, channel)
        yield shop
        shop.repair()


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _gateway(name: ChannelName) -> Channel:
    return runtime().channel(name, Mode.SANDBOX)
