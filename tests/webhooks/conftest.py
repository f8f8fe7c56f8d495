"""A receiver of webhooks on this machine that answers exactly what a test tells it."""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Thread

import pytest

from app.webhooks.guard import Target

Script = Callable[[socket.socket, Event], None]
"""Answers one connection; the event is set when the test is over."""


def answer(text: bytes) -> Script:
    def script(connection: socket.socket, _over: Event) -> None:
        connection.sendall(text)

    return script


ACCEPT = answer(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
KEEP = answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
"""Answers, and lets the sender send more over the same connection."""


def drip(start: bytes, drop: bytes) -> Script:
    """Send `start`, then one `drop` after the other for as long as somebody listens."""

    def script(connection: socket.socket, over: Event) -> None:
        connection.sendall(start)
        while not over.wait(0.05):
            connection.sendall(drop)

    return script


def read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            return data
        data += chunk
    head, body = data.split(b"\r\n\r\n", 1)
    length = next(
        int(line.partition(b":")[2])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@dataclass
class Receiver:
    """Reads each request whole, keeps it in `requests`, and plays the script."""

    listener: socket.socket
    script: Script = ACCEPT
    requests: list[bytes] = field(default_factory=list, repr=False)
    connections: int = 0
    over: Event = field(default_factory=Event)
    read: Callable[[socket.socket], bytes] = read_request
    tls: ssl.SSLContext | None = None

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def target(self) -> Target:
        return Target("http", "127.0.0.1", self.port, "/hook")

    def run(self) -> None:
        with suppress(OSError):  # the listener is closed: the test is over
            while True:
                connection, _ = self.listener.accept()
                self.connections += 1
                Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with suppress(OSError), plain, self._secured(plain) as connection:  # a sender may hang up
            while request := self.read(connection):
                self.requests.append(request)
                self.script(connection, self.over)
                if self.script is not KEEP:
                    break
            connection.shutdown(socket.SHUT_WR)

    def _secured(self, plain: socket.socket) -> socket.socket:
        return self.tls.wrap_socket(plain, server_side=True) if self.tls else plain


@contextmanager
def receiving() -> Iterator[Receiver]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        receiver = Receiver(listener)
        thread = Thread(target=receiver.run, daemon=True)
        thread.start()
        yield receiver
        receiver.over.set()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver
