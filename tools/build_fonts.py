"""Cut Noto Sans SC down to the two character sets the product needs, in two weights.

GB2312 sets the everyday invoice quickly; GBK is the fallback for the rare characters of names.
PDF wants ttf (woff2 costs it 22 s a process); browsers get GBK as woff2.

Run in an environment with the `fonts` dependency group (minutes, not seconds):
    python tools/build_fonts.py static/fonts
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import justmytype_intl_cjk
from fontTools import subset
from fontTools.ttLib import TTFont
from fontTools.varLib import instancer

WEIGHTS = {"Regular": 400, "Bold": 700}
CHARSETS = {"GB2312": "gb2312", "GBK": "gbk"}
BROWSER_CHARSET = "GBK"

# Latin, punctuation, currency, arrows and circled numbers, CJK punctuation, full-width forms.
BLOCKS = (
    range(0x20, 0x250),
    range(0x2000, 0x2070),
    range(0x20A0, 0x20C0),
    range(0x2100, 0x2200),
    range(0x2460, 0x2500),
    range(0x3000, 0x3040),
    range(0xFF00, 0xFFF0),
)
WINDOWS, MACINTOSH = (3, 1, 0x409), (1, 0, 0)
FAMILY, STYLE, FULL, POSTSCRIPT, TYPOGRAPHIC = 1, 2, 4, 6, (16, 17)


def characters(encoding: str) -> Iterator[int]:
    """Yield the code points of a double-byte Chinese encoding."""
    for lead in range(0x81, 0xFF):
        for trail in range(0x40, 0xFF):
            text = bytes([lead, trail]).decode(encoding, errors="ignore")
            if len(text) == 1:
                yield ord(text)


def cut(source: Path, charset: str, style: str) -> TTFont:
    """Return `source` at one weight, holding `charset` only, named after both."""
    weight = WEIGHTS[style]
    font = instancer.instantiateVariableFont(TTFont(source), {"wght": weight})

    options = subset.Options()
    options.layout_features = ["*"]
    options.name_IDs = ["*"]
    options.notdef_outline = True
    options.hinting = False
    options.drop_tables += ["vhea", "vmtx", "VORG"]
    subsetter = subset.Subsetter(options)
    wanted = {point for block in BLOCKS for point in block} | set(characters(CHARSETS[charset]))
    subsetter.populate(unicodes=wanted)
    subsetter.subset(font)

    family = f"BM Sans SC {charset}"
    names = {
        FAMILY: family,
        STYLE: style,
        FULL: f"{family} {style}",
        POSTSCRIPT: f"{family} {style}".replace(" ", ""),
    }
    for name_id, value in names.items():
        font["name"].setName(value, name_id, *WINDOWS)
        font["name"].setName(value, name_id, *MACINTOSH)
    for name_id in TYPOGRAPHIC:
        font["name"].removeNames(nameID=name_id)
    font["OS/2"].usWeightClass = weight
    return font


def main() -> None:
    """Write four ttf and two woff2 into the folder given on the command line."""
    target = Path(sys.argv[1])
    package = Path(justmytype_intl_cjk.__file__).parent
    source = next(package.rglob("NotoSansSC*.ttf"))
    for charset in CHARSETS:
        for style in WEIGHTS:
            font = cut(source, charset, style)
            path = target / f"NotoSansSC-{charset}-{style}.ttf"
            font.save(path)
            if charset == BROWSER_CHARSET:
                font.flavor = "woff2"
                font.save(path.with_suffix(".woff2"))
            print(path.name, path.stat().st_size)


if __name__ == "__main__":
    main()
