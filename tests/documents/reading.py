"""Documents read back the way a search, an archive or a machine would."""

from io import BytesIO
from typing import Any

from PIL import Image
from pypdf import PdfReader

from app.core.language import Language
from app.documents.credit_note_print import CreditNotePrint
from app.documents.invoice_print import InvoicePrint
from app.documents.printing import render_credit_note, render_invoice


def read(pdf: bytes) -> PdfReader:
    return PdfReader(BytesIO(pdf))


def text(document: InvoicePrint | CreditNotePrint, language: Language = Language.ZH_HANS_CN) -> str:
    """Return the words of the pages with single spaces, as a reader or a search finds them."""
    if isinstance(document, InvoicePrint):
        pdf = render_invoice(document, language=language)
    else:
        pdf = render_credit_note(document, language=language)
    return " ".join(" ".join(page.extract_text() for page in read(pdf).pages).split())


def fonts(pdf: bytes) -> list[Any]:
    """Return the fonts of every page."""
    pages: list[Any] = list(read(pdf).pages)
    return [
        font.get_object()
        for page in pages
        for font in page["/Resources"]["/Font"].get_object().values()
    ]


def picture(size: tuple[int, int] = (320, 80), *, kind: str = "PNG", **options: object) -> bytes:
    """Return a green picture of this size."""
    file = BytesIO()
    Image.new("RGB", size, (15, 118, 110)).save(file, kind, **options)
    return file.getvalue()
