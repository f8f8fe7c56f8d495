"""An uploaded fapiao is PDF, OFD or XML by its content; whatever else it is named is refused."""

import io
import zipfile

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.billing import fapiao_files
from app.billing.fapiao_files import InvalidFapiaoFile
from app.billing.fapiao_models import FapiaoFormat
from tests.billing.fapiao import PDF, XML, packed


def test_the_three_formats_are_told_by_their_content() -> None:
    assert fapiao_files.format_of(PDF) is FapiaoFormat.PDF
    assert fapiao_files.format_of(packed("OFD.xml", "Doc_0/Document.xml")) is FapiaoFormat.OFD
    assert fapiao_files.format_of(XML) is FapiaoFormat.XML


def test_xml_of_the_older_programs_is_taken_in_its_own_encoding() -> None:
    text = '<?xml version="1.0" encoding="GB2312"?><EInvoice>\u53d1\u7968</EInvoice>'
    utf16 = '<?xml version="1.0" encoding="UTF-16"?><EInvoice/>'

    assert fapiao_files.format_of(utf16.encode("utf-16")) is FapiaoFormat.XML
    assert fapiao_files.format_of(text.encode("gb2312")) is FapiaoFormat.XML


BOMB = (
    b"""<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;&b;&b;">]><a>&d;</a>"""
)
OUTSIDE = (
    b"""<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>"""
)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"%PDF-1.7 without an end",
        b"MZ\x90\x00 a program",
        b"<!DOCTYPE html><html><script>alert(1)</script></html>",
        b"<html><body>not closed",
        BOMB,
        OUTSIDE,
        b"\x89PNG\r\n\x1a\n",
        b"PK\x03\x04 a broken package",
        packed("word/document.xml"),
        b"plain text",
        b"\x00" * 100,
        PDF + b"\x00" * fapiao_files.LARGEST_FILE,
    ],
)
def test_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidFapiaoFile):
        fapiao_files.format_of(content)


def test_a_package_is_never_unpacked() -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("OFD.xml", b"<ofd/>")
        package.writestr("bomb", b"\x00" * 50_000_000)

    assert fapiao_files.format_of(bomb.getvalue()) is FapiaoFormat.OFD


def test_xml_that_does_not_say_so_is_refused() -> None:
    with pytest.raises(InvalidFapiaoFile):
        fapiao_files.format_of(b"<EInvoice/>")


@given(st.binary(max_size=200), st.sampled_from([b"", b"PK\x03\x04", b"<?xml ", b"%PDF-"]))
def test_bytes_at_random_are_refused(content: bytes, head: bytes) -> None:
    assume(b"%%EOF" not in content)  # then it says that it is a PDF, and that is all that is asked
    with pytest.raises(InvalidFapiaoFile):
        fapiao_files.format_of(head + content)
