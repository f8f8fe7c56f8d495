"""Each document is PDF/A-3u to the letter, whatever is printed on it."""

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfWriter
from pypdf.generic import ArrayObject, DictionaryObject, NameObject, TextStringObject

from app.core.language import Language
from app.documents.credit_note_print import CreditNotePrint
from app.documents.invoice_print import InvoicePrint, PrintBrand, PrintForm
from app.documents.printing import render_credit_note, render_invoice
from tests.documents.pdfa import violations
from tests.documents.prints import CREDIT_NOTE, PAID, TAXED, with_lines
from tests.documents.reading import picture, read
from tests.documents.test_letters import COMPLEX, NAMES

BRANDED = replace(TAXED, brand=PrintBrand(picture(), "#0f766e", "谢谢惠顾"))
DOCUMENTS = {
    "invoice": BRANDED,
    "receipt": PAID,
    "void notice": replace(
        TAXED,
        form=PrintForm.VOID,
        voided_at=datetime(2026, 6, 3, 4, tzinfo=UTC),
        void_reason="价格表选错",
    ),
    "credit note": CREDIT_NOTE,
    "names": replace(
        with_lines(1),
        lines=tuple(replace(TAXED.lines[0], description=each) for each in NAMES + COMPLEX),
    ),
}


def render(document: InvoicePrint | CreditNotePrint, language: Language) -> bytes:
    if isinstance(document, CreditNotePrint):
        return render_credit_note(document, language=language)
    return render_invoice(document, language=language)


@pytest.fixture(scope="module")
def invoice() -> bytes:
    return render(BRANDED, Language.ZH_HANS_CN)


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_every_document_is_fit_for_the_archive(
    document: InvoicePrint | CreditNotePrint, language: Language
) -> None:
    assert violations(render(document, language)) == []


def test_sixteen_pages_are_as_well() -> None:
    line = replace(TAXED.lines[0], description="大模型推理" * 60)
    pdf = render(replace(TAXED, lines=(line,) * 44), Language.ZH_HANS_CN)

    assert len(read(pdf).pages) == 16
    assert violations(pdf) == []


def test_the_file_is_sound(invoice: bytes, tmp_path: Path) -> None:
    qpdf = shutil.which("qpdf")
    if qpdf is None:
        pytest.skip("qpdf is not installed")
    file = tmp_path / "invoice.pdf"
    file.write_bytes(invoice)

    done = subprocess.run([qpdf, "--check", file], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def _unembed(root: Any) -> None:
    font = next(iter(_fonts_of(root).values())).get_object()
    del font["/DescendantFonts"][0].get_object()["/FontDescriptor"].get_object()["/FontFile2"]


def _widen(root: Any) -> None:
    font = next(iter(_fonts_of(root).values())).get_object()
    font["/DescendantFonts"][0].get_object()[NameObject("/W")] = ArrayObject()


def _silence(root: Any) -> None:
    del next(iter(_fonts_of(root).values())).get_object()["/ToUnicode"]


def _fonts_of(root: Any) -> Any:
    page = root["/Pages"].get_object()["/Kids"][0].get_object()
    return page["/Resources"].get_object()["/Font"].get_object()


def _act(root: Any) -> None:
    action = {NameObject("/S"): NameObject("/JavaScript"), NameObject("/JS"): TextStringObject("1")}
    root[NameObject("/OpenAction")] = DictionaryObject(action)


def _smooth(root: Any) -> None:
    page = root["/Pages"].get_object()["/Kids"][0].get_object()
    (logo,) = page["/Resources"].get_object()["/XObject"].get_object().values()
    logo.get_object()[NameObject("/Interpolate")] = NameObject("/true")


def _orphan(root: Any) -> None:
    del root["/AF"]


def _untype(root: Any) -> None:
    file = root["/Names"].get_object()["/EmbeddedFiles"].get_object()["/Names"][1].get_object()
    del file["/EF"]["/F"].get_object()["/Subtype"]


def _bleach(root: Any) -> None:
    del root["/OutputIntents"]


def _hide(root: Any) -> None:
    del root["/Metadata"]


@pytest.mark.parametrize(
    ("spoil", "clause"),
    [
        (_unembed, "6.2.11.4"),
        (_widen, "6.2.11.5"),
        (_silence, "6.2.11.7"),
        (_act, "/OpenAction"),
        (_smooth, "6.2.8"),
        (_orphan, "6.8"),
        (_untype, "6.8"),
        (_bleach, "6.2.3"),
        (_hide, "6.6.2"),
    ],
)
def test_what_an_archive_forbids_is_found(
    invoice: bytes, spoil: Callable[[Any], None], clause: str
) -> None:
    writer = PdfWriter(clone_from=BytesIO(invoice))
    spoil(writer.root_object)
    spoilt = BytesIO()
    writer.write(spoilt)

    assert any(found.startswith(clause) for found in violations(spoilt.getvalue()))
