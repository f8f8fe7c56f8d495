"""Read the answer to one POST: as much of HTTP/1.1 as judging it takes, and no more than a cap.

The library's own reader builds a mail message of the headers, which costs more than all the rest
of an attempt. Of an answer we need its status, one header, and the first KiB of its body; whether
the connection may carry another message is decided strictly: when in doubt, not.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

CAP = 64 * 1024  # bytes we read of an answer, headers included
HEAD = 1024  # bytes of its body we keep
_LINE = 1024  # bytes of a chunk's first line, its extensions included
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\r\n]*)?")
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NO_BODY = frozenset({204, 304})
_FINAL = 200  # below it an answer is only the announcement of another

Receive = Callable[[int], bytes]
"""Returns at most so many bytes of the connection, at least one, or none at its end."""


class NotHttp(Exception):
    """What came is no answer of HTTP/1.x."""


class TooLong(Exception):
    """The answer goes on after the cap."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an answer says. `is_clean`: the connection stands where the next answer will begin."""

    status: int
    headers: Mapping[str, str]
    head: bytes
    is_clean: bool


class _Stream:
    """What came of a connection and was not read yet, up to the cap."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._room = CAP
        self._bytes = bytearray()

    @property
    def is_empty(self) -> bool:
        return not self._bytes

    def until(self, mark: bytes, *, at_most: int) -> bytes:
        """Return what comes before `mark`, and drop both.

        Raises NotHttp, TooLong, ConnectionError.
        """
        searched = 0
        while (found := self._bytes.find(mark, searched)) < 0:
            searched = max(0, len(self._bytes) - len(mark) + 1)
            if len(self._bytes) > at_most:
                raise NotHttp("a line or a head without end")
            if not self._more():
                raise ConnectionError("cut before the answer was whole")
        return self.exactly(found + len(mark))[:found]

    def exactly(self, count: int) -> bytes:
        """Return so many bytes that have come already."""
        taken = bytes(self._bytes[:count])
        del self._bytes[:count]
        return taken

    def copy(self, count: int | None, into: bytearray) -> None:
        """Read `count` bytes, or all up to the end of the connection; keep the first HEAD.

        Raises TooLong, ConnectionError.
        """
        left = count
        while left is None or left > 0:
            if not self._bytes and not self._more():
                if left is None:
                    return
                raise ConnectionError("cut before the answer was whole")
            part = self.exactly(len(self._bytes) if left is None else left)
            into += part[: HEAD - len(into)]
            if left is not None:
                left -= len(part)

    def _more(self) -> bool:
        if self._room <= 0:
            raise TooLong
        came = self._receive(min(self._room, CAP))
        self._room -= len(came)
        self._bytes += came
        return bool(came)


def read_answer(receive: Receive) -> Answer:
    """Read one answer, as far as the cap. Raises NotHttp, and what `receive` raises.

    One that is cut within its body is no answer: ConnectionError. One that is longer than the cap
    counts by its status.
    """
    stream = _Stream(receive)
    is_old, status, headers = _read_head(stream)
    while status < _FINAL:
        is_old, status, headers = _read_head(stream)
    head = bytearray()
    is_framed = False
    with suppress(TooLong):  # the status has come, and of the body we want no more
        is_framed = status in _NO_BODY or _read_body(stream, headers, head)
    says_close = "close" in headers.get("connection", "").lower()
    is_clean = is_framed and stream.is_empty and not is_old and not says_close
    return Answer(status, headers, bytes(head), is_clean)


def _read_head(stream: _Stream) -> tuple[bool, int, dict[str, str]]:
    try:
        first, *lines = stream.until(b"\r\n\r\n", at_most=CAP).split(b"\r\n")
    except TooLong as problem:
        raise NotHttp("a head without end") from problem
    parts = _STATUS_LINE.fullmatch(first)
    if parts is None:
        raise NotHttp("no status line")
    headers: dict[str, str] = {}
    for line in lines:
        raw_name, colon, raw_value = line.partition(b":")
        if not colon or not _NAME.fullmatch(raw_name):
            raise NotHttp("a line that is no header")
        name, value = raw_name.decode("ascii").lower(), raw_value.strip(b" \t").decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return parts[1] == b"0", int(parts[2]), headers


def _read_body(stream: _Stream, headers: Mapping[str, str], head: bytearray) -> bool:
    """Read the body, and tell whether its end was told by itself and not by the connection's."""
    coding, length = headers.get("transfer-encoding"), headers.get("content-length")
    if coding is not None:
        if coding.lower() != "chunked":
            raise NotHttp("a transfer encoding nobody asked for")
        _read_chunks(stream, head)
        return length is None  # both is how one answer is smuggled into another
    if length is None:
        stream.copy(None, head)
        return False
    if not (length.isascii() and length.isdecimal() and len(length) < 20):  # noqa: PLR2004  # digits
        raise NotHttp("a length that is no number")
    stream.copy(int(length), head)
    return True


def _read_chunks(stream: _Stream, head: bytearray) -> None:
    while True:
        size = stream.until(b"\r\n", at_most=_LINE).partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,16}", size):
            raise NotHttp("a broken chunk")
        count = int(size, 16)
        if not count:
            break
        stream.copy(count, head)
        if stream.until(b"\r\n", at_most=_LINE):
            raise NotHttp("a chunk longer than it says")
    while stream.until(b"\r\n", at_most=CAP):
        pass  # trailers, which say nothing to us
