"""Settings by form, and the test clock: moving it owes the run that bills what fell due."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select

from app.core.db import begin
from app.core.outbox import OutboxJob
from app.identity import clocks
from app.identity.models import Merchant
from tests.make import NOON
from tests.web.conftest import PARTIAL, Browser

FORM = {
    "time_zone": "Asia/Shanghai",
    "settlement_currency": "USD",
    "late_window_days": "400",
    "grace_hours": "24",
}


def merchant_of(browser: Browser, engine: Engine) -> Merchant:
    with begin(engine, browser.merchant_id) as session:
        return clocks.get_merchant(session)


def jobs_owed(browser: Browser, engine: Engine) -> list[str]:
    with begin(engine, browser.merchant_id) as session:
        return list(session.scalars(select(OutboxJob.task)))


def test_settings_are_saved(browser: Browser, engine: Engine) -> None:
    form = {"time_zone": "Asia/Singapore", "settlement_currency": "SGD", "grace_hours": "0"}

    answer = browser.post("/merchant/settings", FORM | form)

    assert answer.status_code == 303
    merchant = merchant_of(browser, engine)
    assert (merchant.time_zone, merchant.settlement_currency.value) == ("Asia/Singapore", "SGD")
    assert (merchant.grace_hours, merchant.late_window_days) == (0, 400)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("grace_hours", "241"),
        ("grace_hours", "-1"),
        ("late_window_days", "1.5"),
        ("late_window_days", "٤٠٠"),
        ("settlement_currency", "CNY"),
        ("time_zone", "Moon/Base"),
    ],
)
def test_refused_settings_keep_what_was_typed(
    browser: Browser, engine: Engine, field: str, value: str
) -> None:
    answer = browser.post("/merchant/settings", FORM | {"grace_hours": "12", field: value})

    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert merchant_of(browser, engine).grace_hours == 24


def test_the_first_invoice_fixes_the_settlement_currency(browser: Browser, engine: Engine) -> None:
    with begin(engine, browser.merchant_id) as session:
        clocks.get_merchant(session).first_invoice_at = NOON

    assert 'id="settlement_currency"' not in browser.text("/merchant/settings")
    answer = browser.post("/merchant/settings", FORM | {"settlement_currency": "EUR"})

    assert answer.status_code == 422


def test_a_day_further_owes_the_catch_up(browser: Browser, engine: Engine) -> None:
    answer = browser.post("/merchant/settings/clock", {"move": "day"})

    assert answer.status_code == 303
    assert merchant_of(browser, engine).clock_offset == timedelta(days=1)
    assert jobs_owed(browser, engine) == ["jobs.billing.catch_up"]


def test_the_end_of_the_month_includes_its_grace(browser: Browser) -> None:
    browser.post("/merchant/settings/clock", {"to": "2027-02-10T12:00"})
    browser.post("/merchant/settings/clock", {"move": "month_end"})

    page = browser.text("/merchant/settings")
    shown = re.search(r'<p class="big">\s*<time datetime="([^"]+)"', page)
    assert shown
    assert shown[1].startswith("2027-03-01T16:01")  # midnight of 2 March in Shanghai, a minute on


def test_a_time_is_read_in_the_merchants_zone(browser: Browser) -> None:
    browser.post("/merchant/settings/clock", {"to": "2027-02-10T00:00"})

    assert 'datetime="2027-02-09T16:00' in browser.text("/merchant/settings")


@pytest.mark.parametrize("to", ["", "tomorrow", "2099-01-01T00:00"])
def test_an_impossible_time_moves_nothing(browser: Browser, engine: Engine, to: str) -> None:
    answer = browser.post("/merchant/settings/clock", {"to": to})

    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert jobs_owed(browser, engine) == []


def test_after_the_first_invoice_the_clock_only_moves_forward(
    browser: Browser, engine: Engine
) -> None:
    with begin(engine, browser.merchant_id) as session:
        clocks.get_merchant(session).first_invoice_at = NOON

    answer = browser.post("/merchant/settings/clock", {"to": "2026-01-01T00:00"})

    assert answer.status_code == 422
    assert "the clock only moves forward" in answer.text


def test_what_happened_is_a_part_of_the_page_and_stops_asking(browser: Browser) -> None:
    part = browser.text("/merchant/settings?looks=2", headers=PARTIAL)

    assert "looks=1" in part
    assert "<html" not in part
    assert "looks=" not in browser.text("/merchant/settings?looks=0", headers=PARTIAL)
