"""The product as a process: started, killed and watched from outside, through Linux's /proc."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from app.config import ROOT

CHILDREN = {
    "simulator": "app.simulator",
    "web": "granian",
    "worker": "jobs.worker default",
    "webhooks": "jobs.worker webhooks",
    "documents": "jobs.worker documents",
    "ticker": "jobs.ticker",
    "postgres": "bin/postgres",
    "valkey": "valkey-server",
}
"""What tells each child's command line from the others'."""

_INHERITED = ("PATH", "HOME", "LANG", "USER", "LOGNAME", "TMPDIR", "PYTHONPYCACHEPREFIX")


class Product:
    """`python -m app` in a folder of its own, on ports of its own."""

    def __init__(self, *arguments: str, **settings: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="product-"))
        self.folder.chmod(0o755)  # the account that PostgreSQL runs as when we are root goes in
        self.port = free_port()
        self.arguments = arguments
        self.settings = settings
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> Mapping[str, str]:
        kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        own = {"INSTANCE_DIR": str(self.folder), "PORT": str(self.port), "WEB_CONCURRENCY": "1"}
        return kept | own | self.settings

    @property
    def log(self) -> str:
        return (self.folder / "supervisor.log").read_text()

    def start(self) -> None:
        with (self.folder / "supervisor.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app", *self.arguments],
                env=dict(self.environment),
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )

    def start_and_wait(self, seconds: float = 60) -> None:
        self.start()
        self.wait_until(self.is_ready, seconds)

    def wait_until(self, is_so: Callable[[], object], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < deadline, f"not in {seconds} s:\n{self.log[-3000:]}"
            time.sleep(0.1)  # a look at all that runs is work that the product waits for

    def is_ready(self) -> bool:
        """Tell whether its own web server answers, and not one that outlived a supervisor."""
        if not self.child("web"):
            return False
        with contextlib.suppress(URLError, OSError):
            urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5).close()
            return True
        return False

    def child(self, name: str) -> int:
        """Return the pid of a child of the supervisor, 0 while there is none."""
        return self.children().get(name, 0)

    def children(self) -> dict[str, int]:
        """Return the pids of the supervisor's children, in one look at what runs."""
        if self.process is None:
            return {}
        commands = {pid: _command(pid) for pid in _pids() if _parent(pid) == self.process.pid}
        return {
            name: pid
            for name, mark in CHILDREN.items()
            for pid, command in commands.items()
            if mark in command
        }

    def is_whole(self) -> bool:
        """Tell whether every child runs."""
        return self.children().keys() == CHILDREN.keys()

    def kill(self, name: str, *, with_its_own: bool = False) -> int:
        """Kill a child as hard as it goes, with all it started if so, and return the pid it had."""
        pid = self.child(name)
        assert pid, f"{name} does not run:\n{self.log[-3000:]}"
        (os.killpg if with_its_own else os.kill)(pid, signal.SIGKILL)
        return pid

    def signal(self, number: int) -> None:
        """Send a signal to the supervisor alone."""
        assert self.process
        self.process.send_signal(number)

    def exit_status(self, seconds: float) -> int:
        """Wait for the supervisor to end and return its status."""
        assert self.process
        return self.process.wait(seconds)

    def processes(self) -> list[str]:
        """Return the command lines of everything that still runs for this folder."""
        return [_command(pid) for pid in _pids() if self._is_ours(pid)]

    def memory_mb(self) -> float:
        """Return what all of it holds in memory; what processes share is counted once."""
        kilobytes = sum(_proportional_kb(pid) for pid in _pids() if self._is_ours(pid))
        return kilobytes / 1024

    def end(self) -> None:
        """Stop the product, whatever state a test left it in, and throw its data away."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)
        self.wait_until(lambda: not self.processes(), 30)
        shutil.rmtree(self.folder)

    def _is_ours(self, pid: int) -> bool:
        mark = str(self.folder)
        with contextlib.suppress(OSError):
            if f"INSTANCE_DIR={mark}".encode() in Path(f"/proc/{pid}/environ").read_bytes():
                return bool(_command(pid))
        with contextlib.suppress(OSError):
            if str(Path(f"/proc/{pid}/cwd").readlink()).startswith(mark):
                return bool(_command(pid))
        return mark in _command(pid)


def free_port() -> int:
    """Return a port that is free, with the two after it: the simulator's and the demo's.

    It is below those that the system gives to whoever connects: while a test has the product
    stopped, nobody else's connection may sit on its port.
    """
    while True:
        port = random.randrange(10_000, 32_000)  # noqa: S311  # no secret
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            for wanted in range(port, port + 3):
                held.enter_context(socket.create_server(("127.0.0.1", wanted)))
            return port


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ").strip()
    return ""


def _proportional_kb(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def _parent(pid: int) -> int:
    with contextlib.suppress(OSError):
        # The name in parentheses may hold anything; what follows it has fixed places.
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0
