"""Ingest: usage events through the product, against the fastest durable insert we know.

The limit is one statement per batch into a table that has nothing but its dedupe key: columns as
array literals, `ON CONFLICT DO NOTHING`, one commit. Same rows, same number of writers.
"""

import json
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from http.client import HTTPConnection
from itertools import count as counter
from itertools import cycle
from typing import Any

import msgspec
import psycopg
from sqlalchemy import create_engine

from app.api.v1.usage import read_batch
from app.core import clock
from app.core.db import begin_plain
from app.metering.events import Outcome
from app.metering.ingestion import ingest
from bench.harness import Contestant, Server, percentile, plain, play_in_turns, server
from bench.shop import WINDOW, Payload, create_keys, open_shop
from bench.web import web_server

WRITERS = 2
BATCHES = {500: 60, 1: 600}
GATES = {500: 0.50, 1: 0.30}
"""A1 and A3 of the goals: the product's rate, relative to the limit."""
MOST_CPU = 2.3
"""A2: what an event may cost, client and server together, relative to the limit."""
LONGEST_AGAIN = 0.8
"""A4: the time of a batch of nothing but duplicates, relative to a fresh one."""
MOST_GROWTH, MOST_MB = 1.15, 150
"""A8: the memory of a web worker, after the last round relative to after the first."""

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

    def prepare(self, count: int) -> Sequence[Any]:
        batches = self._payload.batches(count)
        return [msgspec.json.encode({"events": batch}) for batch in batches]

    def send(self, request: bytes) -> None:
        events = read_batch(request)
        with begin_plain(self._engine, self._merchant_id) as work:
            results = ingest(work, events, merchant=WINDOW, now=clock.now())
        outcomes = {result.outcome for result in results}
        assert outcomes == {Outcome.ACCEPTED}, outcomes


class ApiLoad:
    """The whole product: HTTP, key, scope, rate limit, idempotency record, and the room."""

    def __init__(self, writer: int, *, port: int, keys: Sequence[str], size: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port)
        self._payload = Payload(writer, size)
        self._keys = cycle(keys)  # each has a rate limit of its own
        self._serial = counter()
        self._name = f"{type(self).__name__}-{size}-{writer}"
        self.good = f'{{"accepted":{size},'.encode()

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
        assert answer.startswith(self.good), answer[:500]


class AgainLoad(ApiLoad):
    """Batches that were all stored before, each under a new Idempotency-Key."""

    def prepare(self, count: int) -> Sequence[Any]:
        requests = super().prepare(count)
        self.good = b'{"accepted":'
        for request in requests:
            self.send(request)
        self.good = b'{"accepted":0,'
        return requests


def run_room(*, rounds: int, scale: float) -> dict[str, Any]:
    """Measure the room alone, called in-process: what the door adds is not in it."""
    with server() as database:

        def contest(size: int) -> Contestant:
            return Contestant(
                "room",
                partial(
                    RoomLoad,
                    app_url=database.app_url,
                    merchant_id=open_shop(database),
                    size=size,
                ),
                writers=WRITERS,
            )

        return {"name": "ingest-room"} | _measure(database, contest, rounds=rounds, scale=scale)


def run(*, rounds: int, scale: float) -> dict[str, Any]:
    """Measure the API as developers meet it: `POST /api/v1/usage-events` over HTTP."""
    with server() as database, web_server(database) as web:

        def contest(size: int, load: type[ApiLoad] = ApiLoad) -> Contestant:
            keys = create_keys(database, open_shop(database), pepper=web.settings.pepper)
            return Contestant(
                load.__name__,
                partial(load, port=web.port, keys=keys, size=size),
                writers=WRITERS,
                web_pid=web.pid,
            )

        measured = _measure(database, contest, rounds=rounds, scale=scale)
        result: dict[str, Any] = {"name": "ingest"} | measured
        fresh, again = contest(500), contest(500, AgainLoad)
        play_in_turns(database, [fresh, again], rounds=rounds, count=max(8, int(20 * scale)))
        times = [
            repeat.seconds / first.seconds
            for first, repeat in zip(fresh.rounds, again.rounds, strict=True)
        ]
        result["again"] = round(statistics.median(times), 3)
        if result["again"] > LONGEST_AGAIN:
            result["missed"].append(f"again: {result['again']} > {LONGEST_AGAIN}")
        return result


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
            result["missed"] += _over(figures)
    return result


def _over(figures: dict[str, Any]) -> list[str]:
    """Return which of the bounds on CPU and memory were missed."""
    bounds = {"cpu_ratio": MOST_CPU, "rss_growth": MOST_GROWTH, "rss_mb": MOST_MB}
    return [
        f"{name}: {figures[name]} > {most}" for name, most in bounds.items() if figures[name] > most
    ]


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

    def cpu(side: Contestant) -> float:
        return side.median(lambda spent: (spent.client_cpu + spent.server_cpu) / events * 1e6)

    return {
        "ratio": round(ratios[len(ratios) // 2], 3),
        "cpu_ratio": round(cpu(product) / cpu(limit), 2),
        "rss_growth": round(product.rounds[-1].rss_mb / product.rounds[0].rss_mb, 2),
        "cpu_us_per_event": round(cpu(product), 1),
        "wal_bytes_per_event": round(product.median(lambda spent: spent.wal_bytes / events)),
        "rss_mb": round(product.median(lambda spent: spent.rss_mb)),
    }
