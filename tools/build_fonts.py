"""Cut the Noto fonts down to the character sets the product needs.

GB2312 sets the everyday invoice quickly; GBK is the fallback for the rare characters of names.
PDF wants ttf (woff2 costs it 22 s a process); browsers get GBK as woff2. What neither has, in a
name from anywhere, is in `world/`: a file per script, in one weight, each only what the files
before it lack.

Run in an environment with the `fonts` dependency group (minutes, not seconds), with the folder of
Debian's fonts-noto-core (20201225-1), and noto-emoji-emoji-400-normal.woff of npm's
@fontsource/noto-emoji (5.3.2):
    python tools/build_fonts.py static/fonts /usr/share/fonts/truetype/noto noto-emoji….woff
"""

import sys
from collections.abc import Iterable, Iterator
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
# Every script that people write their names in today, and the signs they decorate them with.
SCRIPTS = (
    *("Sans", "SansArabic", "SansArmenian", "SansBengali", "SansDevanagari", "SansEthiopic"),
    *("SansGeorgian", "SansGujarati", "SansGurmukhi", "SansHebrew", "SansKannada", "SansKhmer"),
    *("SansLao", "SansMalayalam", "SansMongolian", "SansMyanmar", "SansOriya", "SansSinhala"),
    *("SansTamil", "SansTelugu", "SansThaana", "SansThai", "SansYi", "SerifTibetan"),
    *("SansSymbols", "SansSymbols2", "SansMath"),
)
EAST_ASIA = ("SC", "TC", "JP", "KR")

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

    keep(font, {point for block in BLOCKS for point in block} | set(characters(CHARSETS[charset])))

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


def keep(font: TTFont, wanted: set[int]) -> None:
    """Throw all out of `font` that these characters do not need."""
    options = subset.Options()
    options.layout_features = ["*"]
    options.name_IDs = ["*"]
    options.notdef_outline = True
    options.hinting = False
    options.drop_tables += ["vhea", "vmtx", "VORG", "MATH", "DSIG"]
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=wanted)
    subsetter.subset(font)


def cut_world(target: Path, sources: Iterable[tuple[str, Path]], have: set[int]) -> None:
    """Write what each source has beyond `have` and the sources before it."""
    have = set(have)
    for name, source in sources:
        font = TTFont(source)
        lacking = set(font.getBestCmap()) - have
        have |= lacking
        keep(font, lacking | {ord(" ")})  # a name may have two words
        if "fvar" in font:
            font = instancer.instantiateVariableFont(font, {"wght": WEIGHTS["Regular"]})
        font.flavor = None
        path = target / f"Noto{name}.ttf"
        font.save(path)
        print(path.name, path.stat().st_size, len(lacking))


def main() -> None:
    """Write four ttf and two woff2 into the folder on the command line, and the world's below."""
    target, noto, emoji = (Path(argument) for argument in sys.argv[1:])
    package = Path(justmytype_intl_cjk.__file__).parent
    build_chinese(target, next(package.rglob("NotoSansSC*.ttf")))
    have = {
        point
        for file in target.glob("NotoSansSC-*-Regular.ttf")
        for point in TTFont(file).getBestCmap()
    }
    world = target / "world"
    world.mkdir(exist_ok=True)
    scripts = [(name, noto / f"Noto{name}-Regular.ttf") for name in SCRIPTS]
    east = [(f"Sans{name}", next(package.rglob(f"NotoSans{name}*.ttf"))) for name in EAST_ASIA]
    cut_world(world, [*scripts, *east, ("Emoji", emoji)], have)


def build_chinese(target: Path, source: Path) -> None:
    """Write both character sets in both weights."""
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
