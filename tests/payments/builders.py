"""An issued invoice to pay, orders to pay it with, and a channel that remembers."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy.orm import Session

from app.billing.models import Invoice, InvoiceKind, InvoiceStatus
from app.channels.base import (
    Ask,
    BadNotice,
    ChannelName,
    ChannelRefused,
    Method,
    Notice,
    Opened,
    Refund,
    RefundAsk,
    RefundState,
    Statement,
    Trade,
    TradeState,
)
from app.core.db import Transaction, merchant_of
from app.core.ids import new_id, random_base62
from app.core.money import Currency, Money
from app.customers.models import Contract
from app.ledger import journals, posting
from app.ledger.queries import balances
from app.payments import opening
from app.payments.models import PaymentOrder, PaymentStatus
from app.payments.trade_numbers import new_trade_no
from tests.make import NOON, Make, cny

BASE_URL = "https://pay.example.com"
COLLECTED = cny(90_533)
LATER = NOON + timedelta(minutes=3)

_EXAMPLE: dict[str, Any] = {
    "kind": InvoiceKind.USAGE,
    "status": InvoiceStatus.OPEN,
    "period_start_at": datetime(2026, 4, 30, 16, tzinfo=UTC),
    "period_end_at": datetime(2026, 5, 31, 16, tzinfo=UTC),
    "period_from": date(2026, 5, 1),
    "period_to": date(2026, 6, 1),
    "time_zone": "Asia/Shanghai",
    "currency": Currency.USD,
    "subtotal_minor": 12_641,
    "total_minor": 12_641,
    "collection_minor": COLLECTED.minor,
    "platform_fee_minor": 2_716,
    "net_minor": 87_817,
    "settlement_currency": Currency.USD,
    "settlement_minor": 12_262,
    "fx_publisher": "fixture",
    "fx_published_at": NOON,
    "fx_spread_bps": 80,
    "fx_pricing_midpoint": Decimal("710.50"),
    "fx_pricing_rate": Decimal("7.16184"),
    "fx_settlement_midpoint": Decimal("710.50"),
    "fx_settlement_rate": Decimal("7.16184"),
    "rate_card": {},
    "rate_card_sha256": "0" * 64,
    "created_at": NOON,
    "finalize_at": NOON,
    "finalized_at": NOON,
    "due_at": NOON + timedelta(days=30),
}


def issue(session: Session, **columns: Any) -> Invoice:
    """Issue the invoice of the rules' full example: 905.33 CNY, 27.16 of it our fee, T1 posted."""
    contract = _contract(session)
    values = _EXAMPLE | {
        "number": f"LUM-2026-{contract.id}",
        "customer_id": contract.customer_id,
        "contract_id": contract.id,
        "rate_card_version_id": contract.rate_card_version_id,
        "link_secret": random_base62(22),
    }
    values |= columns
    values.setdefault("due_minor", values["collection_minor"])
    invoice = Invoice(merchant_id=merchant_of(session), **values)
    session.add(invoice)
    session.flush()  # the orders' foreign key needs this row
    journal = journals.invoice_finalized(invoice.id, invoice.collection, due=invoice.due)
    posting.post(session, journal, now=NOON)
    return invoice


def _contract(session: Session) -> Contract:
    """Add a contract with codes of its own: a test may issue several invoices."""
    make, unique = Make(session), f"{new_id():x}"
    card = make.rate_card(code=unique, product_id=make.product(code=unique).id)
    version = make.rate_card_version({"currencies": {"USD": []}}, rate_card_id=card.id)
    return make.contract(version, customer_id=make.customer(external_id=unique).id)


def order_for(session: Session, invoice: Invoice, **columns: Any) -> PaymentOrder:
    """Add an order for the invoice: at WeChat Pay, with a code that can be scanned."""
    values: dict[str, Any] = {
        "invoice_id": invoice.id,
        "channel": ChannelName.WECHAT,
        "method": Method.NATIVE,
        "out_trade_no": new_trade_no(merchant_of(session)),
        "amount_minor": invoice.collection_minor,
        "status": PaymentStatus.PENDING,
        "payload": "weixin://wxpay/bizpayurl?pr=abc",
        "payload_at": NOON,
        "expires_at": NOON + timedelta(minutes=15),
        "next_query_at": NOON + timedelta(seconds=5),
        "created_at": NOON,
    }
    order = PaymentOrder(merchant_id=merchant_of(session), **values | columns)
    session.add(order)
    session.flush()  # what follows reads it by its number
    return order


def paid(order: PaymentOrder, amount: Money | None = None, txn: str = "") -> Trade:
    """Return the trade of an order that was paid, with the asked amount unless told another."""
    return Trade(
        TradeState.PAID,
        order.out_trade_no,
        "SUCCESS",
        channel_txn_id=txn or f"txn-{order.id}",
        paid=amount or order.amount,
        paid_at=LATER,
    )


