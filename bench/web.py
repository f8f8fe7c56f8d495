"""The product's web server, as its supervisor starts it, on a benchmark's own database."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.error import URLError
from urllib.request import urlopen

from app.config import ROOT, Settings
from app.embedded import Valkey
from bench.harness import Server

_READY_SECONDS = 60


@dataclass(frozen=True)
class Web:
    """A running web server: where it listens, its process, the settings it was given."""

    port: int
    pid: int
    settings: Settings


@contextlib.contextmanager
def web_server(server: Server) -> Iterator[Web]:
    """Start granian with two workers and a Valkey of its own; stop both at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    valkey = Valkey(server.folder)
    metrics = server.folder / "metrics"
    metrics.mkdir()
    environ = {
        **server.urls,
        "REDIS_URL": valkey.start(),
        "INSTANCE_DIR": str(server.folder),
        "PORT": str(port),
    }
    options = ["--interface", "wsgi", "--port", str(port), "--workers", "2"]
    log = (server.folder / "web.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "granian", *options, "--log-level", "warning", "wsgi:app"],
        env=os.environ | environ | {"PROMETHEUS_MULTIPROC_DIR": str(metrics)},
        cwd=ROOT,
        stdout=log,
        stderr=log,
    )
    try:
        _await(f"http://127.0.0.1:{port}/healthz", process)
        yield Web(port, process.pid, Settings.from_environ(environ))
    finally:
        process.terminate()
        process.wait()
        valkey.stop()
        log.close()


def _await(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(URLError, OSError), urlopen(url, timeout=2):  # noqa: S310  # our own loopback URL
            return
        time.sleep(0.1)
    raise RuntimeError("the web server did not start")
