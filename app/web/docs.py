"""The guides of `docs/` as pages: one text, read in the repository and in the browser alike.

Where the file holds an example, a signed-in merchant reads what is his: our address, the name
of his key, his own time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from flask import abort, url_for
from flask_babel import get_locale
from flask_babel import lazy_gettext as _
from flask_login import current_user
from werkzeug.wrappers import Response

from app.config import ROOT
from app.core import clock
from app.core.periods import local_date
from app.extensions import runtime, transaction
from app.identity import keys
from app.identity.accounts import Workplace
from app.web import markdown, reference
from app.web.markdown import Block, Code, Heading
from app.web.page import page

EXAMPLE_ADDRESS = "http://127.0.0.1:8000"
EXAMPLE_KEY = "bm_sandbox_AbCd1234.efGH56789longSecret"
EXAMPLE_MOMENT = "2026-05-25T10:00:00Z"
EXAMPLE_START = "2026-05-01"
EXAMPLE_CLOCK = "2026-06-03T00:00:00Z"


@dataclass(frozen=True)
class Guide:
    """One page: the file it is drawn from, and how the navigation names it."""

    path: Path
    title: Any
    icon: str


GUIDES = {
    "guide": Guide(ROOT / "docs/guide.md", _("Integration guide"), "rocket"),
    "merchants": Guide(ROOT / "docs/merchants.md", _("For merchants"), "building-2"),
    "fapiao": Guide(ROOT / "docs/fapiao.md", _("Fapiao requests"), "stamp"),
    "webhooks": Guide(ROOT / "docs/webhooks.md", _("Webhooks"), "webhook"),
    "sandbox": Guide(ROOT / "docs/sandbox.md", _("Sandbox test values"), "flask-conical"),
    "sdk-python": Guide(ROOT / "docs/sdk-python.md", "Python SDK", "code"),
    "errors": Guide(ROOT / "docs/errors.md", _("Errors"), "circle-alert"),
    "changelog": Guide(ROOT / "CHANGELOG.md", _("Changelog"), "history"),
}
_REFERENCE = ("reference", _("API reference"), "braces")


def guide() -> Response:
    """Draw the first guide: from sign-up to a paid invoice."""
    return show("guide")


def show(name: str) -> Response:
    """Draw a guide, in English where it is not translated yet."""
    found = GUIDES.get(name) or abort(404)
    english = _read(found.path)
    wants_chinese = str(get_locale()).startswith("zh")
    chinese = _read_translation(found.path, english) if wants_chinese else None
    return page(
        "docs/guide.html",
        nav=name,
        pages=_navigation(),
        blocks=_with(_own_data(), chinese or english),
        is_fallback=wants_chinese and not chinese,
        is_english=not chinese,
    )


def api_reference() -> Response:
    """Draw every operation of the API, from the committed OpenAPI document."""
    return page(
        "docs/reference.html",
        nav="reference",
        pages=_navigation(),
        groups=reference.groups(reference.committed(), base_url=runtime().settings.base_url),
    )


def address_of(target: str) -> str:
    """Return where a link of a guide leads to on the pages. Raises NotInSubset."""
    path, fragment = target.partition("#")[::2]
    if path.startswith(EXAMPLE_ADDRESS):
        return target.removeprefix(EXAMPLE_ADDRESS)
    if path.startswith("https://") or not path:
        return target
    name = path.removesuffix(".md").removeprefix("../").lower()
    if name in GUIDES:
        return url_for("web.docs_page", name=name, _anchor=fragment or None)
    if path == "openapi.json":
        return url_for("web.docs_reference")
    raise markdown.NotInSubset(f"a link to {target}, which is no page")


def _read(path: Path) -> list[Block]:
    return markdown.parse(path.read_text(encoding="utf-8"), link=address_of)


def _read_translation(path: Path, english: Sequence[Block]) -> list[Block] | None:
    """Return the Chinese blocks of a guide, if there are any.

    Its headings have the ids of the English ones, so that a link leads there in either language.
    """
    translated = path.with_suffix(".zh.md")
    if not translated.exists():
        return None
    ids = iter([block.id for block in english if isinstance(block, Heading)])
    blocks = _read(translated)
    return [replace(b, id=next(ids)) if isinstance(b, Heading) else b for b in blocks]


def _navigation() -> list[tuple[str, str, Any, str]]:
    """Return (name, address, title, icon) of every page, in reading order."""
    pages = [
        (name, url_for("web.docs_page", name=name), found.title, found.icon)
        for name, found in GUIDES.items()
    ]
    name, title, icon = _REFERENCE
    pages[0] = ("guide", url_for("web.docs"), *pages[0][2:])
    pages.insert(3, (name, url_for("web.docs_reference"), title, icon))
    return pages


def _own_data() -> Mapping[str, str]:
    """Return what stands in for the examples of the files.

    A stranger gets our address, and a time to move the test clock to that lies ahead of today.
    """
    own = {EXAMPLE_ADDRESS: runtime().settings.base_url}
    merchant: Workplace | None = current_user.merchant if current_user.is_authenticated else None
    if merchant is None:
        return own | {EXAMPLE_CLOCK: _after_month_of(clock.now().date())}
    now = clock.now() + merchant.clock_offset
    today = local_date(now, ZoneInfo(merchant.time_zone))
    own[EXAMPLE_MOMENT] = f"{now:%Y-%m-%dT%H:%M:%SZ}"
    own[EXAMPLE_START] = f"{today.replace(day=1)}"
    own[EXAMPLE_CLOCK] = _after_month_of(today)
    with transaction(merchant.merchant_id) as session:
        active = [key for key in keys.list_keys(session) if key.revoked_at is None]
    if active:
        own[EXAMPLE_KEY] = f"bm_{merchant.mode}_{active[0].prefix}.…"
    return own


def _after_month_of(day: date) -> str:
    """Return a moment of the next month when the grace of this one is over, wherever one lives."""
    third = (day.replace(day=1) + timedelta(days=32)).replace(day=3)
    return f"{third}T00:00:00Z"


def _with(own: Mapping[str, str], blocks: Sequence[Block]) -> list[Block]:
    """Return the blocks with the examples in their code replaced."""

    def rewrite(block: Block) -> Block:
        if not isinstance(block, Code):
            return block
        text = block.text
        for example, value in own.items():
            text = text.replace(example, value)
        return replace(block, text=text)

    return [rewrite(block) for block in blocks]
