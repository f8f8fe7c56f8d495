"""A channel is called directly, once, and only as long as we said."""

import httpx
import pytest

from app.channels import wire
from app.channels.base import ChannelUnavailable
from tests.channels.conftest import Stub
from tests.channels.signers import Reply


def fetch(client: httpx.Client, stub: Stub) -> wire.Answer:
    return wire.send(client, client.build_request("GET", stub.url, headers=wire.HEADERS))


def test_a_stray_proxy_setting_does_not_redirect_payments(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    stub.reply = Reply(200, b"ok")

    with wire.new_client() as client:
        assert fetch(client, stub).body == b"ok"


def test_a_redirect_is_an_answer_not_an_order(stub: Stub) -> None:
    stub.reply = Reply(302, b"", {"Location": "/elsewhere"})

    with wire.new_client() as client:
        assert fetch(client, stub).status == 302
    assert len(stub.seen) == 1


def test_the_client_waits_three_seconds_to_connect_and_ten_for_an_answer() -> None:
    with wire.new_client() as client:
        assert client.timeout == httpx.Timeout(10, connect=3)


def test_an_answer_that_drips_is_given_up(stub: Stub) -> None:
    stub.reply = Reply(200, b"x" * 50, seconds_per_byte=0.05)

    with httpx.Client(timeout=0.2) as client, pytest.raises(ChannelUnavailable, match="too slow"):
        fetch(client, stub)


def test_an_answer_is_read_as_it_was_sent(stub: Stub) -> None:
    stub.reply = Reply(200, b"\x1f\x8b", {"Content-Encoding": "gzip"})

    with wire.new_client() as client:
        assert fetch(client, stub).body == b"\x1f\x8b"
    assert stub.seen[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("raw", [b"", b"[]", b"1", b"nonsense", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_not_believed(raw: bytes) -> None:
    with pytest.raises(wire.Untrusted):
        wire.json_object(raw)
