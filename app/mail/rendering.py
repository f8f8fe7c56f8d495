"""Word our mails: a folder of templates per language, text and HTML side by side."""

from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import ClassVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from app.core.language import Language
from app.mail.messages import Content, shown_name
from app.mail.models import MailKind

_LONGEST_VALUE = 500  # of one name or link, not of our own words


class UnsafeLink(ValueError):
    """A link that is not http(s), or endless: a fault in the program, for we make the links."""


@dataclass(frozen=True, slots=True)
class MailBrand:
    """How a merchant's mails look: the address of its logo, its colour as #rrggbb, or nothing."""

    logo_url: str = ""
    color: str = ""


UNBRANDED = MailBrand()


@dataclass(frozen=True, slots=True, kw_only=True)
class MailWords:
    """What every mail says, its `kind` first. Amounts and days are as their reader writes them.

    `number` is that of the document it is about, `link` one to us, http(s) and not endless.
    """

    kind: ClassVar[MailKind]

    merchant_name: str
    number: str
    amount: str
    link: str
    reference: str
    is_sandbox: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceIssued(MailWords):
    """An invoice waits to be paid, or says that nothing `is_due`."""

    kind = MailKind.INVOICE_ISSUED

    customer_name: str
    due_on: date | None
    is_due: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceReminder(MailWords):
    """An invoice still waits to be paid: `days_overdue` is below zero while it is not due yet."""

    kind = MailKind.INVOICE_REMINDER

    customer_name: str
    due_on: date
    days_overdue: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoicePaid(MailWords):
    """An invoice was paid, through `channel`, which calls the payment `transaction`."""

    kind = MailKind.INVOICE_PAID

    customer_name: str
    paid_on: date
    channel: str
    transaction: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceVoided(MailWords):
    """An invoice that its reader has is void: its `amount` is owed no more.

    `replaced_by` is the number of the invoice that was issued in its place, or empty.
    """

    kind = MailKind.INVOICE_VOIDED

    customer_name: str
    voided_on: date
    reason: str
    replaced_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceCredited(MailWords):
    """A credit note, `number`, took `amount` off an invoice.

    `to_balance` of it went to the customer's balance, `off_due` lowered what is due; either may
    be empty.
    """

    kind = MailKind.INVOICE_CREDITED

    customer_name: str
    invoice_number: str
    to_balance: str
    off_due: str
    issued_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceRefunded(MailWords):
    """`amount` of what was paid for invoice `number` went back the way it came, by `channel`.

    `refund_number` is the channel's own, or ours where it has none.
    """

    kind = MailKind.INVOICE_REFUNDED

    customer_name: str
    refunded_on: date
    channel: str
    refund_number: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FapiaoMail(MailWords):
    """What became of the fapiao of invoice `number`, which `buyer` asked for: the name on it."""

    buyer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FapiaoIssued(FapiaoMail):
    """The fapiao is there."""

    kind = MailKind.FAPIAO_ISSUED

    fapiao_number: str
    day: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FapiaoRejected(FapiaoMail):
    """There is none, for a reason that its buyer can mend."""

    kind = MailKind.FAPIAO_REJECTED

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FapiaoRedLettered(FapiaoMail):
    """A red letter, whose number and day these are, cancelled it."""

    kind = MailKind.FAPIAO_RED_LETTERED

    fapiao_number: str
    day: date | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookFailing(MailWords):
    """The merchant's own server, at the address `number`, has answered no message since a day.

    `amount` says since when; `waiting` is how many messages wait for it.
    """

    kind = MailKind.WEBHOOK_FAILING

    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDisabled(WebhookFailing):
    """The same, and nothing more is sent to it until somebody enables it: it `is_gone`, or dead."""

    kind = MailKind.WEBHOOK_DISABLED

    is_gone: bool


def render(words: MailWords, language: Language, brand: MailBrand = UNBRANDED) -> Content:
    """Word a mail in text and HTML, from the templates of its kind. Raises UnsafeLink.

    The subject is the first line of the text. Names stand in it no longer than a header bears,
    and in the mail as they are.
    """
    _check_link(words.link)
    values = asdict(words)
    name = f"{language}/{words.kind}"
    template = _ENVIRONMENT.get_template(f"{name}.txt")
    body = template.render(values).partition("\n")[2]
    html = _ENVIRONMENT.get_template(f"{name}.html").render(values, brand=brand)
    short = {
        key: shown_name(value) if isinstance(value, str) else value for key, value in values.items()
    }
    subject = template.render(short).partition("\n")[0]
    return Content(subject.strip(), body.strip() + "\n", html)


def _check_link(link: str) -> None:
    if not link.startswith(("https://", "http://")) or len(link) > _LONGEST_VALUE:
        raise UnsafeLink(f"{link[:40]} is not a link to us")


def _plain(value: object) -> object:
    """Bring a value of somebody else's onto one line of visible characters, not endless."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return shown_name(value, longest=_LONGEST_VALUE)


_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    finalize=_plain,
    trim_blocks=True,
    lstrip_blocks=True,
)
