"""Mails reach a real SMTP server, encrypted where they can be, and each answer is understood."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.mail.delivery import MailUnavailable, OutboxMailer, Rejected, SmtpMailer
from app.mail.messages import build_message
from tests.mail.test_messages import CONTENT, ENVELOPE

MESSAGE = build_message(CONTENT, ENVELOPE)


class Mailbox:
    """A server that keeps what it is given, and can be told what to answer."""

    def __init__(self, *, recipient: str = "250 OK", data: str = "250 OK") -> None:
        self.recipient, self.data = recipient, data
        self.received: list[bytes] = []
        self.was_encrypted: list[bool] = []

    async def handle_RCPT(  # noqa: N802  # named and called by aiosmtpd
        self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: list[str]
    ) -> str:
        if self.recipient.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.recipient

    async def handle_DATA(  # noqa: N802  # named and called by aiosmtpd
        self, _: SMTP, session: Session, envelope: Envelope
    ) -> str:
        assert isinstance(envelope.content, bytes)
        self.received.append(envelope.content)
        self.was_encrypted.append(session.ssl is not None)
        return self.data


@contextmanager
def serving(mailbox: Mailbox, **options: Any) -> Iterator[int]:
    """Run the mailbox on a free port of this machine and return the port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(mailbox, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


def only_anna(*asked: object) -> AuthResult:
    """Answer aiosmtpd, whose last argument is what the client signed in with."""
    is_anna = asked[-1] == LoginPassword(b"anna", b"p@ss word")
    return AuthResult(success=is_anna, handled=False)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a key and the certificate of 127.0.0.1 that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    since = datetime(2020, 1, 1, tzinfo=UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(since)
        .not_valid_after(since + timedelta(days=36_500))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture(scope="module")
def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture(scope="module")
def client_tls(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Return a port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_mail_arrives_as_it_was_built() -> None:
    mailbox = Mailbox()
    with serving(mailbox) as port:
        SmtpMailer(f"smtp://127.0.0.1:{port}").send(MESSAGE)

    (raw,) = mailbox.received
    assert message_from_bytes(raw, policy=default)["Subject"] == CONTENT.subject


def test_what_can_be_encrypted_is(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    mailbox = Mailbox()
    with serving(mailbox, tls_context=server_tls) as port:
        SmtpMailer(f"smtp://127.0.0.1:{port}", tls=client_tls).send(MESSAGE)

    assert mailbox.was_encrypted == [True]


def test_smtps_is_encrypted_from_the_first_byte(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    mailbox = Mailbox()
    with serving(mailbox, ssl_context=server_tls) as port:
        SmtpMailer(f"smtps://127.0.0.1:{port}", tls=client_tls).send(MESSAGE)

    assert len(mailbox.received) == 1


def test_a_stranger_with_a_certificate_of_his_own_gets_nothing(
    server_tls: ssl.SSLContext,
) -> None:
    mailbox = Mailbox()
    with (
        serving(mailbox, tls_context=server_tls) as port,
        pytest.raises(MailUnavailable, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        SmtpMailer(f"smtp://127.0.0.1:{port}").send(MESSAGE)

    assert mailbox.received == []


def test_a_sign_in_opens_the_server(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    mailbox = Mailbox()
    options = {"tls_context": server_tls, "authenticator": only_anna, "auth_required": True}
    with serving(mailbox, **options) as port:
        SmtpMailer(f"smtp://anna:p%40ss%20word@127.0.0.1:{port}", tls=client_tls).send(MESSAGE)
        with pytest.raises(MailUnavailable, match="sign-in refused"):
            SmtpMailer(f"smtp://anna:wrong@127.0.0.1:{port}", tls=client_tls).send(MESSAGE)

    assert len(mailbox.received) == 1


@pytest.mark.parametrize(
    ("mailbox", "refusal"),
    [
        (Mailbox(recipient="550 no such user"), Rejected),
        (Mailbox(recipient="450 greylisted"), MailUnavailable),
        (Mailbox(data="554 spam"), Rejected),
        (Mailbox(data="451 disk full"), MailUnavailable),
    ],
)
def test_a_server_that_says_never_is_not_one_that_says_later(
    mailbox: Mailbox, refusal: type[Exception]
) -> None:
    answer = mailbox.recipient if mailbox.data.startswith("250") else mailbox.data
    with serving(mailbox) as port, pytest.raises(refusal, match=answer):
        SmtpMailer(f"smtp://127.0.0.1:{port}").send(MESSAGE)


def test_a_server_that_is_not_there_or_hangs_is_tried_later(
    silent_port: int,
) -> None:
    hanging = SmtpMailer(f"smtp://127.0.0.1:{silent_port}", timeout_seconds=0.2)
    closed = SmtpMailer("smtp://127.0.0.1:1", timeout_seconds=0.2)

    for mailer in (hanging, closed):
        with pytest.raises(MailUnavailable):
            mailer.send(MESSAGE)


@pytest.mark.parametrize("url", ["", "localhost:25", "http://mail.example.cn", "smtp://"])
def test_any_other_url_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="a mail server is"):
        SmtpMailer(url)


def test_without_a_server_each_mail_is_a_file(tmp_path: Path) -> None:
    mailer = OutboxMailer(tmp_path / "outbox")

    mailer.send(MESSAGE)
    mailer.send(MESSAGE)

    (file,) = (tmp_path / "outbox").iterdir()
    assert file.name == "mail_0000000000001.eml"
    assert message_from_bytes(file.read_bytes(), policy=default)["Subject"] == CONTENT.subject
