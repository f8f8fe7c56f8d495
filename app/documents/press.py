"""The press: a page of ours becomes PDF/A-3, with our fonts, and nothing fetched for it."""

from datetime import datetime
from functools import lru_cache, partial
from importlib.resources import files as resource_files
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any

from weasyprint import CSS, HTML, Attachment
from weasyprint.css import ColorProfile
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

from app.documents.copying import name_glyphs
from app.documents.fonts import FONTS, font_configuration

LOGO_URL = "brand:logo"
"""The one address a page may name: the logo that was handed in with it."""

VARIANT = "pdf/a-3u"  # as b, and every letter says which one it is, so all text can be copied

STYLESHEET = Path(__file__).with_name("templates") / "document.css"
_SCREEN_COLORS = "screen"
_SRGB = resource_files("weasyprint.pdf") / "sRGB2014.icc"

# Pango's font map belongs to one thread at a time, and there is one per process.
_PRESS = Lock()


class OutsideResource(RuntimeError):
    """A page asked for something that is not in it. Ours never do, so nobody gets this page."""


class _Refused(FatalURLFetchingError):  # type: ignore[misc]  # WeasyPrint ships no types
    """Ends the rendering: any other exception WeasyPrint would log and print on without."""


class OnlyTheLogo(URLFetcher):  # type: ignore[misc]  # WeasyPrint ships no types
    """Refuses every URL, local files and data included, but the logo's where there is one."""

    def __init__(self, logo: bytes = b"") -> None:
        super().__init__()
        self._logo = logo

    def fetch(self, url: str, headers: object = None) -> URLFetcherResponse:
        del headers  # part of the signature; nothing is ever asked for
        if url == LOGO_URL and self._logo:
            return URLFetcherResponse(url, self._logo, {"Content-Type": "image/png"})
        raise _Refused(url[:200])


def print_page(
    page: str,
    *,
    identifier: bytes,
    fonts: Path = FONTS,
    logo: bytes = b"",
    attachments: tuple[Attachment, ...] = (),
) -> bytes:
    """Print HTML of ours as PDF/A-3u; the same arguments give the same bytes.

    One page at a time per process. Raises FontsMissing, and OutsideResource on any URL in it.
    """
    with _PRESS:
        configuration = font_configuration(fonts)
        try:
            pdf = HTML(string=page, url_fetcher=OnlyTheLogo(logo)).write_pdf(
                stylesheets=[_stylesheet(configuration)],
                font_config=configuration,
                color_profiles={_SCREEN_COLORS: _screen_colors()},
                output_intent=_SCREEN_COLORS,
                pdf_identifier=identifier,
                pdf_variant=VARIANT,
                attachments=list(attachments),
                finisher=partial(_finish, fonts=fonts),
            )
        except _Refused as refused:
            raise OutsideResource(str(refused)) from refused
    return bytes(pdf)


def data_attachment(
    name: str, content: bytes, *, description: str, made_at: datetime
) -> Attachment:
    """Return a file that goes into a PDF as the data it was printed from."""
    return Attachment(
        file_obj=BytesIO(content),
        url_fetcher=OnlyTheLogo(),
        name=name,
        description=description,
        created=made_at,
        modified=made_at,
        relationship="Data",
    )


def _finish(document: Any, pdf: Any, *, fonts: Path) -> None:
    """Mend what WeasyPrint leaves: it names every associated file twice, and some glyphs not.

    What the document says of itself stays unpacked: archives look for it in the plain bytes.
    """
    files = pdf.catalog.get("AF", [])
    files[:] = dict.fromkeys(files)
    metadata = int(pdf.catalog["Metadata"].split()[0])
    pdf.objects[metadata].compress = False
    name_glyphs(document, pdf, fonts)


@lru_cache(maxsize=4)
def _stylesheet(configuration: FontConfiguration) -> CSS:
    text = STYLESHEET.read_text(encoding="utf-8")
    return CSS(string=text, font_config=configuration, url_fetcher=OnlyTheLogo())


def _screen_colors() -> ColorProfile:
    """Return the sRGB profile an archive asks for; WeasyPrint's own way leaves its file open."""
    profile = BytesIO(_SRGB.read_bytes())
    return ColorProfile(profile, _SRGB.name, "relative-colorimetric", (["r"], ["g"], ["b"]))
