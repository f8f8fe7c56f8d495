"""Customers by form: found, changed, archived, and invisible to everybody else."""

from collections.abc import Callable

from tests.web.conftest import PARTIAL, Browser

ACME = {"external_id": "user_42", "name": "Acme", "email": "pay@acme.example", "language": "en"}


def new_customer(browser: Browser, **form: str) -> str:
    """Create a customer and return its path."""
    answer = browser.post("/merchant/customers", ACME | form)
    assert answer.status_code == 303, answer.text
    return str(answer.location)


def test_a_customer_is_created_and_listed(browser: Browser) -> None:
    path = new_customer(browser)

    assert "pay@acme.example" in browser.text(path)
    assert path in browser.text("/merchant/customers")


def test_a_refused_customer_keeps_what_was_typed(browser: Browser) -> None:
    answer = browser.post("/merchant/customers", ACME | {"email": "no address"})

    assert answer.status_code == 422
    assert 'id="email-error"' in answer.text
    assert 'value="no address"' in answer.text
    assert 'value="user_42"' in answer.text


def test_an_external_id_names_one_customer(browser: Browser) -> None:
    new_customer(browser)

    answer = browser.post("/merchant/customers", ACME)

    assert answer.status_code == 422
    assert "There is a customer with this external id already." in answer.text


def test_names_are_text_never_markup(browser: Browser) -> None:
    path = new_customer(browser, name='"><img src=x onerror=alert(1)>')

    for page in (browser.text(path), browser.text("/merchant/customers")):
        assert "<img" not in page


def test_the_list_is_filtered_and_contained_in_the_page(browser: Browser) -> None:
    new_customer(browser)
    new_customer(browser, external_id="user_43", name="Nimbus")

    rows = browser.text("/merchant/customers?q=nimb", headers=PARTIAL)

    assert "Nimbus" in rows
    assert "Acme" not in rows
    assert rows.strip() in browser.text("/merchant/customers?q=nimb")


def test_the_csv_file_runs_no_formula(browser: Browser) -> None:
    new_customer(browser, external_id="@SUM(A1)")

    assert ",'@SUM(A1)," in browser.get("/merchant/customers?format=csv").text


def test_a_customer_is_changed(browser: Browser) -> None:
    path = new_customer(browser)

    browser.post(path, {"name": "Acme Ltd", "email": "", "language": "zh_Hans_CN"})

    page = browser.text(path)
    assert "Acme Ltd" in page
    assert "pay@acme.example" not in page


def test_a_customer_is_archived_and_restored(browser: Browser) -> None:
    path = new_customer(browser)

    browser.post(f"{path}/archive")
    assert "Archived" in browser.text(path)

    browser.post(f"{path}/restore")
    assert "Archived" not in browser.text(path)


def test_a_customer_of_another_merchant_is_not_there(
    browser: Browser, sign_up: Callable[[], Browser]
) -> None:
    path = new_customer(browser)

    stranger = sign_up()

    assert stranger.get(path).status_code == 404
    assert stranger.post(path, {"name": "Mine"}).status_code == 404
    assert stranger.post(f"{path}/archive").status_code == 404


def test_a_malformed_id_is_not_there(browser: Browser) -> None:
    assert browser.get("/merchant/customers/cus_1").status_code == 404
