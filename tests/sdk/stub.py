"""A real HTTP server with a memory that behaves as badly as a test wants."""

import json
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

UNKNOWN_CUSTOMER = "nobody"


@dataclass(frozen=True)
class Request:
    """What came, when, and over which connection: the port it came from."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int
    at: float

    @property
    def key(self) -> str:
        return self.headers.get("Idempotency-Key", "")

    @property
    def events(self) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = json.loads(self.body)["events"]
        return events


class Handler(BaseHTTPRequestHandler):
    """One connection. What it does with a request stands in the stub's plan."""

    protocol_version = "HTTP/1.1"
    server: "StubServer"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        stub, connection = self.server.stub, self.client_address[1]
        request = Request(
            self.command, self.path, dict(self.headers), body, connection, time.monotonic()
        )
        stub.behave(request)(self, request)

    def do_GET(self) -> None:
        self.do_POST()

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing: the test says what it wants to know."""


Behaviour = Callable[[Handler, Request], None]


class StubServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a client keeps its connection open
    stub: "Stub"

    def handle_error(self, *_: Any) -> None:
        """Say nothing of clients that hung up: they were made to."""


@dataclass
class Stub:
    """Does what `plan` says, a step for each request, and what `then` says after that.

    `counted` is what a merchant would be billed by: events by their key, each once.
    """

    plan: deque[Behaviour] = field(default_factory=deque)
    requests: list[Request] = field(default_factory=list)
    counted: dict[str, dict[str, Any]] = field(default_factory=dict)
    then: Behaviour = field(default_factory=lambda: count)
    lock: threading.Lock = field(default_factory=threading.Lock)
    port: int = 0
    tls: ssl.SSLContext | None = None
    _server: StubServer | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen, on the port of before if there was one."""
        self._server = StubServer(("127.0.0.1", self.port), Handler)
        self._server.stub = self
        if self.tls:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def behave(self, request: Request) -> Behaviour:
        with self.lock:
            self.requests.append(request)
            return self.plan.popleft() if self.plan else self.then

    def settle(self, event: dict[str, Any]) -> dict[str, str]:
        """Answer for one event as the product does."""
        key = event["idempotencyKey"]
        with self.lock:
            if event["customerExternalId"] == UNKNOWN_CUSTOMER:
                why = {"code": "unknown_customer", "message": "…", "path": "customerExternalId"}
                return {"status": "unmatched", "idempotencyKey": key, **why}
            known = key in self.counted
            self.counted.setdefault(key, event)
        return {"status": "duplicate" if known else "accepted", "idempotencyKey": key}


def count(handler: Handler, request: Request) -> None:
    """Count the events and answer for each."""
    results = [handler.server.stub.settle(event) for event in request.events]
    handler.answer(200, json.dumps({"results": results, "new": "field"}).encode())


def lose_the_answer(handler: Handler, request: Request) -> None:
    """Count the events and hang up."""
    for event in request.events:
        handler.server.stub.settle(event)
    hang_up(handler, request)


def hang_up(handler: Handler, request: Request) -> None:
    """Close the connection in the middle of everything."""
    del request
    handler.close_connection = True


def close_after(behaviour: Behaviour) -> Behaviour:
    """Answer without a word about closing, then close: as a server does with an idle client."""

    def behave(handler: Handler, request: Request) -> None:
        behaviour(handler, request)
        handler.close_connection = True

    return behave


def be_slow(seconds: float) -> Behaviour:
    """Count the events, but answer too late."""

    def behave(handler: Handler, request: Request) -> None:
        time.sleep(seconds)
        count(handler, request)

    return behave


def hang_up_after(seconds: float) -> Behaviour:
    """Keep the client waiting for nothing."""

    def behave(handler: Handler, request: Request) -> None:
        time.sleep(seconds)
        hang_up(handler, request)

    return behave


def refuse(status: int, code: str, **headers: str) -> Behaviour:
    """Answer with a problem document."""

    def behave(handler: Handler, request: Request) -> None:
        del request
        problem = {"status": status, "code": code, "detail": "said the stub", "path": "here"}
        handler.answer(status, json.dumps(problem).encode(), X_Request_Id="r-1", **headers)

    return behave


def say(status: int, body: bytes, **headers: str) -> Behaviour:
    """Answer with whatever."""

    def behave(handler: Handler, request: Request) -> None:
        del request
        handler.answer(status, body, **headers)

    return behave


def choke_on(key: str) -> Behaviour:
    """Fail on whatever holds this event and count the rest."""

    def behave(handler: Handler, request: Request) -> None:
        chokes = any(event["idempotencyKey"] == key for event in request.events)
        (refuse(500, "internal_error") if chokes else count)(handler, request)

    return behave
