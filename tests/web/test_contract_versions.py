"""Contracts change to another version at a period's start, one by one or all, and never before."""

import re
from collections.abc import Callable
from datetime import date

import pytest
from sqlalchemy import Engine, update

from app.core.db import begin
from app.customers.models import Contract
from tests.web.conftest import Browser
from tests.web.test_contracts import new_contract
from tests.web.test_products import STANDARD

SOON = "2030-01-01"


def contract_with_newer_version(browser: Browser) -> tuple[str, str, str, str]:
    """Return the paths of a contract and its card, and the ids of its version and of a newer."""
    contract = new_contract(browser)
    (card,) = set(re.findall(r"/merchant/rate-cards/rc_\w+", browser.text(contract)))
    answer = browser.post(f"{card}/edit", STANDARD | {"unit_price": "2", "do": "publish"})
    assert answer.status_code == 303
    (first,) = set(re.findall(r"contracts\?version=(rcv_\w+)", browser.text(f"{card}?version=1")))
    (second,) = set(re.findall(r'<option value="(rcv_\w+)"', browser.text(contract)))
    assert first != second
    return contract, card, first, second


def test_a_change_is_scheduled_and_taken_back(browser: Browser) -> None:
    contract, card, _, second = contract_with_newer_version(browser)

    answer = browser.post(f"{contract}/version", {"version": second, "on": SOON})
    assert answer.status_code == 303
    page = browser.text(contract)
    assert "Another version is scheduled: v2" in page
    assert "Jan 1, 2030" in page
    assert "v2 from Jan 1, 2030" in browser.text(f"{card}?version=1")
    assert "coming: 1" in browser.text(card)
    assert "v2 from Jan 1, 2030" in browser.text("/merchant/contracts")
    (customer,) = set(re.findall(r"/merchant/customers/cus_\w+", browser.text(contract)))
    assert "v2 from Jan 1, 2030" in browser.text(customer)
    csv = browser.get("/merchant/contracts?format=csv").text
    assert csv.rstrip().endswith(",2,2030-01-01,")

    assert browser.post(f"{contract}/version/cancel").status_code == 303
    assert "Another version is scheduled" not in browser.text(contract)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"version": ""}, "Choose a version."),
        ({"on": "soon"}, "Choose a day."),
        ({"on": "1066-10-14"}, "must be"),
    ],
)
def test_a_refused_change_keeps_what_was_typed(
    browser: Browser, fields: dict[str, str], error: str
) -> None:
    contract, _, _, second = contract_with_newer_version(browser)

    answer = browser.post(f"{contract}/version", {"version": second, "on": SOON} | fields)

    assert answer.status_code == 422
    assert error in answer.text
    assert 'role="alert"' in answer.text


def test_all_contracts_on_a_version_change_at_once(browser: Browser) -> None:
    contract, card, first, second = contract_with_newer_version(browser)

    answer = browser.post(f"{card}/contracts", {"from": first, "to": second, "on": SOON})

    assert answer.status_code == 303
    assert "Contracts scheduled: 1" in browser.text(card)
    assert "Another version is scheduled: v2" in browser.text(contract)


def test_a_wrong_day_for_all_is_said(browser: Browser) -> None:
    contract, card, first, second = contract_with_newer_version(browser)

    browser.post(f"{card}/contracts", {"from": first, "to": second, "on": ""})

    assert "Choose a day." in browser.text(card)
    assert "Another version is scheduled" not in browser.text(contract)


def test_late_usage_is_told_until_it_is_billed(browser: Browser, engine: Engine) -> None:
    contract = new_contract(browser)
    with begin(engine, browser.merchant_id) as session:
        session.execute(update(Contract).values(late_from=date(2026, 5, 7)))

    assert "Late usage is waiting for the next invoice." in browser.text(contract)
    assert "May 7, 2026" in browser.text(contract)
    assert "late usage" in browser.text("/merchant/contracts")


def test_contracts_of_another_merchant_are_not_there(
    browser: Browser, sign_up: Callable[[], Browser]
) -> None:
    contract, card, first, second = contract_with_newer_version(browser)

    stranger = sign_up()

    paths = (f"{contract}/version", f"{contract}/version/cancel", f"{card}/contracts")
    for path in paths:
        form = {"version": second, "from": first, "to": second, "on": SOON}
        assert stranger.post(path, form).status_code == 404
