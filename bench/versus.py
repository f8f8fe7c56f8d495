"""Versus a peer: the product's endpoint and one written with an ORM, on one server, by turns."""

import contextlib
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from app.config import ROOT
from bench.harness import Contestant, Server, percentile, play_in_turns, server
from bench.ingest import WRITERS, ApiLoad
from bench.peer import Base, PeerCustomer, PeerKey
from bench.shop import CUSTOMERS, create_keys, open_shop
from bench.web import web_server

LEAST = 4.0
"""A9: how many times as many events per second the product has to take."""
SIZE = 500
BATCHES = 40
_START_SECONDS = 30
_KEY = "peer-key"


def run(*, rounds: int, scale: float) -> dict[str, Any]:
    """Send both the same batches of 500; the peer is Flask, pydantic and the ORM, on granian."""
    with server() as database, web_server(database) as web, _peer(database) as (port, pid):
        keys = create_keys(database, open_shop(database), pepper=web.settings.pepper)
        ours = Contestant(
            "product",
            partial(ApiLoad, port=web.port, keys=keys, size=SIZE),
            writers=WRITERS,
            web_pid=web.pid,
        )
        peer = Contestant(
            "peer",
            partial(ApiLoad, port=port, keys=[_KEY], size=SIZE),
            writers=WRITERS,
            web_pid=pid,
        )
        count = max(4, int(BATCHES * scale))
        play_in_turns(database, [peer, ours], rounds=rounds, count=count)
    times = [
        slow.seconds / fast.seconds for slow, fast in zip(peer.rounds, ours.rounds, strict=True)
    ]
    events = count * SIZE * WRITERS
    result: dict[str, Any] = {
        "name": "ingest-peer-orm",
        "rounds": rounds,
        "times": round(statistics.median(times), 2),
        "missed": [],
    }
    for side in (peer, ours):
        cpu = side.median(lambda spent: (spent.client_cpu + spent.server_cpu) / events * 1e6)
        latencies = [latency * 1000 for spent in side.rounds for latency in spent.latencies]
        result[side.name] = {
            "events_per_second": round(side.median(lambda spent: events / spent.seconds)),
            "cpu_us_per_event": round(cpu, 1),
            "p50_ms": round(percentile(latencies, 0.5), 1),
        }
    print({side.name: result[side.name] for side in (peer, ours)})
    if result["times"] < LEAST:
        result["missed"].append(f"times: {result['times']} < {LEAST}")
    return result


@contextlib.contextmanager
def _peer(database: Server) -> Iterator[tuple[int, int]]:
    """Serve the peer like the product: granian, two workers, the same PostgreSQL."""
    engine = create_engine(database.owner_url)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(PeerKey(text=_KEY, merchant_id=1))
        for number in range(CUSTOMERS):
            session.add(PeerCustomer(merchant_id=1, external_id=f"user_{number}"))
        session.commit()
    engine.dispose()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--interface", "wsgi", "--port", str(port), "--workers", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "granian", *options, "--log-level", "warning", "bench.peer:app"],
        env=os.environ | {"PEER_DATABASE_URL": database.owner_url},
        cwd=ROOT,
    )
    try:
        _await(port)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


def _await(port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise RuntimeError("the peer did not start")
