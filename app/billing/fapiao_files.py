"""What an issuer may upload as a fapiao: PDF, OFD or XML, told by its content and not its name."""

import io
import re
import zipfile
from xml.parsers import expat

from app.billing.fapiao_models import FapiaoFormat
from app.core.errors import Invalid

LARGEST_FILE = 2_000_000
"""Bytes: a fapiao has one page, and a mail carries it."""

_PDF_HEAD, _PDF_END = b"%PDF-", b"%%EOF"
_PDF_TAIL = 2_048  # some programs write behind the end
_OFD_ROOT = "OFD.xml"  # GB/T 33190: the entry that every OFD package has
_MOST_ENTRIES = 2_000
_CHINESE = re.compile(rb"""<\?xml [^>]*encoding=["'](?:GB2312|GBK|GB18030)["']""", re.IGNORECASE)


class InvalidFapiaoFile(Invalid):
    code = "invalid_fapiao_file"


class _DeclaresEntities(Exception):
    """Ends the parser."""


def format_of(content: bytes, *, path: str = "file") -> FapiaoFormat:
    """Return what the bytes are. Raises InvalidFapiaoFile when none of the three, or too many."""
    if not content:
        raise InvalidFapiaoFile("choose the file of the fapiao", path=path)
    if len(content) > LARGEST_FILE:
        raise InvalidFapiaoFile("the file has more than 2 MB", path=path)
    if content.startswith(_PDF_HEAD) and _PDF_END in content[-_PDF_TAIL:]:
        return FapiaoFormat.PDF
    if _is_ofd(content):
        return FapiaoFormat.OFD
    if _is_xml(content):
        return FapiaoFormat.XML
    raise InvalidFapiaoFile("this is no PDF, OFD or XML file", path=path)


def _is_ofd(content: bytes) -> bool:
    """Read the package's table of contents, and nothing that it holds."""
    if not content.startswith(b"PK\x03\x04"):
        return False
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as package:
            names = package.namelist()
    except (zipfile.BadZipFile, UnicodeDecodeError, NotImplementedError, ValueError):
        return False
    return _OFD_ROOT in names and len(names) <= _MOST_ENTRIES


def _is_xml(content: bytes) -> bool:
    """Tell whether it is well-formed XML and says so, with no DOCTYPE, so no entities."""
    versions: list[str] = []
    try:
        if _CHINESE.match(content):  # the parser knows no multi-byte encoding but Unicode's
            parser = expat.ParserCreate("utf-8")
            content = content.decode("gb18030").encode()
        else:
            parser = expat.ParserCreate()
        parser.StartDoctypeDeclHandler = _refuse_declaration
        parser.XmlDeclHandler = lambda version, *_: versions.append(version)
        parser.Parse(content, True)  # noqa: FBT003  # the parser takes it by position only
    except (expat.ExpatError, _DeclaresEntities, LookupError, ValueError):
        return False
    return bool(versions)


def _refuse_declaration(*_: object) -> None:
    raise _DeclaresEntities
