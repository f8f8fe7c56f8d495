"""What PDF/A-3u asks of our documents, clause by clause of ISO 19005-3.

A checker of our own, for none can be had from the registries: it knows what WeasyPrint writes
for us (composite TrueType fonts, no forms, no annotations) and calls anything else a violation.
"""

import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any
from xml.etree import ElementTree as ET

from fontTools.ttLib import TTFont
from pypdf import PdfReader
from pypdf.generic import ArrayObject, ContentStream, DictionaryObject, StreamObject

ALLOWED_FILTERS = {"/FlateDecode", "/DCTDecode"}
OPERATORS = re.compile(
    r"[bBfFnSsWyvhlmcqQdijJMwgGkK]|[bBfW]\*|BDC|BI|BMC|BT|BX|cm|CS|cs|d[01]|Do|DP|EI|EMC|ET|EX|gs|ID"
    r"|MP|re|RG|rg|ri|SC|sc|SCN|scn|sh|T[*cdDfjJLmrswz]|['\"]"
)
NAMESPACES = {
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#": "rdf",
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://ns.adobe.com/xap/1.0/": "xmp",
    "http://ns.adobe.com/pdf/1.3/": "pdf",
    "http://www.aiim.org/pdfa/ns/id/": "pdfaid",
}
"""The schemas that every archive knows; any other would have to be described in the file."""

BLEND_MODES = {"/Normal", "/Compatible", "/Multiply", "/Screen", "/Overlay", "/Darken", "/Lighten"}
FORBIDDEN_IN_CATALOG = {"/OpenAction", "/AA", "/AcroForm", "/OCProperties", "/Requirements"}
FORBIDDEN_NAMES = {"/JavaScript", "/AlternatePresentations", "/Renditions"}
WIDTH_TOLERANCE = 1  # thousandths of an em, as the standard has it
NOT_LETTERS = {"", "\0", "\ufeff", "\ufffe"}


Drawn = tuple[ContentStream, Any]
"""What is drawn on a page or in a form, and its resources."""


def violations(pdf: bytes) -> list[str]:
    """Return every clause that the file breaks, and how."""
    reader = PdfReader(BytesIO(pdf), strict=True)
    drawn = [list(_contents(page, reader)) for page in reader.pages]
    return [
        *_file(pdf, reader),
        *_objects(reader),
        *_catalog(reader),
        *_colors(reader),
        *_pages(drawn),
        *_fonts(drawn),
        *_metadata(reader),
        *_attachments(reader),
    ]


def _file(pdf: bytes, reader: PdfReader) -> Iterator[str]:
    """6.1.2, 6.1.3: how it begins and ends."""
    head, comment = pdf.split(b"\n", 2)[:2]
    if not re.fullmatch(rb"%PDF-1\.[0-7]", head):
        yield f"6.1.2 begins with {head!r}"
    if not (comment.startswith(b"%") and sum(byte > 127 for byte in comment[1:5]) == 4):
        yield "6.1.2 no comment of four bytes that are no text"
    if not pdf.rstrip(b"\r\n").endswith(b"%%EOF"):
        yield "6.1.3 something behind the end"
    if len(reader.trailer.get("/ID", ())) != 2:
        yield "6.1.3 no identifier"
    if "/Encrypt" in reader.trailer:
        yield "6.1.3 encrypted"


def _objects(reader: PdfReader) -> Iterator[str]:
    """6.1.7, 6.5: streams that are there, unpacked by what every reader knows; no actions."""
    for number, page in enumerate(reader.pages, start=1):
        if "/Annots" in page or "/AA" in page:
            yield f"6.3 page {number} has annotations or actions"
    for number in range(1, int(str(reader.trailer["/Size"]))):
        each: Any = reader.get_object(number)
        if isinstance(each, StreamObject):
            if {"/F", "/FFilter", "/FDecodeParms"} & each.keys():
                yield f"6.1.7.1 stream {number} lies outside"
            filters = each.get("/Filter", ArrayObject())
            named = {str(f) for f in (filters if isinstance(filters, ArrayObject) else [filters])}
            if not named <= ALLOWED_FILTERS:
                yield f"6.1.7.2 stream {number} is packed by {named - ALLOWED_FILTERS}"
        if isinstance(each, DictionaryObject):
            if each.get("/Type") == "/Action" or str(each.get("/S")) in {"/JavaScript", "/Launch"}:
                yield f"6.5.1 object {number} acts"
            if each.get("/Type") == "/Annot":
                yield f"6.3.1 object {number} is an annotation"


def _catalog(reader: PdfReader) -> Iterator[str]:
    """6.4, 6.5.2, 6.9, 6.10, 6.11: nothing that behaves."""
    root: Any = reader.root_object
    yield from (f"{key} in the catalog" for key in FORBIDDEN_IN_CATALOG & root.keys())
    names = root.get("/Names", DictionaryObject()).get_object()
    yield from (f"6.10 {key} among the names" for key in FORBIDDEN_NAMES & names.keys())


