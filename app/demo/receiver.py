"""`python -m app.demo.receiver PORT`: a merchant's server, taking webhooks at any path but two.

`/broken` answers 500, so that there is an endpoint to look after; `/busy` has no time for every
third message until it comes again.
"""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

BROKEN, BUSY = "/broken", "/busy"
_calls = count(1)
_refused: set[str] = set()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.send_response(self._status())
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its own name
        del format, args  # the deliveries are on the merchant's page

    def _status(self) -> int:
        if self.path == BROKEN:
            return 500
        message = self.headers.get("webhook-id", "")
        if self.path == BUSY and message not in _refused and next(_calls) % 3 == 0:
            _refused.add(message)
            return 503
        return 204


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
