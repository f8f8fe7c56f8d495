"""A merchant to measure with: customers on contract, metrics, keys, and batches of his usage."""

from datetime import timedelta
from itertools import count as counter
from typing import Any

from sqlalchemy import create_engine

from app.audit.recording import SYSTEM
from app.core import clock
from app.core.db import begin
from app.core.ids import new_merchant_id
from app.core.money import Currency
from app.core.periods import Cycle
from app.customers import contracts
from app.customers.models import Customer
from app.identity.keys import create_key
from app.identity.models import Merchant, Mode, Scope
from app.metering.ingestion import MerchantWindow
from app.pricing import metrics, products, rate_cards
from bench.harness import Server

CUSTOMERS = 20
KEYS = 20
WINDOW = MerchantWindow("Asia/Shanghai", 35)
METRICS = ("tokens_input", "tokens_output")
MODELS = ("gpt-5", "deepseek-v4", "qwen-4")


class Payload:
    """Batches of events with time-ordered keys, of which no two are the same."""

    def __init__(self, writer: int, size: int) -> None:
        self._writer = writer
        self._size = size
        self._numbers = counter()
        self._start = clock.now() - timedelta(hours=2)

    def batches(self, count: int) -> list[list[dict[str, Any]]]:
        return [[self._event(next(self._numbers)) for _ in range(self._size)] for _ in range(count)]

    def _event(self, number: int) -> dict[str, Any]:
        happened = self._start + timedelta(milliseconds=number)  # as they do: in time order
        return {
            "customerExternalId": f"user_{number % CUSTOMERS}",
            "idempotencyKey": f"evt_{self._size:03}_{number:012}_{self._writer}",
            "metric": METRICS[number % len(METRICS)],
            "quantity": str(1000 + number % 9000),
            "occurredAt": happened.isoformat().replace("+00:00", "Z"),
            "dimensions": {"model": MODELS[number % len(MODELS)], "region": "cn-east-1"},
        }


def open_shop(database: Server) -> int:
    """Make a merchant with customers and metrics; return the merchant's id."""
    merchant_id = new_merchant_id()
    engine = create_engine(database.app_url)
    with begin(engine, merchant_id) as session:
        known: dict[str, Any] = {"merchant_id": merchant_id, "created_at": clock.now()}
        session.add(
            Merchant(
                **known,
                company_id=1,
                mode=Mode.SANDBOX,
                name="Lumen AI",
                invoice_prefix="LUM",
                late_window_days=WINDOW.late_window_days,
                grace_hours=24,
            )
        )
        metrics.make_built_in(session, now=clock.now())
        product = products.create_product(session, code="chat", name="Chat", now=clock.now())
        prices = [{"metric": code, "model": "standard", "unit_price": "0.015"} for code in METRICS]
        version = rate_cards.create_rate_card(
            session,
            product_id=product.id,
            code="standard",
            name="Standard",
            content={"currencies": {"USD": prices}},
            actor=SYSTEM,
            now=clock.now(),
        )
        for number in range(CUSTOMERS):
            customer = Customer(**known, external_id=f"user_{number}", name="Customer")
            session.add(customer)
            session.flush()  # the contract names its customer
            contracts.create_contract(
                session,
                customer_id=customer.id,
                rate_card_version_id=version.id,
                currency=Currency.USD,
                cycle=Cycle.MONTHLY_CALENDAR,
                starts_on=(clock.now() - timedelta(days=1)).date(),
                now=clock.now(),
            )
    engine.dispose()
    return merchant_id


def create_keys(database: Server, merchant_id: int, *, pepper: bytes) -> list[str]:
    engine = create_engine(database.app_url)
    with begin(engine, merchant_id) as session:
        made = [
            create_key(
                session, f"Key {number}", scopes=[Scope.USAGE_WRITE], pepper=pepper, now=clock.now()
            )
            for number in range(KEYS)
        ]
    engine.dispose()
    return [text for _, text in made]
