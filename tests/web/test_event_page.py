"""One event's page says where it counts and what it is billed on, and can take it back."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, update

from app.core.db import begin
from app.customers.models import Contract
from tests.web.conftest import Browser
from tests.web.metered import event, id_of, put_on_contract, send

LATER = datetime(2199, 1, 1, tzinfo=UTC)


@pytest.fixture
def page(browser: Browser, engine: Engine) -> str:
    """Send one event and return the path of its page."""
    put_on_contract(engine, browser, "user_42")
    assert send(engine, browser, event("evt_1")) == ["accepted"]
    return f"/merchant/usage/events/{id_of(engine, browser, 'evt_1')}"


def bill(engine: Engine, browser: Browser) -> None:
    """Let every contract's invoices be out, up to far in the future."""
    with begin(engine, browser.merchant_id) as session:
        session.execute(update(Contract).values(billed_to=LATER, next_period_at=LATER))


def test_the_event_is_shown_raw(browser: Browser, page: str) -> None:
    text = browser.text(page)

    assert "&#34;idempotencyKey&#34;: &#34;evt_1&#34;" in text
    assert "&#34;quantity&#34;: &#34;12500&#34;" in text


def test_it_says_where_it_counts_and_who_will_bill_it(browser: Browser, page: str) -> None:
    text = browser.text(page)

    assert "model = gpt-5" in text
    assert "The next invoice of this contract" in text


def test_voiding_takes_it_back_with_a_reason(browser: Browser, page: str) -> None:
    answer = browser.post(f"{page}/void", {"reason": "A load test"})

    assert answer.status_code == 303
    text = browser.text(page)
    assert "Voided by owner-" in text
    assert "A load test" in text
    assert "It does not count." in text
    assert "evt_1" not in browser.text("/merchant/usage/events?outcome=accepted")


def test_a_void_needs_a_reason(browser: Browser, page: str) -> None:
    answer = browser.post(f"{page}/void", {"reason": " "})

    assert answer.status_code == 422
    assert "Write a reason of 1 to 500 characters." in answer.text


def test_what_is_billed_is_not_voided_and_the_reason_is_kept(
    browser: Browser, engine: Engine, page: str
) -> None:
    bill(engine, browser)

    answer = browser.post(f"{page}/void", {"reason": "A load test"})

    assert answer.status_code == 409
    assert "The invoice of its period is out." in answer.text
    assert "A load test</textarea>" in answer.text


def test_a_correction_and_what_it_corrects_name_each_other(
    browser: Browser, engine: Engine, page: str
) -> None:
    send(engine, browser, event("evt_2", quantity="-500", corrects="evt_1"))

    assert "Corrected by" in browser.text(page)
    correction = f"/merchant/usage/events/{id_of(engine, browser, 'evt_2')}"
    assert page in browser.text(correction)
    answer = browser.post(f"{page}/void", {"reason": "A load test"})
    assert "Another event corrects it." in answer.text


@pytest.mark.usefixtures("page")
def test_a_late_event_says_so(browser: Browser, engine: Engine) -> None:
    bill(engine, browser)
    assert send(engine, browser, event("evt_2")) == ["late"]

    late = f"/merchant/usage/events/{id_of(engine, browser, 'evt_2')}"
    assert "it goes to the next invoice" in browser.text(late)


def test_another_merchants_event_is_not_there(
    browser: Browser, page: str, sign_up: Callable[..., Browser]
) -> None:
    assert browser.get(page).status_code == 200
    assert sign_up().get(page).status_code == 404
