"""Collect what the pages say and compile the Chinese catalogue.

The translations live in `app/translations/parts/*.csv` (msgid, zh), one file per part of the
product, so that parallel work does not collide. `--check` only says whether the committed
catalogue is the one these files make.
"""

import csv
import io
import sys
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import write_po

ROOT = Path(__file__).resolve().parent.parent
EVER_THE_SAME = datetime(2026, 1, 1, tzinfo=UTC)  # the same messages make the same bytes
PARTS = ROOT / "app" / "translations" / "parts"
TARGET = ROOT / "app" / "translations" / "zh_Hans_CN" / "LC_MESSAGES"
METHODS = [("app/**.py", "python"), ("templates/**.html", "jinja2.ext.babel_extract")]
OPTIONS = {
    "templates/**.html": {
        "trim_blocks": "true",
        "lstrip_blocks": "true",
        "silent": "false",
        "extensions": "jinja2.ext.do",
    }
}


def collect() -> dict[str, str | tuple[str, str]]:
    """Return every message of the product by its text; of one with a plural, by its singular."""
    found: dict[str, str | tuple[str, str]] = {}
    for folder in ("app", "templates"):
        methods = [(pattern.partition("/")[2], how) for pattern, how in METHODS]
        options = {pattern.partition("/")[2]: value for pattern, value in OPTIONS.items()}
        for _, _, message, _, _ in extract_from_dir(ROOT / folder, methods, options):
            if isinstance(message, str):
                found.setdefault(message, message)
            else:
                singular, plural = message[:2]
                found[singular] = singular, plural
    return found


def translations() -> dict[str, str]:
    """Return all translations by message; two files may repeat but not contradict each other."""
    known: dict[str, str] = {}
    for path in sorted(PARTS.glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.reader(file):
                if len(row) != len(("msgid", "zh")):
                    raise SystemExit(f"{path.name}: {row} is not two columns")
                msgid, chinese = row
                known.setdefault(msgid, chinese)
    return known


def build() -> tuple[bytes, bytes, list[str]]:
    """Return the catalogue as text and compiled, and the messages that have no Chinese yet."""
    known = translations()
    catalog = Catalog(
        locale="zh_Hans_CN",
        project="BuffMoney",
        charset="utf-8",
        fuzzy=False,
        creation_date=EVER_THE_SAME,
        revision_date=EVER_THE_SAME,
    )
    catalog.mime_headers = [("Content-Type", "text/plain; charset=utf-8")]
    missing = []
    # What is translated counts as said too: a widget may choose its words when it is drawn.
    said = collect()
    for message in sorted({*said, *known}):
        chinese = known.get(message, "")
        id_ = said.get(message, message)
        # Chinese has one form for any number.
        catalog.add(id_, chinese if isinstance(id_, str) else (chinese,))
        if not chinese:
            missing.append(message)
    text, compiled = io.BytesIO(), io.BytesIO()
    write_po(text, catalog, omit_header=True, sort_output=True, width=100)
    write_mo(compiled, catalog)
    return text.getvalue(), compiled.getvalue(), missing


def main(arguments: list[str]) -> int:
    """Write the catalogue, or with `--check` compare it."""
    text, compiled, missing = build()
    for message in missing:
        print(f"no Chinese for: {message!r}", file=sys.stderr)
    wanted = {TARGET / "messages.po": text, TARGET / "messages.mo": compiled}
    if "--check" in arguments:
        stale = [path.name for path, data in wanted.items() if _read(path) != data]
        if stale:
            print(f"stale: {stale}; run make i18n", file=sys.stderr)
        return 1 if stale or missing else 0
    TARGET.mkdir(parents=True, exist_ok=True)
    for path, data in wanted.items():
        path.write_bytes(data)
    return 0


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
