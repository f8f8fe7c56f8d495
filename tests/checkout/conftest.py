"""The payer's page before a real simulator: two processes that know each other by HTTP only."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

import httpx
import pytest
from flask import Flask
from werkzeug.serving import make_server

from app.billing import collection
from app.billing.models import Invoice
from app.config import ROOT
from app.core import clock
from app.core.db import Transaction
from tests.conftest import Databases
from tests.loopback import NO_TLS
from tests.payments.builders import issue
from tests.payments.doors import open_doors

PATIENCE_SECONDS = 15


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@dataclass
class Simulator:
    """`python -m app.simulator`, its notices' ladder a hundred times as fast."""

    instance: Path
    port: int = field(default_factory=free_port)

    def start(self) -> subprocess.Popen[bytes]:
        environ = {
            "PATH": os.environ["PATH"],
            "INSTANCE_DIR": str(self.instance),
            "SIMULATOR_PORT": str(self.port),
            "SIMULATOR_TIME_SCALE": "100",
        }
        command = [sys.executable, "-m", "app.simulator"]
        process = subprocess.Popen(command, cwd=ROOT, env=environ, start_new_session=True)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.answers():
            assert process.poll() is None, "the simulator did not start"
            assert time.monotonic() < deadline, "the simulator does not answer"
            time.sleep(0.05)
        return process

    def answers(self) -> bool:
        try:
            return httpx.get(
                f"http://127.0.0.1:{self.port}/healthz", trust_env=False, verify=NO_TLS
            ).is_success
        except httpx.TransportError:
            return False

    def control(self, verb: str, **ask: object) -> None:
        url = f"http://127.0.0.1:{self.port}/control/{verb}"
        httpx.post(url, json=ask, trust_env=False, verify=NO_TLS).raise_for_status()


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    simulator = Simulator(tmp_path_factory.mktemp("instance"))
    process = simulator.start()
    try:
        yield simulator
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE_SECONDS)


@pytest.fixture(scope="session")
def app(databases: Databases, simulator: Simulator) -> Iterator[Flask]:
    """Serve the product where the simulator's notices find it."""
    port = free_port()
    with open_doors(databases, simulator.instance, port) as app:
        server = make_server("127.0.0.1", port, app, threaded=True)
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield app
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(frozen=True)
class Due:
    """An invoice and the link its customer got."""

    invoice: Invoice
    path: str


@pytest.fixture
def due(transaction: Transaction) -> Due:
    with transaction() as session:
        invoice = issue(session, finalized_at=clock.now())  # its rates hold: payers live now
        return Due(invoice, f"/pay/{collection.link_token(invoice)}")


@pytest.fixture
def silent(databases: Databases, tmp_path: Path, simulator: Simulator) -> Iterator[Flask]:
    """Give the product the same keys, but nobody at the channels' addresses."""
    keys = json.loads((simulator.instance / "simulator.json").read_text())
    keys["wechat"]["base_url"] = "http://127.0.0.1:1"
    keys["alipay"]["gateway_url"] = "http://127.0.0.1:1/gateway.do"
    (tmp_path / "simulator.json").write_text(json.dumps(keys))
    with open_doors(databases, tmp_path) as app:
        yield app
