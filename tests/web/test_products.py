"""Products, metrics and rate cards by form: nothing typed is lost, nothing published changes."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine

from app.core.db import begin
from app.core.money import Currency
from app.pricing import price_sets, queries
from tests.web.conftest import PARTIAL, Browser

STANDARD = {
    "prices-0-metric": "agent_runs",
    "prices-0-currency": "USD",
    "prices-0-model": "standard",
    "prices-0-tiers-0-unit_price": "1",
}
GRADUATED = {
    "prices-0-metric": "tokens_input",
    "prices-0-currency": "CNY",
    "prices-0-model": "graduated",
    "prices-0-free_units": "10000",
    "prices-0-tiers-0-up_to": "1000000",
    "prices-0-tiers-0-unit_price": "0.015",
    "prices-0-tiers-1-up_to": "∞",
    "prices-0-tiers-1-unit_price": "0.012",
    "prices-0-tiers-1-flat_fee": "500",
}


def new_product(browser: Browser, **form: str) -> str:
    """Create a product and return its path."""
    answer = browser.post(
        "/merchant/products", {"code": "chat_api", "name": "Chat API", "description": ""} | form
    )
    assert answer.status_code == 303, answer.text
    return str(answer.location)


def new_card(browser: Browser, prices: dict[str, str]) -> str:
    """Publish the first version of a rate card and return its path."""
    form = {"name": "Standard", "code": "standard", "do": "publish"} | prices
    answer = browser.post(f"{new_product(browser)}/rate-cards/new", form)
    assert answer.status_code == 303, answer.text
    return str(answer.location)


def content_of(browser: Browser, engine: Engine) -> dict[str, Any]:
    """Return the content of the only rate card's current version."""
    with begin(engine, browser.merchant_id) as session:
        (card,) = queries.list_rate_cards(session).rows
        return queries.current_version(session, card.id).content


def test_a_product_is_created_and_listed(browser: Browser) -> None:
    path = new_product(browser)

    assert path in browser.text("/merchant/products")
    assert "Chat API" in browser.text(path)


def test_a_refused_product_keeps_what_was_typed(browser: Browser) -> None:
    form = {"code": "Chat API", "name": "Chat API", "description": "Our assistant"}

    answer = browser.post("/merchant/products", form)

    assert answer.status_code == 422
    assert 'value="Chat API"' in answer.text
    assert "Our assistant" in answer.text
    assert 'id="code-error"' in answer.text


def test_two_products_can_not_share_a_code(browser: Browser) -> None:
    new_product(browser)

    answer = browser.post("/merchant/products", {"code": "chat_api", "name": "Other"})

    assert answer.status_code == 422
    assert "There is a product with this code already." in answer.text


def test_names_are_text_never_markup(browser: Browser) -> None:
    path = new_product(browser, name="<script>alert(1)</script>{{7*7}}")

    for page in (browser.text(path), browser.text("/merchant/products")):
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;{{7*7}}" in page


def test_the_rows_of_the_list_are_contained_in_the_page(browser: Browser) -> None:
    new_product(browser)

    rows = browser.text("/merchant/products", headers=PARTIAL)

    assert "Chat API" in rows
    assert "<html" not in rows
    assert rows.strip() in browser.text("/merchant/products")


def test_the_list_can_be_filtered(browser: Browser) -> None:
    new_product(browser)
    new_product(browser, code="vision", name="Vision")

    found = browser.text("/merchant/products?q=visi", headers=PARTIAL)

    assert "Vision" in found
    assert "Chat API" not in found


def test_the_csv_file_runs_no_formula(browser: Browser) -> None:
    new_product(browser, name="=cmd()")

    answer = browser.get("/merchant/products?format=csv")

    assert answer.mimetype == "text/csv"
    assert ",'=cmd()," in answer.text


def test_a_product_is_archived_and_restored(browser: Browser) -> None:
    path = new_product(browser)

    browser.post(f"{path}/archive")
    assert "Archived" in browser.text(path)
    assert f"{path}/rate-cards/new" not in browser.text(path)

    browser.post(f"{path}/restore")
    assert f"{path}/rate-cards/new" in browser.text(path)


def test_an_own_metric_can_be_priced(browser: Browser) -> None:
    form = {"metric_code": "audio", "metric_name": "Audio", "unit": "minute", "aggregation": "sum"}

    assert browser.post("/merchant/metrics", form).status_code == 303

    assert '<option value="audio"' in browser.text(f"{new_product(browser)}/rate-cards/new")


