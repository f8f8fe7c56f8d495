"""An answer is read as HTTP/1.1 says, cut at the cap, and never mixed with the next one."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.webhooks.answers import CAP, NotHttp, read_answer

CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n2;x=1\r\nok\r\n1\r\n!\r\n0\r\n\r\n"


def arriving(text: bytes, size: int = CAP) -> Callable[[int], bytes]:
    """Return a connection that gives `text` in parts of so many bytes."""
    left = text

    def receive(count: int) -> bytes:
        nonlocal left
        part, left = left[: min(count, size)], left[min(count, size) :]
        return part

    return receive


@pytest.mark.parametrize(
    ("text", "status", "head", "is_clean"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", True),
        (b"HTTP/1.1 200\r\ncontent-length:2\r\n\r\nok", 200, b"ok", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
        (
            b"HTTP/1.1 200 OK\r\n" + CHUNKED,
            200,
            b"ok!",
            True,
        ),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
            500,
            b"",
            True,
        ),
        (b"HTTP/1.1 200 OK\r\n\r\nall of it", 200, b"all of it", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", False),
        (b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n", 200, b"", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n", 200, b"ok", False),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            200,
            b"",
            False,
        ),
    ],
    ids=[
        "sized",
        "bare",
        "no content",
        "chunked",
        "continue",
        "to the end",
        "old",
        "close",
        "more than it says",
        "two lengths",
    ],
)
@pytest.mark.parametrize("size", [1, CAP])
def test_an_answer_is_read(
    text: bytes, status: int, head: bytes, *, is_clean: bool, size: int
) -> None:
    answer = read_answer(arriving(text, size))

    assert (answer.status, answer.head) == (status, head)
    # A byte that has not come yet is not seen; then the sender finds the mess by itself.
    assert answer.is_clean is is_clean or (size == 1 and b"okHTTP" in text)


def test_x061_a_body_past_the_cap_counts_by_its_status() -> None:
    chunk = b"400\r\n" + b"a" * 1024 + b"\r\n"
    for framing in (b"Content-Length: 131000000", b"Transfer-Encoding: chunked"):
        body = chunk * 200 if b"chunked" in framing else b"a" * 200_000
        answer = read_answer(arriving(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n" + body))

        assert (answer.status, answer.head, answer.is_clean) == (200, b"a" * 1024, False)


@pytest.mark.parametrize(
    "text",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 020 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n folded: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * CAP,
    ],
    ids=range(10),
)
def test_x061_what_is_not_http_is_no_answer(text: bytes) -> None:
    with pytest.raises(NotHttp):
        read_answer(arriving(text))


@pytest.mark.parametrize(
    "text",
    [b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok"],
    ids=["nothing", "half a line", "half a body"],
)
def test_an_answer_that_is_cut_is_none(text: bytes) -> None:
    with pytest.raises(ConnectionError):
        read_answer(arriving(text))


@given(st.binary(max_size=200), st.integers(1, 50))
def test_whatever_comes_reading_ends(noise: bytes, size: int) -> None:
    for start in (b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"):
        try:
            answer = read_answer(arriving(start + noise, size))
        except (NotHttp, ConnectionError):
            continue
        assert 200 <= answer.status <= 999
