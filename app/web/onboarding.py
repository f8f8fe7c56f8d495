"""The way to the first paid invoice: seven steps that tick themselves from what is there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import g, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from app.billing import queries as invoices
from app.billing.models import InvoiceStatus
from app.core.ids import Prefix, show
from app.core.periods import local_date
from app.customers import queries as customers
from app.identity import keys
from app.metering import queries as metering
from app.metering.queries import EventFilter
from app.pricing import queries as catalogue
from app.pricing.models import RateCard
from app.web import snippets
from app.web.invoice_page import hosted_link
from app.webhooks import queries as webhooks


@dataclass(frozen=True)
class Step:
    """One step: whether it is done, where one does it, and the command that does it instead."""

    title: str
    text: str
    is_done: bool
    href: str
    action: str
    snippet: str = ""


@dataclass(frozen=True)
class Progress:
    """All steps in their order; `current` is the first that is not done, counted from 1."""

    steps: Sequence[Step]

    @property
    def done(self) -> int:
        return sum(step.is_done for step in self.steps)

    @property
    def is_over(self) -> bool:
        return self.done == len(self.steps)

    @property
    def current(self) -> int:
        is_done = [step.is_done for step in self.steps]
        return is_done.index(False) + 1 if False in is_done else 0


def progress(session: Session, *, now: datetime) -> Progress:
    """Return how far the merchant is; every step is read from its rows."""
    cards = catalogue.list_rate_cards(session, limit=1).rows
    return Progress(
        [
            _key_step(session),
            _catalogue_step(session, cards),
            _contract_step(session, cards, now=now),
            _usage_step(session, now=now),
            *_money_steps(session),
            _webhook_step(session),
        ]
    )


def _key_step(session: Session) -> Step:
    return Step(
        title=_("Create an API key"),
        text=_("It is shown once. Keep it in your shell; the commands below read it from there."),
        is_done=bool(keys.list_keys(session)),
        href=url_for("web.developer"),
        action=_("Create a key"),
        snippet=snippets.key(),
    )


def _catalogue_step(session: Session, cards: Sequence[RateCard]) -> Step:
    products = catalogue.list_products(session, limit=1).rows
    product_id = show(Prefix.PRODUCT, products[0].id) if products else "prod_…"
    price = {"metric": "tokens_input", "model": "standard", "unitPrice": "0.00025"}
    card = {
        "productId": product_id,
        "code": "standard",
        "name": "Standard",
        "currencies": {"USD": [price]},
    }
    product = snippets.curl("/api/v1/products", {"code": "chat_api", "name": "Chat API"})
    return Step(
        title=_("Describe what you sell"),
        text=_("A product, and a rate card with a price per unit of a metric."),
        is_done=bool(products and cards),
        href=url_for("web.products"),
        action=_("Add a product"),
        snippet=product if not products else snippets.curl("/api/v1/rate-cards", card),
    )


def _contract_step(session: Session, cards: Sequence[RateCard], *, now: datetime) -> Step:
    newest = customers.list_customers(session, limit=1).rows
    customer: dict[str, Any] = {
        "externalId": "user_42",
        "name": "上海智谱星图信息科技",
        "email": "finance@example.cn",
    }
    zone = ZoneInfo(g.merchant.time_zone)
    contract = {
        "customerId": show(Prefix.CUSTOMER, newest[0].id) if newest else "cus_…",
        "rateCardId": show(Prefix.RATE_CARD, cards[0].id) if cards else "rc_…",
        "currency": "USD",
        "cycle": "monthly_calendar",
        "startsOn": local_date(now, zone).replace(day=1).isoformat(),
    }
    return Step(
        title=_("Bind a customer to it"),
        text=_("A customer under your own id, and a contract that says which prices apply."),
        is_done=bool(customers.list_contracts(session, limit=1).rows),
        href=url_for("web.contracts") if newest else url_for("web.customers"),
        action=_("Add a contract") if newest else _("Add a customer"),
        snippet=snippets.curl("/api/v1/contracts", contract)
        if newest
        else snippets.curl("/api/v1/customers", customer),
    )


def _usage_step(session: Session, *, now: datetime) -> Step:
    is_done = bool(metering.list_events(session, EventFilter(), limit=1).rows)
    return Step(
        title=_("Send a usage event"),
        text=_("From your server, each time your product is used. Sending it twice counts once."),
        is_done=is_done,
        href=url_for("web.usage"),
        action=_("Look at the usage"),
        snippet="" if is_done else snippets.first_event(session, now=now),
    )


def _money_steps(session: Session) -> Iterator[Step]:
    counts = invoices.counts_by_status(session)
    issued = sum(counts.values()) - counts[InvoiceStatus.DRAFT]
    opened = invoices.list_invoices(session, status=InvoiceStatus.OPEN, limit=1).rows
    yield Step(
        title=_("Get the first invoice"),
        text=_("Move the test clock past the end of the month and its grace; it comes by itself."),
        is_done=bool(issued),
        href=url_for("web.settings") if not sum(counts.values()) else url_for("web.invoices"),
        action=_("Move the test clock") if not sum(counts.values()) else _("Open the invoices"),
    )
    yield Step(
        title=_("Let it be paid"),
        text=_(
            "Open the hosted page, choose WeChat Pay or Alipay, and pay as the sandbox’s payer."
        ),
        is_done=invoices.has_payment(session),
        href=hosted_link(opened[0]) if opened else url_for("web.invoices"),
        action=_("Open the hosted page") if opened else _("Open the invoices"),
        snippet=_checkout(show(Prefix.INVOICE, opened[0].id)) if opened else "",
    )


def _checkout(invoice_id: str) -> str:
    return snippets.curl(f"/api/v1/invoices/{invoice_id}/checkout", {"channel": "wechat"})


def _webhook_step(session: Session) -> Step:
    endpoint = {"url": "https://api.example.com/hooks", "eventTypes": ["invoice.paid"]}
    return Step(
        title=_("Hear about it"),
        text=_("A signed webhook tells your server that an invoice was paid."),
        is_done=bool(webhooks.list_endpoints(session)),
        href=url_for("web.webhooks"),
        action=_("Register a webhook"),
        snippet=snippets.curl("/api/v1/webhook-endpoints", endpoint),
    )