def _colors(reader: PdfReader) -> Iterator[str]:
    """6.2.3: an output intent, whose ICC profile is one, of RGB."""
    root: Any = reader.root_object
    intents = [each.get_object() for each in root.get("/OutputIntents", ())]
    if [str(each.get("/S")) for each in intents] != ["/GTS_PDFA1"]:
        yield "6.2.3 not one output intent of an archive"
        return
    profile = intents[0]["/DestOutputProfile"].get_object()
    data = profile.get_data()
    if data[36:40] != b"acsp" or int.from_bytes(data[:4], "big") != len(data) or data[8] > 4:
        yield "6.2.3 the profile is none"
    if data[16:20] != b"RGB " or profile["/N"] != 3:
        yield "6.2.3 the profile is not of RGB"


def _pages(drawn: list[list[Drawn]]) -> Iterator[str]:
    """6.2: what is drawn is drawn the same everywhere."""
    for number, page in enumerate(drawn, start=1):
        for content, resources in page:
            for _, operator in content.operations:
                name = operator.decode()
                if not OPERATORS.fullmatch(name):
                    yield f"6.2.2 page {number} draws by {name}"
                if name in {"K", "k"}:
                    yield f"6.2.4.3 page {number} has colours of CMYK"
            yield from (f"{each} on page {number}" for each in _resources(resources))


def _contents(page: Any, reader: PdfReader) -> Iterator[Drawn]:
    """Yield what is drawn on a page, with its resources, and what is drawn within."""
    yield page.get_contents(), page["/Resources"].get_object()
    waiting = [page["/Resources"].get_object()]
    while waiting:
        for each in waiting.pop().get("/XObject", DictionaryObject()).get_object().values():
            drawn = each.get_object()
            if drawn["/Subtype"] == "/Form":
                resources = drawn.get("/Resources", DictionaryObject()).get_object()
                yield ContentStream(drawn, reader), resources
                waiting.append(resources)


def _resources(resources: Any) -> Iterator[str]:
    """6.2.5, 6.2.8, 6.2.9, 6.2.10: states, pictures and forms."""
    for state in resources.get("/ExtGState", DictionaryObject()).get_object().values():
        found = state.get_object()
        if {"/TR", "/TR2", "/HTP"} & found.keys():
            yield "6.2.5 a transfer function"
        if str(found.get("/BM", "/Normal")) not in BLEND_MODES:
            yield "6.2.10 a blend mode of its own"
    for each in resources.get("/XObject", DictionaryObject()).get_object().values():
        drawn = each.get_object()
        if {"/OPI", "/Alternates", "/Ref", "/PS"} & drawn.keys():
            yield "6.2.8 a picture that stands for another"
        if (
            drawn["/Subtype"] == "/Image"
            and str(drawn.get("/Interpolate", "false")).lower() != "false"
        ):
            yield "6.2.8 a picture that is smoothed"


def _fonts(drawn: list[list[Drawn]]) -> Iterator[str]:
    """6.2.11: every letter is in the file, as wide as its glyph, and says which one it is."""
    used: dict[str, tuple[Any, set[int]]] = {}
    for page in drawn:
        for content, resources in page:
            for font, codes in _codes(content, resources):
                used.setdefault(str(font["/BaseFont"]), (font, set()))[1].update(codes)
    for name, (font, codes) in used.items():
        yield from (f"{each}: {name}" for each in _font(font, codes))


def _codes(content: ContentStream, resources: Any) -> Iterator[tuple[Any, set[int]]]:
    font: Any = None
    for operands, operator in content.operations:
        if operator == b"Tf":
            font = resources["/Font"].get_object()[operands[0]].get_object()
        if operator in {b"Tj", b"TJ", b"'", b'"'}:
            shown: list[Any] = operands[-1] if operator == b"TJ" else [operands[-1]]
            pieces: list[Any] = [each for each in shown if isinstance(each, (str, bytes))]
            text = b"".join(getattr(piece, "original_bytes", piece) for piece in pieces)
            yield font, {int.from_bytes(text[at : at + 2], "big") for at in range(0, len(text), 2)}


def _font(font: Any, codes: set[int]) -> Iterator[str]:
    if font["/Subtype"] != "/Type0" or font["/Encoding"] != "/Identity-H":
        yield "6.2.11 not a composite font of glyphs by number"
        return
    (descendant,) = (each.get_object() for each in font["/DescendantFonts"])
    info = descendant["/CIDSystemInfo"]
    if (info["/Registry"], info["/Ordering"]) != ("Adobe", "Identity"):
        yield "6.2.11.3 a collection that does not go with its encoding"
    if descendant.get("/CIDToGIDMap") != "/Identity":
        yield "6.2.11.3 no map from numbers to glyphs"
    program = descendant["/FontDescriptor"].get_object().get("/FontFile2")
    if program is None:
        yield "6.2.11.4 not embedded"
        return
    with TTFont(BytesIO(program.get_object().get_data())) as embedded:
        yield from _glyphs(embedded, _widths(descendant), codes)
    letters = _letters(font)
    silent = sorted(code for code in codes if letters.get(code, "") in NOT_LETTERS)
    if silent:
        yield f"6.2.11.7 glyphs {silent} are no letters"


