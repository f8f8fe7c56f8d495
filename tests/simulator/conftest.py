"""A real simulator in a process of its own, and a merchant's callback address that listens."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Condition, Thread
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from tests.loopback import NO_TLS
from tests.simulator.inside import Inside, running
from tests.simulator.merchant import AlipayMerchant, WeChatMerchant

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 10


@dataclass
class Simulator:
    """`scale` divides the ladder's gaps: 1000 makes WeChat's first 15 seconds 15 milliseconds."""

    instance_dir: Path
    port: int
    scale: int = 1000
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def keys(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.instance_dir / "simulator.json").read_text())
        return found

    @property
    def wechat(self) -> WeChatMerchant:
        return WeChatMerchant(self.keys["wechat"])

    @property
    def alipay(self) -> AlipayMerchant:
        return AlipayMerchant(self.keys["alipay"])

    def start(self) -> None:
        environ = {
            "PATH": os.environ["PATH"],
            "HOST": "127.0.0.1",
            "INSTANCE_DIR": str(self.instance_dir),
            "SIMULATOR_PORT": str(self.port),
            "SIMULATOR_TIME_SCALE": str(self.scale),
        }
        command = [sys.executable, "-m", "app.simulator"]
        self.process = subprocess.Popen(command, cwd=ROOT, env=environ, start_new_session=True)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.answers():
            assert self.process.poll() is None, "the simulator did not start"
            assert time.monotonic() < deadline, "the simulator does not answer"
            time.sleep(0.05)

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(PATIENCE_SECONDS)

    def kill(self) -> None:
        """End every process of it at once, as a power cut would."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE_SECONDS)

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz", trust_env=False, verify=NO_TLS).is_success
        except httpx.TransportError:
            return False

    def look(self, code: str, language: str = "") -> httpx.Response:
        """Scan a code: open the payer's page."""
        return self.get("/pay?" + urlencode({"qr": code}), **{"Accept-Language": language})

    def get(self, path: str, **headers: str) -> httpx.Response:
        return httpx.get(self.url + path, headers=headers, trust_env=False, verify=NO_TLS)

    def post(self, path: str, body: bytes, **headers: str) -> httpx.Response:
        """Send a form."""
        form = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        return httpx.post(
            self.url + path, content=body, headers=form, trust_env=False, verify=NO_TLS
        )

    def control(self, verb: str, **ask: object) -> httpx.Response:
        return httpx.post(f"{self.url}/control/{verb}", json=ask, trust_env=False, verify=NO_TLS)


@dataclass
class Received:
    path: str
    headers: Message
    body: bytes


@dataclass
class Sink:
    """Listens where notices go. `answers[path]` is used up first, then 200 `success`.

    `pages[path]` is what a browser is shown there.
    """

    port: int = 0
    received: list[Received] = field(default_factory=list)
    answers: dict[str, list[tuple[int, bytes]]] = field(default_factory=lambda: defaultdict(list))
    pages: dict[str, str] = field(default_factory=dict)
    _changed: Condition = field(default_factory=Condition)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def take(self, received: Received) -> tuple[int, bytes]:
        with self._changed:
            self.received.append(received)
            self._changed.notify_all()
            left = self.answers[received.path]
            return left.pop(0) if left else (200, b"success")

    def at(self, path: str) -> list[Received]:
        return [received for received in self.received if received.path == path]

    def wait(self, path: str, count: int = 1) -> list[Received]:
        """Return the first `count` notices at `path`, or fail after a while."""
        with self._changed:
            came = self._changed.wait_for(lambda: len(self.at(path)) >= count, PATIENCE_SECONDS)
        assert came, f"{len(self.at(path))} of {count} notices came"
        return self.at(path)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[Inside]:
    """Run a simulator without a process, its book empty."""
    with running(tmp_path) as inside:
        yield inside


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    running = Simulator(tmp_path_factory.mktemp("instance"), free_port())
    try:
        running.start()
        yield running
    finally:
        running.kill()


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    listening = Sink()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = listening.pages.get(self.path)
            self.send_response(200 if page else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write((page or "").encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, answer = listening.take(Received(self.path, self.headers, body))
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — the base's name
            """Stay quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        listening.port = server.server_port
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield listening
        finally:
            server.shutdown()
            thread.join()
