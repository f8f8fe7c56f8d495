"""The fonts documents are set in: ours alone, the same on every machine.

A small subset of Noto Sans SC (GB2312) sets nearly every page and keeps the files small and fast;
the large one (GBK) is only opened for a rare character in a name, and the world's other scripts,
a family each, for a name from elsewhere.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.sax.saxutils import escape

from fontTools.ttLib import TTFont
from weasyprint.text.fonts import FontConfiguration

FONTS = Path(__file__).resolve().parents[2] / "static" / "fonts"
_WORLD = "world"
_FILES = (
    *(
        f"NotoSansSC-{subset}-{weight}.ttf"
        for subset in ("GB2312", "GBK")
        for weight in ("Regular", "Bold")
    ),
    f"{_WORLD}/NotoSans.ttf",
)

# The files are renamed when they are scanned, so that the stylesheet can ask for the small
# subset first and the large one second whatever family name the files carry inside. What both
# lack is taken from the other files, each of a family of its own: WeasyPrint takes two files of
# one family and weight for one font.
_CONFIGURATION = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir>{fonts}</dir>
  <cachedir>{cache}</cachedir>
  <selectfont><rejectfont><glob>*.woff2</glob></rejectfont></selectfont>
  <match target="scan">
    <test name="file" compare="contains"><string>NotoSansSC-GB2312-</string></test>
    <edit name="family" mode="assign"><string>Document Sans</string></edit>
  </match>
  <match target="scan">
    <test name="file" compare="contains"><string>NotoSansSC-GBK-</string></test>
    <edit name="family" mode="assign"><string>Document Sans Rare</string></edit>
  </match>
</fontconfig>
"""


class FontsMissing(RuntimeError):
    """A font file is not where the installation puts it; a page would print as empty boxes."""


@lru_cache(maxsize=4)
def font_configuration(fonts: Path) -> FontConfiguration:
    """Return the one font configuration of this process for the folder `fonts`.

    Reading the fonts costs about 0.2 s: a worker calls this once before it forks. Only one
    thread at a time may print with it. Raises FontsMissing.
    """
    _check(fonts)
    with TemporaryDirectory(prefix="document-fonts-") as folder:
        file = Path(folder) / "fonts.conf"
        text = _CONFIGURATION.format(fonts=escape(str(fonts)), cache=escape(folder))
        file.write_text(text, encoding="utf-8")
        with _fontconfig_file(file):
            return FontConfiguration()


@lru_cache(maxsize=4)
def everyday_letters(fonts: Path = FONTS) -> frozenset[int]:
    """Return the code points of the small subset. Raises FontsMissing."""
    _check(fonts)
    return frozenset(_cmap(fonts / "NotoSansSC-GB2312-Regular.ttf"))


@lru_cache(maxsize=4)
def letters(fonts: Path = FONTS) -> frozenset[int]:
    """Return the code points that any of these fonts can set. Raises FontsMissing.

    Reading them all takes 0.3 s, once, for the first letter that is in none of the everyday ones.
    """
    _check(fonts)
    files = (*fonts.glob("*-Regular.ttf"), *(fonts / _WORLD).glob("*.ttf"))
    return frozenset(point for file in files for point in _cmap(file))


def world_file(fonts: Path, family: str) -> Path:
    """Return where the file of a family is, if it is one for names from elsewhere."""
    return fonts / _WORLD / f"{family.replace(' ', '')}.ttf"


def _cmap(file: Path) -> list[int]:
    with TTFont(file, lazy=True) as font:
        return list(font.getBestCmap())


def _check(fonts: Path) -> None:
    missing = [name for name in _FILES if not (fonts / name).is_file()]
    if missing:
        raise FontsMissing(f"{', '.join(missing)} not in {fonts}")


@contextmanager
def _fontconfig_file(file: Path) -> Iterator[None]:
    """Point fontconfig at `file` while it is read, and no longer: browsers we start read it too."""
    before = os.environ.get("FONTCONFIG_FILE")
    os.environ["FONTCONFIG_FILE"] = str(file)
    try:
        yield
    finally:
        if before is None:
            del os.environ["FONTCONFIG_FILE"]
        else:
            os.environ["FONTCONFIG_FILE"] = before
