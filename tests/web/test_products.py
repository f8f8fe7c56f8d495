"""Products by form: nothing typed is lost, nothing in a name is markup."""

from tests.web.conftest import PARTIAL, Browser

STANDARD = {"metric": "agent_runs", "currency": "USD", "model": "standard", "unit_price": "1"}
GRADUATED = {
    "metric": "tokens_input",
    "currency": "CNY",
    "model": "graduated",
    "free_units": "10000",
    "tiers-0-up_to": "1000000",
    "tiers-0-price": "0.015",
    "tiers-1-price": "0.012",
    "tiers-1-flat_fee": "500",
}
"""The fields of one price, as the price editor names them."""


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
