"""Webhooks: what a drain delivers next to a bare loop of signed POSTs on one connection.

F1 is the drain's rate at a sink that answers at once, relative to the bare loop; F2 its rate at
one that takes 50 ms, relative to what its lanes could do at best; F3 the rate of claiming and
completing alone, relative to that of F1. The sink is a process of its own.
"""

import asyncio
import http.client
import multiprocessing
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Engine, create_engine

from app.core import clock
from app.core.crypto import Keyring
from app.core.db import Transaction, begin
from app.core.ids import new_merchant_id
from app.identity.models import Merchant, Mode
from app.webhooks import emitting, endpoints
from app.webhooks.catalogue import EventType, envelope
from app.webhooks.claiming import claim, release
from app.webhooks.completing import Sent, complete
from app.webhooks.draining import CLAIM_LIMIT, LANES, Drain
from app.webhooks.examples import EXAMPLES
from app.webhooks.payloads import InvoiceData
from app.webhooks.sending import Attempt, Sender
from app.webhooks.signing import new_secret, sign
from bench import harness

ENDPOINTS = 20
FEW = 4
"""Endpoints of the sink that answers at once: eight lanes keep a core busy."""
DELAY = 0.05
GATES = {"F1": 0.6, "F2": 0.6, "F3": 4.0}
_KEYRING = Keyring({1: b"k" * 32})
_SENDER = Sender()
_ANSWER = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"
_PROCESSES = multiprocessing.get_context("spawn")


def run(*, rounds: int, scale: float) -> dict[str, Any]:
    """Return the ratios of F1, F2 and F3, medians of `rounds`, and print the rates."""
    count = max(400, int(2000 * scale))
    found: dict[str, list[float]] = {name: [] for name in ("bare", "drain", "slow", "book")}
    with harness.server() as server, _sink(0) as quick, _sink(DELAY) as slow:
        engine = create_engine(server.app_url)
        for _round in range(rounds):
            found["bare"].append(_bare(quick, count))
            found["drain"].append(_drain(_shop(engine, quick, count, served=FEW), count))
            found["slow"].append(_drain(_shop(engine, slow, count // 2), count // 2))
            found["book"].append(_book(_shop(engine, quick, count), count))
        engine.dispose()
    rates = {name: statistics.median(values) for name, values in found.items()}
    ideal = ENDPOINTS * LANES / DELAY
    ratios = {
        "F1": statistics.median(
            drain / bare for drain, bare in zip(found["drain"], found["bare"], strict=True)
        ),
        "F2": rates["slow"] / ideal,
        "F3": rates["book"] / rates["drain"],
    }
    for name, rate in rates.items():
        print(f"{name:>8}  {rate:8.0f} / s")
    return {
        "benchmark": "webhooks",
        "rates": {name: round(rate) for name, rate in rates.items()},
        "ratios": {name: round(ratio, 3) for name, ratio in ratios.items()},
        "missed": [name for name, gate in GATES.items() if ratios[name] < gate],
    }


def _bare(port: int, count: int) -> float:
    """Return how many signed POSTs a second one thread makes over one connection."""
    example = EXAMPLES[EventType.INVOICE_PAID]
    body = envelope(
        "msg_0123456789abc", EventType.INVOICE_PAID, example, sequence=1, created_at=clock.now()
    ).encode()
    secret = new_secret()
    connection = http.client.HTTPConnection("127.0.0.1", port)
    started = time.monotonic()
    for number in range(count):
        headers = sign(body, secrets=[secret], message_id=f"msg_{number}", timestamp=number)
        connection.request("POST", "/", body, headers | {"Content-Type": "application/json"})
        connection.getresponse().read()
    seconds = time.monotonic() - started
    connection.close()
    return count / seconds


def _drain(transaction: Transaction, count: int) -> float:
    """Return how many messages a second a drain delivers."""
    started = time.monotonic()
    with Drain(
        lambda _merchant_id: transaction,
        _SENDER,
        keyring=_KEYRING,
        allow_loopback=True,
        started=clock.now(),
    ) as drain:
        while drain.take(1, failing=False):
            tally = drain.finish()
    seconds = time.monotonic() - started
    if tally.delivered != count:
        raise RuntimeError(f"{tally.delivered} of {count} arrived")
    return count / seconds


def _book(transaction: Transaction, count: int) -> float:
    """Return how many deliveries a second are claimed and completed when nothing is sent."""
    done, started = 0, time.monotonic()
    while done < count:
        now = clock.now()
        with transaction() as session:
            claimed = claim(
                session,
                failing=False,
                endpoints=ENDPOINTS,
                limit=CLAIM_LIMIT,
                keyring=_KEYRING,
                now=now,
            )
        answered = Attempt(status=204, duration_ms=1)
        sent = [Sent(parcel, answered, now) for each in claimed for parcel in each.parcels]
        with transaction() as session:
            complete(session, sent, now=now)
            release(session, claimed)
        done += len(sent)
    return count / (time.monotonic() - started)


def _shop(engine: Engine, port: int, count: int, *, served: int = ENDPOINTS) -> Transaction:
    """Make a merchant whose endpoints, `served` of them, are owed so many messages together."""
    merchant_id = new_merchant_id()
    transaction = partial(begin, engine, merchant_id)
    now = clock.now()
    with transaction() as session:
        session.add(
            Merchant(
                merchant_id=merchant_id,
                company_id=1,
                mode=Mode.SANDBOX,
                name="Lumen AI",
                invoice_prefix="LUM",
                late_window_days=35,
                grace_hours=24,
                created_at=now,
            )
        )
        session.flush()  # its endpoints lock it
        for number in range(served):
            endpoints.register(
                session,
                f"http://127.0.0.1:{port}/{number}",
                [EventType.INVOICE_PAID],
                keyring=_KEYRING,
                allow_loopback=True,
                now=now,
            )
        session.flush()  # what is owed refers to them
        example = EXAMPLES[EventType.INVOICE_PAID]
        assert isinstance(example, InvoiceData)
        told = {
            f"inv_{number}": replace(example, invoice_id=f"inv_{number}")
            for number in range(count // served)
        }
        emitting.emit_all(session, EventType.INVOICE_PAID, told, now=now)
    return transaction


@contextmanager
def _sink(delay: float) -> Iterator[int]:
    """Run a server that answers each POST after so many seconds; yield its port."""
    ours, theirs = _PROCESSES.Pipe()
    process = _PROCESSES.Process(target=_serve, args=(theirs, delay), daemon=True)
    process.start()
    yield int(ours.recv())
    process.terminate()
    process.join()


def _serve(pipe: Connection, delay: float) -> None:
    async def serve() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Sink(loop, delay), "127.0.0.1", 0, backlog=256)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


class _Sink(asyncio.Protocol):
    """Reads requests with a Content-Length, one at a time, and answers each."""

    def __init__(self, loop: asyncio.AbstractEventLoop, delay: float) -> None:
        self._loop = loop
        self._delay = delay
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, found, rest = self._data.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        if len(rest) < length:
            return
        self._data = rest[length:]
        if self._delay:
            self._loop.call_later(self._delay, self._transport.write, _ANSWER)
        else:
            self._transport.write(_ANSWER)
