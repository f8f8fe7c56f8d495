"""Make one attempt: a POST over a socket of our own, bounded in time and size whatever answers.

The usual clients time out per read, so an endpoint that drips one byte a second holds them for
ever, in the body or already in the headers. Here every read gets only what is left of the whole
attempt. Nothing is followed, unpacked or taken from the environment: no redirects, no cookies, no
proxies, no compression. Only the connection is kept, for the next message of the same lane.
"""

import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Thread
from typing import Self, TypeVar

from app.core import clock
from app.webhooks import guard
from app.webhooks.answers import Answer, NotHttp, read_answer
from app.webhooks.guard import Address, AddressBlocked, Target

T = TypeVar("T")

ADDRESSES_TRIED = 4
FIXED_HEADERS = {
    "User-Agent": "BuffMoney-Webhooks/1.0",
    "Content-Type": "application/json",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
}


class AttemptError(StrEnum):
    """Why there was no answer to judge. Stable: the merchant's delivery log shows it."""

    BLOCKED = "blocked"  # the URL or its address is one we never call
    NAME_NOT_FOUND = "name_not_found"
    NOT_CONNECTED = "not_connected"  # refused, unreachable, or cut before the answer was whole
    TLS_FAILED = "tls_failed"  # among them an expired or foreign certificate
    TIMED_OUT = "timed_out"
    INVALID_RESPONSE = "invalid_response"  # not HTTP


