"""Bytes to and from a channel. Nothing that comes from outside is believed before it is checked."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta, timezone
from decimal import Decimal

import httpx

from app.channels.base import ChannelUnavailable

CHINA = timezone(timedelta(hours=8))  # both channels: a fixed offset, no summer time
CONNECT_SECONDS = 3
ANSWER_SECONDS = 10
ANSWER_BYTES = 1 << 20
FILE_BYTES = 64 << 20  # a statement of some 200 000 rows
FILE_SECONDS = 120

HEADERS = {
    "User-Agent": "BuffMoney/1",
    "Accept": "application/json",
    "Accept-Encoding": "identity",  # signatures are over the bytes as received
}


class Untrusted(Exception):
    """Bytes from outside that we do not believe: a signature, a value or their shape is wrong."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


def new_client() -> httpx.Client:
    """Make the client channels are called with. It reads no proxy setting, follows no redirect."""
    return httpx.Client(
        timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
        trust_env=False,
        follow_redirects=False,
    )


def send(client: httpx.Client, request: httpx.Request) -> Answer:
    """Send a request and read the whole answer, whatever its status.

    The body may take the client's read timeout in all, not per packet, and a megabyte. Raises
    ChannelUnavailable: what the channel did with the request is then unknown.
    """
    seconds = client.timeout.read or ANSWER_SECONDS
    return _read(client, request, seconds=seconds, most_bytes=ANSWER_BYTES)


def download(client: httpx.Client, request: httpx.Request) -> Answer:
    """Fetch a file of up to FILE_BYTES within FILE_SECONDS. Raises ChannelUnavailable."""
    return _read(client, request, seconds=FILE_SECONDS, most_bytes=FILE_BYTES)


def _read(
    client: httpx.Client, request: httpx.Request, *, seconds: float, most_bytes: int
) -> Answer:
    deadline = time.monotonic() + seconds
    body = bytearray()
    try:
        response = client.send(request, stream=True)
        try:
            for part in response.iter_raw():
                body += part
                if len(body) > most_bytes or time.monotonic() > deadline:
                    raise ChannelUnavailable("the channel's answer is too long or too slow")
        finally:
            response.close()
    except httpx.HTTPError as fault:
        raise ChannelUnavailable(f"the channel did not answer: {type(fault).__name__}") from fault
    return Answer(response.status_code, response.headers, bytes(body))


def json_object(raw: bytes | str) -> dict[str, object]:
    """Read a JSON object, numbers with a point as Decimal. Raises Untrusted."""
    try:
        value = json.loads(raw, parse_float=Decimal)
    except (ValueError, RecursionError) as fault:
        raise Untrusted("not JSON") from fault
    if not isinstance(value, dict):
        raise Untrusted("not a JSON object")
    return value


def text(fields: Mapping[str, object], name: str) -> str:
    """Return a text that has to be there and not be empty. Raises Untrusted."""
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise Untrusted(f"{name} is missing")
    return value


def optional_text(fields: Mapping[str, object], name: str) -> str | None:
    """Return a text, or None when it is absent, null or empty. Raises Untrusted."""
    return None if fields.get(name) in (None, "") else text(fields, name)


def member(fields: Mapping[str, object], name: str) -> dict[str, object]:
    """Return an object that has to be there. Raises Untrusted."""
    value = fields.get(name)
    if not isinstance(value, dict):
        raise Untrusted(f"{name} is missing")
    return value


def expect(fields: Mapping[str, object], **wanted: str) -> None:
    """Check that fields say exactly what we expect. Raises Untrusted."""
    for name, value in wanted.items():
        if text(fields, name) != value:
            raise Untrusted(f"{name} is not what we expect")
