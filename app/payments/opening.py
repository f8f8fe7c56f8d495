"""Open a payment: an order in our books first, then what the channel hands out for the payer.

An invoice has one open order at a time. Who chooses another way to pay has the first one closed
at its channel; only a channel that gives no answer can not hold him up, and a second success goes
back by itself.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.billing import collection
from app.billing import queries as invoices
from app.billing.models import Invoice
from app.channels.base import RETURNING, Ask, ChannelName, Method, Opened
from app.core import ids
from app.core.db import Transaction, merchant_of
from app.core.errors import Conflict, Invalid
from app.identity import clocks
from app.payments import addresses, closing, healing, queries, telling
from app.payments.closing import ChannelOf, PaymentUnderWay
from app.payments.models import PAYMENT, PaymentEvent, PaymentOrder, PaymentStatus
from app.payments.trade_numbers import new_trade_no
from app.risk import hits, reserving
from app.risk.refusals import RiskRefused
from app.risk.reserving import Attempt
from app.webhooks.catalogue import EventType

TIME_TO_PAY = timedelta(minutes=15)
H5_URL_LIVES = timedelta(minutes=4)  # five, says WeChat Pay; the payer needs some of it

METHODS: Mapping[ChannelName, tuple[Method, ...]] = {
    ChannelName.WECHAT: (Method.NATIVE, Method.JSAPI, Method.H5),
    ChannelName.ALIPAY: (Method.PRECREATE, Method.PAGE, Method.WAP),
}
"""What each channel offers; the first one works on any device that can show a QR code."""


class InvoiceNotPayable(Conflict):
    code = "invoice_not_payable"


class InvoiceOutdated(Conflict):
    """The exchange rates it locked are too old to be paid at."""

    code = "invoice_outdated"


class NothingToPay(Conflict):
    code = "nothing_to_pay"


class MethodNotOffered(Invalid):
    """The channel has no such method, or it needs to know more of the payer."""

    code = "method_not_offered"


@dataclass(frozen=True, slots=True)
class Choice:
    """How somebody wants to pay, and what the channel has to know of him for that.

    His address counts against the limits with any method. H5 needs it, JSAPI needs his openid.
    `return_url` is the merchant's page that he goes back to in the end: H5, PAGE and WAP bring him
    there, and without one to the hosted page, which otherwise has a link there.
    Raises MethodNotOffered.
    """

    channel: ChannelName
    method: Method
    payer_ip: str = ""
    openid: str = ""
    return_url: str = ""

    def __post_init__(self) -> None:
        if self.method not in METHODS[self.channel]:
            raise MethodNotOffered(f"{self.channel} has no {self.method}", path="method")
        if self.method is Method.JSAPI and not self.openid:
            raise MethodNotOffered("jsapi needs the payer's openid", path="openid")
        if self.method is Method.H5 and not _is_address(self.payer_ip):
            raise MethodNotOffered("h5 needs the payer's IP address", path="payerIp")

    def is_of(self, order: PaymentOrder) -> bool:
        """Tell whether what was handed out for the order serves this payer, too."""
        comes_back_there = self.method not in RETURNING or self.return_url == order.return_url
        return comes_back_there and (self.channel, self.method, self.openid) == (
            order.channel,
            order.method,
            order.openid,
        )


@dataclass(frozen=True, slots=True)
class Opening:
    """An order that waits for its payer, who goes where `payload` says: see `channels.Opened`."""

    order_id: int
    method: Method
    payload: str
    expires_at: datetime


def open_payment(
    transaction: Transaction,
    channel_of: ChannelOf,
    invoice_id: int,
    *,
    choice: Choice,
    base_url: str,
    now: datetime,
) -> Opening:
    """Open a payment order for the invoice as chosen, or return the one that is open like that.

    `base_url` is ours, without a slash at its end; `now` is real. Channels are asked between
    transactions: no row is locked while we wait for them. Without an answer the order stays
    `created`: whoever comes next, the payer or `jobs.payments`, asks about it before anything else
    is tried, so there is never a second one.

    Raises NotFound, InvoiceNotPayable, InvoiceOutdated, NothingToPay, BadReturnUrl,
    PaymentUnderWay, RiskRefused, ChannelUnavailable and ChannelRefused.
    """
    channel = channel_of(choice.channel)
    with hits.kept(transaction), transaction() as session:
        _check(session, invoices.get_invoice(session, invoice_id), choice, now=now)
        others = [
            healing.Question.about(order)
            for order in queries.list_open(session, invoice_id)
            if not choice.is_of(order)
        ]
        unsettled = _find_unsettled(session, invoice_id, choice, now=now)
    closing.make_way(transaction, channel_of, others, channel=choice.channel, now=now)
    if unsettled is not None:
        healing.settle(transaction, channel, unsettled, now=now)

    with hits.kept(transaction), transaction() as session:
        order = _find_or_write(session, invoice_id, choice, now=now)
        if order.payload is not None and not _is_stale(order, now=now):
            return _opening(order, order.payload)
        ask = _ask(session, order, base_url)
    opened = channel.open(ask, now=now)

    with transaction() as session:
        order = queries.lock_order(session, order.id)
        _hand_out(session, order, opened, now=now)
        return _opening(order, opened.payload)


def check_payable(session: Session, invoice: Invoice, *, now: datetime) -> None:
    """Raise InvoiceNotPayable, NothingToPay or InvoiceOutdated; `now` is real."""
    if not collection.is_payable(invoice):
        raise InvoiceNotPayable(f"an invoice that is {invoice.status} can not be paid")
    if not invoice.due:
        raise NothingToPay("nothing is due on this invoice")
    if collection.is_outdated(invoice, now=clocks.to_merchant(session, now)):
        raise InvoiceOutdated("its rates held for 30 days; it is to be issued anew")


def why_not(
    session: Session, invoice: Invoice, channel: ChannelName, *, now: datetime
) -> RiskRefused | None:
    """Return the limit or the freeze that keeps a channel from taking the invoice, or None.

    `now` is real; nothing is locked or written.
    """
    attempt = Attempt(invoice.due, invoice.customer_id, channel)
    closing_first = [order.id for order in queries.list_open(session, invoice.id)]
    return reserving.why_not(session, attempt, instead_of=closing_first, now=now)


def _check(session: Session, invoice: Invoice, choice: Choice, *, now: datetime) -> None:
    """Refuse before anything is closed for it what would be refused in the end."""
    check_payable(session, invoice, now=now)
    if choice.return_url:
        addresses.check_return_url(choice.return_url, clocks.get_merchant(session).mode)
    others = queries.list_open(session, invoice.id)
    if any(choice.is_of(order) for order in others):
        return  # it has its place in the limits already
    closing_first = [order.id for order in others]
    attempt = _attempt(invoice, choice)
    refusal = reserving.why_not(session, attempt, instead_of=closing_first, now=now)
    if refusal is not None:
        raise refusal


def _attempt(invoice: Invoice, choice: Choice) -> Attempt:
    return Attempt(invoice.due, invoice.customer_id, choice.channel, choice.payer_ip)


def _find_unsettled(
    session: Session, invoice_id: int, choice: Choice, *, now: datetime
) -> healing.Question | None:
    """Return the order whose end has to be known first: no answer yet, or past its time."""
    for order in queries.list_open(session, invoice_id):
        is_waiting = order.status is PaymentStatus.PENDING and now < order.expires_at
        if choice.is_of(order) and not is_waiting:
            return healing.Question.about(order)
    return None


def _find_or_write(
    session: Session, invoice_id: int, choice: Choice, *, now: datetime
) -> PaymentOrder:
    """Return the open order, or write down a new one; the invoice's lock lets one in at a time."""
    invoice = collection.lock_invoice(session, invoice_id)
    check_payable(session, invoice, now=now)
    here = [
        order for order in queries.list_open(session, invoice_id) if order.channel is choice.channel
    ]
    for order in here:
        if choice.is_of(order) and now < order.expires_at:
            order.return_url = choice.return_url or order.return_url
            return order
    if here:
        raise PaymentUnderWay("somebody is opening a payment of it; try again in a moment")
    order_id = ids.new_id()
    reserving.reserve(session, order_id, _attempt(invoice, choice), now=now)
    order = PaymentOrder(
        merchant_id=merchant_of(session),
        id=order_id,
        invoice_id=invoice.id,
        channel=choice.channel,
        method=choice.method,
        out_trade_no=new_trade_no(merchant_of(session)),
        amount_minor=invoice.due_minor,
        status=PaymentStatus.CREATED,
        payer_ip=choice.payer_ip if choice.method is Method.H5 else "",
        openid=choice.openid,
        return_url=choice.return_url,
        expires_at=now + TIME_TO_PAY,
        queries=0,
        next_query_at=now + healing.LADDER[0],
        created_at=now,
    )
    session.add(order)
    return order


