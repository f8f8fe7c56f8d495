"""Set an invoice as a PDF: our template, our fonts, nothing fetched, the same bytes each time."""

import unicodedata
from datetime import timedelta
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import NoReturn

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from weasyprint import CSS, HTML
from weasyprint.css import ColorProfile
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import FatalURLFetchingError, URLFetcher

from app.core.language import Language
from app.documents import formats
from app.documents.capitals import cny_in_capitals
from app.documents.fonts import FONTS, font_configuration
from app.documents.invoice_print import InvoicePrint, PrintStatus
from app.documents.wording import WORDING

_TEMPLATES = Path(__file__).with_name("templates")
_LONGEST_TEXT = 500  # a longer name would only push the amounts off the page
_COLLECTION_WORD = {PrintStatus.OPEN: "due", PrintStatus.PAID: "paid"}
_SCREEN_COLOURS = "screen"
_SRGB = files("weasyprint.pdf") / "sRGB2014.icc"

# Pango's font map belongs to one thread at a time, and there is one per process.
_PRESS = Lock()


class OutsideResource(RuntimeError):
    """A page asked for something that is not in it. Ours never do, so nobody gets this page."""


class _Refused(FatalURLFetchingError):  # type: ignore[misc]  # WeasyPrint ships no types
    """Ends the rendering: any other exception WeasyPrint would log and print on without."""


class NoFetching(URLFetcher):  # type: ignore[misc]  # WeasyPrint ships no types
    """Refuses every URL, local files and data included: a document is its own text and fonts."""

    def fetch(self, url: str, headers: object = None) -> NoReturn:
        del headers  # part of the signature; nothing is ever asked for
        raise _Refused(url[:200])


def render_invoice(invoice: InvoicePrint, *, language: Language, fonts: Path = FONTS) -> bytes:
    """Print `invoice` as PDF/A-3b with embedded fonts.

    The same print gives the same bytes: identifier and dates come from the invoice, not from
    the clock. Takes about 0.1 s for a page and 4 ms for each further line; one page at a time
    per process. Raises FontsMissing and OutsideResource.
    """
    page = _ENVIRONMENT.get_template("invoice.html").render(
        invoice=invoice,
        language=language,
        words=WORDING[language],
        money=lambda amount: formats.money(amount, language),
        collection_word=_COLLECTION_WORD.get(invoice.status, "other"),
    )
    identifier = sha256(f"{invoice.reference} {language}".encode()).digest()[:16]
    return print_page(page, fonts=fonts, identifier=identifier)


def print_page(page: str, *, fonts: Path = FONTS, identifier: bytes) -> bytes:
    """Print HTML of ours as PDF/A-3b. Raises FontsMissing, and OutsideResource on any URL in it."""
    with _PRESS:
        configuration = font_configuration(fonts)
        try:
            pdf = HTML(string=page, url_fetcher=NoFetching()).write_pdf(
                stylesheets=[_stylesheet(configuration)],
                font_config=configuration,
                color_profiles={_SCREEN_COLOURS: _screen_colours()},
                output_intent=_SCREEN_COLOURS,
                pdf_identifier=identifier,
                pdf_variant="pdf/a-3b",
            )
        except _Refused as refused:
            raise OutsideResource(str(refused)) from refused
    return bytes(pdf)


@lru_cache(maxsize=4)
def _stylesheet(configuration: FontConfiguration) -> CSS:
    text = (_TEMPLATES / "invoice.css").read_text(encoding="utf-8")
    return CSS(string=text, font_config=configuration, url_fetcher=NoFetching())


def _screen_colours() -> ColorProfile:
    """Return the sRGB profile an archive asks for; WeasyPrint's own way leaves its file open."""
    profile = BytesIO(_SRGB.read_bytes())
    return ColorProfile(profile, _SRGB.name, "relative-colorimetric", (["r"], ["g"], ["b"]))


def printable(value: object) -> object:
    """Make a value safe to set: no control or direction-changing characters, not endless.

    Letters of every script and their marks stay; escaping is the template's own work.
    """
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    kept = "".join(" " if char.isspace() else char for char in value if _is_visible(char))
    return kept if len(kept) <= _LONGEST_TEXT else f"{kept[:_LONGEST_TEXT]}…"


def _is_visible(char: str) -> bool:
    return char.isspace() or unicodedata.category(char) not in {"Cc", "Cf", "Cs"}


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        capitals=cny_in_capitals,
        decimal=formats.decimal,
        digits=formats.digits,
        day_before=lambda day: day - timedelta(days=1),
        percent=formats.percent,
        local_date=formats.local_date,
        local_time=formats.local_time,
    )
    return environment


_ENVIRONMENT = _environment()
