"""The invoice run: contracts with a month of usage drafted and finalised, to the last posting.

A first merchant is billed before any is measured, and the tables are counted then: a server plans
by what it knows of them. The limit copies what the run wrote, table by table, with `INSERT …
SELECT` into tables that have nothing but their primary key: the same rows, no pricing. What a run
reads is what metering wrote, a roll-up a day for each customer and metric.
"""

import multiprocessing
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, insert
from sqlalchemy.orm import Session

from app.audit.recording import SYSTEM
from app.billing import runs
from app.billing.run_models import RunTrigger
from app.core import clock
from app.core.db import begin
from app.core.ids import new_id, new_merchant_id
from app.core.money import Currency
from app.core.periods import Cycle
from app.customers.models import Contract, Customer
from app.fx.fixture import FixtureRates
from app.identity.models import Merchant, Mode
from app.pricing import metrics, products, rate_cards
from app.pricing.models import RateCardVersion
from bench.harness import Server, server

FIRST = 50
STEPS = (1_000, 10_000, 100_000)
CHUNK = 5_000
MAY_1, JUNE_1 = date(2026, 5, 1), date(2026, 6, 1)
MIDNIGHT = datetime(2026, 5, 31, 16, tzinfo=UTC)
GRACE_IS_OVER = MIDNIGHT + timedelta(hours=25)
METRICS = ("tokens_input", "tokens_output", "agent_runs", "images", "storage_gb")
WRITTEN = (
    "invoices",
    "invoice_lines",
    "ledger_transactions",
    "ledger_entries",
    "webhook_events",
    "outbox_jobs",
)
LEAST_RATIO, MOST_GROWTH, LEAST_SPEED_UP, MOST_MB = 0.33, 1.25, 1.6, 128
"""D1 to D3: speed relative to the limit, time of an invoice at each step relative to the one
before, two workers relative to one, memory of a worker."""

_PROCESSES = multiprocessing.get_context("spawn")
_TIERS = [
    {"up_to": "100000", "unit_price": "0.015"},
    {"up_to": "1000000", "unit_price": "0.012"},
    {"up_to": "10000000", "unit_price": "0.01"},
    {"up_to": None, "unit_price": "0.008"},
]
_ROLLUPS = """
INSERT INTO usage_rollups
  (merchant_id, customer_id, metric_id, day, quantity, events, maximum, last_at, last_id,
   last_quantity)
SELECT customer.merchant_id, customer.id, metric.id, day, 1000 + customer.id %% 90000, 200, 900,
       day + interval '1 hour', 1, 900
  FROM customers AS customer
  JOIN metrics AS metric USING (merchant_id)
 CROSS JOIN generate_series(%(first)s::date, %(end)s::date - 1, interval '1 day') AS day
 WHERE merchant_id = %(merchant)s
"""
_KEY = """
SELECT pg_get_constraintdef(oid) FROM pg_constraint
 WHERE conrelid = %(table)s::regclass AND contype = 'p'
"""


@dataclass(frozen=True)
class Spent:
    """What a run took: wall clock, CPU of workers and server, and the largest worker's memory."""

    seconds: float
    worker_cpu: float
    server_cpu: float
    peak_mb: float


def run(*, rounds: int, scale: float) -> dict[str, Any]:
    """Run each step once, and the middle one with two workers; `rounds` are not repeated."""
    del rounds  # a run is an hour of a merchant's life: one round has thousands of repetitions
    result: dict[str, Any] = {"name": "invoices", "missed": [], "steps": []}
    with server() as database:
        _run_workers(database, _open_shop(database, contracts=FIRST), workers=1)
        for step in STEPS:
            figures = _measure(database, contracts=max(20, int(step * scale)))
            result["steps"].append(figures)
            print(figures)
    steps: list[dict[str, Any]] = result["steps"]
    result["ratio"] = steps[1]["ratio"]
    result["growth"] = round(steps[2]["ms_per_invoice"] / steps[1]["ms_per_invoice"], 2)
    result["speed_up"] = steps[1]["speed_up"]
    result["rss_mb"] = max(step["rss_mb"] for step in steps)
    held = {
        f"ratio: {result['ratio']} < {LEAST_RATIO}": result["ratio"] >= LEAST_RATIO,
        f"growth: {result['growth']} > {MOST_GROWTH}": result["growth"] <= MOST_GROWTH,
        f"speed-up: {result['speed_up']} < {LEAST_SPEED_UP}": result["speed_up"] >= LEAST_SPEED_UP,
        f"memory: {result['rss_mb']} > {MOST_MB}": result["rss_mb"] <= MOST_MB,
    }
    result["missed"] = [text for text, is_held in held.items() if not is_held]
    return result


def _measure(database: Server, *, contracts: int) -> dict[str, Any]:
    """Run as many contracts by one worker and as many others by two, and copy what came of it."""
    one, two = (_open_shop(database, contracts=contracts) for _ in range(2))
    alone = _run_workers(database, one, workers=1)
    together = _run_workers(database, two, workers=2)
    limit = _copy(database, one)
    return {
        "contracts": contracts,
        "ms_per_invoice": round(alone.seconds / contracts * 1000, 3),
        "worker_cpu_ms": round(alone.worker_cpu / contracts * 1000, 3),
        "server_cpu_ms": round(alone.server_cpu / contracts * 1000, 3),
        "limit_ms_per_invoice": round(limit / contracts * 1000, 3),
        "ratio": round(limit / alone.seconds, 3),
        "speed_up": round(alone.seconds / together.seconds, 2),
        "rss_mb": round(alone.peak_mb),
    }