def _is_address(written: str) -> bool:
    try:
        ipaddress.ip_address(written)
    except ValueError:
        return False
    return True


def _is_stale(order: PaymentOrder, *, now: datetime) -> bool:
    """Tell whether what was handed out is too old to begin with; the same order gets it anew."""
    if order.method is not Method.H5 or order.payload_at is None:
        return False
    return now >= order.payload_at + H5_URL_LIVES


def _ask(session: Session, order: PaymentOrder, base_url: str) -> Ask:
    """Return what the channel is asked for: the same every time this order is asked for."""
    merchant = clocks.get_merchant(session)
    invoice = invoices.get_invoice(session, order.invoice_id)
    page = collection.hosted_url(invoice, base_url)
    hosted = addresses.return_url(page, order.channel, order.method)
    return Ask(
        out_trade_no=order.out_trade_no,
        amount=order.amount,
        description=f"{merchant.name} {invoice.number}",
        expires_at=order.expires_at,
        notify_url=addresses.notify_url(base_url, order.channel),
        attach=ids.show_merchant(order.merchant_id),
        method=order.method,
        payer_ip=order.payer_ip,
        openid=order.openid,
        return_url=order.return_url or hosted,
    )


def _hand_out(session: Session, order: PaymentOrder, opened: Opened, *, now: datetime) -> None:
    """Keep what the channel handed out, unless the order has ended meanwhile."""
    if PAYMENT.allows(order.status, PaymentEvent.SUBMIT):
        order.status = PAYMENT.after(order.status, PaymentEvent.SUBMIT)
        telling.tell(session, EventType.PAYMENT_CREATED, order, now=now)
    if order.status is PaymentStatus.PENDING:
        order.payload, order.payload_at = opened.payload, now


def _opening(order: PaymentOrder, payload: str) -> Opening:
    return Opening(order.id, order.method, payload, order.expires_at)
