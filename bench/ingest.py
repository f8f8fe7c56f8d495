"""Ingest: usage events through the product, against the fastest durable insert we know.

The limit is one statement per batch into a table that has nothing but its dedupe key: columns as
array literals, `ON CONFLICT DO NOTHING`, one commit. Same rows, same number of writers.
"""

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from http.client import HTTPConnection
from itertools import count as counter
from itertools import cycle
from typing import Annotated, Any

import msgspec
import psycopg
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
from app.metering.events import Outcome
from app.metering.ingestion import MerchantWindow, ingest
from app.pricing import metrics, products, rate_cards
from bench.harness import Contestant, Server, percentile, plain, play_in_turns, server
from bench.web import web_server

WRITERS = 2
CUSTOMERS = 20
KEYS = 20
WINDOW = MerchantWindow("Asia/Shanghai", 35)
METRICS = ("tokens_input", "tokens_output")
MODELS = ("gpt-5", "deepseek-v4", "qwen-4")
BATCHES = {500: 60, 1: 600}
GATES = {500: 0.45, 1: 0.28}
"""A1 and A3 of the goals: the product's rate, relative to the limit."""

_LIMIT_TABLE = """
CREATE TABLE limit_events (LIKE usage_events);
ALTER TABLE limit_events DROP id, DROP series_id, DROP corrects, DROP is_late,
  ADD PRIMARY KEY (merchant_id, idempotency_key)
"""
_LIMIT_INSERT = """
INSERT INTO limit_events
SELECT %s, customer, metric, occurred_at, now(), key, quantity, dimensions
  FROM ROWS FROM (
    unnest(%s::text[]), unnest(%s::bigint[]), unnest(%s::bigint[]), unnest(%s::timestamptz[]),
    unnest(%s::numeric[]), jsonb_array_elements(%s::jsonb)
  ) AS event (key, customer, metric, occurred_at, quantity, dimensions)
 ORDER BY key ON CONFLICT DO NOTHING RETURNING idempotency_key
"""


