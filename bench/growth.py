"""Growth: what an event costs when millions are there already, with keys in order and at random.

The table is filled by INSERT..SELECT between the measurements. CPU and WAL per event are what
counts: rates of a shared machine are not.
"""

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

from app.core import clock
from bench.harness import Contestant, Server, server
from bench.ingest import RoomLoad
from bench.shop import Payload, open_shop

STEPS = (0, 10_000_000, 30_000_000)
COUNT = 40
SIZE = 500
MOST = {"ordered": 1.15, "random": 1.8}
"""A6 and A7: the CPU of an event at the last step, relative to the first."""
_FILL = """
INSERT INTO usage_events
  (merchant_id, customer_id, metric_id, occurred_at, idempotency_key, quantity, dimensions)
SELECT %s, 1 + n %% 50, 1, %s::timestamptz + n * interval '10 milliseconds', {key}, 1 + n %% 900,
       '{{"model": "gpt-5", "region": "cn-east-1"}}'
  FROM generate_series(%s::bigint, %s::bigint) AS n
"""
_KEYS = {
    "ordered": "'evt_000_' || lpad(n::text, 12, '0')",
    "random": "md5(n::text || 'fill')",
}
_CHUNK = 1_000_000


class RandomPayload(Payload):
    """The same events under keys that have no order."""

    def batches(self, count: int) -> list[list[dict[str, Any]]]:
        return [
            [event | {"idempotencyKey": uuid4().hex} for event in batch]
            for batch in super().batches(count)
        ]


class RandomLoad(RoomLoad):
    def __init__(self, writer: int, *, app_url: str, merchant_id: int, size: int) -> None:
        super().__init__(writer, app_url=app_url, merchant_id=merchant_id, size=size)
        self._payload = RandomPayload(writer, size)


def run(*, rounds: int, scale: float) -> dict[str, Any]:
    """Measure at each step, for both kinds of keys; `--scale 0.01` fills a hundredth."""
    result: dict[str, Any] = {"name": "ingest-growth", "missed": []}
    for kind, load in (("ordered", RoomLoad), ("random", RandomLoad)):
        figures = _grow(kind, load, rounds=rounds, scale=scale)
        result[kind] = figures
        growth = figures[-1]["cpu_us_per_event"] / figures[0]["cpu_us_per_event"]
        result[f"{kind}_growth"] = round(growth, 2)
        if growth > MOST[kind]:
            result["missed"].append(f"{kind}: {growth:.2f} > {MOST[kind]}")
    return result


def _grow(kind: str, load: type[RoomLoad], *, rounds: int, scale: float) -> list[dict[str, Any]]:
    figures = []
    with server() as database:
        merchant_id = open_shop(database)
        build = partial(load, app_url=database.app_url, merchant_id=merchant_id, size=SIZE)
        writers = Contestant(kind, build, writers=2)
        there = 0
        for step in STEPS:
            wanted = int(step * scale)
            _fill(database, merchant_id, kind, there=there, wanted=wanted)
            there = wanted
            writers.play(database, count=COUNT)  # warms up
            writers.rounds.clear()
            for _ in range(rounds):
                writers.play(database, count=COUNT)
            figures.append({"rows": there, **_spent(writers)})
            print(kind, figures[-1], flush=True)
        writers.stop()
    return figures


def _spent(writers: Contestant) -> dict[str, float]:
    events = COUNT * SIZE * 2
    cpu = writers.median(lambda spent: (spent.client_cpu + spent.server_cpu) / events * 1e6)
    wal = writers.median(lambda spent: spent.wal_bytes / events)
    return {"cpu_us_per_event": round(cpu, 1), "wal_bytes_per_event": round(wal)}


def _fill(database: Server, merchant_id: int, kind: str, *, there: int, wanted: int) -> None:
    start = clock.now() - timedelta(days=30)
    with database.connect() as connection:
        for first in range(there, wanted, _CHUNK):
            last = min(first + _CHUNK, wanted) - 1
            statement = _FILL.format(key=_KEYS[kind])
            connection.execute("BEGIN")
            connection.execute(f"SET LOCAL app.merchant_id = '{merchant_id}'")
            connection.execute(statement, [merchant_id, start, first, last])
            connection.execute("COMMIT")
        connection.execute("VACUUM ANALYZE usage_events")
        connection.execute("CHECKPOINT")
