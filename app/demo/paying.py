"""How invoices of the demo end: paid at the channel in the customer's time, void, or left open."""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.billing import collection
from app.billing.models import Invoice, InvoiceKind, InvoiceStatus
from app.channels.base import Channel, ChannelName
from app.core import clock
from app.core.periods import local_date
from app.customers import queries
from app.demo.roles import Buyer, Company, Ending
from app.demo.usage import draw, months_between
from app.extensions import bound, runtime, transaction
from app.identity import clocks
from app.identity.models import Mode
from app.payments import addresses, healing, refunding
from app.payments import queries as payments
from app.payments.models import PaymentStatus
from app.payments.opening import METHODS, Choice, open_payment
from app.risk.refusals import RiskRefused

_payer = httpx.Client(timeout=20)
_VOID_REASON = "Billed to the wrong company"
_SPARE = {ChannelName.WECHAT: ChannelName.ALIPAY, ChannelName.ALIPAY: ChannelName.WECHAT}


@dataclass(frozen=True)
class Code:
    """What a payer has on his screen, and how we ask what became of it."""

    payload: str
    question: healing.Question
    amount_minor: int


def collect(company: Company, merchant_id: int) -> None:
    """Let every open invoice come to the end that its customer has in the cast, in its time."""
    with transaction(merchant_id) as session:
        is_unpaid = Invoice.status == InvoiceStatus.OPEN, Invoice.collection_minor > 0
        ids = session.scalars(select(Invoice.id).where(*is_unpaid).order_by(Invoice.id)).all()
    for invoice_id in ids:
        with transaction(merchant_id) as session:
            row = collection.lock_invoice(session, invoice_id)
            buyer = _buyer_of(session, company, row)
            ending = _ending(session, buyer, row)
            if ending is Ending.VOID:
                collection.void(session, row, reason=_VOID_REASON, now=clocks.now(session))
        if ending not in {Ending.VOID, Ending.OPEN}:
            _try_to_pay(merchant_id, invoice_id, buyer, ending=ending)


def return_money(merchant_id: int) -> None:
    """Tell the channels of refunds that wait, as the job does, before the clock goes on."""
    refunding.heal(
        bound(merchant_id),
        _channel_of,
        notify_url=partial(addresses.notify_url, runtime().settings.base_url),
        now=clock.now(),
    )


def _buyer_of(session: Session, company: Company, invoice: Invoice) -> Buyer:
    customer = queries.get_customer(session, invoice.customer_id)
    return next(who for who in company.buyers if who.external_id == customer.external_id)


def _ending(session: Session, buyer: Buyer, invoice: Invoice) -> Ending:
    """Return what becomes of the invoice by now; as long as nothing does, it stays open."""
    if invoice.kind is InvoiceKind.ONE_OFF:
        return Ending.PAID  # at once: somebody waits for it
    days = timedelta(days=buyer.pays_after + draw(invoice.number) % 4)
    last = payments.find_newest(session, invoice.id)
    was_paid_wrongly = last is not None and last.status is PaymentStatus.CAPTURED
    if invoice.finalized_at is None or was_paid_wrongly:
        return Ending.OPEN
    if clocks.now(session) < invoice.finalized_at + days:
        return Ending.OPEN
    if invoice.reissue_of_id is not None:
        return Ending.PAID
    today = local_date(clock.now(), ZoneInfo(invoice.time_zone))
    return buyer.endings.get(months_between(invoice.period_from, today), Ending.PAID)


def _try_to_pay(merchant_id: int, invoice_id: int, buyer: Buyer, *, ending: Ending) -> None:
    try:
        _pay(merchant_id, invoice_id, buyer, ending=ending)
    except RiskRefused:
        return  # the risk desk has it on its page, and the invoice stays open


def _pay(merchant_id: int, invoice_id: int, buyer: Buyer, *, ending: Ending) -> None:
    """Scan and pay at the channel, then ask it, as healing does, without waiting for its call."""
    spare = None
    if ending is Ending.TWICE:
        spare = _open(merchant_id, invoice_id, _SPARE[buyer.pays_by])
    code = _open(merchant_id, invoice_id, buyer.pays_by)
    if ending is Ending.DEAD_CARD:
        fault = {"kind": "refund_abnormal", "outTradeNo": code.question.out_trade_no}
        _control("faults", fault)
    is_short = ending is Ending.WRONG_AMOUNT
    _scan(merchant_id, code, {"amountMinor": code.amount_minor - 100} if is_short else {})
    if spare is not None:
        _scan(merchant_id, spare, {"late": True})
        return_money(merchant_id)


def _channel_of(name: ChannelName) -> Channel:
    return runtime().channel(name, Mode.SANDBOX)


def _open(merchant_id: int, invoice_id: int, name: ChannelName) -> Code:
    opening = open_payment(
        bound(merchant_id),
        _channel_of,
        invoice_id,
        choice=Choice(name, METHODS[name][0]),
        base_url=runtime().settings.base_url,
        now=clock.now(),
    )
    with transaction(merchant_id) as session:
        order = payments.get_order(session, opening.order_id)
        return Code(opening.payload, healing.Question.about(order), order.amount_minor)


def _scan(merchant_id: int, code: Code, plan: dict[str, Any]) -> None:
    _control("pay", {"qr": code.payload} | plan)
    channel = _channel_of(code.question.channel)
    healing.settle(bound(merchant_id), channel, code.question, now=clock.now())


def _control(lever: str, asked: dict[str, Any]) -> None:
    """Move a lever of the simulator's. Raises httpx.HTTPError."""
    url = httpx.URL(runtime().payer_url).join(f"/control/{lever}")
    _payer.post(url, json=asked).raise_for_status()
