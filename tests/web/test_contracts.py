"""Contracts by form: a customer, a rate card's current version, a currency, days; and their end."""

import re
from collections.abc import Callable

import pytest

from tests.web.conftest import PARTIAL, Browser
from tests.web.test_customers import new_customer
from tests.web.test_products import GRADUATED, STANDARD, new_card

TERMS = {"customer": "user_42", "currency": "USD", "cycle": "monthly_calendar"}


def terms(browser: Browser, **form: str) -> dict[str, str]:
    """Make a customer and a rate card and return a form that binds them."""
    new_customer(browser)
    card = new_card(browser, STANDARD)
    dates = {"starts_on": "2026-05-01", "ends_on": ""}
    return TERMS | dates | {"rate_card": card.rpartition("/")[2]} | form


def new_contract(browser: Browser, **form: str) -> str:
    answer = browser.post("/merchant/contracts/new", terms(browser, **form))
    assert answer.status_code == 303, answer.text
    return str(answer.location)


def test_a_sandbox_contract_may_start_in_the_past(browser: Browser) -> None:
    path = new_contract(browser)

    page = browser.text(path)
    assert "May 1, 2026" in page  # the open period begins there
    assert "Jun 1, 2026" in page  # and its invoice is made then
    assert path in browser.text("/merchant/contracts")


def test_the_customer_and_the_rate_card_lead_to_their_contracts(browser: Browser) -> None:
    path = new_contract(browser)

    (customer,) = set(re.findall(r"/merchant/customers/cus_\w+", browser.text(path)))
    (card,) = set(re.findall(r"/merchant/rate-cards/rc_\w+", browser.text(path)))
    assert path in browser.text(customer)
    assert path in browser.text(card)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("customer", "nobody"),
        ("rate_card", "rc_0000000000000"),
        ("rate_card", ""),
        ("currency", "XXX"),
        ("currency", "EUR"),
        ("starts_on", "soon"),
        ("ends_on", "2026-05-01"),
    ],
)
def test_a_refused_contract_keeps_what_was_typed(browser: Browser, field: str, value: str) -> None:
    answer = browser.post("/merchant/contracts/new", terms(browser, **{field: value}))

    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert 'value="user_42"' in answer.text or field == "customer"


def test_two_contracts_can_not_price_the_same_usage(browser: Browser) -> None:
    form = terms(browser)
    browser.post("/merchant/contracts/new", form)

    answer = browser.post("/merchant/contracts/new", form)

    assert answer.status_code == 422
    assert "Another contract of this customer prices the same metric" in answer.text


def test_a_chosen_rate_card_offers_its_own_currencies(browser: Browser) -> None:
    new_customer(browser)
    card = new_card(browser, GRADUATED).rpartition("/")[2]

    choices = browser.text(f"/merchant/contracts/new?rate_card={card}", headers=PARTIAL)

    assert '<option value="CNY"' in choices
    assert '<option value="USD"' not in choices
    assert '<option value="user_42">' in choices


def test_the_list_is_filtered_by_customer_and_state(browser: Browser) -> None:
    path = new_contract(browser)

    assert path in browser.text("/merchant/contracts?q=acme&status=active", headers=PARTIAL)
    assert path not in browser.text("/merchant/contracts?status=ended", headers=PARTIAL)
    assert path not in browser.text("/merchant/contracts?q=nimbus", headers=PARTIAL)


def test_a_version_leads_to_the_contracts_on_it(browser: Browser) -> None:
    path = new_contract(browser)
    (card,) = set(re.findall(r"/merchant/rate-cards/rc_\w+", browser.text(path)))
    browser.post(f"{card}/edit", GRADUATED | {"do": "publish"})

    (first,) = set(re.findall(r"contracts\?version=rcv_\w+", browser.text(f"{card}?version=1")))

    assert path in browser.text(f"/merchant/{first}")
    assert path not in browser.text(card)  # it stays on version 1


def test_the_csv_file_has_what_is_filtered(browser: Browser) -> None:
    new_contract(browser)

    assert ",user_42,Acme,standard,1,USD," in browser.get("/merchant/contracts?format=csv").text
    ended = browser.get("/merchant/contracts?status=ended&format=csv").text
    assert ended.count("\n") == 1  # the header


def test_a_contract_is_ended(browser: Browser) -> None:
    path = new_contract(browser)

    answer = browser.post(f"{path}/end", {"ends_on": "2026-05-20"})

    assert answer.status_code == 303
    assert "May 20, 2026" in browser.text(path)
    assert "Ended" in browser.text(path)


@pytest.mark.parametrize("day", ["", "tomorrow", "2026-04-30"])
def test_an_impossible_end_changes_nothing(browser: Browser, day: str) -> None:
    path = new_contract(browser)

    answer = browser.post(f"{path}/end", {"ends_on": day})

    assert answer.status_code == 422
    assert "Active" in browser.text(path)


def test_a_customer_with_a_contract_stays(browser: Browser) -> None:
    path = new_contract(browser)
    (customer,) = set(re.findall(r"/merchant/customers/cus_\w+", browser.text(path)))

    answer = browser.post(f"{customer}/archive")

    assert answer.status_code == 409
    assert "End them first." in answer.text


def test_a_contract_of_another_merchant_is_not_there(
    browser: Browser, sign_up: Callable[[], Browser]
) -> None:
    path = new_contract(browser)

    stranger = sign_up()

    assert stranger.get(path).status_code == 404
    assert stranger.post(f"{path}/end", {"ends_on": "2026-05-20"}).status_code == 404
