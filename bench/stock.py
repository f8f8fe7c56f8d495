"""A merchant with as many events and invoices as a benchmark wants, and as many of another's."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from sqlalchemy import create_engine, event, insert, select
from sqlalchemy.orm import Session

from app.audit.recording import SYSTEM
from app.billing.models import Invoice, InvoiceKind, InvoiceStatus
from app.core import clock
from app.core.db import begin
from app.core.ids import new_id
from app.core.money import Currency
from app.core.paging import encode_cursor
from app.core.periods import Cycle
from app.customers.models import Contract, Customer
from app.metering import days, queries
from app.metering.queries import EventFilter
from app.pricing import products, rate_cards
from app.pricing.models import Aggregation, Metric, RateCardVersion
from bench.harness import Server

CUSTOMERS = 1_000
DAYS = 90
RARE = "rare"
"""The metric of one event in 100,000, the model of one in 20,000, the customer of one in 50,000."""

_EVENTS = """
INSERT INTO usage_events
  (merchant_id, customer_id, metric_id, series_id, occurred_at, received_at, idempotency_key,
   quantity, dimensions)
SELECT CASE n %% 2 WHEN 0 THEN %(merchant)s ELSE 1 END,
       CASE WHEN n %% 100000 = 2 THEN %(rare_customer)s ELSE (%(customers)s::bigint[])
         [1 + n * 7919 %% array_length(%(customers)s::bigint[], 1)] END,
       CASE WHEN n %% 200000 = 0 THEN %(rare_metric)s ELSE (%(metrics)s::bigint[])
         [1 + n / 2 %% array_length(%(metrics)s::bigint[], 1)] END,
       0, at, at + interval '1 second', 'evt_' || to_char(n, 'FM000000000000') || '_0123456789',
       1000 + n %% 9000,
       jsonb_build_object('model', CASE WHEN n %% 40000 = 4 THEN 'rare' ELSE
         (ARRAY['gpt-5', 'deepseek-v4', 'qwen-4'])[1 + n / 2 %% 3] END, 'region', 'cn-east-1')
  FROM generate_series(1, %(events)s::bigint) AS n,
       LATERAL (SELECT %(start)s::timestamptz + n * %(step)s::interval AS at) AS happened
"""
_ROLLUPS = """
INSERT INTO usage_rollups
  (merchant_id, customer_id, metric_id, day, quantity, events, maximum, last_at, last_id,
   last_quantity)
SELECT merchant_id, customer_id, metric_id, (occurred_at AT TIME ZONE 'Asia/Shanghai')::date,
       sum(quantity), count(*), max(quantity), max(occurred_at), max(id), max(quantity)
  FROM usage_events
 GROUP BY 1, 2, 3, 4
