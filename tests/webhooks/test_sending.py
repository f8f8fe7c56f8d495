"""One attempt ends in time, reads little, follows nothing, and says how it ended."""

import socket
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from time import monotonic

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.webhooks.guard import Lookup, Target
from app.webhooks.sending import Attempt, AttemptError, Sender
from tests.webhooks.conftest import Receiver, Script, answer, drip

BODY = b'{"id":"msg_1"}'
HEADERS = {"webhook-id": "msg_1"}
QUICK = Sender(total_seconds=0.5)
PATIENT = Sender()


def post(target: Target, sender: Sender = PATIENT) -> Attempt:
    return sender.post(target, BODY, headers=HEADERS)


def test_a_good_answer_is_a_delivery(receiver: Receiver) -> None:
    attempt = post(receiver.target)

    assert (attempt.status, attempt.error, attempt.response_head) == (200, None, "ok")
    assert attempt.is_delivered


def test_the_request_is_plain_and_whole(receiver: Receiver) -> None:
    post(receiver.target)

    (request,) = receiver.requests
    head, body = request.split(b"\r\n\r\n")
    assert head.decode().split("\r\n") == [
        "POST /hook HTTP/1.1",
        f"Host: 127.0.0.1:{receiver.port}",
        "User-Agent: BuffMoney-Webhooks/1.0",
        "Content-Type: application/json",
        "Accept: */*",
        "Accept-Encoding: identity",
        "webhook-id: msg_1",
        "Content-Length: 14",
    ]
    assert body == BODY


@pytest.mark.parametrize(
    ("status", "delivered"),
    [(200, True), (202, True), (204, True), (299, True), (300, False), (400, False), (410, False),
     (429, False), (500, False), (503, False)],
)  # fmt: skip
def test_only_2xx_is_a_delivery(
    receiver: Receiver,
    status: int,
    delivered: bool,  # noqa: FBT001  # pytest passes by name
) -> None:
    receiver.script = answer(b"HTTP/1.1 %d Answer\r\nContent-Length: 0\r\n\r\n" % status)

    attempt = post(receiver.target)

    assert (attempt.status, attempt.is_delivered) == (status, delivered)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("place", ["{url}", "file:///etc/passwd", "http://169.254.169.254/"])
def test_x060_a_redirect_is_a_failure_and_is_not_followed(
    receiver: Receiver, status: int, place: str
) -> None:
    location = place.format(url=receiver.url)
    receiver.script = answer(
        f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
    )

    attempt = post(receiver.target)

    assert (attempt.status, attempt.is_delivered) == (status, False)
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    "script",
    [
        drip(b"HTTP/1.1 200 OK\r\n", b"X-Drip: 1\r\n"),
        drip(b"", b"H"),
        drip(b"HTTP/1.1 200 OK\r\n\r\n", b"."),
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", b"."),
        drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n.\r\n"),
        drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["headers", "status line", "body", "sized body", "chunks", "continue"],
)
def test_x061_an_answer_that_never_ends_is_cut_in_time(receiver: Receiver, script: Script) -> None:
    receiver.script = script
    started = monotonic()

    attempt = post(receiver.target, QUICK)

    assert attempt == Attempt(error=AttemptError.TIMED_OUT, duration_ms=attempt.duration_ms)
    assert 450 <= attempt.duration_ms <= 1500
    assert monotonic() - started < 1.5


def test_x061_a_huge_body_is_cut_and_its_first_kib_kept(receiver: Receiver) -> None:
    sent = []

    def pour(connection: socket.socket, over: Event) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 131000000\r\n\r\n")
        while not over.is_set():
            connection.sendall(b"<script>" * 8192)
            sent.append(65536)

    receiver.script = pour

    attempt = post(receiver.target)

    assert attempt.status == 200
    assert attempt.response_head == "<script>" * 128
    assert sum(sent) < 16_000_000  # what the kernels buffer, not what was announced


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-Many: 1\r\n" * 10_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-" + b"f" * 30 + b"\r\n",
    ],
    ids=[
        "nothing",
        "ssh",
        "no number",
        "many headers",
        "long header",
        "bad chunk",
        "less than no chunk",
        "far less than no chunk",
    ],
)
def test_x061_what_is_not_http_is_no_answer(receiver: Receiver, text: bytes) -> None:
    receiver.script = answer(text)

    attempt = post(receiver.target)

    assert attempt.status is None
    assert attempt.error in {AttemptError.INVALID_RESPONSE, AttemptError.NOT_CONNECTED}


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.sampled_from(
        [
            b"",
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: ",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ]
    ),
    rest=st.binary(max_size=60)
    | st.from_regex(rb"-?[0-9a-f]{1,20}\r\n[ -~]{0,40}", fullmatch=True),
)
def test_whatever_bytes_come_back_an_attempt_comes_out(
    receiver: Receiver, start: bytes, rest: bytes
) -> None:
    receiver.script = answer(start + rest)

    attempt = post(receiver.target)

    assert (attempt.status is None) != (attempt.error is None)


