"""The press fetches nothing but the logo, and what it prints is fit for the archive."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pypdf.generic import DictionaryObject, StreamObject

from app.core.language import Language
from app.documents.invoice_print import InvoicePrint, PrintBrand, PrintParty
from app.documents.press import OutsideResource, print_page
from app.documents.printing import render_credit_note, render_invoice
from app.documents.wording import EN, ZH
from tests.documents.prints import CREDIT_NOTE, INVOICE, TAXED
from tests.documents.reading import fonts, picture, read

BRANDED = replace(TAXED, brand=PrintBrand(picture(), "#0f766e", "谢谢惠顾"))
RENDERED = {
    "invoice": render_invoice(BRANDED, language=Language.ZH_HANS_CN),
    "credit note": render_credit_note(CREDIT_NOTE, language=Language.EN),
}


def names(invoice: InvoicePrint) -> set[str]:
    """Return the names of an invoice's fonts, without the tags of their subsets."""
    pdf = render_invoice(invoice, language=Language.ZH_HANS_CN)
    return {str(font["/BaseFont"]).partition("+")[2] for font in fonts(pdf)}


@pytest.fixture(params=RENDERED)
def pdf(request: pytest.FixtureRequest) -> bytes:
    return RENDERED[request.param]


@pytest.mark.parametrize(
    "markup",
    [
        "<img src='file:///etc/passwd'>",
        "<img src='http://127.0.0.1:9/x.png'>",
        "<img src='data:image/png;base64,AAAA'>",
        "<link rel=attachment href='file:///etc/passwd'>",
        "<a rel=attachment href='file:///etc/passwd'>x</a>",
        "<style>@import url('http://127.0.0.1:9/')</style>",
        "<style>@font-face { font-family: x; src: url('file:///x.ttf') }</style>",
        "<p style='background: url(http://127.0.0.1:9/)'>x</p>",
        "<object data='http://127.0.0.1:9/'></object>",
        "<base href='http://127.0.0.1:9/'><img src=x>",
    ],
)
def test_a_page_that_asks_for_anything_is_not_printed(markup: str) -> None:
    with pytest.raises(OutsideResource, match=r"file:|http:|data:"):
        print_page(f"<p>{markup}</p>", identifier=b"1")


def test_the_logo_is_the_one_thing_that_is_fetched() -> None:
    with pytest.raises(OutsideResource, match="brand:logo"):
        print_page("<img src='brand:logo'>", identifier=b"1")
    with pytest.raises(OutsideResource, match="brand:other"):
        print_page("<img src='brand:other'>", identifier=b"1", logo=picture())


def test_the_pdf_says_that_it_is_an_archives_and_in_whose_colours(pdf: bytes) -> None:
    root: Any = read(pdf).root_object

    stream = root["/Metadata"].get_object()
    assert isinstance(stream, StreamObject)
    metadata = stream.get_data().decode()
    assert 'pdfaid:part="3"' in metadata
    assert 'pdfaid:conformance="U"' in metadata
    (intent,) = root["/OutputIntents"]
    assert intent.get_object()["/S"] == "/GTS_PDFA1"
    profile = intent.get_object()["/DestOutputProfile"].get_object()
    assert b"sRGB" in profile.get_data()
    assert profile["/N"] == 3


def test_nothing_is_in_it_that_an_archive_forbids(pdf: bytes) -> None:
    reader: Any = read(pdf)

    assert not reader.is_encrypted
    assert "/ID" in reader.trailer
    assert not {"/OpenAction", "/AA", "/AcroForm"} & reader.root_object.keys()
    assert "/JavaScript" not in reader.root_object["/Names"].get_object()
    assert not any(page.get("/Annots") for page in reader.pages)
    for page in reader.pages:
        pictures = page["/Resources"].get_object().get("/XObject", DictionaryObject())
        for picture_of_page in pictures.get_object().values():
            assert str(picture_of_page.get_object()["/Interpolate"]) in {"False", "false"}


def test_every_font_is_embedded_and_says_which_letters_its_glyphs_are(pdf: bytes) -> None:
    for font in fonts(pdf):
        (descendant,) = font["/DescendantFonts"]
        descriptor = descendant.get_object()["/FontDescriptor"].get_object()
        assert {"/FontFile2", "/FontFile3"} & descriptor.keys()
        assert "/ToUnicode" in font


def test_only_our_fonts_are_used_and_the_large_one_only_for_rare_names() -> None:
    common = replace(INVOICE, customer=PrintParty(name="上海智谱信息科技有限公司"))

    assert names(INVOICE) == {
        "Document-Sans",
        "Document-Sans-Bold",
        "Document-Sans-Rare-Bold",
    }
    assert names(common) == {"Document-Sans", "Document-Sans-Bold"}


def test_no_letter_of_ours_or_of_a_rare_name_is_missing_in_the_fonts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    words = "".join([*ZH.values(), *EN.values(), "堃昇镕喆祎頔犇零壹贰叁肆伍陆柒捌玖拾佰仟万亿"])

    print_page(f"<p>{words}</p><b>{words}</b>", identifier=b"1")
    render_invoice(BRANDED, language=Language.ZH_HANS_CN)
    render_credit_note(CREDIT_NOTE, language=Language.EN)

    assert [record for record in caplog.records if record.name != "werkzeug"] == []


def test_a_letter_that_no_font_has_is_noticed(caplog: pytest.LogCaptureFixture) -> None:
    print_page("<p>a\U0010ffffb</p>", identifier=b"1")

    assert "U+10FFFF" in caplog.text


def test_the_data_is_attached_as_the_source_of_what_is_printed(pdf: bytes) -> None:
    reader: Any = read(pdf)

    (associated,) = reader.root_object["/AF"]
    specification = associated.get_object()
    assert specification["/AFRelationship"] == "/Data"
    assert specification["/UF"] in {"invoice.json", "credit-note.json"}
    file = specification["/EF"]["/F"].get_object()
    assert file["/Subtype"] == "/application/json"
    assert str(file["/Params"]["/CreationDate"]) in {
        "D:20260601160000Z",
        "D:20260620020000Z",
    }


def test_title_and_dates_are_those_of_the_document_not_of_the_clock() -> None:
    metadata = read(render_invoice(INVOICE, language=Language.ZH_HANS_CN)).metadata

    assert metadata is not None
    assert metadata.title == "账单 MER-2026-000001"
    assert metadata.creation_date == datetime(2026, 6, 1, 16, 0, tzinfo=UTC)
    assert metadata.modification_date == datetime(2026, 6, 1, 16, 0, tzinfo=UTC)
