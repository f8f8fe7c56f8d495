"""Write the files that are generated from the code; `--check` says whether they are fresh."""

import json
import sys
from pathlib import Path

from app.api import v1
from tools import events, settings

ROOT = Path(__file__).resolve().parent.parent


def files() -> dict[Path, str]:
    """Return the generated files by path."""
    spec = json.dumps(v1.spec(), indent=2, ensure_ascii=False, sort_keys=True)
    return {
        ROOT / "docs" / "settings.md": settings.reference(),
        ROOT / "docs" / "openapi.json": spec + "\n",
        **{ROOT / "docs" / "events" / name: text for name, text in events.schemas().items()},
    }


def main(arguments: list[str]) -> int:
    """Write or compare."""
    wanted = files()
    if "--check" in arguments:
        stale = [path for path, text in wanted.items() if _read(path) != text]
        for path in stale:
            print(f"stale: {path.relative_to(ROOT)}; run make docs", file=sys.stderr)
        return 1 if stale else 0
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
