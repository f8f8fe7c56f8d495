"""Usage and invoices to test with: May 2026 of a customer in Shanghai, billed in US cents."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.billing import invoicing, queries
from app.billing.models import Invoice, InvoiceLine
from app.core.db import merchant_of
from app.core.money import Currency
from app.customers.models import Contract, Customer
from app.fx.fixture import FixtureRates
from app.fx.rates import Midpoint, NoRate
from app.ledger.queries import balances
from app.metering.events import Outcome
from app.metering.ingestion import MerchantWindow, ingest
from app.metering.models import UsageRollup
from app.pricing.models import Metric
from tests.make import NOON, Make

RATES = FixtureRates()
MAY_15 = datetime(2026, 5, 15, 4, tzinfo=UTC)
A_CENT = {"model": "standard", "unit_price": "1"}


class SilentRates:
    """A source whose publisher has said nothing: every currency is missing."""

    def midpoint(self, currency: Currency, *, at: datetime) -> Midpoint:
        raise NoRate(f"there is no midpoint for {currency} at {at}")


@dataclass(frozen=True)
class Sold:
    """A metric, and the contract that prices it."""

    metric: Metric
    contract: Contract


@dataclass(frozen=True)
class Sent:
    """One run of `metric` by the customer `acme`, as an API door hands it over."""

    metric: str
    occurred_at: datetime
    customer_external_id: str = "acme"
    quantity: str = "1"
    dimensions: dict[str, str | int | bool] | None = None
    corrects: str | None = None

    @property
    def idempotency_key(self) -> str:
        return self.occurred_at.isoformat()

    @property
    def dimensions_json(self) -> bytes:
        return json.dumps(self.dimensions or {}).encode()


def sold(make: Make, price: dict[str, Any] = A_CENT, currency: str = "USD", **columns: Any) -> Sold:
    """Sell a new metric at `price` to a new customer, from the first of May 2026."""
    metric = make.metric()
    content = {"currencies": {currency: [{"metric": metric.code} | price]}}
    version = make.rate_card_version(content)
    return Sold(metric, make.contract(version, currency=Currency(currency), **columns))


def use(
    session: Session, sale: Sold, quantity: str, *, on: date = date(2026, 5, 15), events: int = 1
) -> None:
    """Add what the contract's customer used of the metric on one day."""
    amount = Decimal(quantity)
    session.add(
        UsageRollup(
            merchant_id=merchant_of(session),
            customer_id=sale.contract.customer_id,
            metric_id=sale.metric.id,
            day=on,
            quantity=amount,
            events=events,
            maximum=amount,
            last_at=NOON,
            last_id=1,
            last_quantity=amount,
        )
    )
    session.flush()


def send(
    session: Session,
    sale: Sold,
    quantity: str,
    *,
    at: datetime = MAY_15,
    now: datetime = NOON,
    **dimensions: str,
) -> Outcome:
    """Send one event of the contract's customer, as the API does, and return what became of it."""
    customer = session.get_one(Customer, (merchant_of(session), sale.contract.customer_id))
    event = Sent(
        sale.metric.code,
        at,
        customer_external_id=customer.external_id,
        quantity=quantity,
        dimensions=dict(dimensions),
    )
    window = MerchantWindow("Asia/Shanghai", 400)
    (result,) = ingest(session, [event], merchant=window, now=now)
    return result.outcome


def drafted(session: Session, sale: Sold, *, now: datetime = NOON) -> Invoice:
    invoice = invoicing.draft(session, sale.contract.id, now=now)
    assert invoice is not None
    return invoice


def billed(session: Session, sale: Sold, *, now: datetime = NOON) -> Invoice:
    """Draft and finalise the invoice of the contract's open period."""
    invoice = drafted(session, sale, now=now)
    invoicing.finalize(session, invoice.id, rates=RATES, now=now)
    session.flush()
    return invoice


def lines_of(session: Session, invoice: Invoice) -> Sequence[InvoiceLine]:
    session.flush()
    return queries.lines_of(session, invoice)


def all_invoices(session: Session) -> Sequence[Invoice]:
    return session.scalars(select(Invoice).order_by(Invoice.period_start_at, Invoice.id)).all()


def books(session: Session) -> dict[str, int]:
    """Return the balances that are not zero, by account."""
    session.flush()
    return {row.account: row.amount_minor for row in balances(session) if row.amount_minor}
