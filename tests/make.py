"""Builders of valid rows. A test names only what it is about; the rest is filled in here."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from app.audit.models import ActorKind
from app.audit.queries import list_entries
from app.audit.recording import Actor
from app.billing.replay_models import PriceReplay
from app.core.db import Tenant, merchant_of
from app.core.ids import new_merchant_id
from app.core.money import Currency, Money
from app.core.periods import Cycle
from app.customers.models import Contract, Customer
from app.identity.models import Merchant, Mode
from app.pricing.discounts import Duration
from app.pricing.models import (
    Aggregation,
    Coupon,
    Metric,
    Product,
    RateCard,
    RateCardDraft,
    RateCardVersion,
    TaxRate,
)

Row = TypeVar("Row", bound=Tenant)
NOON = datetime(2026, 6, 2, 4, 0, tzinfo=UTC)
"""Noon in Shanghai, on the second of June: May is over and its grace has passed."""

ADA = Actor(ActorKind.USER, 7, "ada@lumen.example")
"""Who does what tests have done."""

BY_ADA: dict[str, Any] = {"actor": ADA, "now": NOON}
"""Who changes something, and when, where a test is about neither."""


def deeds(session: Session, subject: str) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Return what was done to a row by Ada, the first deed first: its name, before and after."""
    session.flush()
    entries = reversed(list_entries(session, subject=subject).rows)
    return [
        (entry.action, entry.before, entry.after)
        for entry in entries
        if entry.actor_name == ADA.name
    ]


def cny(minor: int) -> Money:
    return Money(minor, Currency.CNY)


def usd(minor: int) -> Money:
    return Money(minor, Currency.USD)


class Make:
    """Adds rows of the session's merchant and flushes them, so that foreign keys hold."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._serial = 0

    @staticmethod
    def new_merchant_id() -> int:
        return new_merchant_id()

    def merchant(self, **columns: Any) -> Merchant:
        defaults: dict[str, Any] = {
            "company_id": 1,
            "mode": Mode.SANDBOX,
            "name": "Lumen AI",
            "invoice_prefix": "LUM",
            "late_window_days": 400,
            "grace_hours": 24,
            "clock_offset": timedelta(0),
            "created_at": NOON,
        }
        return self._add(Merchant, defaults | columns)

    def metric(self, **columns: Any) -> Metric:
        defaults: dict[str, Any] = {
            "code": self._code("metric"),
            "name": "Agent runs",
            "unit": "run",
            "aggregation": Aggregation.SUM,
            "created_at": NOON,
        }
        return self._add(Metric, defaults | columns)

    def product(self, **columns: Any) -> Product:
        defaults: dict[str, Any] = {
            "code": self._code("product"),
            "name": "Chat API",
            "created_at": NOON,
        }
        return self._add(Product, defaults | columns)

    def rate_card(self, **columns: Any) -> RateCard:
        defaults: dict[str, Any] = {
            "code": self._code("card"),
            "name": "Standard",
            "created_at": NOON,
        }
        columns.setdefault("product_id", 0)
        columns["product_id"] = columns["product_id"] or self.product().id
        return self._add(RateCard, defaults | columns)

    def rate_card_version(self, content: dict[str, Any], **columns: Any) -> RateCardVersion:
        """Add a version with this content, of a new card unless one is named."""
        defaults: dict[str, Any] = {
            "number": 1,
            "content": content,
            "sha256": "0" * 64,
            "published_at": NOON,
        }
        columns.setdefault("rate_card_id", 0)
        columns["rate_card_id"] = columns["rate_card_id"] or self.rate_card().id
        return self._add(RateCardVersion, defaults | columns)

    def rate_card_draft(self, based_on: RateCardVersion, **columns: Any) -> RateCardDraft:
        """Add a draft that says what the version says."""
        defaults: dict[str, Any] = {
            "rate_card_id": based_on.rate_card_id,
            "content": based_on.content,
            "based_on": based_on.number,
            "updated_at": NOON,
            "updated_by": ADA.name,
        }
        return self._add(RateCardDraft, defaults | columns)

    def tax_rate(self, **columns: Any) -> TaxRate:
        """Add six percent, within the price."""
        defaults: dict[str, Any] = {
            "code": self._code("vat"),
            "name": "VAT",
            "percent": Decimal(6),
            "is_inclusive": True,
            "created_at": NOON,
        }
        return self._add(TaxRate, defaults | columns)

    def coupon(self, **columns: Any) -> Coupon:
        """Add a coupon of ten percent for ever, unless an amount is named."""
        defaults: dict[str, Any] = {
            "code": self._code("COUPON"),
            "name": "Welcome",
            "percent": None if "amount_minor" in columns else Decimal(10),
            "duration": Duration.FOREVER,
            "product_codes": [],
            "metric_codes": [],
            "is_for_new_customers": False,
            "created_at": NOON,
        }
        return self._add(Coupon, defaults | columns)

    def price_replay(self, card: RateCard, **columns: Any) -> PriceReplay:
        """Add a replay of May at prices of nothing."""
        defaults: dict[str, Any] = {
            "rate_card_id": card.id,
            "content": {"currencies": {"USD": []}},
            "sha256": "0" * 64,
            "period_from": date(2026, 5, 1),
            "period_to": date(2026, 6, 1),
            "created_by": "Test",
            "created_at": NOON,
        }
        return self._add(PriceReplay, defaults | columns)

    def priced_at(self, metric: Metric, unit_price: str) -> RateCardVersion:
        """Add a version that prices one metric per unit, in US cents."""
        price = {"metric": metric.code, "model": "standard", "unit_price": unit_price}
        return self.rate_card_version({"currencies": {"USD": [price]}})

    def customer(self, **columns: Any) -> Customer:
        defaults: dict[str, Any] = {
            "external_id": self._code("user"),
            "name": "上海智谱星图信息科技",
            "email": "finance@example.cn",
            "created_at": NOON,
        }
        return self._add(Customer, defaults | columns)

    def contract(self, version: RateCardVersion, **columns: Any) -> Contract:
        """Add a monthly contract on `version` that began on the first of May 2026."""
        defaults: dict[str, Any] = {
            "rate_card_version_id": version.id,
            "currency": Currency.USD,
            "cycle": Cycle.MONTHLY_CALENDAR,
            "starts_on": date(2026, 5, 1),
            "anchor_on": date(2026, 5, 1),
            "next_period_at": datetime(2026, 4, 30, 16, tzinfo=UTC),
            "due_at": datetime(2026, 5, 31, 16, tzinfo=UTC),
            "created_at": datetime(2026, 4, 30, 16, tzinfo=UTC),
        }
        columns.setdefault("customer_id", 0)
        columns["customer_id"] = columns["customer_id"] or self.customer().id
        return self._add(Contract, defaults | columns)

    def _code(self, noun: str) -> str:
        self._serial += 1
        return f"{noun}_{self._serial}"

    def _add(self, model: type[Row], columns: dict[str, Any]) -> Row:
        row = model(**columns)
        row.merchant_id = merchant_of(self.session)
        self.session.add(row)
        self.session.flush()  # the next row's foreign key needs this one
        return row
