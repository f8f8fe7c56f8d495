"""The ledger's pages show every entry, and books that add up to zero."""

import pytest
from flask import Flask
from sqlalchemy import Engine

from app.ledger.journals import Kind
from app.web.ledger import CODES, kind_titles
from tests.web.books import paid
from tests.web.conftest import PARTIAL, Browser


def test_every_entry_of_a_paid_invoice_is_shown(browser: Browser, engine: Engine) -> None:
    paid(engine, browser)

    page = browser.text("/merchant/ledger")
    assert page.count("fx_clearing") == 4  # two entries, and its balances in two currencies
    assert "¥905.33" in page
    assert "$122.62" in page


def test_the_books_add_up_to_zero(browser: Browser, engine: Engine) -> None:
    paid(engine, browser)

    page = browser.text("/merchant/ledger")
    assert "Σ = 0 in every book and currency" in page
    assert "Σ ≠ 0" not in page


@pytest.mark.parametrize(
    ("language", "book", "revenue"),
    [
        ("en", "Money of the platform: what", "Your revenue: it"),
        ("zh-CN", "平台资金账簿", "您的收入账簿"),
    ],
)
def test_the_letters_of_the_books_are_explained_beside_them(
    browser: Browser, engine: Engine, language: str, book: str, revenue: str
) -> None:
    invoice = paid(engine, browser)

    for path in ("/merchant/ledger", f"/merchant/invoices/{invoice}"):
        page = browser.text(path, headers={"Accept-Language": language})
        assert book in page
        assert revenue in page


def test_a_kind_narrows_the_list(browser: Browser, engine: Engine) -> None:
    paid(engine, browser)

    fragment = browser.text("/merchant/ledger?kind=platform_fee", headers=PARTIAL)
    assert "platform_fee_revenue" in fragment
    assert "channel_clearing/wechat" not in fragment


def test_the_rows_alone_are_contained_in_the_page(browser: Browser, engine: Engine) -> None:
    paid(engine, browser)

    fragment = browser.text("/merchant/ledger", headers=PARTIAL)
    assert "<html" not in fragment
    assert fragment.strip() in browser.text("/merchant/ledger")


def test_the_csv_file_has_one_line_for_each_entry(browser: Browser, engine: Engine) -> None:
    paid(engine, browser)

    lines = browser.get("/merchant/ledger?format=csv").text.splitlines()
    assert len(lines) == 1 + 4 + 4 + 2 + 4  # the head, T1, T2, T3, T4
    assert any(line.endswith("P,merchant_payable,USD,,12262") for line in lines)


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_a_code_and_a_name(web_app: Flask, kind: Kind) -> None:
    assert CODES[kind]
    with web_app.test_request_context():
        assert kind_titles()[kind]


def test_empty_books_say_when_they_fill(browser: Browser) -> None:
    assert "The books are empty" in browser.text("/merchant/ledger")
