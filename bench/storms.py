"""Storms: writers that overlap, and a server that is killed. What has to be exact is counted.

`dup`: 8 writers send the same 500 events in orders of their own, round after round; some are late,
some find no contract. `crash`: PostgreSQL is killed in the middle of ingest and started again.
"""

import itertools
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from datetime import timedelta
from multiprocessing.connection import Connection
from typing import Any

import msgspec
import psycopg
from sqlalchemy import create_engine

from app.api.v1.usage import read_batch
from app.core import clock
from app.core.db import begin_plain
from app.embedded import DURABLE, Postgres
from app.metering.ingestion import ingest
from bench.harness import Server, server
from bench.shop import WINDOW, Payload, open_shop

WRITERS = 8
SIZE = 500
ROUNDS = 100
_PROCESSES = multiprocessing.get_context("spawn")
_WRONG_ROLLUPS = """
SELECT count(*) FROM (
  SELECT customer_id, metric_id, (occurred_at AT TIME ZONE 'Asia/Shanghai')::date AS day, series_id,
         sum(quantity) AS quantity, count(*) AS events, max(quantity) AS maximum
    FROM usage_events GROUP BY 1, 2, 3, 4
) AS raw FULL JOIN usage_rollups AS rollup USING (customer_id, metric_id, day, series_id)
WHERE (raw.quantity, raw.events, raw.maximum)
   IS DISTINCT FROM (rollup.quantity, rollup.events, rollup.maximum)
"""


def run_dup(*, rounds: int, scale: float) -> dict[str, Any]:
    """Let 8 writers send the same events; each must be stored once, and nobody may deadlock."""
    del rounds  # a storm is not repeated: it has a hundred rounds of its own
    storms = max(2, int(ROUNDS * scale))
    with server() as database:
        merchant_id = open_shop(database)
        _bill_some(database)
        barrier = _PROCESSES.Barrier(WRITERS)
        pipes = []
        for writer in range(WRITERS):
            ours, theirs = _PROCESSES.Pipe()
            arguments = (database.app_url, merchant_id, writer, storms, barrier, theirs)
            _PROCESSES.Process(target=_storm, args=arguments, daemon=True).start()
            pipes.append(ours)
        start = time.perf_counter()
        outcomes, faults = Counter[str](), Counter[str]()
        for pipe in pipes:
            counted, failed = pipe.recv()
            outcomes += counted
            faults += failed
        seconds = time.perf_counter() - start
        with database.connect() as connection:
            stored = _count(connection, "SELECT count(*) FROM usage_events")
            dead = _count(connection, "SELECT coalesce(sum(seen), 0) FROM dead_events")
            wrong = _count(connection, _WRONG_ROLLUPS)
    taken = outcomes["accepted"] + outcomes["late"]
    unmatched = outcomes["unmatched"]
    exact = {
        "deadlocks and other faults": sum(faults.values()) == 0,
        "each stored once": stored == taken == storms * SIZE - unmatched // WRITERS,
        "each answered": outcomes.total() == storms * SIZE * WRITERS,
        "each kept and counted": dead == unmatched,
        "roll-ups": wrong == 0,
    }
    print(f"{dict(outcomes)} in {seconds:.1f} s; faults {dict(faults)}")
    return {
        "name": "dup",
        "rounds": storms,
        "events_per_second": round(outcomes.total() / seconds),
        "stored": stored,
        "late": outcomes["late"],
        "unmatched": unmatched,
        "faults": dict(faults),
        "missed": [name for name, held in exact.items() if not held],
    }


def run_crash(*, rounds: int, scale: float) -> dict[str, Any]:
    """Kill PostgreSQL while events come in; what was acknowledged must be there exactly once."""
    kills = max(1, int(rounds * scale))
    with server() as database:
        merchant_id = open_shop(database)
        postgres = Postgres(database.folder, DURABLE)
        acknowledged: list[str] = []
        for kill in range(kills):
            ours, theirs = _PROCESSES.Pipe()
            arguments = (database.app_url, merchant_id, kill, theirs)
            writer = _PROCESSES.Process(target=_acknowledge, args=arguments, daemon=True)
            writer.start()
            ours.recv()  # the writer is under way
            time.sleep(1.0)
            pid = int((postgres.data / "postmaster.pid").read_text().split()[0])
            os.kill(pid, signal.SIGKILL)
            acknowledged += ours.recv()
            writer.join()
            postgres.start()
        with database.connect() as connection:
            rows = connection.execute("SELECT idempotency_key FROM usage_events").fetchall()
            wrong = _count(connection, _WRONG_ROLLUPS)
        postgres.stop()
    stored = Counter(key for (key,) in rows)
    lost = [key for key in acknowledged if key not in stored]
    exact = {
        "events came in": len(acknowledged) > 0,
        "nothing lost": not lost,
        "nothing twice": max(stored.values(), default=1) == 1,
        "whole batches only": len(rows) % SIZE == 0,
        "roll-ups": wrong == 0,
    }
    return {
        "name": "crash",
        "kills": kills,
        "acknowledged": len(acknowledged),
        "stored": len(rows),
        "lost": len(lost),
        "missed": [name for name, held in exact.items() if not held],
    }


def _bill_some(database: Server) -> None:
    """Bill two customers, whose events then are late, and take the contract from a third."""
    with database.connect() as connection:
        connection.execute(
            "UPDATE contracts SET billed_to = now(), next_period_at = now() FROM customers"
            " WHERE customers.id = customer_id AND external_id IN ('user_1', 'user_2')"
        )
        connection.execute(
            "UPDATE contracts SET ends_on = starts_on FROM customers"
            " WHERE customers.id = customer_id AND external_id = 'user_3'"
        )


def _storm(  # noqa: PLR0917  # what a process needs is all it gets
    app_url: str, merchant_id: int, writer: int, storms: int, barrier: Any, pipe: Connection
) -> None:
    engine = create_engine(app_url)
    payload = Payload(0, SIZE)
    chance = random.Random(writer)  # noqa: S311  # an order, not a secret
    outcomes, faults = Counter[str](), Counter[str]()
    start = clock.now() - timedelta(hours=1)
    for batch in payload.batches(storms):
        same = [event | {"occurredAt": start.strftime("%Y-%m-%dT%H:00:00Z")} for event in batch]
        events = read_batch(msgspec.json.encode({"events": chance.sample(same, SIZE)}))
        barrier.wait()
        try:
            with begin_plain(engine, merchant_id) as work:
                results = ingest(work, events, merchant=WINDOW, now=clock.now())
        except psycopg.Error as error:
            faults[type(error).__name__] += 1
        else:
            outcomes.update(result.outcome.value for result in results)
    pipe.send((outcomes, faults))


def _acknowledge(  # noqa: PLR0917  # what a process needs is all it gets
    app_url: str, merchant_id: int, writer: int, pipe: Connection
) -> None:
    """Send batches until the server is gone; tell which keys were committed for sure."""
    engine = create_engine(app_url)
    payload = Payload(writer, SIZE)
    acknowledged: list[str] = []
    for number in itertools.count():
        (batch,) = payload.batches(1)
        events = read_batch(msgspec.json.encode({"events": batch}))
        try:
            with begin_plain(engine, merchant_id) as work:
                ingest(work, events, merchant=WINDOW, now=clock.now())
        except psycopg.Error:
            break
        acknowledged += [event["idempotencyKey"] for event in batch]
        if number == 0:
            pipe.send("under way")
    pipe.send(acknowledged)


def _count(connection: psycopg.Connection[Any], statement: str) -> int:
    row = connection.execute(statement).fetchone()
    return int(row[0]) if row else 0
