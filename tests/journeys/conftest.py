"""One running product for all journeys: started as a user starts it, stopped at the end."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from app.config import ROOT
from tests.loopback import NO_TLS

CHROMIUM = shutil.which("chromium") or ""
READY_SECONDS = 90
PATIENCE_SECONDS = 20  # how long a page may take to show what is expected of it
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

expect.set_options(timeout=PATIENCE_SECONDS * 1000)


@dataclass(frozen=True)
class Product:
    """Where the running product and its channel simulator are."""

    url: str
    simulator: str
    instance: Path


@dataclass
class Received:
    """One webhook as it arrived."""

    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """A merchant's own server: answers 204, or what a test says, and keeps what it was sent."""

    url: str = ""
    status: int = 204
    received: list[Received] = field(default_factory=list)

    def wait_for(self, count: int, seconds: float = 30) -> list[Received]:
        deadline = time.monotonic() + seconds
        while len(self.received) < count and time.monotonic() < deadline:
            time.sleep(0.1)
        return self.received


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def product() -> Iterator[Product]:
    instance = ROOT / "instance" / f"journeys-{os.getpid()}"
    port, simulator = free_port(), free_port()
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.endswith("_URL") and not name.startswith(("TEST_", "PYTEST_"))
    } | {
        "INSTANCE_DIR": str(instance),
        "PORT": str(port),
        "SIMULATOR_PORT": str(simulator),
        "SIMULATOR_TIME_SCALE": "60",
    }
    instance.mkdir(parents=True)
    with (instance / "product.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "app"], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
        try:
            found = Product(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{simulator}", instance)
            await_ready(found, process)
            yield found
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
            shutil.rmtree(instance, ignore_errors=True)


def await_ready(product: Product, process: "subprocess.Popen[bytes]") -> None:
    """Wait until product and simulator answer; say what the product said when they do not."""
    deadline = time.monotonic() + READY_SECONDS
    for url in (f"{product.url}/readyz", f"{product.simulator}/healthz"):
        while not answers(url):
            log = (product.instance / "product.log").read_text()[-3000:]
            assert process.poll() is None, log
            assert time.monotonic() < deadline, log
            time.sleep(0.2)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, verify=NO_TLS).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Run a merchant's server on loopback for one test."""
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.received.append(Received({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(kept.status)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its own name
            del format, args  # the test reads what was received

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    kept.url = f"http://127.0.0.1:{server.server_address[1]}/hooks"
    yield kept
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """Start the system's Chromium, without what would reach for the network."""
    if not CHROMIUM:
        pytest.skip("Chromium is missing: apt-get install -y --no-install-recommends chromium")
    return {"executable_path": CHROMIUM, "args": list(FLAGS)}