"""


_OPEN = {
    "kind": InvoiceKind.USAGE,
    "status": InvoiceStatus.OPEN,
    "time_zone": "Asia/Shanghai",
    "currency": Currency.USD,
    "subtotal_minor": 12_641,
    "total_minor": 12_641,
    "collection_minor": 90_533,
    "due_minor": 90_533,
    "platform_fee_minor": 2_716,
    "net_minor": 87_817,
    "settlement_currency": Currency.USD,
    "settlement_minor": 12_262,
    "fee_bps": 300,
    "fx_publisher": "fixture",
    "fx_spread_bps": 80,
    "fx_pricing_midpoint": Decimal("710.50"),
    "fx_pricing_rate": Decimal("7.16184"),
    "fx_settlement_midpoint": Decimal("710.50"),
    "fx_settlement_rate": Decimal("7.16184"),
    "link_secret": "secret",
}


class Stock:
    """The only merchant of a benchmark's database, with rows put straight into the tables."""

    def __init__(self, database: Server) -> None:
        self._database = database
        self._engine = create_engine(database.app_url)
        with database.connect() as connection:
            row = connection.execute("SELECT merchant_id FROM merchants").fetchone()
        assert row
        self._merchant_id = int(row[0])
        self._now = clock.now()
        self._known = {"merchant_id": self._merchant_id, "created_at": self._now}

    def close(self) -> None:
        self._engine.dispose()

    def put(self, *, events: int, invoices: int) -> None:
        """Put the rows: events of the last 90 days up to now, invoices one a day back from now."""
        with begin(self._engine, self._merchant_id) as session:
            customers = self._customers(session)
            self._invoices(session, customers, invoices // 2)
            session.add(
                Metric(
                    merchant_id=self._merchant_id,
                    code=RARE,
                    name="Rare",
                    unit="piece",
                    aggregation=Aggregation.SUM,
                    created_at=self._now,
                )
            )
            session.flush()
            codes = {metric.code: metric.id for metric in session.scalars(select(Metric))}
        with self._database.connect() as connection:
            connection.execute(
                _EVENTS,
                {
                    "merchant": self._merchant_id,
                    "customers": customers[1:],
                    "rare_customer": customers[0],
                    "rare_metric": codes.pop(RARE),
                    "metrics": sorted(codes.values()),
                    "events": events,
                    "start": self._now - timedelta(days=DAYS),
                    "step": timedelta(days=DAYS) / events,
                },
            )
            connection.execute(_ROLLUPS)
            connection.execute("VACUUM ANALYZE")
        with begin(self._engine, self._merchant_id) as session:
            days.refresh(session, [], now=clock.now())
        with self._database.connect() as connection:
            connection.execute("ANALYZE")  # the days were not there before

    def deep_event(self) -> str:
        """Return the cursor of the page in the middle of all events."""
        middle = EventFilter(to_at=self._now - timedelta(days=DAYS / 2))
        with begin(self._engine, self._merchant_id) as session:
            cursor = queries.list_events(session, middle).next_cursor
        assert cursor
        return cursor

    def deep_invoice(self) -> str:
        """Return the cursor of the page in the middle of all invoices."""
        with begin(self._engine, self._merchant_id) as session:
            ids = session.scalars(select(Invoice.id).order_by(Invoice.id)).all()
        return encode_cursor(ids[len(ids) // 2])

    def slow_plans(self) -> list[str]:
        """Return the lists of events whose plan reads a whole table or sorts."""
        with begin(self._engine, self._merchant_id) as session:
            metric_id = session.scalar(select(Metric.id).where(Metric.code == RARE))
            customer_id = session.scalar(select(Customer.id).where(Customer.external_id == RARE))
            asked = {
                "events": EventFilter(),
                "events of a metric": EventFilter(metric_id=metric_id),
                "events of a model": EventFilter(dimensions={"model": [RARE]}),
                "events of a customer": EventFilter(customer_id=customer_id),
            }
            return [
                f"{name}: {node}"
                for name, wanted in asked.items()
                for node in ("Seq Scan on usage_events", "Sort")
                if node in _plans(session, partial(queries.list_events, session, wanted))
            ]

    def _customers(self, session: Session) -> list[int]:
        """Add the customers, the rare one first, and return their ids."""
        rows = [
            {
                "merchant_id": self._merchant_id,
                "id": new_id(),
                "external_id": f"user_{number}" if number else RARE,
                "name": f"Customer {number}",
                "created_at": self._now,
            }
            for number in range(CUSTOMERS + 1)
        ]
        session.execute(insert(Customer), rows)
        return [int(str(row["id"])) for row in rows]

    def _invoices(self, session: Session, customers: Sequence[int], count: int) -> None:
        """Add a contract for every customer and to each as many open invoices, a day long."""
        version = self._version(session)
        today = self._now.date()
        contracts = [
            self._known
            | {
                "id": new_id(),
                "customer_id": customer_id,
                "rate_card_version_id": version.id,
                "currency": Currency.USD,
                "cycle": Cycle.MONTHLY_CALENDAR,
                "starts_on": today - timedelta(days=400),
                "anchor_on": today - timedelta(days=400),
            }
            for customer_id in customers
        ]
        session.execute(insert(Contract), contracts)
        invoices = [
            self._invoice(
                contracts[number % len(contracts)],
                number,
                version=version,
                day=today - timedelta(days=1 + number // len(contracts)),
            )
            for number in range(count)
        ]
        session.execute(insert(Invoice), invoices)

    def _version(self, session: Session) -> RateCardVersion:
        product = products.create_product(session, code="chat", name="Chat", now=self._now)
        price = {"metric": "tokens_input", "model": "standard", "unit_price": "0.015"}
        return rate_cards.create_rate_card(
            session,
            product_id=product.id,
            code="standard",
            name="Standard",
            content={"currencies": {"USD": [price]}},
            actor=SYSTEM,
            now=self._now,
        )

    def _invoice(
        self, contract: Mapping[str, Any], number: int, *, version: RateCardVersion, day: date
    ) -> dict[str, Any]:
        start_at = datetime.combine(day, time(), UTC)
        collected = 90_533 + number % 1_000
        return (
            self._known
            | _OPEN
            | {
                "id": new_id(),
                "number": f"LUM-{number:06}",
                "customer_id": contract["customer_id"],
                "contract_id": contract["id"],
                "period_start_at": start_at,
                "period_end_at": start_at + timedelta(days=1),
                "period_from": day,
                "period_to": day + timedelta(days=1),
                "rate_card_version_id": version.id,
                "rate_card": version.content,
                "rate_card_sha256": version.sha256,
                "fx_published_at": self._now,
                "finalize_at": self._now,
                "finalized_at": self._now,
                "due_at": self._now + timedelta(days=30, minutes=number % 1_000),
                "collection_minor": collected,
                "due_minor": collected,
            }
        )


def _plans(session: Session, act: Callable[[], object]) -> str:
    """Return the plans of the statements that `act` runs."""
    ran: list[tuple[str, Any]] = []

    def remember(*seen: Any) -> None:
        _connection, _cursor, statement, parameters, *_rest = seen
        ran.append((statement, parameters))

    connection = session.connection()
    event.listen(connection, "before_cursor_execute", remember)
    act()
    event.remove(connection, "before_cursor_execute", remember)
    return "\n".join(
        line
        for statement, parameters in ran
        for (line,) in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
    )
