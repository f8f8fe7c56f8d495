"""Word our mails: a folder of templates per language, text and HTML side by side."""

from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from app.core.language import Language
from app.mail.messages import Content, shown_name

_LONGEST_VALUE = 500  # of one name or link, not of our own words


class UnsafeLink(ValueError):
    """A link that is not http(s), or endless: a fault in the program, for we make the links."""


@dataclass(frozen=True, slots=True)
class MailBrand:
    """How a merchant's mails look: the address of its logo, its colour as #rrggbb, or nothing."""

    logo_url: str = ""
    color: str = ""


UNBRANDED = MailBrand()


@dataclass(frozen=True, slots=True)
class InvoiceIssued:
    """An invoice waits to be paid, or says that nothing `is_due`.

    `amount` is the CNY amount as its reader writes it.
    """

    merchant_name: str
    customer_name: str
    number: str
    amount: str
    due_on: date | None
    pay_url: str
    reference: str
    is_due: bool = True
    request_id: str = ""
    is_sandbox: bool = False


@dataclass(frozen=True, slots=True)
class InvoiceReminder:
    """An invoice still waits to be paid: `days_overdue` is below zero while it is not due yet."""

    merchant_name: str
    customer_name: str
    number: str
    amount: str
    due_on: date
    days_overdue: int
    pay_url: str
    reference: str
    request_id: str = ""
    is_sandbox: bool = False


@dataclass(frozen=True, slots=True)
class InvoicePaid:
    """An invoice was paid, through `channel`, which calls the payment `transaction`."""

    merchant_name: str
    customer_name: str
    number: str
    amount: str
    paid_on: date
    channel: str
    transaction: str
    invoice_url: str
    reference: str
    request_id: str = ""
    is_sandbox: bool = False


@dataclass(frozen=True, slots=True)
class InvoiceCredited:
    """A credit note, `number`, took `amount` off an invoice.

    `to_balance` of it went to the customer's balance, `off_due` lowered what is due; either may
    be empty.
    """

    merchant_name: str
    customer_name: str
    number: str
    invoice_number: str
    amount: str
    to_balance: str
    off_due: str
    issued_on: date
    invoice_url: str
    reference: str
    request_id: str = ""
    is_sandbox: bool = False


@dataclass(frozen=True, slots=True)
class FapiaoMail:
    """What became of the fapiao of invoice `number`, which `buyer` asked for: the name on it.

    `fapiao_number` and `day` are those of the fapiao, or of its red letter; `reason` says why it
    was rejected or cancelled.
    """

    merchant_name: str
    buyer: str
    number: str
    amount: str
    link: str
    reference: str
    fapiao_number: str = ""
    day: date | None = None
    reason: str = ""
    request_id: str = ""
    is_sandbox: bool = False


def render_invoice_issued(
    mail: InvoiceIssued, language: Language, brand: MailBrand = UNBRANDED
) -> Content:
    """Word the mail that brings an invoice. Raises UnsafeLink."""
    _check_link(mail.pay_url)
    return _render("invoice_issued", language, asdict(mail), brand=brand)


def render_invoice_reminder(
    mail: InvoiceReminder, language: Language, brand: MailBrand = UNBRANDED
) -> Content:
    """Word the mail that reminds of an invoice before, on and after its day. Raises UnsafeLink."""
    _check_link(mail.pay_url)
    return _render("invoice_reminder", language, asdict(mail), brand=brand)


def render_invoice_paid(
    mail: InvoicePaid, language: Language, brand: MailBrand = UNBRANDED
) -> Content:
    """Word the mail that confirms a payment. Raises UnsafeLink."""
    _check_link(mail.invoice_url)
    return _render("invoice_paid", language, asdict(mail), brand=brand)


def render_invoice_credited(
    mail: InvoiceCredited, language: Language, brand: MailBrand = UNBRANDED
) -> Content:
    """Word the mail that brings a credit note. Raises UnsafeLink."""
    _check_link(mail.invoice_url)
    return _render("invoice_credited", language, asdict(mail), brand=brand)


def render_fapiao_issued(
    mail: FapiaoMail, language: Language, brand: MailBrand = UNBRANDED
) -> Content:
    """Word the mail that brings a fapiao. Raises UnsafeLink."""
    _check_link(mail.link)
    return _render("fapiao_issued", language, asdict(mail), brand=brand)


def render_fapiao_rejected(
    mail: FapiaoMail, language: Language, brand: MailBrand = UNBRANDED
) -> Content:
    """Word the mail that says why there is no fapiao. Raises UnsafeLink."""
    _check_link(mail.link)
    return _render("fapiao_rejected", language, asdict(mail), brand=brand)


def render_fapiao_red_lettered(
    mail: FapiaoMail, language: Language, brand: MailBrand = UNBRANDED
) -> Content:
    """Word the mail that brings the red letter which cancels a fapiao. Raises UnsafeLink."""
    _check_link(mail.link)
    return _render("fapiao_red_lettered", language, asdict(mail), brand=brand)


def _render(
    name: str, language: Language, values: dict[str, object], *, brand: MailBrand
) -> Content:
    """Render both templates of a mail; the subject is the first line of the text.

    Names stand in the subject no longer than a header bears, and in the mail as they are.
    """
    template = _ENVIRONMENT.get_template(f"{language}/{name}.txt")
    text = template.render(values)
    html = _ENVIRONMENT.get_template(f"{language}/{name}.html").render(values, brand=brand)
    short = {
        key: shown_name(value) if isinstance(value, str) else value for key, value in values.items()
    }
    subject = template.render(short).partition("\n")[0]
    body = text.partition("\n")[2]
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