def opened_at(
    transaction: Transaction,
    channel: "FakeChannel",
    invoice_id: int,
    *,
    beside: "FakeChannel | None" = None,
    method: Method | None = None,
    now: datetime,
    **payer: str,
) -> opening.Opening:
    """Open a payment at this channel, by QR code unless told how; another may be `beside` it."""
    there = {fake.name: fake for fake in (channel, beside) if fake}
    return opening.open_payment(
        transaction,
        there.__getitem__,
        invoice_id,
        choice=opening.Choice(channel.name, method or opening.METHODS[channel.name][0], **payer),
        base_url=BASE_URL,
        now=now,
    )


def books(session: Session) -> dict[str, int]:
    """Return the platform's balances that are not zero, by account and currency."""
    return {
        f"{row.account} {row.currency}": row.amount_minor
        for row in balances(session)
        if row.book == "P" and row.amount_minor
    }


class TransactionOpen(AssertionError):
    """The channel was asked while somebody held a transaction open."""


@dataclass
class FakeChannel:
    """A channel with a memory, and whatever mishap it is told: raised once, after `is_done`.

    `in_transaction` says whether a transaction is open; then the channel refuses to be asked.
    """

    name: Final[ChannelName] = ChannelName.WECHAT
    depth: list[int] = field(default_factory=lambda: [0])
    trades: dict[str, Trade] = field(default_factory=dict)
    refunds: dict[str, Refund] = field(default_factory=dict)
    asks: list[Ask] = field(default_factory=list)
    refund_asks: list[RefundAsk] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    mishap: Exception | None = None
    does_it_first: bool = False

    def open(self, ask: Ask, *, now: datetime) -> Opened:
        del now
        self._enter("open")
        if self.does_it_first or self.mishap is None:
            self.asks.append(ask)
            self.trades.setdefault(
                ask.out_trade_no, Trade(TradeState.PENDING, ask.out_trade_no, "NOTPAY")
            )
        self._fail()
        return Opened(ask.method, f"weixin://wxpay/bizpayurl?pr={ask.out_trade_no}")

    def query(self, out_trade_no: str, *, now: datetime) -> Trade:
        del now
        self._enter("query")
        self._fail()
        unknown = Trade(TradeState.NOT_FOUND, out_trade_no, "ORDER_NOT_EXIST")
        return self.trades.get(out_trade_no, unknown)

    def close(self, out_trade_no: str, *, now: datetime) -> None:
        del now
        self._enter("close")
        self._fail()
        trade = self.trades.get(out_trade_no)
        if trade is not None and trade.state is TradeState.PAID:
            raise ChannelRefused("ORDERPAID", "paid")
        self.trades[out_trade_no] = Trade(TradeState.CLOSED, out_trade_no, "CLOSED")

    def refund(self, ask: RefundAsk, *, now: datetime) -> Refund:
        del now
        self._enter("refund")
        if self.does_it_first or self.mishap is None:
            done = Refund(RefundState.PROCESSING, ask.out_refund_no, ask.out_trade_no, "PROCESSING")
            self.refund_asks.append(ask)
            self.refunds.setdefault(ask.out_refund_no, done)
        self._fail()
        return self.refunds[ask.out_refund_no]

    def query_refund(self, ask: RefundAsk, *, now: datetime) -> Refund:
        del now
        self._enter("query_refund")
        self._fail()
        unknown = Refund(
            RefundState.NOT_FOUND, ask.out_refund_no, ask.out_trade_no, "RESOURCE_NOT_EXISTS"
        )
        return self.refunds.get(ask.out_refund_no, unknown)

    def fetch_statement(self, day: date, *, now: datetime) -> Statement:
        del now
        self._enter("fetch_statement")
        self._fail()
        return Statement(self.name, day, (), b"", hashlib.sha256().hexdigest())

    def read_notice(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> Notice:
        del headers, body, now
        raise BadNotice("nobody calls back here")

    @property
    def methods(self) -> frozenset[Method]:
        return frozenset(Method)

    def wait(self, order: PaymentOrder) -> None:
        """Know the order, unpaid."""
        self.trades[order.out_trade_no] = Trade(TradeState.PENDING, order.out_trade_no, "NOTPAY")

    def pay(self, order: PaymentOrder) -> None:
        self.trades[order.out_trade_no] = paid(order)

    def _enter(self, call: str) -> None:
        if self.depth[0]:
            raise TransactionOpen(call)
        self.calls.append(call)

    def _fail(self) -> None:
        mishap, self.mishap = self.mishap, None
        if mishap is not None:
            raise mishap
