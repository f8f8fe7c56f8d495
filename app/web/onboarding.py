"""The way to the first paid invoice: seven steps that tick themselves from what is there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from flask import g, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from app.billing import invoice_lists
from app.billing.invoice_lists import InvoiceFilter
from app.billing.models import Invoice, InvoiceStatus
from app.core.db import merchant_of, run_sql
from app.core.ids import Prefix, show
from app.core.periods import local_date
from app.web import snippets
from app.web.invoice_page import hosted_link


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


class Found(NamedTuple):
    """What is there already; ids are those of the newest."""

    has_key: bool
    product_id: int | None
    card_id: int | None
    customer_id: int | None
    has_contract: bool
    has_event: bool
    has_invoice: bool
    is_issued: bool
    is_paid: bool
    has_webhook: bool


# In one question: asked one by one, the steps were half the time of the overview.
_FIND = """
SELECT EXISTS (SELECT FROM api_keys WHERE merchant_id = %(merchant_id)s),
       (SELECT max(id) FROM products WHERE merchant_id = %(merchant_id)s),
       (SELECT max(id) FROM rate_cards WHERE merchant_id = %(merchant_id)s),
       (SELECT max(id) FROM customers WHERE merchant_id = %(merchant_id)s),
       EXISTS (SELECT FROM contracts WHERE merchant_id = %(merchant_id)s),
       EXISTS (SELECT FROM usage_events WHERE merchant_id = %(merchant_id)s),
       EXISTS (SELECT FROM invoices WHERE merchant_id = %(merchant_id)s),
       EXISTS (SELECT FROM invoices WHERE merchant_id = %(merchant_id)s AND status <> 'draft'),
       EXISTS (SELECT FROM invoices
                WHERE merchant_id = %(merchant_id)s AND paid_at IS NOT NULL AND due_minor > 0),
       EXISTS (SELECT FROM webhook_endpoints
                WHERE merchant_id = %(merchant_id)s AND status <> 'archived')
"""


def progress(session: Session, *, now: datetime) -> Progress:
    """Return how far the merchant is; every step is read from its rows."""
    (row,) = run_sql(session, _FIND, {"merchant_id": merchant_of(session)})
    found = Found(*row)
    return Progress(
        [
            _key_step(found),
            _catalogue_step(found),
            _contract_step(found, now=now),
            _usage_step(session, found, now=now),
            _invoice_step(found),
            _payment_step(session, found),
            _webhook_step(found),
        ]
    )


def _key_step(found: Found) -> Step:
    return Step(
        title=_("Create an API key"),
        text=_("It is shown once. Keep it in your shell; the commands below read it from there."),
        is_done=found.has_key,
        href=url_for("web.developer"),
        action=_("Create a key"),
        snippet=snippets.key(),
    )


def _catalogue_step(found: Found) -> Step:
    product_id = show(Prefix.PRODUCT, found.product_id) if found.product_id else "prod_…"
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
        is_done=bool(found.product_id and found.card_id),
        href=url_for("web.products"),
        action=_("Add a product"),
        snippet=snippets.curl("/api/v1/rate-cards", card) if found.product_id else product,
    )


def _contract_step(found: Found, *, now: datetime) -> Step:
    customer: dict[str, Any] = {
        "externalId": "user_42",
        "name": "上海智谱星图信息科技",
        "email": "finance@example.cn",
    }
    zone = ZoneInfo(g.merchant.time_zone)
    contract = {
        "customerId": show(Prefix.CUSTOMER, found.customer_id) if found.customer_id else "cus_…",
        "rateCardId": show(Prefix.RATE_CARD, found.card_id) if found.card_id else "rc_…",
        "currency": "USD",
        "cycle": "monthly_calendar",
        "startsOn": local_date(now, zone).replace(day=1).isoformat(),
    }
    has_customer = found.customer_id is not None
    return Step(
        title=_("Bind a customer to it"),
        text=_("A customer under your own id, and a contract that says which prices apply."),
        is_done=found.has_contract,
        href=url_for("web.contracts") if has_customer else url_for("web.customers"),
        action=_("Add a contract") if has_customer else _("Add a customer"),
        snippet=snippets.curl("/api/v1/contracts", contract)
        if has_customer
        else snippets.curl("/api/v1/customers", customer),
    )


def _usage_step(session: Session, found: Found, *, now: datetime) -> Step:
    return Step(
        title=_("Send a usage event"),
        text=_("From your server, each time your product is used. Sending it twice counts once."),
        is_done=found.has_event,
        href=url_for("web.usage"),
        action=_("Look at the usage"),
        snippet="" if found.has_event else snippets.first_event(session, now=now),
    )


def _invoice_step(found: Found) -> Step:
    return Step(
        title=_("Get the first invoice"),
        text=_("Move the test clock past the end of the month and its grace; it comes by itself."),
        is_done=found.is_issued,
        href=url_for("web.invoices") if found.has_invoice else url_for("web.settings"),
        action=_("Open the invoices") if found.has_invoice else _("Move the test clock"),
    )


def _payment_step(session: Session, found: Found) -> Step:
    opened: Sequence[Invoice] = ()
    if not found.is_paid:
        wanted = InvoiceFilter(status=InvoiceStatus.OPEN)
        found_open = invoice_lists.list_invoices(session, wanted, limit=1)
        opened = invoice_lists.load_page(session, found_open).rows
    return Step(
        title=_("Let it be paid"),
        text=_(
            "Open the hosted page, choose WeChat Pay or Alipay, and pay as the sandbox’s payer."
        ),
        is_done=found.is_paid,
        href=hosted_link(opened[0]) if opened else url_for("web.invoices"),
        action=_("Open the hosted page") if opened else _("Open the invoices"),
        snippet=_checkout(show(Prefix.INVOICE, opened[0].id)) if opened else "",
    )


def _checkout(invoice_id: str) -> str:
    return snippets.curl(f"/api/v1/invoices/{invoice_id}/checkout", {"channel": "wechat"})


def _webhook_step(found: Found) -> Step:
    endpoint = {"url": "https://api.example.com/hooks", "eventTypes": ["invoice.paid"]}
    return Step(
        title=_("Hear about it"),
        text=_("A signed webhook tells your server that an invoice was paid."),
        is_done=found.has_webhook,
        href=url_for("web.webhooks"),
        action=_("Register a webhook"),
        snippet=snippets.curl("/api/v1/webhook-endpoints", endpoint),
    )
