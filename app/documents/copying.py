"""Text that can be copied out: every glyph of a PDF says which letter it is.

WeasyPrint asks Pango for that, which tells it by clusters: where two glyphs make one, as in Thai
or Bengali, the last one would stand for all of their letters and the others for none, wherever
they are used. What a glyph is by itself is in its font.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from fontTools.ttLib import TTFont

from app.documents.fonts import world_file

_LINE = re.compile(rb"<([0-9a-f]{4})> <([0-9a-f]*)>")
_ARABIC_FORMS = ("<initial>", "<medial>", "<final>", "<isolated>")
_SINGLE, _LIGATURE = 1, 4  # kinds of substitutions in a font
_DEPTH = 3  # how often one is made of another
_NOTHING = "\N{WORD JOINER}"  # an archive wants a letter for each glyph, also for half of one


def name_glyphs(document: Any, pdf: Any, fonts: Path) -> None:
    """Mend the letters of all fonts but those of everyday pages, whose glyphs are one each."""
    families = {font.name: font.family for font in document.fonts.values()}
    for entry in pdf.objects:
        if not (isinstance(entry, dict) and "ToUnicode" in entry):
            continue
        file = world_file(fonts, families[entry["BaseFont"]])
        if file.is_file():
            number = int(entry["ToUnicode"].split()[0])
            lines = pdf.objects[number].stream
            lines[:] = _mend(lines, _letters(file))


def _mend(lines: list[bytes], letters: dict[int, str]) -> list[bytes]:
    """Return the lines of a ToUnicode map with a letter for each glyph.

    They come in the order of their first use: those told nothing go with the next one that is.
    """
    told = {
        int(match[1], 16): bytes.fromhex(match[2].decode()).decode("utf-16-be")
        for match in map(_LINE.fullmatch, lines)
        if match
    }
    named: dict[int, str] = {}
    cluster: list[int] = []
    for glyph, text in told.items():
        cluster.append(glyph)
        if text:
            named |= _name(cluster, text, letters)
            cluster = []
    named |= _name(cluster, "", letters)
    return [
        _line(int(match[1], 16), named) if (match := _LINE.fullmatch(line)) else line
        for line in lines
    ]


def _name(cluster: list[int], text: str, letters: dict[int, str]) -> dict[int, str]:
    """Return the letters of glyphs that are one `text` together.

    What none of them is by itself goes to the first that is nothing by itself, so that it is not
    lost: half of a letter, or several in one.
    """
    named = {glyph: letters[glyph] for glyph in cluster if glyph in letters}
    parts = [glyph for glyph in cluster if glyph not in letters]
    own = set("".join(named.values()))
    rest = text
    if own:  # two vowel signs may be one letter
        rest = "".join(char for char in unicodedata.normalize("NFKD", text) if char not in own)
    return dict.fromkeys(parts, _NOTHING) | named | ({parts[0]: rest} if parts and rest else {})


def _line(glyph: int, named: dict[int, str]) -> bytes:
    return b"<%04x> <%s>" % (glyph, named[glyph].encode("utf-16-be").hex().encode())


@lru_cache(maxsize=64)
def _letters(file: Path) -> dict[int, str]:
    """Return which letters a glyph of the font is by itself: one, or several for a ligature."""
    with TTFont(file) as font:
        cmap = sorted(font.getBestCmap().items(), reverse=True)
        letters = {name: _plain(chr(point)) for point, name in cmap}
        for _ in range(_DEPTH):
            for made, of in _substitutions(font):
                if made not in letters and all(part in letters for part in of):
                    letters[made] = "".join(letters[part] for part in of)
        return {font.getGlyphID(name): letter for name, letter in letters.items()}


def _substitutions(font: TTFont) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each glyph that the font puts in place of others, and those."""
    lookups = font["GSUB"].table.LookupList.Lookup if "GSUB" in font else ()
    for lookup in lookups:
        for extended in lookup.SubTable:
            table = getattr(extended, "ExtSubTable", extended)
            if table.LookupType == _SINGLE:
                yield from ((made, (of,)) for of, made in table.mapping.items())
            elif table.LookupType == _LIGATURE:
                for first, ligatures in table.ligatures.items():
                    yield from ((each.LigGlyph, (first, *each.Component)) for each in ligatures)


def _plain(char: str) -> str:
    """Return the letter itself where the character is one of its Arabic forms."""
    is_form = unicodedata.decomposition(char).startswith(_ARABIC_FORMS)
    return unicodedata.normalize("NFKC", char) if is_form else char
