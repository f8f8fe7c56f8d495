"""HTTP to one server: connections kept open, JSON in and out, every failure one of ours."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPResponse, HTTPSConnection
from ssl import create_default_context
from typing import Any
from urllib.parse import urlsplit

from buffmoney import json_text
from buffmoney.errors import ApiError, NoAnswer

LARGEST_ANSWER = 8 << 20
"""Bytes. The longest that the API gives is a tenth of it."""
LONGEST_ASKED = 300.0
"""Seconds that a server may ask us to wait."""

_CHUNK = 64 << 10
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_OK = range(200, 300)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    reason: str
    headers: HTTPMessage
    raw: bytes


class Transport:
    """Sends requests, from any thread. A connection that is not in use waits for the next one.

    TLS is verified and redirects are not followed: the key goes to nobody but the server named.
    Raises ValueError on a base URL that is none.
    """

    def __init__(self, base_url: str, *, headers: Mapping[str, str], timeout: float) -> None:
        url = urlsplit(base_url)
        if url.scheme not in {"http", "https"} or not url.hostname or url.username is not None:
            raise ValueError("base_url reads https://host[:port][/path]")
        self._tls = create_default_context() if url.scheme == "https" else None
        self._host, self._port, self._prefix = url.hostname, url.port, url.path.rstrip("/")
        self._headers = dict(headers)
        self._timeout = timeout
        self._idle: list[HTTPConnection] = []
        self._is_closed = False

    @property
    def is_private(self) -> bool:
        """Whether nobody on the way can read what is sent."""
        return self._tls is not None or self._host in _LOOPBACK

    def call(
        self, method: str, path: str, *, body: bytes | None = None, idempotency_key: str = ""
    ) -> Any:
        """Send one request and return the JSON that answers it; None where nothing does.

        Raises ApiError when the API says no, and NoAnswer.
        """
        headers = dict(self._headers)
        if body is not None:
            headers["Content-Type"] = "application/json"
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        answer = self._exchange(method, path, body=body, headers=headers)
        if answer.status not in _OK:
            raise _refusal(answer)
        if not answer.raw:
            return None
        try:
            return json_text.read(answer.raw)
        except ValueError as error:
            raise NoAnswer(f"{answer.status}, but what came is not JSON") from error

    def drop(self) -> None:
        """Close the connections that are not in use."""
        while self._idle:
            self._idle.pop().close()

    def close(self) -> None:
        """Keep no connection any more."""
        self._is_closed = True
        self.drop()

    def _exchange(
        self, method: str, path: str, *, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        while True:
            connection = self._borrow()
            is_reused = connection.sock is not None
            try:
                connection.request(method, self._prefix + path, body=body, headers=dict(headers))
                answer = _receive(connection.getresponse())
            except (OSError, HTTPException) as error:
                connection.close()
                if is_reused and isinstance(error, ConnectionError):
                    continue  # it was closed while it was idle; a new one may do
                raise NoAnswer(f"{type(error).__name__}: {error}") from error
            except BaseException:
                connection.close()  # half a request may be on it
                raise
            self._give_back(connection)
            return answer

    def _borrow(self) -> HTTPConnection:
        """Return an idle connection or a new one, which connects, with TCP_NODELAY, on use."""
        with suppress(IndexError):
            return self._idle.pop()
        if self._tls is None:
            return HTTPConnection(self._host, self._port, timeout=self._timeout)
        return HTTPSConnection(self._host, self._port, timeout=self._timeout, context=self._tls)

    def _give_back(self, connection: HTTPConnection) -> None:
        if self._is_closed:
            connection.close()
        else:
            self._idle.append(connection)


def _receive(response: HTTPResponse) -> Answer:
    """Read the answer to its end, so that its connection can be used again. Raises NoAnswer."""
    parts, size = [], 0
    while part := response.read(_CHUNK):
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER:
            raise NoAnswer(f"the answer is longer than {LARGEST_ANSWER} bytes")
    return Answer(response.status, response.reason, response.headers, b"".join(parts))


def _refusal(answer: Answer) -> ApiError:
    """Return what a problem document (RFC 9457) says, or as much as another page does."""
    try:
        document = json_text.read(answer.raw)
    except ValueError:
        document = None  # of a proxy in between
    said = document if isinstance(document, dict) else {}
    refusal = ApiError(
        str(said.get("detail") or answer.reason),
        status=answer.status,
        code=str(said.get("code") or "unexpected_answer"),
        path=str(said.get("path") or ""),
    )
    refusal.request_id = str(answer.headers.get("X-Request-Id") or "")
    refusal.retry_after = _seconds(answer.headers.get("Retry-After") or "")
    return refusal


def _seconds(asked: str) -> float:
    """Read `Retry-After`. A date is passed over: our own pauses do."""
    is_number = asked.isascii() and asked.isdecimal()
    return min(float(asked), LONGEST_ASKED) if is_number else 0.0
