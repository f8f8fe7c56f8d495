"""`python -m app [demo]`: the whole product under one supervisor and one Ctrl-C.

Starts what no setting replaces (PostgreSQL, Valkey), brings the schema to head, then the channel
simulator, the web server, the workers and the ticker; with `demo`, it fills the instance once with
twelve months of made-up data. A process that ends comes back. When this one dies, however, the
others die with it, and what a crash left is ended at the next start.
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
from functools import partial
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psycopg

from app import schema
from app.config import ROOT, BadSetting, Settings
from app.embedded import (
    EmbeddedError,
    Postgres,
    Service,
    Valkey,
    command_of,
    die_with_parent,
    group_of,
)
from app.embedded.ports import why_taken
from app.roles import LOGINS, UnsafeDatabase, check_durable, check_login, ensure_roles

CRASH_SECONDS = 3
MAX_CRASHES = 6
STOP_SECONDS = 20
READY_SECONDS = 60
LOOK_SECONDS = 0.2
SDK = ROOT / "sdk/python/src"
SIGN_INS = "sign-ins.txt"  # written by app/demo/signins.py
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # read, to name a reachable one


class CanNotStart(RuntimeError):
    """Something is missing or in the way; the message says what to do."""


@dataclass
class Child:
    """One process of ours and the group of all that it starts."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    on_our_death: int = signal.SIGKILL  # a job survives that, and a worker may be slow to listen
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(  # noqa: S603  # our own commands, no shell
            self.command,
            env=dict(self.environment),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=partial(die_with_parent, self.on_our_death, os.getpid()),  # noqa: PLW1509
        )
        threading.Thread(target=self._prefix_lines, args=(self.process,), daemon=True).start()

    def died(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Ask the child to end, and kill what is left of its group after `seconds`."""
        self.ask_to_stop()
        if self.process:
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                _say(f"{self.name} did not stop in time and is killed")
        self._signal(signal.SIGKILL)  # what it started must not outlive it
        self.process = None

    def ask_to_stop(self) -> None:
        self._signal(signal.SIGTERM)

    def _signal(self, number: int) -> None:
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def _prefix_lines(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            _say(f"{self.name:>9} | {line.rstrip()}")


@dataclass
class Keeper:
    """Keeps one process running: starts it again when it ends, gives up when it only crashes."""

    kept: Service | Child
    started_at: float = 0
    retry_at: float = 0
    crashes: int = 0

    def look(self) -> bool:
        """Start the process if it is due and return whether that was done.

        Raises CanNotStart when it ended right after its start MAX_CRASHES times in a row.
        """
        if self.kept.died():
            self.kept.stop()
            _say(f"{self.kept.name} ended; starting it again")
            self._plan(is_crash=time.monotonic() - self.started_at < CRASH_SECONDS)
        if self.kept.process is not None or time.monotonic() < self.retry_at:
            return False
        try:
            self.kept.start()
        except EmbeddedError as error:
            self.kept.stop()
            self._plan(is_crash=True, why=f":\n{error}")
            return False
        self.started_at = time.monotonic()
        return True

    def _plan(self, *, is_crash: bool, why: str = "; see its lines above") -> None:
        self.crashes = self.crashes + 1 if is_crash else 0
        if self.crashes >= MAX_CRASHES:
            raise CanNotStart(f"{self.kept.name} crashed {MAX_CRASHES} times in a row{why}")
        self.retry_at = time.monotonic() + min(2**self.crashes / 8, 4)


@dataclass
class Supervisor:
    """Holds every process of one instance."""

    settings: Settings
    environment: dict[str, str]
    with_demo: bool = False
    keepers: list[Keeper] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> int:
        """Start everything, keep it running, stop it in order; return the exit status."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self.stopping.set())
        with _only_one(self.settings.instance_dir):
            end_leftovers(self._record)
            self._check_ports()
            try:
                self._start()
                while not self.stopping.wait(LOOK_SECONDS):
                    self._look_after()
            finally:
                self._stop()
        return 0

    def _check_ports(self) -> None:
        wanted = {"PORT": self.settings.port, "SIMULATOR_PORT": self.settings.simulator_address}
        if self.with_demo:
            wanted["SIMULATOR_PORT, one below this one"] = self._receiver_port
        host = self.settings.host
        for setting, port in wanted.items():
            if reason := why_taken(host, port):
                raise CanNotStart(f"{host}:{port}: {reason}; set another {setting}")

    def _start(self) -> None:
        self._start_services()
        self._prepare_database()
        self._prepare_metrics()
        self.keepers += [Keeper(child) for child in self._children()]
        self._await_web()
        if self.with_demo:
            self._seed()
        # Printing is what costs most: it waits for those who wait at the door.
        self.keepers.append(Keeper(self._worker("documents")))
        if self.stopping.is_set():
            return
        _say(f"\n  BuffMoney is up: {self.settings.base_url}\n")
        if self.with_demo:
            _say((self.settings.instance_dir / SIGN_INS).read_text())

    def _start_services(self) -> None:
        instance = self.settings.instance_dir
        for setting, kind in (("DATABASE_URL", Postgres), ("REDIS_URL", Valkey)):
            if self.environment.get(setting):
                continue
            service = kind(instance)
            service.end_leftover()
            keeper = Keeper(service)
            self.keepers.append(keeper)
            while not keeper.look():
                time.sleep(LOOK_SECONDS)  # until it starts, or crashed too often
            self.environment[setting] = service.url()

    def _prepare_database(self) -> None:
        """Make the logins, migrate, and keep the owner's login from everybody else."""
        owner = self.environment.pop("DATABASE_URL")
        given = [name for name in LOGINS if self.environment.get(name)]
        if given and len(given) < len(LOGINS):
            raise CanNotStart(f"set all of {', '.join(LOGINS)}, or none")
        try:
            check_durable(owner)
            if not given:
                self.environment |= ensure_roles(owner, self.settings.instance_dir / "roles.json")
            for name in LOGINS:
                check_login(self.environment[name])
        except psycopg.OperationalError as error:
            raise CanNotStart(f"the database does not answer: {error}") from None
        except psycopg.errors.InsufficientPrivilege:
            raise CanNotStart(
                "the login of DATABASE_URL may not make roles: run the SQL of docs/operators.md"
                f" and set {', '.join(LOGINS)}"
            ) from None
        if not schema.is_at_head(owner):
            schema.upgrade(owner)

    def _prepare_metrics(self) -> None:
        metrics = self.settings.instance_dir / "metrics"
        metrics.mkdir(exist_ok=True)
        for old in metrics.iterdir():
            old.unlink()
        self.environment["PROMETHEUS_MULTIPROC_DIR"] = str(metrics)

    def _children(self) -> list[Child]:
        python = sys.executable
        web = [python, "-m", "granian", *_web_options(self.settings), "wsgi:app"]
        # granian stops its workers when it is asked to, and can not when it is killed.
        children = [
            Child("simulator", [python, "-m", "app.simulator"], self.environment, signal.SIGTERM),
            Child("web", web, self.environment, signal.SIGTERM),
            self._worker("default"),
            self._worker("webhooks"),
            Child("ticker", [python, "-m", "jobs.ticker"], self.environment),
        ]
        if self.with_demo:
            receiver = [python, "-m", "app.demo.receiver", str(self._receiver_port)]
            children.append(Child("receiver", receiver, self.environment))
        return children

    def _worker(self, queue: str) -> Child:
        name = "worker" if queue == "default" else queue
        return Child(name, [sys.executable, "-m", "jobs.worker", queue], self.environment)

    @property
    def _receiver_port(self) -> int:
        """Where the demo's merchants take their webhooks."""
        return self.settings.simulator_address + 1

    def _await_web(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not self.stopping.is_set() and not self._answers():
            if time.monotonic() > deadline:
                raise CanNotStart(f"the web server gave no answer in {READY_SECONDS} s")
            self._look_after()
            self.stopping.wait(LOOK_SECONDS)

    def _answers(self) -> bool:
        with contextlib.suppress(URLError, OSError):
            urlopen(f"{self._web_url}/healthz", timeout=2).close()  # noqa: S310  # always http
            return True
        return False

    @property
    def _web_url(self) -> str:
        """Where this host reaches the web server, whatever it is called from outside."""
        host = _ANY_ADDRESS.get(self.settings.host, self.settings.host)
        address = f"[{host}]" if ":" in host else host
        return f"http://{address}:{self.settings.port}"

    def _seed(self) -> None:
        command = [sys.executable, "-m", "app.demo", str(self._receiver_port), self._web_url]
        # It meters as a customer's program does: with the SDK, which is not installed here.
        seed = Child("demo", command, self.environment | {"PYTHONPATH": str(SDK)})
        seed.start()
        try:
            while not seed.died() and not self.stopping.wait(LOOK_SECONDS):
                self._look_after()
        finally:
            status = seed.process.poll() if seed.process else None
            seed.stop()
        if status:
            raise CanNotStart("the demo's data could not be made; see the lines above")

    def _look_after(self) -> None:
        for keeper in self.keepers:
            if keeper.look():
                self._write_record()

    def _stop(self) -> None:
        """Stop the children together, then the services they need, the last started first."""
        children = [keeper.kept for keeper in self.keepers if isinstance(keeper.kept, Child)]
        services = [keeper.kept for keeper in self.keepers if isinstance(keeper.kept, Service)]
        for child in children:
            child.ask_to_stop()
        deadline = time.monotonic() + STOP_SECONDS
        for child in children:
            child.stop(max(0.1, deadline - time.monotonic()))
        for service in reversed(services):
            service.stop()
        self._record.unlink(missing_ok=True)

    @property
    def _record(self) -> Path:
        return self.settings.instance_dir / "services.json"

    def _write_record(self) -> None:
        """Keep who runs, for the next start, and the children's settings, for the command line."""
        children = [keeper.kept for keeper in self.keepers if isinstance(keeper.kept, Child)]
        groups = [child.process.pid for child in children if child.process]
        urls = {name: self.environment.get(name, "") for name in ("REDIS_URL", *LOGINS)}
        draft = self._record.with_suffix(".draft")
        draft.touch(0o600)
        draft.write_text(json.dumps({"groups": groups, "environment": urls}))
        draft.replace(self._record)


def end_leftovers(record: Path) -> None:
    """End the process groups that a supervisor which was killed hard has left behind."""
    if not record.exists():
        return
    groups = json.loads(record.read_text())["groups"]
    deadline = time.monotonic() + STOP_SECONDS
    while (left := _members(groups)) and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    record.unlink()


def _members(groups: list[int]) -> list[int]:
    # A number may be somebody else's by now: only our interpreter is ours.
    found = [pid for group in groups for pid in group_of(group)]
    return [pid for pid in found if sys.executable in command_of(pid)]


@contextlib.contextmanager
def _only_one(instance: Path) -> Iterator[None]:
    instance.mkdir(parents=True, exist_ok=True)
    with (instance / "supervisor.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CanNotStart(f"another supervisor runs on {instance}") from None
        yield


def _web_options(settings: Settings) -> list[str]:
    return [
        *("--interface", "wsgi", "--host", settings.host, "--port", str(settings.port)),
        *("--workers", str(settings.web_concurrency), "--http1-header-read-timeout", "5000"),
        *("--log-level", "error", "--workers-kill-timeout", "10", "--respawn-failed-workers"),
        *("--backpressure", "64"),
    ]


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> int:
    """Run the product until Ctrl-C; print one line when it can not start."""
    if arguments not in ([], ["demo"]):
        sys.stderr.write("usage: python -m app [demo]\n")
        return 2
    try:
        settings = Settings.from_environ()
        environment = dict(os.environ) | {
            "PYTHONUNBUFFERED": "1",
            "INSTANCE_DIR": str(settings.instance_dir),
            "SIMULATOR_PORT": str(settings.simulator_address),
            "PUBLIC_URL": settings.base_url,
            "WEBHOOK_ALLOW_LOOPBACK": str(int(settings.is_loopback)),
        }
        return Supervisor(settings, environment, with_demo=bool(arguments)).run()
    except (BadSetting, CanNotStart, EmbeddedError, UnsafeDatabase) as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