# In this order: a TimeoutError is an OSError, as a dropped connection is.
_ERRORS: Mapping[type[Exception], AttemptError] = {
    AddressBlocked: AttemptError.BLOCKED,
    TimeoutError: AttemptError.TIMED_OUT,
    socket.gaierror: AttemptError.NAME_NOT_FOUND,
    ssl.SSLError: AttemptError.TLS_FAILED,
    ConnectionError: AttemptError.NOT_CONNECTED,
    NotHttp: AttemptError.INVALID_RESPONSE,
    OSError: AttemptError.NOT_CONNECTED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """How one attempt ended: with the `status` of a whole answer, or with an `error`.

    `response_head` is the first KiB of the body as text, to be shown escaped and only to the
    endpoint's owner; `retry_after` is that header as it came.
    """

    status: int | None = None
    error: AttemptError | None = None
    duration_ms: int = 0
    response_head: str = ""
    retry_after: str | None = None

    @property
    def is_delivered(self) -> bool:
        """Only 2xx counts: a redirect is a failure, we call no URL but the one given."""
        return self.status is not None and 200 <= self.status < 300  # noqa: PLR2004  # HTTP's 2xx


@dataclass(frozen=True, kw_only=True)
class Sender:
    """The limits of every attempt, in seconds, and the two things tests bring themselves."""

    connect_seconds: float = 3
    total_seconds: float = 10
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    lookup: guard.Lookup = guard.look_up

    def line(self) -> "Line":
        """Return a line that keeps its connection from one message to the next."""
        return Line(self)

    def post(self, target: Target, body: bytes, *, headers: Mapping[str, str]) -> Attempt:
        """Make one attempt over a connection of its own, as `Line.post` does."""
        with self.line() as line:
            return line.post(target, body, headers=headers)

    def connect(self, target: Target, *, deadline: "_Deadline") -> socket.socket:
        """Connect to the first address that answers, by number: the name is not asked again."""
        addresses = _within(deadline.left(), lambda: guard.resolve(target, lookup=self.lookup))
        connecting = _Deadline(min(self.connect_seconds, deadline.left()))
        connection = _first_answering(addresses, target.port, deadline=connecting)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if target.scheme != "https":
            return connection
        connection.settimeout(deadline.left())
        with connection:  # closes the plain socket if the handshake fails; a success detaches it
            return self.tls.wrap_socket(connection, server_hostname=target.host)


class Line:
    """Attempts at one target after the other, over one connection for as long as it holds.

    The connection leads to an address that was judged when it was made, and the name is not asked
    again before the next one is made: keeping it opens no door that the guard had closed. It ends
    with the line, which its user keeps for seconds.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._kept: tuple[Target, socket.socket] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._hang_up()

    def post(self, target: Target, body: bytes, *, headers: Mapping[str, str]) -> Attempt:
        """POST `body` to the addresses `target` resolves to. Never raises for the far side.

        Takes at most `total_seconds` from the look-up to the last byte. An answer that is not
        whole by then is no answer; one longer than the cap counts by its status and is cut.
        """
        deadline = _Deadline(self._sender.total_seconds)
        message = _request(target, body, headers)
        try:
            answer = self._exchange(target, message, deadline=deadline)
        except tuple(_ERRORS) as problem:
            error = next(_ERRORS[kind] for kind in _ERRORS if isinstance(problem, kind))
            return Attempt(error=error, duration_ms=deadline.elapsed_ms())
        return Attempt(
            status=answer.status,
            duration_ms=deadline.elapsed_ms(),
            # PostgreSQL stores no NUL in a text.
            response_head=answer.head.decode(errors="replace").replace("\0", "\ufffd"),
            retry_after=answer.headers.get("retry-after"),
        )

    def _exchange(self, target: Target, message: bytes, *, deadline: "_Deadline") -> Answer:
        kept = self._take_kept(target)
        if kept is not None:
            wire = _Wire(kept, deadline)
            try:
                return self._talk(target, wire, message)
            except ConnectionError:
                if wire.has_read:
                    raise
                # It was closed while nobody spoke, as any server may: once more, on a new one.
        return self._talk(target, _Wire(self._connect(target, deadline), deadline), message)

    def _connect(self, target: Target, deadline: "_Deadline") -> socket.socket:
        return self._sender.connect(target, deadline=deadline)

    def _take_kept(self, target: Target) -> socket.socket | None:
        if self._kept is not None and self._kept[0] != target:
            self._hang_up()
        kept, self._kept = self._kept, None
        return kept[1] if kept else None

    def _talk(self, target: Target, wire: "_Wire", message: bytes) -> Answer:
        """Send and read over a connection, and keep it if the answer left it as it was."""
        is_kept = False
        try:
            wire.send(message)
            answer = read_answer(wire.receive)
            is_kept = answer.is_clean
        finally:
            if is_kept:
                self._kept = target, wire.connection
            else:
                wire.connection.close()
        return answer

    def _hang_up(self) -> None:
        if self._kept is not None:
            self._kept[1].close()
            self._kept = None


class _Deadline:
    """A moment every wait of one attempt ends at."""

    def __init__(self, seconds: float) -> None:
        self._started = clock.monotonic()
        self._seconds = seconds

    def left(self) -> float:
        """Return the seconds left, always above zero. Raises TimeoutError when there are none."""
        seconds = self._started + self._seconds - clock.monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds

    def elapsed_ms(self) -> int:
        return round((clock.monotonic() - self._started) * 1000)


class _Wire:
    """A connection, each of whose waits ends with the deadline."""

    def __init__(self, connection: socket.socket, deadline: _Deadline) -> None:
        self.connection = connection
        self.has_read = False
        self._deadline = deadline

    def receive(self, count: int) -> bytes:
        self.connection.settimeout(self._deadline.left())
        came = self.connection.recv(count)
        self.has_read = self.has_read or bool(came)
        return came

    def send(self, message: bytes) -> None:
        rest = memoryview(message)
        while rest:
            self.connection.settimeout(self._deadline.left())
            rest = rest[self.connection.send(rest) :]


def _request(target: Target, body: bytes, headers: Mapping[str, str]) -> bytes:
    lines = [f"POST {target.path} HTTP/1.1", f"Host: {target.authority}"]
    lines += [f"{name}: {value}" for name, value in (FIXED_HEADERS | dict(headers)).items()]
    lines += [f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("ascii") + body


def _first_answering(
    addresses: Sequence[Address], port: int, *, deadline: _Deadline
) -> socket.socket:
    problem: OSError = ConnectionError("no address to try")
    for address in addresses[:ADDRESSES_TRIED]:
        try:
            return socket.create_connection((str(address), port), timeout=deadline.left())
        except OSError as refusal:
            problem = refusal
    raise problem


def _within(seconds: float, work: Callable[[], T]) -> T:
    """Return what `work` returns, or raise TimeoutError and leave it behind.

    The system's resolver can not be given a time limit. A thread of its own each, not a pool:
    look-ups that hang must not keep others waiting, nor the process from ending.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except Exception as problem:  # noqa: BLE001  # raised again by result(), in the caller
            future.set_exception(problem)

    Thread(target=run, daemon=True).start()
    return future.result(timeout=seconds)
