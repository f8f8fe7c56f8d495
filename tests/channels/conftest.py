"""A channel on loopback: real HTTP, answers said by the test, every request kept."""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from app.channels import wire
from app.channels.alipay import Alipay
from app.channels.base import ChannelName
from app.channels.breaker import Breaker
from app.channels.wechat import Wechat
from tests.channels import signers

BREAKERS = {name: Breaker(name) for name in ChannelName}
MUCH_LATER = datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Seen:
    """A request as it came: `target` undecoded, `body` in bytes, header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Stub:
    """What the channel answers, and what it was asked. Clear `awake` to let it hang.

    `replies` come first, one each; then `reply`, always.
    """

    url: str
    reply: signers.Reply = field(default_factory=lambda: signers.Reply(500))
    replies: list[signers.Reply] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    awake: threading.Event = field(default_factory=threading.Event)


@pytest.fixture(scope="session")
def channel_server() -> Iterator[Stub]:
    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            state.seen.append(Seen(self.command, self.path, headers, body))
            state.awake.wait(timeout=5)
            reply = state.replies.pop(0) if state.replies else state.reply
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.send_body(reply)

        def send_body(self, reply: signers.Reply) -> None:
            with suppress(ConnectionError):  # the client may hang up, that is the point
                if not reply.seconds_per_byte:
                    self.wfile.write(reply.body)
                    return
                for byte in reply.body:
                    self.wfile.write(bytes([byte]))
                    time.sleep(reply.seconds_per_byte)

        do_GET = do_POST = handle_any  # noqa: N815 - http.server's names

        def log_message(self, *_args: object) -> None:
            """Keep the test output to the tests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = Stub(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def stub(channel_server: Stub) -> Iterator[Stub]:
    channel_server.seen.clear()
    channel_server.replies.clear()
    channel_server.awake.set()
    for breaker in BREAKERS.values():
        breaker.run(lambda: None, now=MUCH_LATER)  # one answer, and it trusts the channel again
    yield channel_server
    channel_server.awake.set()


@pytest.fixture(scope="session")
def wechat(channel_server: Stub) -> Iterator[Wechat]:
    with wire.new_client() as client:
        settings = signers.wechat_settings(channel_server.url)
        yield Wechat(
            settings,
            client=client,
            breaker=BREAKERS[ChannelName.WECHAT],
            nonce=lambda: signers.NONCE,
        )


@pytest.fixture(scope="session")
def alipay(channel_server: Stub) -> Iterator[Alipay]:
    with wire.new_client() as client:
        settings = signers.alipay_settings(f"{channel_server.url}/gateway.do")
        yield Alipay(settings, client=client, breaker=BREAKERS[ChannelName.ALIPAY])