def test_a_packed_body_is_not_unpacked_and_fits_a_text_column(receiver: Receiver) -> None:
    receiver.script = answer(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\0a"
    )

    assert post(receiver.target).response_head == "\x1f\ufffd\ufffda"


def test_the_wish_to_wait_is_handed_on(receiver: Receiver) -> None:
    receiver.script = answer(b"HTTP/1.1 503 Busy\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n")

    assert post(receiver.target).retry_after == "120"


def test_a_closed_port_is_not_connected() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    assert post(Target("http", "127.0.0.1", port, "/")).error is AttemptError.NOT_CONNECTED


def test_an_environment_full_of_proxies_is_ignored(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    assert post(receiver.target).is_delivered


def answering(*rounds: list[str]) -> Lookup:
    """Answer the first look-up with the first round, the second with the second, and so on."""
    left = iter(rounds)

    def lookup(_host: str, _port: int) -> Iterable[str]:
        return next(left)

    return lookup


def test_x057_an_address_inside_is_blocked_before_anything_is_sent(receiver: Receiver) -> None:
    shop = Target("http", "hooks.shop.com", receiver.port, "/")
    sender = Sender(lookup=answering(["127.0.0.1"]))

    assert post(shop, sender).error is AttemptError.BLOCKED
    assert receiver.requests == []


def test_a_name_that_changes_its_mind_is_asked_once_per_attempt(receiver: Receiver) -> None:
    local = Target("http", "localhost", receiver.port, "/")
    sender = Sender(lookup=answering(["127.0.0.1"], ["10.0.0.1"]))

    assert post(local, sender).is_delivered
    assert post(local, sender).error is AttemptError.BLOCKED
    assert len(receiver.requests) == 1


def test_the_next_address_is_tried_when_one_does_not_answer(receiver: Receiver) -> None:
    local = Target("http", "localhost", receiver.port, "/")

    assert post(local, Sender(lookup=answering(["::1", "127.0.0.1"]))).is_delivered


def test_only_the_checked_address_is_called_whatever_the_name_says_now(receiver: Receiver) -> None:
    local = Target("http", "localhost", receiver.port, "/")

    attempt = post(local, Sender(lookup=answering(["::1"])))

    assert attempt.error is AttemptError.NOT_CONNECTED
    assert receiver.requests == []


def test_a_name_nobody_knows_is_not_found() -> None:
    def lookup(host: str, _port: int) -> Iterable[str]:
        raise socket.gaierror(socket.EAI_NONAME, host)

    attempt = post(Target("https", "hooks.shop.com", 443, "/"), Sender(lookup=lookup))

    assert attempt.error is AttemptError.NAME_NOT_FOUND


def test_a_resolver_that_hangs_is_left_behind() -> None:
    over = Event()

    def lookup(_host: str, _port: int) -> Iterable[str]:
        over.wait(5)
        return []

    attempt = post(
        Target("https", "hooks.shop.com", 443, "/"), Sender(total_seconds=0.2, lookup=lookup)
    )
    over.set()

    assert attempt.error is AttemptError.TIMED_OUT
    assert attempt.duration_ms < 1500


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and self-signed certificate of `localhost` in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    signed = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=36_500))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost")]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def secured(receiver: Receiver, certificate: Path) -> Receiver:
    receiver.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    receiver.tls.load_cert_chain(certificate)
    return receiver


@pytest.fixture
def trusting(certificate: Path) -> Sender:
    return Sender(tls=ssl.create_default_context(cafile=certificate))


def test_the_certificate_is_asked_for_by_name(secured: Receiver, trusting: Sender) -> None:
    asked: list[str | None] = []
    assert secured.tls is not None
    secured.tls.sni_callback = lambda _connection, name, _context: asked.append(name)

    attempt = post(Target("https", "localhost", secured.port, "/"), trusting)

    assert attempt.is_delivered
    assert asked == ["localhost"]


def test_a_certificate_nobody_vouches_for_is_refused(secured: Receiver) -> None:
    attempt = post(Target("https", "localhost", secured.port, "/"))

    assert attempt.error is AttemptError.TLS_FAILED
    assert secured.requests == []


def test_a_certificate_of_another_name_is_refused(secured: Receiver, trusting: Sender) -> None:
    attempt = post(Target("https", "127.0.0.1", secured.port, "/"), trusting)

    assert attempt.error is AttemptError.TLS_FAILED
    assert secured.requests == []


def test_a_handshake_that_never_comes_is_cut_in_time(receiver: Receiver) -> None:
    attempt = post(Target("https", "localhost", receiver.port, "/"), QUICK)

    assert attempt.error is AttemptError.TIMED_OUT
    assert attempt.duration_ms < 1500


def test_https_to_a_port_of_plain_http_is_no_delivery(receiver: Receiver) -> None:
    receiver.read = lambda _connection: b""  # it would wait for headers that never come
    receiver.script = answer(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    attempt = post(Target("https", "localhost", receiver.port, "/"))

    assert attempt.error is AttemptError.TLS_FAILED
