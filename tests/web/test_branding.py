"""Branding by form: saved whole or not at all, shown at once, and served for pages and mails."""

from io import BytesIO

import pytest
from sqlalchemy import Engine

from app.core import ids
from app.core.db import begin
from app.identity import branding
from app.identity.models import Branding
from tests.documents.reading import picture
from tests.web.conftest import Browser

PAGE = "/merchant/settings/branding"
FORM = {
    "legal_name": "上海极光智能科技有限公司",
    "legal_address": "上海市浦东新区博云路 2 号",
    "tax_id": "91310000MA1FL4QX7X",
    "color": "#0f766e",
    "footer": "Thanks <b>&</b> goodbye",
}


def saved(browser: Browser, engine: Engine) -> Branding:
    with begin(engine, browser.merchant_id) as session:
        return branding.get_branding(session)


def logo(content: bytes, name: str = "logo.png") -> dict[str, object]:
    return {"logo": (BytesIO(content), name)}


def test_the_form_saves_and_shows_what_it_saved(browser: Browser, engine: Engine) -> None:
    answer = browser.post(PAGE, FORM | logo(picture()))

    assert answer.status_code == 303
    found = saved(browser, engine)
    assert (found.color, found.footer) == ("#0f766e", "Thanks <b>&</b> goodbye")
    page = browser.text(PAGE)
    assert "Thanks &lt;b&gt;&amp;&lt;/b&gt; goodbye" in page
    assert "/brand/0f766e.css" in page
    assert f"{found.logo_sha256}.png" in page


def test_no_file_keeps_the_logo_until_it_is_removed(browser: Browser, engine: Engine) -> None:
    browser.post(PAGE, FORM | logo(picture()))
    browser.post(PAGE, FORM | {"footer": ""})
    assert saved(browser, engine).logo_sha256

    browser.post(f"{PAGE}/logo")

    assert saved(browser, engine).logo_sha256 is None


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("color", {"color": "#ffff00"}),
        ("color", {"color": "red"}),
        ("footer", {"footer": "x" * 501}),
        ("tax_id", {"tax_id": "9" * 41}),
        ("logo", logo(b"<svg onload=alert(1)>", "logo.png")),
        ("logo", logo(b"", "empty.png")),
    ],
)
def test_a_refusal_saves_nothing_and_keeps_what_was_typed(
    browser: Browser, engine: Engine, field: str, change: dict[str, object]
) -> None:
    answer = browser.post(PAGE, FORM | change)

    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert "上海极光智能科技有限公司" in answer.text
    assert saved(browser, engine).legal_name == ""


def test_a_logo_is_served_to_everybody_by_its_hash(
    browser: Browser, visitor: Browser, engine: Engine
) -> None:
    browser.post(PAGE, FORM | logo(picture(kind="JPEG"), "logo.jpg"))
    found, merchant = saved(browser, engine), ids.show_merchant(browser.merchant_id)

    answer = visitor.get(f"/brand/{merchant}/{found.logo_sha256}.png")

    assert (answer.status_code, answer.mimetype) == (200, "image/png")
    assert answer.data.startswith(b"\x89PNG")
    assert "immutable" in answer.headers["Cache-Control"]
    for path in (f"/brand/{merchant}/{'0' * 64}.png", f"/brand/zzz/{found.logo_sha256}.png"):
        assert visitor.get(path).status_code == 404


@pytest.mark.parametrize("color", ["ffffff", "0F766E", "fff", "0f766e;}*{}", "red"])
def test_only_a_colour_that_can_be_read_has_a_stylesheet(visitor: Browser, color: str) -> None:
    assert visitor.text("/brand/0f766e.css") == ":root { --merchant: #0f766e }\n"
    assert visitor.get(f"/brand/{color}.css").status_code == 404