def _open_shop(database: Server, *, contracts: int) -> int:
    """Make a merchant whose customers, all on contract, used five metrics every day of May."""
    merchant_id = new_merchant_id()
    engine = create_engine(database.app_url)
    with begin(engine, merchant_id) as session:
        session.add(
            Merchant(
                merchant_id=merchant_id,
                company_id=1,
                mode=Mode.SANDBOX,
                name="Lumen AI",
                invoice_prefix="LUM",
                late_window_days=35,
                grace_hours=24,
                created_at=clock.now(),
            )
        )
        metrics.make_built_in(session, now=clock.now())
        version = _publish(session)
        for first in range(0, contracts, CHUNK):
            numbers = range(first, min(first + CHUNK, contracts))
            rows = list(_rows(merchant_id, version.id, numbers))
            session.execute(insert(Customer), [customer for customer, _ in rows])
            session.execute(insert(Contract), [contract for _, contract in rows])
    engine.dispose()
    with database.connect() as connection:
        known = {"merchant": merchant_id, "first": MAY_1, "end": JUNE_1}
        connection.execute(_ROLLUPS, known)
        connection.execute("VACUUM ANALYZE")
    return merchant_id


def _publish(session: Session) -> RateCardVersion:
    product = products.create_product(session, code="chat", name="Chat", now=clock.now())
    prices = [{"metric": code, "model": "graduated", "tiers": _TIERS} for code in METRICS]
    return rate_cards.create_rate_card(
        session,
        product_id=product.id,
        code="standard",
        name="Standard",
        content={"currencies": {"USD": prices}},
        actor=SYSTEM,
        now=clock.now(),
    )


def _rows(
    merchant_id: int, version_id: int, numbers: Sequence[int]
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield a customer and its contract, which is due for May, for each number."""
    for number in numbers:
        known = {"merchant_id": merchant_id, "created_at": datetime(2026, 4, 1, tzinfo=UTC)}
        customer = known | {"id": new_id(), "external_id": f"user_{number}", "name": "Customer"}
        contract = known | {
            "id": new_id(),
            "customer_id": customer["id"],
            "rate_card_version_id": version_id,
            "currency": Currency.USD,
            "cycle": Cycle.MONTHLY_CALENDAR,
            "starts_on": MAY_1,
            "anchor_on": MAY_1,
            "next_period_at": datetime(2026, 4, 30, 16, tzinfo=UTC),
            "due_at": MIDNIGHT,
        }
        yield customer, contract


def _run_workers(database: Server, merchant_id: int, *, workers: int) -> Spent:
    """Run until nothing is due, and return what that took."""
    with _PROCESSES.Pool(workers) as pool:
        ready = [database.app_url] * workers
        pool.map(_connect, ready, chunksize=1)
        server_cpu, start = database.cpu_seconds(), time.perf_counter()
        done = pool.starmap(_work, [(url, merchant_id) for url in ready], chunksize=1)
        return Spent(
            seconds=time.perf_counter() - start,
            worker_cpu=sum(cpu for cpu, _ in done),
            server_cpu=database.cpu_seconds() - server_cpu,
            peak_mb=max(peak_mb for _, peak_mb in done),
        )


def _connect(app_url: str) -> None:
    create_engine(app_url).connect().close()


def _work(app_url: str, merchant_id: int) -> tuple[float, float]:
    """Run until nothing is due; return the CPU time that took, and the peak of memory in MB."""
    engine, cpu = create_engine(app_url), time.process_time()
    transaction = partial(begin, engine, merchant_id)
    while True:
        made = runs.run_due(
            transaction, FixtureRates(), trigger=RunTrigger.SCHEDULE, now=GRACE_IS_OVER
        )
        assert not made.failed, made.last_error
        if not (made.drafted or made.finalized):
            return time.process_time() - cpu, _peak_mb()


def _peak_mb() -> float:
    """Return the most memory this process had: `getrusage` begins with what its parent had."""
    status = Path("/proc/self/status").read_text()
    (peak_kb,) = re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(peak_kb) / 1024


def _copy(database: Server, merchant_id: int) -> float:
    """Return how long it takes to write the same rows once more, each table in one statement."""
    spent = 0.0
    with database.connect() as connection:
        for table in WRITTEN:
            key = connection.execute(_KEY, {"table": table}).fetchone()
            assert key
            copy = f"limit_{table}"
            connection.execute(f"CREATE TABLE {copy} (LIKE {table})")
            connection.execute(f"ALTER TABLE {copy} ADD {key[0]}")
            start = time.perf_counter()
            connection.execute(
                f"INSERT INTO {copy} SELECT * FROM {table} WHERE merchant_id = %s",  # noqa: S608  # our own names
                [merchant_id],
            )
            spent += time.perf_counter() - start
            connection.execute(f"DROP TABLE {copy}")
    return spent
