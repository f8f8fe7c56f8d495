"""`python -m app.demo.receiver PORT`: a merchant's server, taking webhooks at any path but one.

`/broken` answers 500, so that there is an endpoint to look after.
"""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BROKEN = "/broken"


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.send_response(500 if self.path == BROKEN else 204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its own name
        del format, args  # the deliveries are on the merchant's page


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