def _glyphs(embedded: TTFont, widths: dict[int, float], codes: set[int]) -> Iterator[str]:
    order, scale = embedded.getGlyphOrder(), 1000 / embedded["head"].unitsPerEm
    if 0 in codes:
        yield "6.2.11.8 a box in place of a letter"
    if max(codes) >= len(order):
        yield "6.2.11.4 a glyph that is not in the font"
        return
    for code in codes:
        width = embedded["hmtx"][order[code]][0] * scale
        if abs(widths.get(code, 1000) - width) > WIDTH_TOLERANCE:
            yield f"6.2.11.5 glyph {code} is {width} wide and said to be {widths.get(code)}"


def _widths(descendant: Any) -> dict[int, float]:
    """Read the array of widths: a first glyph and its row of widths, again and again."""
    entries = [each.get_object() for each in descendant["/W"]]
    return {
        int(first) + at: float(width)
        for first, row in zip(entries[::2], entries[1::2], strict=True)
        for at, width in enumerate(row)
    }


def _letters(font: Any) -> dict[int, str]:
    """Return what the ToUnicode map says, by glyph."""
    if "/ToUnicode" not in font:
        return {}
    text = font["/ToUnicode"].get_object().get_data().decode("ascii")
    return {
        int(code, 16): bytes.fromhex(letters).decode("utf-16-be")
        for code, letters in re.findall(r"^<([0-9a-f]{4})> <([0-9a-f]*)>$", text, re.MULTILINE)
    }


def _metadata(reader: PdfReader) -> Iterator[str]:
    """6.6: XMP that anybody can read, of known schemas, and equal to what Info says."""
    root: Any = reader.root_object
    if "/Metadata" not in root:
        yield "6.6.2 no metadata"
        return
    stream = root["/Metadata"].get_object()
    if "/Filter" in stream or (stream["/Type"], stream["/Subtype"]) != ("/Metadata", "/XML"):
        yield "6.6.2 metadata that a search can not read"
    tree = ET.fromstring(stream.get_data().decode("utf-8"))  # noqa: S314  # our own file
    told = dict(_properties(tree))
    unknown = {name for name in told if name.partition(":")[0] not in NAMESPACES.values()}
    if unknown:
        yield f"6.6.2.3 properties of unknown schemas: {sorted(unknown)}"
    if (told.get("pdfaid:part"), told.get("pdfaid:conformance")) != ("3", "U"):
        yield "6.6.4 does not say that it is PDF/A-3u"
    yield from _info(reader, told)


def _properties(tree: ET.Element) -> Iterator[tuple[str, str]]:
    """Yield the properties of XMP, written as attributes or as elements."""
    rdf = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
    for description in tree.iter(f"{rdf}Description"):
        for key, value in description.attrib.items():
            if not key.startswith(rdf):
                yield _short(key), value
        for child in description:
            yield _short(child.tag), "".join(child.itertext()).strip()


def _short(tag: str) -> str:
    namespace, _, name = tag[1:].partition("}")
    return f"{NAMESPACES.get(namespace, namespace)}:{name}"


def _info(reader: PdfReader, told: dict[str, str]) -> Iterator[str]:
    info: Any = reader.trailer.get("/Info", DictionaryObject()).get_object()
    pairs = {"/Title": "dc:title", "/Author": "dc:creator", "/Producer": "pdf:Producer"}
    for key, name in pairs.items():
        if key in info and info[key] != told.get(name):
            yield f"6.6.3 {key} is {info[key]!r} and {name} {told.get(name)!r}"
    for key, name in {"/CreationDate": "xmp:CreateDate", "/ModDate": "xmp:ModifyDate"}.items():
        if key in info and _digits(str(info[key])) != _digits(told.get(name, "")):
            yield f"6.6.3 {key} is {info[key]} and {name} {told.get(name)}"


def _digits(moment: str) -> str:
    return "".join(re.findall(r"\d", moment))[:14]


def _attachments(reader: PdfReader) -> Iterator[str]:
    """6.8: every file inside says what it is, from when, and how it belongs to the document."""
    root: Any = reader.root_object
    names = root.get("/Names", DictionaryObject()).get_object()
    tree = names.get("/EmbeddedFiles", DictionaryObject()).get_object().get("/Names", [])
    embedded = [each.get_object() for each in tree[1::2]]
    associated = [each.get_object() for each in root.get("/AF", ())]
    if len(associated) != len(embedded) or any(each not in associated for each in embedded):
        yield "6.8 files that do not belong to the document, or twice"
    for each in embedded:
        file = each["/EF"]["/F"].get_object()
        if not {"/F", "/UF", "/AFRelationship"} <= each.keys():
            yield "6.8 a file without a name or a relationship"
        if "/" not in str(file.get("/Subtype", ""))[1:]:
            yield "6.8 a file of no type"
        if not {"/ModDate"} <= file.get("/Params", DictionaryObject()).get_object().keys():
            yield "6.8 a file of no date"
