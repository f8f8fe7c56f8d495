"""Build e-mail messages that say what we say: strict addresses, no second header in the first."""

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from email_validator import EmailNotValidError, validate_email

from app.core.errors import Invalid

_LONGEST_ADDRESS = 254
_LONGEST_HEADER = 300
_LONGEST_NAME = 80
_UNSEEN = frozenset({"Cc", "Cf", "Cs"})
_PDF = "pdf"
_SUBTYPES = frozenset({_PDF, "ofd", "xml"})
# Every relay takes seven bits; what is not ASCII travels as base64 and encoded words.
_POLICY = SMTP.clone(cte_type="7bit")


class InvalidAddress(Invalid):
    """Something else than one plain e-mail address, such as finance@example.cn."""

    code = "invalid_email"


class InvalidHeader(Invalid):
    """A subject or a name that holds a line break or another control character, or no end."""

    code = "invalid_mail_header"


@dataclass(frozen=True, slots=True)
class Content:
    """What a mail says: the same in plain text and in HTML."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Party:
    """Who sends or receives: an address from `parse_address`, and the name beside it."""

    email: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file under the name its reader sees, which may be Chinese and ends with its format."""

    name: str
    content: bytes

    @property
    def subtype(self) -> str:
        """What kind of application/… it is: a PDF unless its name tells of another format."""
        ending = self.name.rpartition(".")[2].lower()
        return ending if ending in _SUBTYPES else _PDF


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who, when, and under which numbers. `message_id` is the same for each attempt to send."""

    sender: Party
    recipient: Party
    message_id: str
    reference: str
    sent_at: datetime


def parse_address(text: str, *, path: str = "") -> str:
    """Return one address in its normal form, the domain in ASCII and lower case.

    Display names, quoted local parts, address literals and addresses that need SMTPUTF8 are
    refused. Nothing is looked up. Raises InvalidAddress, naming `path`.
    """
    if len(text) > _LONGEST_ADDRESS:
        raise InvalidAddress("this e-mail address is too long", path=path)
    try:
        # `test_environment` lets the reserved domain .test through: demos and tests use it.
        address = validate_email(
            text,
            strict=True,
            allow_smtputf8=False,
            check_deliverability=False,
            test_environment=True,
        )
    except EmailNotValidError as error:
        raise InvalidAddress("this is not an e-mail address", path=path) from error
    return f"{address.local_part}@{address.ascii_domain}"


def build_message(
    content: Content, envelope: Envelope, attachment: Attachment | None = None
) -> EmailMessage:
    """Return the message: text and HTML as alternatives, then the file.

    Raises InvalidAddress and InvalidHeader; nothing is ever mended silently.
    """
    sender, recipient = envelope.sender, envelope.recipient
    domain = parse_address(sender.email, path="sender").partition("@")[2]
    message = EmailMessage(policy=_POLICY)
    message["From"] = _mailbox(sender, path="sender")
    message["To"] = _mailbox(recipient, path="recipient")
    message["Subject"] = one_line(content.subject, path="subject")
    message["Date"] = format_datetime(envelope.sent_at)
    message["Message-ID"] = f"<{one_line(envelope.message_id, path='message_id')}@{domain}>"
    message["X-Reference"] = one_line(envelope.reference, path="reference")
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(content.text)
    message.add_alternative(content.html, subtype="html")
    if attachment is not None:
        name = one_line(attachment.name, path="attachment")
        message.add_attachment(
            attachment.content,
            maintype="application",
            subtype=attachment.subtype,
            filename=name,
        )
    return message


def shown_name(text: str, *, longest: int = _LONGEST_NAME) -> str:
    """Bring somebody's name onto one line of visible characters, not endless.

    Characters that turn the direction of text go too: an address could be made to look like
    another one.
    """
    visible = (char for char in text if char.isspace() or unicodedata.category(char) not in _UNSEEN)
    line = " ".join("".join(visible).split())
    return line if len(line) <= longest else f"{line[:longest]}…"


def one_line(text: str, *, path: str) -> str:
    """Return `text` if it fits one header. Raises InvalidHeader, naming `path`."""
    is_endless = len(text) > _LONGEST_HEADER
    if is_endless or any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in text):
        raise InvalidHeader("must be one line without control characters", path=path)
    return text


def _mailbox(party: Party, *, path: str) -> Address:
    email = parse_address(party.email, path=path)
    return Address(one_line(party.name, path=path), addr_spec=email)
