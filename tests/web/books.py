"""Committed rows of a browser's merchant: an issued invoice, paid or not, and its usage."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine, select

from app.billing.models import Invoice, InvoiceLine
from app.channels.base import ChannelName, Method, Trade, TradeState
from app.core.db import begin
from app.core.ids import Prefix, show
from app.metering import days
from app.metering.models import UsageEvent, UsageRollup
from app.payments import capture
from app.payments.models import PaymentOrder, PaymentStatus
from app.payments.trade_numbers import new_trade_no
from app.pricing.models import Metric
from tests.make import NOON, Make, cny
from tests.payments.builders import issue
from tests.web.conftest import Browser


def issued(engine: Engine, browser: Browser, **columns: Any) -> str:
    """Issue the rules' invoice of 126.41 USD, with its line, and return its public id."""
    with begin(engine, browser.merchant_id) as session:
        invoice = issue(session, **columns)
        tier = {
            "above": "0",
            "up_to": None,
            "quantity": "12641",
            "unit_price": "1",
            "flat_fee": "0",
            "amount": "12641",
        }
        session.add(
            InvoiceLine(
                merchant_id=browser.merchant_id,
                invoice_id=invoice.id,
                position=1,
                period_from=invoice.period_from,
                period_to=invoice.period_to,
                metric_id=1,
                metric_code="agent_runs",
                description="Agent runs",
                unit="run",
                quantity=Decimal(12_641),
                events=3,
                amount_minor=12_641,
                is_priced=True,
                tiers=[tier],
            )
        )
        return show(Prefix.INVOICE, invoice.id)


def paid(engine: Engine, browser: Browser, *, minor: int = 90_533) -> str:
    """Issue the invoice, have WeChat capture `minor` for it, and return its public id."""
    public_id = issued(engine, browser)
    with begin(engine, browser.merchant_id) as session:
        invoice = session.scalars(select(Invoice)).one()
        number = new_trade_no(browser.merchant_id)
        session.add(
            PaymentOrder(
                merchant_id=browser.merchant_id,
                invoice_id=invoice.id,
                channel=ChannelName.WECHAT,
                method=Method.NATIVE,
                out_trade_no=number,
                amount_minor=invoice.collection_minor,
                status=PaymentStatus.PENDING,
                expires_at=NOON,
                created_at=NOON,
            )
        )
        session.flush()  # the capture finds the order by its number
        trade = Trade(TradeState.PAID, number, "SUCCESS", "4200001", cny(minor), NOON)
        capture.record_capture(session, trade, channel=ChannelName.WECHAT, now=NOON)
    return public_id


def used(engine: Engine, browser: Browser, *, name: str = "Acme", at: datetime = NOON) -> None:
    """Store one event of a fresh customer, 12,500 input tokens, with its roll-up."""
    with begin(engine, browser.merchant_id) as session:
        customer = Make(session).customer(external_id="user_42", name=name)
        metric = session.scalars(select(Metric).where(Metric.code == "tokens_input")).one()
        session.add(
            UsageEvent(
                merchant_id=browser.merchant_id,
                customer_id=customer.id,
                metric_id=metric.id,
                occurred_at=at,
                idempotency_key="evt_1",
                quantity=Decimal(12_500),
                dimensions={"model": "gpt-5"},
            )
        )
        session.add(
            UsageRollup(
                merchant_id=browser.merchant_id,
                customer_id=customer.id,
                metric_id=metric.id,
                day=date(at.year, at.month, at.day),
                quantity=Decimal(12_500),
                events=1,
                maximum=Decimal(12_500),
                last_at=at.astimezone(UTC),
                last_id=1,
                last_quantity=Decimal(12_500),
            )
        )
        session.flush()  # days are added up from what is there
        days.recount_days(session, days.every_day(session))
