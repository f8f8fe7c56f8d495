"""A server of our own as a child process: found by its socket, gone when its parent is."""

import contextlib
import ctypes
import fcntl
import hashlib
import os
import platform
import signal
import socket
import struct
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any, ClassVar

LINUX = platform.system() == "Linux"
_SOCKET_LIMIT = 100  # bytes a unix socket's path may have, on every system
_PR_SET_PDEATHSIG = 1
_MAC_LOCAL_PEERPID = (0, 2)  # level SOL_LOCAL, which Python does not name


class EmbeddedError(RuntimeError):
    """An embedded server could not be started; the message says what to do."""


def die_with_parent(stop: int, parent: int) -> None:
    """Ask Linux to send this process `stop` when `parent` dies, however it dies.

    Runs in the child between fork and exec. Elsewhere the supervisor's next start cleans up.
    """
    if LINUX:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, stop)
        if os.getppid() != parent:  # it died before we asked
            os.kill(os.getpid(), signal.SIGKILL)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[IO[str]]:
    """Hold the file lock `path`, which the system lets go when the process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


class Service(ABC):
    """A server of our own: one child process, reached over a unix socket."""

    name: ClassVar[str]
    stop_signal: ClassVar[int]
    socket: Path

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

    def end_leftover(self, seconds: float = 20) -> None:
        """Stop the server that an earlier run left on our socket, so that ours can be a child.

        For who knows that nobody else uses the folder now: the supervisor, under its lock.
        """
        pid = _listener(self.socket)
        if pid is None:
            return
        deadline = time.monotonic() + seconds
        number = self.stop_signal
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            while _is_alive(pid):
                if time.monotonic() > deadline:
                    os.kill(pid, signal.SIGKILL)
                time.sleep(0.05)

    def _spawn(self, command: list[str], cwd: Path, **drop: Any) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603  # our own binary, no shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=cwd,
                start_new_session=True,
                preexec_fn=partial(die_with_parent, self.stop_signal, os.getpid()),  # noqa: PLW1509
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

    @abstractmethod
    def is_ready(self) -> bool:
        """Return whether the server answers a real question."""

    @abstractmethod
    def start(self) -> str:
        """Start the server unless it runs already and return its URL. Raises EmbeddedError."""


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


def group_of(number: int) -> list[int]:
    """Return the living processes of a process group, whether or not its leader still lives."""
    if LINUX:
        found = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    else:
        every = subprocess.run(["/bin/ps", "-axo", "pid="], capture_output=True, check=True)
        found = [int(word) for word in every.stdout.split()]
    return [pid for pid in found if _group(pid) == number]


def short_path(wanted: Path) -> Path:
    """Return `wanted`, or a stable private folder in the temp folder when its path is too long."""
    if len(os.fsencode(wanted / ".s.PGSQL.5432.lock")) < _SOCKET_LIMIT:
        return wanted
    mark = hashlib.sha256(str(wanted).encode()).hexdigest()[:10]
    folder = Path(tempfile.gettempdir()) / f"buffmoney-{os.geteuid()}-{mark}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.geteuid() not in {0, folder.lstat().st_uid}:
        raise EmbeddedError(f"{folder} belongs to another user")
    return folder


def _listener(path: Path) -> int | None:
    """Return the process that listens on a unix socket, as the system knows it."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            connection.connect(str(path))
            if LINUX:
                size = struct.calcsize("3i")
                peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
            else:
                peer = connection.getsockopt(*_MAC_LOCAL_PEERPID, struct.calcsize("i"))
    except OSError:
        return None
    pid: int = struct.unpack_from("i", peer)[0]
    return pid


def _is_alive(pid: int) -> bool:
    # A zombie has no command line: its parent, who must read its end, is none of ours.
    return bool(command_of(pid))


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0
