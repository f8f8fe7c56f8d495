"""Hand messages to a mail server, or lay them into a folder where there is none."""

import re
import smtplib
import socket
import ssl
from contextlib import closing, suppress
from dataclasses import dataclass
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Protocol
from urllib.parse import unquote, urlsplit

from app.core.errors import Invalid, Unavailable

_DEFAULT_PORTS = {"smtp": 25, "smtps": 465}
_SUBMISSION_PORT = 587
_PERMANENT = 500
_BAD_FILE_CHARS = re.compile(r"[^A-Za-z0-9_-]+")


class Rejected(Invalid):
    """The server will never take this mail: no such mailbox, or it refuses what we say."""

    code = "mail_rejected"


class MailUnavailable(Unavailable):
    """The server did not take the mail now; the same mail may go later."""

    code = "mail_unavailable"


class Mailer(Protocol):
    """Something that takes messages. It may use the network: never inside a transaction."""

    def send(self, message: EmailMessage) -> None:
        """Hand over `message`. Raises Rejected for good, MailUnavailable for now."""


@dataclass(frozen=True, slots=True)
class OutboxMailer:
    """Writes each message as an `.eml` file of its own, whole or not at all.

    The file is named after the Message-ID, so a mail that is sent again replaces its own copy.
    """

    folder: Path

    def send(self, message: EmailMessage) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        local_part = str(message["Message-ID"]).strip("<>").partition("@")[0]
        name = _BAD_FILE_CHARS.sub("-", local_part)
        with NamedTemporaryFile(dir=self.folder, suffix=".part", delete=False) as file:
            file.write(message.as_bytes())
        Path(file.name).rename(self.folder / f"{name}.eml")


class SmtpMailer:
    """Speaks SMTP to the server of a URL: one connection per message.

    `smtp://` becomes encrypted when the server offers STARTTLS, `smtps://` is from the start.
    A password never goes over an unencrypted connection, except to this very machine.
    """

    def __init__(
        self, url: str, *, timeout_seconds: float = 10, tls: ssl.SSLContext | None = None
    ) -> None:
        """Read `smtp://user:password@host:587`. Raises ValueError on any other kind of URL."""
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ValueError("a mail server is smtp://host or smtps://host")
        self._encrypted = parts.scheme == "smtps"
        self._host = parts.hostname
        self._user = unquote(parts.username or "")
        self._password = unquote(parts.password or "")
        plain_port = _SUBMISSION_PORT if self._user else _DEFAULT_PORTS["smtp"]
        self._port = parts.port or (_DEFAULT_PORTS["smtps"] if self._encrypted else plain_port)
        self._timeout = timeout_seconds
        self._tls = tls or ssl.create_default_context()

    def send(self, message: EmailMessage) -> None:
        """Hand over `message`; each step of the talk has its own time limit."""
        try:
            # Not the client's own `with`: it would raise on a bad farewell to an accepted mail.
            with closing(self._connection()) as server:
                self._secure(server)
                server.send_message(message)
                with suppress(smtplib.SMTPException, OSError):
                    server.quit()
        except smtplib.SMTPRecipientsRefused as error:
            code, answer = next(iter(error.recipients.values()))
            raise _refusal(code, answer) from error
        except smtplib.SMTPAuthenticationError as error:
            raise MailUnavailable(f"sign-in refused: {_words(error.smtp_error)}") from error
        except smtplib.SMTPDataError as error:
            raise _refusal(error.smtp_code, error.smtp_error) from error
        except (smtplib.SMTPException, OSError) as error:
            # A refused sender too: that is our setting, and no fault of this one mail.
            raise MailUnavailable(f"{type(error).__name__}: {error}"[:300]) from error

    def _connection(self) -> smtplib.SMTP:
        # Named by hand: the library's default asks the name servers, which can take a while.
        name = socket.gethostname()
        if self._encrypted:
            return smtplib.SMTP_SSL(
                self._host, self._port, name, timeout=self._timeout, context=self._tls
            )
        return smtplib.SMTP(self._host, self._port, name, timeout=self._timeout)

    def _secure(self, server: smtplib.SMTP) -> None:
        """Encrypt where the server can, and sign in where we have a password."""
        server.ehlo_or_helo_if_needed()
        encrypted = self._encrypted
        if not encrypted and server.has_extn("starttls"):
            server.starttls(context=self._tls)
            server.ehlo()
            encrypted = True
        if not self._user:
            return
        if not encrypted and not _is_this_machine(self._host):
            raise MailUnavailable("the server offers no encryption, so it gets no password")
        server.login(self._user, self._password)


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _refusal(code: int, answer: bytes | str) -> Rejected | MailUnavailable:
    text = f"{code} {_words(answer)}"
    return Rejected(text) if code >= _PERMANENT else MailUnavailable(text)


def _words(answer: bytes | str) -> str:
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    return " ".join(text.split())[:300]
