"""`python -m app`: the whole product under one supervisor and one Ctrl-C.

Starts what no setting replaces (PostgreSQL, Valkey), brings the schema to head, then the channel
simulator, the web server, the workers and the ticker. A child that dies comes back; when this
process dies, however, the children die with it, and what a crash left is ended at the next start.
"""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.error import URLError
from urllib.request import urlopen

from app import schema
from app.config import ROOT, BadSetting, Settings
from app.embedded import EmbeddedError, Postgres, Service, Valkey, command_of, die_with_parent
from app.roles import UnsafeRole, check_login, ensure_roles

CRASH_SECONDS = 3
MAX_CRASHES = 6
STOP_SECONDS = 20
READY_SECONDS = 60


class CanNotStart(RuntimeError):
    """Something is missing or in the way; the message says what to do."""


@dataclass
class Child:
    """One process of ours, its group, and how often it crashed in a row."""

    name: str
    command: list[str]
    process: subprocess.Popen[str] | None = None
    started: float = 0
    crashes: int = 0

    def start(self, environment: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(  # noqa: S603  # our own commands, no shell
            self.command,
            env=dict(environment),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509  # one call, no lock is held
        )
        self.started = time.monotonic()
        threading.Thread(target=self._prefix_lines, daemon=True).start()

    def died(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def end_group(self, number: int) -> None:
        """Send a signal to the child and all that it started."""
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def _prefix_lines(self) -> None:
        if self.process and self.process.stdout:
            for line in self.process.stdout:
                sys.stdout.write(f"{self.name:>9} | {line}")
                sys.stdout.flush()


@dataclass
class Supervisor:
    """Holds every process of one instance."""

    settings: Settings
    environment: dict[str, str]
    services: list[Service] = field(default_factory=list)
    children: list[Child] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> int:
        """Start everything, keep it running, stop it in order; return the exit status."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self.stopping.set())
        with _only_one(self.settings.instance_dir):
            end_leftovers(self._record)
            try:
                self._start_services()
                self._start_children()
                self._watch()
            finally:
                self._stop()
        return 0

    def _start_services(self) -> None:
        instance = self.settings.instance_dir
        if not self.environment.get("DATABASE_URL"):
            postgres = Postgres(instance)
            self.services.append(postgres)
            self.environment["DATABASE_URL"] = postgres.start()
        if not self.environment.get("REDIS_URL"):
            valkey = Valkey(instance)
            self.services.append(valkey)
            self.environment["REDIS_URL"] = valkey.start()
        owner = self.environment["DATABASE_URL"]
        if not self.environment.get("APP_DATABASE_URL"):
            self.environment |= ensure_roles(owner, instance / "roles.json")
        check_login(self.environment["APP_DATABASE_URL"])
        if not schema.is_at_head(owner):
            schema.upgrade(owner)
        metrics = instance / "metrics"
        metrics.mkdir(exist_ok=True)
        for old in metrics.iterdir():
            old.unlink()
        self.environment["PROMETHEUS_MULTIPROC_DIR"] = str(metrics)

    def _start_children(self) -> None:
        python = sys.executable
        self.children = [
            Child("simulator", [python, "-m", "app.simulator"]),
            Child("web", [python, "-m", "granian", *_web_options(self.settings), "wsgi:app"]),
            Child("worker", [python, "-m", "jobs.worker", "default"]),
            Child("documents", [python, "-m", "jobs.worker", "documents"]),
            Child("ticker", [python, "-m", "jobs.ticker"]),
        ]
        # The owner's login is for set-up; nobody else gets to see it.
        environment = {k: v for k, v in self.environment.items() if k != "DATABASE_URL"}
        self.environment = environment
        for child in self.children:
            child.start(environment)
        self._write_record()
        self._await_web()
        print(f"\n  BuffMoney is up: {self.settings.base_url}\n", flush=True)  # noqa: T201

    def _await_web(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        url = f"http://{self.settings.host}:{self.settings.port}/healthz"
        while time.monotonic() < deadline and not self.stopping.is_set():
            with contextlib.suppress(URLError, OSError), urlopen(url, timeout=2):
                return
            self._restart_dead()
            time.sleep(0.1)

    def _watch(self) -> None:
        while not self.stopping.wait(0.3):
            for service in self.services:
                if service.died():
                    print(f"{service.name} died; starting it again", flush=True)  # noqa: T201
                    service.start()
                    self._write_record()
            self._restart_dead()

    def _restart_dead(self) -> None:
        for child in self.children:
            if not child.died() or self.stopping.is_set():
                continue
            child.end_group(signal.SIGKILL)  # what it started must not outlive it
            lived = time.monotonic() - child.started
            child.crashes = child.crashes + 1 if lived < CRASH_SECONDS else 0
            if child.crashes >= MAX_CRASHES:
                self.stopping.set()
                raise CanNotStart(f"{child.name} ended {MAX_CRASHES} times right after its start")
            self.stopping.wait(min(2**child.crashes / 8, 4))
            child.start(self.environment)
            self._write_record()

    def _stop(self) -> None:
        for child in self.children:
            child.end_group(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for child in self.children:
            if child.process:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.process.wait(max(0.1, deadline - time.monotonic()))
            child.end_group(signal.SIGKILL)
        for service in reversed(self.services):
            service.stop()
        self._record.unlink(missing_ok=True)

    @property
    def _record(self) -> Path:
        return self.settings.instance_dir / "services.json"

    def _write_record(self) -> None:
        """Keep who runs, for the next start, and the children's settings, for the command line."""
        running = [child.process.pid for child in self.children if child.process]
        names = ("REDIS_URL", "APP_DATABASE_URL", "WORKER_DATABASE_URL", "READER_DATABASE_URL")
        urls = {name: self.environment.get(name, "") for name in names}
        draft = self._record.with_suffix(".draft")
        draft.touch(0o600)
        draft.write_text(json.dumps({"groups": running, "environment": urls}))
        draft.replace(self._record)


def end_leftovers(record: Path) -> None:
    """End the process groups that a supervisor which was killed hard has left behind."""
    if not record.exists():
        return
    for group in json.loads(record.read_text())["groups"]:
        command = command_of(group)
        if str(ROOT) in command or sys.executable in command:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
    record.unlink()


@contextlib.contextmanager
def _only_one(instance: Path) -> Iterator[IO[str]]:
    instance.mkdir(parents=True, exist_ok=True)
    with (instance / "supervisor.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CanNotStart(f"another supervisor runs on {instance}") from None
        yield file


def _web_options(settings: Settings) -> list[str]:
    return [
        *("--interface", "wsgi", "--host", settings.host, "--port", str(settings.port)),
        *("--workers", str(settings.web_concurrency), "--http1-header-read-timeout", "5000"),
        *("--log-level", "warning", "--workers-kill-timeout", "10", "--respawn-failed-workers"),
        *("--backpressure", "64"),
    ]


def main() -> int:
    """Run the product until Ctrl-C; print one line when it can not start."""
    try:
        settings = Settings.from_environ()
        environment = dict(os.environ) | {
            "PYTHONUNBUFFERED": "1",
            "INSTANCE_DIR": str(settings.instance_dir),
            "SIMULATOR_PORT": str(settings.simulator_address),
            "PUBLIC_URL": settings.base_url,
            "WEBHOOK_ALLOW_LOOPBACK": str(int(settings.is_loopback)),
        }
        return Supervisor(settings, environment).run()
    except (BadSetting, CanNotStart, EmbeddedError, UnsafeRole) as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
