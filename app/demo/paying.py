"""How invoices of the demo end: paid at the channel in the customer's time, void, or left open."""

from datetime import timedelta
from functools import partial
from zoneinfo import ZoneInfo

import httpx
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.billing import collection
from app.billing.models import Invoice, InvoiceStatus
from app.channels.base import ChannelName
from app.core import clock
from app.core.periods import local_date
from app.customers import queries
from app.demo.cast import Company, Ending
from app.demo.usage import draw, months_between
from app.extensions import bound, runtime, transaction
from app.identity import clocks
from app.identity.models import Mode
from app.payments import healing
from app.payments import queries as payments
from app.payments.models import PaymentStatus
from app.payments.opening import METHODS, Choice, open_payment

_payer = httpx.Client(timeout=20)
_VOID_REASON = "Billed to the wrong company"


def collect(company: Company, merchant_id: int) -> None:
    """Let every open invoice come to the end that its customer has in the cast, in its time."""
    with transaction(merchant_id) as session:
        ids = session.scalars(
            select(Invoice.id).where(
                Invoice.status == InvoiceStatus.OPEN, Invoice.collection_minor > 0
            )
        ).all()
    for invoice_id in ids:
        with transaction(merchant_id) as session:
            row = collection.lock_invoice(session, invoice_id)
            ending = _ending(session, company, row)
            if ending is Ending.VOID:
                collection.void(session, row, reason=_VOID_REASON, now=clocks.now(session))
        if ending in {Ending.PAID, Ending.WRONG_AMOUNT}:
            channel = list(ChannelName)[draw(row.number) % 2]
            _pay(merchant_id, invoice_id, channel, short=ending is Ending.WRONG_AMOUNT)


def _ending(session: Session, company: Company, invoice: Invoice) -> Ending:
    """Return what becomes of the invoice by now; as long as nothing does, it stays open."""
    customer = queries.get_customer(session, invoice.customer_id)
    buyer = next(who for who in company.buyers if who.external_id == customer.external_id)
    days = timedelta(days=buyer.pays_after + draw(invoice.number) % 4)
    last = payments.find_newest(session, invoice.id)
    was_paid_wrongly = last is not None and last.status is PaymentStatus.CAPTURED
    if invoice.finalized_at is None or was_paid_wrongly:
        return Ending.OPEN
    if clocks.now(session) < invoice.finalized_at + days:
        return Ending.OPEN
    today = local_date(clock.now(), ZoneInfo(invoice.time_zone))
    return buyer.endings.get(months_between(invoice.period_from, today), Ending.PAID)


def _pay(merchant_id: int, invoice_id: int, name: ChannelName, *, short: bool) -> None:
    """Scan and pay at the channel, then ask it, as healing does, without waiting for its call."""
    channel_of = partial(runtime().channel, mode=Mode.SANDBOX)
    open_for = bound(merchant_id)
    opening = open_payment(
        open_for,
        channel_of,
        invoice_id,
        choice=Choice(name, METHODS[name][0]),
        base_url=runtime().settings.base_url,
        now=clock.now(),
    )
    with transaction(merchant_id) as session:
        order = payments.get_order(session, opening.order_id)
        question, asked = healing.Question.about(order), order.amount_minor
    plan = {"amountMinor": asked - 100} if short else {}
    till = httpx.URL(runtime().payer_url).join("/control/pay")
    _payer.post(till, json={"qr": opening.payload} | plan).raise_for_status()
    healing.settle(open_for, channel_of(name), question, now=clock.now())