def test_a_refused_metric_keeps_what_was_typed(browser: Browser) -> None:
    form = {"metric_code": "9", "metric_name": "Audio", "unit": "minute", "aggregation": "max"}

    answer = browser.post("/merchant/metrics", form)

    assert answer.status_code == 422
    assert 'id="metric_code-error"' in answer.text
    assert 'value="Audio"' in answer.text
    assert '<option value="max" selected>' in answer.text


def test_a_price_per_unit_is_published(browser: Browser, engine: Engine) -> None:
    new_card(browser, STANDARD)

    price = {"metric": "agent_runs", "model": "standard", "unit_price": "1"}
    assert content_of(browser, engine) == {"currencies": {"USD": [price]}}


def test_graduated_prices_and_free_units_are_published(browser: Browser, engine: Engine) -> None:
    path = new_card(browser, GRADUATED)

    assert content_of(browser, engine)["currencies"]["CNY"] == [
        {
            "metric": "tokens_input",
            "model": "graduated",
            "tiers": [
                {"up_to": "1000000", "unit_price": "0.015", "flat_fee": "0"},
                {"up_to": None, "unit_price": "0.012", "flat_fee": "500"},
            ],
            "free_units": "10000",
        }
    ]
    page = browser.text(path)
    assert "0.00015" in page  # the unit price in yuan
    assert "150" in page  # and that of a million


def test_a_button_changes_the_rows_and_loses_nothing(browser: Browser) -> None:
    path = f"{new_product(browser)}/rate-cards/new"
    typed = {"name": "My card", "code": "bad code", **GRADUATED, "do": "add-tier:0"}

    page = browser.post(path, typed)

    assert page.status_code == 200
    assert 'value="My card"' in page.text
    assert 'value="bad code"' in page.text
    assert 'value="0.012"' in page.text
    assert 'name="prices-0-tiers-2-unit_price"' in page.text


def test_typing_answers_the_preview_only(browser: Browser) -> None:
    path = f"{new_product(browser)}/rate-cards/new"

    preview = browser.post(path, {"name": "", "code": "", **GRADUATED}, headers=PARTIAL).text

    assert "0.00015 CNY" in preview
    assert "<input" not in preview


def test_a_wrong_price_is_shown_at_its_field(browser: Browser) -> None:
    path = f"{new_product(browser)}/rate-cards/new"
    form = {"name": "Standard", "code": "standard", "do": "publish"} | GRADUATED

    answer = browser.post(path, form | {"prices-0-tiers-1-unit_price": "1e3"})

    assert answer.status_code == 422
    assert 'id="prices-0-tiers-1-unit_price-error"' in answer.text
    assert 'value="1e3"' in answer.text


def test_a_new_version_starts_from_the_current_prices(browser: Browser, engine: Engine) -> None:
    path = new_card(browser, GRADUATED)

    editor = browser.text(f"{path}/edit")
    answer = browser.post(
        f"{path}/edit", GRADUATED | {"prices-0-tiers-0-unit_price": "0.014", "do": "publish"}
    )

    assert 'value="0.015"' in editor
    assert answer.status_code == 303
    page = browser.text(path)
    assert "v2 against v1" in page
    assert '<del class="t3">0.00015</del>' in page
    assert "<b>0.00014</b>" in page
    with begin(engine, browser.merchant_id) as session:
        (card,) = queries.list_rate_cards(session).rows
        first = queries.list_versions(session, card.id).rows[-1]
        price = price_sets.prices_of(first, Currency.CNY)["tokens_input"]
    assert str(price.tiers[0].unit_price) == "0.015"


def test_the_same_prices_are_no_new_version(browser: Browser) -> None:
    path = new_card(browser, STANDARD)

    answer = browser.post(f"{path}/edit", STANDARD | {"do": "publish"})

    assert answer.status_code == 422
    assert "These prices are the ones of the current version." in answer.text


def test_an_older_version_can_be_read(browser: Browser) -> None:
    path = new_card(browser, STANDARD)
    browser.post(f"{path}/edit", STANDARD | {"prices-0-tiers-0-unit_price": "2", "do": "publish"})

    assert "Superseded" in browser.text(f"{path}?version=1")
    assert browser.get(f"{path}?version=3").status_code == 404


@pytest.mark.parametrize("suffix", ["", "/edit"])
def test_a_card_of_another_merchant_is_not_there(
    browser: Browser, sign_up: Callable[[], Browser], suffix: str
) -> None:
    path = new_card(browser, STANDARD)

    stranger = sign_up()

    assert stranger.get(path + suffix).status_code == 404
    assert stranger.post(path + suffix, {"name": "Mine"} | STANDARD).status_code == 404
