"""The ladder is a form that forgets nothing; an invoice's page shows and sends reminders."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from app.billing import reminder_settings, reminders
from app.core import clock
from app.core.db import begin
from app.core.ids import Prefix, read, show
from app.customers import queries
from app.customers.models import Customer
from tests.make import Make
from tests.web.books import issued, paid
from tests.web.conftest import Browser

PAGE = "/merchant/settings/reminders"


def steps(browser: Browser, engine: Engine) -> tuple[bool, tuple[int, ...]]:
    with begin(engine, browser.merchant_id) as session:
        ladder = reminder_settings.get_ladder(session)
    return ladder.is_on, ladder.steps


def open_invoice(browser: Browser, engine: Engine) -> str:
    """Issue an invoice that was due three days ago, and return its public id."""
    now = clock.now()
    return issued(
        engine, browser, finalized_at=now - timedelta(days=17), due_at=now - timedelta(days=3)
    )


def test_the_page_shows_the_ladder_with_rows_to_spare(browser: Browser) -> None:
    page = browser.text(PAGE)

    assert 'id="days_4"' in page
    assert 'id="days_6"' in page
    assert 'id="days_7"' not in page
    assert "Step 7" in page


def test_a_ladder_is_saved_sorted_and_without_empty_rows(browser: Browser, engine: Engine) -> None:
    form = {"is_on": "1", "days_0": "5", "side_0": "after", "days_3": " 7 ", "side_3": "before"}

    answer = browser.post(PAGE, form)

    assert answer.status_code == 303
    assert steps(browser, engine) == (True, (-7, 5))


def test_it_can_be_switched_off(browser: Browser, engine: Engine) -> None:
    browser.post(PAGE, {"days_0": "3", "side_0": "after"})

    assert steps(browser, engine) == (False, (3,))
    assert 'name="is_on" value="1" checked' not in browser.text(PAGE)


@pytest.mark.parametrize("days", ["3.5", "-3", "tomorrow", "٣", "100"])
def test_days_that_are_no_number_are_refused_at_their_row(
    browser: Browser, engine: Engine, days: str
) -> None:
    answer = browser.post(PAGE, {"is_on": "1", "days_0": "1", "days_2": days})

    assert answer.status_code == 422
    assert 'id="days_2-error"' in answer.text
    assert f'value="{days}"' in answer.text
    assert steps(browser, engine) == (True, (-3, 0, 3, 7, 14))


def test_a_step_too_far_or_twice_is_refused_at_its_row(browser: Browser) -> None:
    far = browser.post(PAGE, {"is_on": "1", "days_1": "1", "days_3": "31", "side_3": "before"})
    twice = browser.post(PAGE, {"is_on": "1", "days_0": "3", "days_2": "3"})
    none = browser.post(PAGE, {"is_on": "1"})

    assert 'id="days_3-error"' in far.text
    assert 'id="days_2-error"' in twice.text
    assert 'role="alert"' in none.text


@pytest.mark.parametrize(
    ("step", "english", "chinese"),
    [
        ("-3", "this invoice is due in 3 days.", "您的账单还有 3 天到期"),
        ("0", "this invoice is due today.", "您的账单今日到期"),
        ("14", "this invoice is 14 days overdue.", "您的账单已逾期 14 天"),
        ("5", "this invoice is due in 3 days.", "您的账单还有 3 天到期"),  # no step: the first
    ],
)
def test_a_step_is_read_in_both_languages(
    browser: Browser, step: str, english: str, chinese: str
) -> None:
    page = browser.text(f"{PAGE}?days={step}")

    assert english in page
    assert chinese in page


def test_a_reminder_is_sent_from_the_invoices_page_once_a_day(
    browser: Browser, engine: Engine
) -> None:
    public_id = open_invoice(browser, engine)
    path = f"/merchant/invoices/{public_id}"
    assert "Send a reminder now" in browser.text(path)

    first = browser.post(f"{path}/reminders")
    second = browser.post(f"{path}/reminders")

    assert (first.status_code, second.status_code) == (303, 303)
    page = browser.text(path)
    assert "The reminder to finance@example.cn is on its way." in page
    assert "A reminder of this invoice went out today already." in page
    assert "By hand, by owner-" in page
    assert page.count("On its way to finance@example.cn") == 1


def test_the_invoices_page_says_what_was_not_sent_and_what_is_next(
    browser: Browser, engine: Engine
) -> None:
    public_id = open_invoice(browser, engine)
    with begin(engine, browser.merchant_id) as session:
        reminders.remind(
            session, read(Prefix.INVOICE, public_id), base_url="https://x.example", now=clock.now()
        )

    page = browser.text(f"/merchant/invoices/{public_id}")

    assert "3 days before" in page
    assert "Skipped: its day had passed" in page
    assert "Next by your ladder:" in page


def test_a_paid_invoice_is_not_reminded_of(browser: Browser, engine: Engine) -> None:
    public_id = paid(engine, browser)
    path = f"/merchant/invoices/{public_id}"

    answer = browser.post(f"{path}/reminders")

    assert answer.status_code == 303
    page = browser.text(path)
    assert "Send a reminder now" not in page
    assert "By hand, by" not in page


def test_another_merchants_invoice_is_not_there(browser: Browser) -> None:
    path = f"/merchant/invoices/{show(Prefix.INVOICE, 7)}/reminders"

    assert browser.post(path).status_code == 404


def test_a_customer_can_be_left_alone(browser: Browser, engine: Engine) -> None:
    def customer() -> Customer:
        with begin(engine, browser.merchant_id) as session:
            return queries.get_customer(session, made.id)

    with begin(engine, browser.merchant_id) as session:
        made = Make(session).customer()
    path = f"/merchant/customers/{show(Prefix.CUSTOMER, made.id)}"
    form = {"name": "Acme", "email": "", "language": "en"}
    assert 'name="remind" value="1" checked' in browser.text(path)

    browser.post(path, form)
    assert not customer().is_reminded

    browser.post(path, form | {"remind": "1"})
    assert customer().is_reminded
