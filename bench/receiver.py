"""A merchant's server that takes webhooks, slowly, and forgets none."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

from app.core import clock
from bench.under_way import Step, UnderWay

HELD_SECONDS = 0.02
"""For which an answer is held back, so that its sender can be killed while he waits."""


class Received:
    """The messages that came, by their ids: the first body of each, and how often it came."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        self.times: Counter[str] = Counter()
        self.changed: set[str] = set()
        """What came again, and said something else."""
        self.slowest_s = 0.0
        """Between an event and its first arrival."""
        self._lock = Lock()

    @property
    def repeats(self) -> int:
        """How many came that had come before: a message comes at least once."""
        return self.times.total() - len(self.times)

    def messages(self) -> dict[str, Any]:
        """Return what each message says, by its id."""
        with self._lock:
            return {message_id: json.loads(body) for message_id, body in self.bodies.items()}

    def take(self, message_id: str, body: bytes, *, now: datetime) -> None:
        """Note a message."""
        with self._lock:
            self.times[message_id] += 1
            if self.bodies.setdefault(message_id, body) != body:
                self.changed.add(message_id)
            if self.times[message_id] == 1:
                happened = datetime.fromisoformat(json.loads(body)["createdAt"])
                self.slowest_s = max(self.slowest_s, (now - happened).total_seconds())


@contextmanager
def receiving(received: Received, under_way: UnderWay) -> Iterator[str]:
    """Take webhooks on a free port; yield the URL."""

    class Receiver(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            with under_way.at(Step.TELLING):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received.take(self.headers["webhook-id"], body, now=clock.now())
                time.sleep(HELD_SECONDS)
                self.send_response(204)
                self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its own name
            del format, args

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:
                self.close_connection = True  # who sent was killed

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hooks"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