class Event(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """A usage event as the JSON door reads it."""

    customer_external_id: str
    idempotency_key: str
    metric: str
    quantity: str | int
    occurred_at: Annotated[datetime, msgspec.Meta(tz=True)]
    dimensions: dict[str, str | int] | None = None
    corrects: str | None = None


class Body(msgspec.Struct):
    events: list[Event]


class Payload:
    """Batches of events with time-ordered keys, of which no two are the same."""

    def __init__(self, writer: int, size: int) -> None:
        self._writer = writer
        self._size = size
        self._numbers = counter()
        self._now = clock.now()

    def batches(self, count: int) -> list[list[dict[str, Any]]]:
        return [[self._event(next(self._numbers)) for _ in range(self._size)] for _ in range(count)]

    def _event(self, number: int) -> dict[str, Any]:
        happened = self._now - timedelta(milliseconds=number)
        return {
            "customerExternalId": f"user_{number % CUSTOMERS}",
            "idempotencyKey": f"evt_{self._size:03}_{number:012}_{self._writer}",
            "metric": METRICS[number % len(METRICS)],
            "quantity": str(1000 + number % 9000),
            "occurredAt": happened.isoformat().replace("+00:00", "Z"),
            "dimensions": {"model": MODELS[number % len(MODELS)], "region": "cn-east-1"},
        }


class LimitLoad:
    """The limit: what PostgreSQL and Python can do at best, without any of the product."""

    def __init__(self, writer: int, *, owner_url: str, size: int) -> None:
        self._connection = psycopg.connect(plain(owner_url))
        self._payload = Payload(writer, size)

    def prepare(self, count: int) -> Sequence[Any]:
        return self._payload.batches(count)

    def send(self, request: list[dict[str, Any]]) -> None:
        keys = '","'.join([event["idempotencyKey"] for event in request])
        columns = [
            [event["customerExternalId"][5:] for event in request],
            [str(len(event["metric"])) for event in request],
            [event["occurredAt"] for event in request],
            [event["quantity"] for event in request],
        ]
        literals = ["{" + ",".join(column) + "}" for column in columns]
        dimensions = json.dumps([event["dimensions"] for event in request])
        self._connection.execute(_LIMIT_INSERT, [1, f'{{"{keys}"}}', *literals, dimensions])
        self._connection.commit()


class RoomLoad:
    """The product without its door: decoding, `ingest`, Row-Level Security, roll-ups."""

    def __init__(self, writer: int, *, app_url: str, merchant_id: int, size: int) -> None:
        self._engine = create_engine(app_url)
        self._merchant_id = merchant_id
        self._payload = Payload(writer, size)
        self._decoder = msgspec.json.Decoder(Body)

    def prepare(self, count: int) -> Sequence[Any]:
        batches = self._payload.batches(count)
        return [msgspec.json.encode({"events": batch}) for batch in batches]

    def send(self, request: bytes) -> None:
        events = self._decoder.decode(request).events
        with begin(self._engine, self._merchant_id) as session:
            results = ingest(session, events, merchant=WINDOW, now=clock.now())
        outcomes = {result.outcome for result in results}
        assert outcomes == {Outcome.ACCEPTED}, outcomes


class ApiLoad:
    """The whole product: HTTP, key, scope, rate limit, idempotency record, and the room."""

    def __init__(self, writer: int, *, port: int, keys: Sequence[str], size: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port)
        self._payload = Payload(writer, size)
        self._keys = cycle(keys)  # each has a rate limit of its own
        self._serial = counter()
        self._name = f"batch-{size}-{writer}"
        self._good = f'{{"accepted":{size},'.encode()

    def prepare(self, count: int) -> Sequence[Any]:
        batches = self._payload.batches(count)
        return [msgspec.json.encode({"events": batch}) for batch in batches]

    def send(self, request: bytes) -> None:
        headers = {
            "Authorization": f"Bearer {next(self._keys)}",
            "Idempotency-Key": f"{self._name}-{next(self._serial)}",
            "Content-Type": "application/json",
        }
        self._connection.request("POST", "/api/v1/usage-events", request, headers)
        response = self._connection.getresponse()
        answer = response.read()
        assert response.status < 300, (response.status, answer[:500])
        assert answer.startswith(self._good), answer[:500]


def run_room(*, rounds: int, scale: float) -> dict[str, Any]:
    """Measure the room alone, called in-process: what the door adds is not in it."""
    with server() as database:

        def contest(size: int) -> Contestant:
            return Contestant(
                "room",
                partial(
                    RoomLoad,
                    app_url=database.app_url,
                    merchant_id=_open_shop(database),
                    size=size,
                ),
                writers=WRITERS,
            )

        return {"name": "ingest-room"} | _measure(database, contest, rounds=rounds, scale=scale)


def run(*, rounds: int, scale: float) -> dict[str, Any]:
    """Measure the API as developers meet it: `POST /api/v1/usage-events` over HTTP."""
    with server() as database, web_server(database) as web:

        def contest(size: int) -> Contestant:
            keys = _create_keys(database, _open_shop(database), pepper=web.settings.pepper)
            return Contestant(
                "api",
                partial(ApiLoad, port=web.port, keys=keys, size=size),
                writers=WRITERS,
                web_pid=web.pid,
            )

        return {"name": "ingest"} | _measure(database, contest, rounds=rounds, scale=scale)


def _measure(
    database: Server, contest: Callable[[int], Contestant], *, rounds: int, scale: float
) -> dict[str, Any]:
    """Measure both sizes; the figures at the top are those of the larger one."""
    result: dict[str, Any] = {"rounds": rounds, "missed": []}
    with database.connect() as connection:
        connection.execute(_LIMIT_TABLE)
    for size, batches in BATCHES.items():
        limit = Contestant(
            "limit",
            partial(LimitLoad, owner_url=database.owner_url, size=size),
            writers=WRITERS,
        )
        product = contest(size)
        count = max(8, int(batches * scale))
        play_in_turns(database, [limit, product], rounds=rounds, count=count)
        result[f"size_{size}"] = figures = _compare(limit, product, events=count * size * WRITERS)
        if figures["ratio"] < GATES[size]:
            result["missed"].append(f"size {size}: {figures['ratio']} < {GATES[size]}")
        if size == max(BATCHES):
            result |= figures
    return result


def _open_shop(database: Server) -> int:
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


def _create_keys(database: Server, merchant_id: int, *, pepper: bytes) -> list[str]:
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


def _compare(limit: Contestant, product: Contestant, *, events: int) -> dict[str, Any]:
    """Print one table and return its figures; the ratio is the median of the rounds' ratios."""
    print(f"\n{'':8}{'events/s':>10}{'p50 ms':>8}{'p99 ms':>8}{'client':>8}{'server':>8}{'WAL':>7}")
    for side in (limit, product):
        latencies = [latency * 1000 for spent in side.rounds for latency in spent.latencies]
        print(
            f"{side.name:8}"
            f"{side.median(lambda spent: events / spent.seconds):10.0f}"
            f"{percentile(latencies, 0.5):8.2f}{percentile(latencies, 0.99):8.2f}"
            f"{side.median(lambda spent: spent.client_cpu / events * 1e6):8.1f}"
            f"{side.median(lambda spent: spent.server_cpu / events * 1e6):8.1f}"
            f"{side.median(lambda spent: spent.wal_bytes / events):7.0f}"
        )
    ratios = sorted(
        base.seconds / spent.seconds
        for base, spent in zip(limit.rounds, product.rounds, strict=True)
    )
    print(
        f"ratio to the limit {ratios[len(ratios) // 2]:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    )
    return {
        "ratio": round(ratios[len(ratios) // 2], 3),
        "cpu_us_per_event": round(
            product.median(lambda spent: (spent.client_cpu + spent.server_cpu) / events * 1e6), 1
        ),
        "wal_bytes_per_event": round(product.median(lambda spent: spent.wal_bytes / events)),
        "rss_mb": round(product.median(lambda spent: spent.rss_mb)),
    }
