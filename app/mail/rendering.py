"""Word our mails: a folder of templates per language, text and HTML side by side."""

import unicodedata
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from app.core.language import Language
from app.mail.messages import Content

_LONGEST_VALUE = 500  # of one name or link, not of our own words


class UnsafeLink(ValueError):
    """A link that is not http(s), or endless: a fault in the program, for we make the links."""


@dataclass(frozen=True, slots=True)
class InvoiceIssued:
    """An invoice waits to be paid. `amount` is the CNY amount as its reader writes it."""

    merchant_name: str
    customer_name: str
    number: str
    amount: str
    due_on: date | None
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


def render_invoice_issued(mail: InvoiceIssued, language: Language) -> Content:
    """Word the mail that brings an invoice. Raises UnsafeLink."""
    _check_link(mail.pay_url)
    return _render("invoice_issued", language, asdict(mail))


def render_invoice_paid(mail: InvoicePaid, language: Language) -> Content:
    """Word the mail that confirms a payment. Raises UnsafeLink."""
    _check_link(mail.invoice_url)
    return _render("invoice_paid", language, asdict(mail))


def render_fapiao_issued(mail: FapiaoMail, language: Language) -> Content:
    """Word the mail that brings a fapiao. Raises UnsafeLink."""
    _check_link(mail.link)
    return _render("fapiao_issued", language, asdict(mail))


def render_fapiao_rejected(mail: FapiaoMail, language: Language) -> Content:
    """Word the mail that says why there is no fapiao. Raises UnsafeLink."""
    _check_link(mail.link)
    return _render("fapiao_rejected", language, asdict(mail))


def render_fapiao_red_lettered(mail: FapiaoMail, language: Language) -> Content:
    """Word the mail that brings the red letter which cancels a fapiao. Raises UnsafeLink."""
    _check_link(mail.link)
    return _render("fapiao_red_lettered", language, asdict(mail))


def _render(name: str, language: Language, values: dict[str, object]) -> Content:
    """Render both templates of a mail; the subject is the first line of the text."""
    text = _ENVIRONMENT.get_template(f"{language}/{name}.txt").render(values)
    html = _ENVIRONMENT.get_template(f"{language}/{name}.html").render(values)
    subject, _, body = text.partition("\n")
    return Content(subject.strip(), body.strip() + "\n", html)


def _check_link(link: str) -> None:
    if not link.startswith(("https://", "http://")) or len(link) > _LONGEST_VALUE:
        raise UnsafeLink(f"{link[:40]} is not a link to us")


def _plain(value: object) -> object:
    """Bring a value of somebody else's onto one line of visible characters, not endless."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    visible = (
        char for char in value if char.isspace() or unicodedata.category(char) not in _UNSEEN
    )
    line = " ".join("".join(visible).split())
    return line if len(line) <= _LONGEST_VALUE else f"{line[:_LONGEST_VALUE]}…"


_UNSEEN = frozenset({"Cc", "Cf", "Cs"})
_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    finalize=_plain,
    trim_blocks=True,
    lstrip_blocks=True,
)
