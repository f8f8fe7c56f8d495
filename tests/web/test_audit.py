"""Whatever a merchant changes stands on one page: who, when, what, and how it was before."""

import re

import pytest
from flask import Flask

from app.config import ROOT
from app.web import audit_words
from tests.web.conftest import PARTIAL, Browser

TRAIL = "/merchant/settings/audit"
VAT = {"name": "VAT", "code": "vat", "percent": "6", "basis": "inclusive"}


@pytest.fixture
def path(browser: Browser) -> str:
    """Make a coupon, rename it, make a tax rate, and return the coupon's path."""
    made = browser.post(
        "/merchant/coupons/new",
        {"name": "Welcome", "code": "welcome", "kind": "percent", "percent": "10"},
    ).location
    browser.post(made, {"name": "<b>Hello</b>"})
    browser.post("/merchant/settings/taxes", VAT)
    return str(made)


def test_each_deed_says_who_what_and_how_it_was(browser: Browser, path: str) -> None:
    page = browser.text(TRAIL)

    deeds = re.findall(r"<b>(Tax rate created|Coupon renamed|Coupon created)</b>", page)
    assert deeds == ["Tax rate created", "Coupon renamed", "Coupon created"]
    assert '<del class="t3">Welcome</del>' in page
    assert "<b>&lt;b&gt;Hello&lt;/b&gt;</b>" in page
    assert f'href="{path}"' in page


def test_the_rows_are_contained_in_the_page(browser: Browser, path: str) -> None:
    assert path
    assert browser.text(TRAIL, headers=PARTIAL) in browser.text(TRAIL)


def test_the_trail_of_one_row_is_found_and_exported(browser: Browser, path: str) -> None:
    coupon = path.rpartition("/")[2]

    rows = browser.text(f"{TRAIL}?subject={coupon}&action=coupon.renamed", headers=PARTIAL)
    lines = browser.text(f"{TRAIL}?subject={coupon}&action=coupon.renamed&format=csv").split("\r\n")

    assert "Coupon created" not in rows
    assert "Coupon renamed" in rows
    assert lines[1].endswith(f"coupon.renamed,{coupon},name,Welcome,<b>Hello</b>")
    assert "No entry is about this." in browser.text(f"{TRAIL}?subject=nobody")


def test_an_empty_trail_says_what_will_stand_there(browser: Browser) -> None:
    assert "Nothing yet" in browser.text(TRAIL)


def test_every_deed_of_the_product_has_words(web_app: Flask) -> None:
    named = re.compile(r'(?:record|_audit)\([^)]*?"([a-z_]+\.[a-z_]+)"', re.DOTALL)
    sources = [path.read_text() for path in (ROOT / "app").rglob("*.py")]
    recorded = {name for source in sources for name in named.findall(source)}

    assert {"coupon.created", "invoice.resent", "reminder_settings.changed"} <= recorded
    with web_app.test_request_context():
        assert recorded <= set(audit_words.deeds())
