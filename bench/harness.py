"""What every benchmark needs: a server to throw away, loads in processes of their own, figures.

Contestants take turns round by round, so that a noisy neighbour disturbs all of them alike; the
figures to trust on a shared machine are ratios, CPU time and WAL bytes, not rates.
"""

import contextlib
import multiprocessing
import os
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

import psycopg
from sqlalchemy import make_url

from app import schema
from app.embedded import DURABLE, Postgres
from app.roles import ensure_roles

_TICKS = os.sysconf("SC_CLK_TCK")
_PROCESSES = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Server:
    """A migrated, durable server as the product starts it, in a folder to throw away."""

    folder: Path
    owner_url: str
    urls: Mapping[str, str]
    """The product's logins, by the setting that names them."""
    pid: int

    @property
    def app_url(self) -> str:
        return self.urls["APP_DATABASE_URL"]

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(plain(self.owner_url), autocommit=True)

    def wal_bytes(self) -> int:
        """Return how much WAL the server has written since its birth."""
        with self.connect() as connection:
            row = connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchone()
        return int(row[0]) if row else 0

    def cpu_seconds(self) -> float:
        """Return the CPU time of the server and of all its processes, living and gone."""
        return tree_cpu_seconds(self.pid)


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """Start a durable server in a folder that is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    folder.chmod(0o755)  # the account that PostgreSQL runs as when we are root has to get in
    postgres = Postgres(folder, DURABLE)
    try:
        owner_url = postgres.start()
        urls = ensure_roles(owner_url, folder / "roles.json")
        schema.upgrade(owner_url)
        pid = int((postgres.data / "postmaster.pid").read_text().split()[0])
        yield Server(folder, owner_url, urls, pid)
    finally:
        postgres.stop()
        shutil.rmtree(folder)


def plain(url: str) -> str:
    """Return an SQLAlchemy URL as psycopg reads it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


class Load(Protocol):
    """What one writer does. `prepare` is not measured, `send` is."""

    def prepare(self, count: int) -> Sequence[Any]: ...

    def send(self, request: Any) -> None: ...


@dataclass(frozen=True)
class Spent:
    """What a round cost: wall clock, CPU of clients and server, WAL, and each request's time."""

    seconds: float
    client_cpu: float
    server_cpu: float
    wal_bytes: int
    latencies: Sequence[float]
    rss_mb: float


class Contestant:
    """A load in `writers` processes, which keep their connections from round to round.

    With `web_pid` the CPU and the memory that count are those of this web server and its
    workers; the writers are then only who asks.
    """

    def __init__(
        self, name: str, build: Callable[[int], Load], *, writers: int, web_pid: int | None = None
    ) -> None:
        self.name = name
        self.rounds: list[Spent] = []
        self._web_pid = web_pid
        self._pipes: list[Connection] = []
        self._writers = []
        for writer in range(writers):
            ours, theirs = _PROCESSES.Pipe()
            process = _PROCESSES.Process(target=_write, args=(build, writer, theirs), daemon=True)
            process.start()
            self._pipes.append(ours)
            self._writers.append(process)

    def play(self, server: Server, *, count: int) -> None:
        """Send `count` requests from every writer at once and note what it cost."""
        for pipe in self._pipes:
            pipe.send(count)
        for pipe in self._pipes:
            pipe.recv()
        web = self._web_pid
        web_cpu = tree_cpu_seconds(web) if web else 0.0
        server_cpu, wal, start = server.cpu_seconds(), server.wal_bytes(), time.perf_counter()
        for pipe in self._pipes:
            pipe.send(None)
        reports = [pipe.recv() for pipe in self._pipes]
        writers_cpu = sum(cpu for cpu, _, _ in reports)
        self.rounds.append(
            Spent(
                seconds=time.perf_counter() - start,
                client_cpu=tree_cpu_seconds(web) - web_cpu if web else writers_cpu,
                server_cpu=server.cpu_seconds() - server_cpu,
                wal_bytes=server.wal_bytes() - wal,
                latencies=[latency for _, latencies, _ in reports for latency in latencies],
                rss_mb=_largest_mb(web) if web else max(rss for _, _, rss in reports),
            )
        )

    def stop(self) -> None:
        for process in self._writers:
            process.terminate()
            process.join()

    def median(self, figure: Callable[[Spent], float]) -> float:
        """Return the median of a figure over the rounds."""
        return statistics.median(figure(spent) for spent in self.rounds)


def play_in_turns(
    server: Server, contestants: Sequence[Contestant], *, rounds: int, count: int
) -> None:
    """Warm every contestant up, then let them take turns."""
    for contestant in contestants:
        contestant.play(server, count=max(8, count // 4))
        contestant.rounds.clear()
    for _ in range(rounds):
        for contestant in contestants:
            contestant.play(server, count=count)
    for contestant in contestants:
        contestant.stop()


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of all values do not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def _write(build: Callable[[int], Load], writer: int, pipe: Connection) -> None:
    load = build(writer)
    while True:
        requests = load.prepare(pipe.recv())
        pipe.send("ready")
        pipe.recv()
        cpu = time.process_time()
        latencies = []
        for request in requests:
            start = time.perf_counter()
            load.send(request)
            latencies.append(time.perf_counter() - start)
        rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        pipe.send((time.process_time() - cpu, latencies, rss_mb))


def tree_cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and of its children, living and gone."""
    return _cpu(pid, gone=True) + sum(_cpu(child) for child in _children(pid))


def _largest_mb(parent: int) -> float:
    """Return the resident memory of the largest child."""
    pages = [
        int(Path(f"/proc/{child}/statm").read_text().split()[1]) for child in _children(parent)
    ]
    return max(pages) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def _children(parent: int) -> list[int]:
    tasks = Path(f"/proc/{parent}/task/{parent}/children")
    return [int(pid) for pid in tasks.read_text().split()]


def _cpu(pid: int, *, gone: bool = False) -> float:
    """Read the CPU time of a process; with `gone`, also that of its children that have ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return 0.0  # ended since it was listed: now counted by its parent
    numbers = [int(number) for number in text.rpartition(")")[2].split()[11:15]]
    return sum(numbers if gone else numbers[:2]) / _TICKS
