"""The charts of usage: by metric, customer and dimension, on the days of the merchant's zone."""

import re
from datetime import datetime, time, timedelta

import pytest
from sqlalchemy import Engine

from app.core import clock
from tests.web.conftest import PARTIAL, Browser
from tests.web.metered import event, live_in, put_on_contract, send


@pytest.fixture
def busy(browser: Browser, engine: Engine) -> Browser:
    """Return the browser of a merchant whose two customers used two models."""
    put_on_contract(engine, browser, "user_42", name="=cmd() <b>")
    put_on_contract(engine, browser, "user_43", name="Kite")
    send(
        engine,
        browser,
        event("evt_1"),
        event("evt_2", customer_external_id="user_43", quantity="500"),
        event("evt_3", quantity="2000", dimensions={"model": "qwen-max"}),
    )
    return browser


def totals(page: str) -> dict[str, str]:
    """Return what the table of parts says, by the name of the part."""
    found = re.findall(
        r'<span class="s[0-9]">([^<]+)</span></span></td>\s*<td[^>]*><b>([^<]+)<', page
    )
    return dict(found)


def test_an_empty_page_has_the_guides_command_of_now(browser: Browser) -> None:
    page = browser.text("/merchant/usage")

    assert "POST http://127.0.0.1:8000/api/v1/usage-events" in page
    assert f"{clock.now():%Y-%m-%dT%H:}" in page


def test_metrics_can_only_be_added_up_by_their_events(busy: Browser) -> None:
    page = busy.text("/merchant/usage")

    assert '<p class="big">3</p>' in page
    assert totals(page) == {"tokens_input": "3"}


def test_quantities_of_one_metric_are_told_apart_by_customer(busy: Browser) -> None:
    page = busy.text("/merchant/usage?metric=tokens_input&by=customer")

    assert '<p class="big">15,000</p>' in page
    assert totals(page) == {"=cmd() &lt;b&gt;": "14,500", "Kite": "500"}


def test_quantities_are_told_apart_by_a_dimension(busy: Browser) -> None:
    page = busy.text("/merchant/usage?metric=tokens_input&by=dimension:model")

    assert totals(page) == {"gpt-5": "13,000", "qwen-max": "2,000"}


def test_a_customer_narrows_the_chart(busy: Browser) -> None:
    page = busy.text("/merchant/usage?metric=tokens_input&customer=user_43")

    assert '<p class="big">500</p>' in page


def test_nobodys_usage_is_nothing_not_an_error(busy: Browser) -> None:
    assert "No usage in these days" in busy.text("/merchant/usage?customer=user_4")


def test_a_dimension_of_another_metric_falls_back_to_the_metric(busy: Browser) -> None:
    assert totals(busy.text("/merchant/usage?by=dimension:model")) == {"tokens_input": "3"}


def test_the_part_without_a_value_says_so(busy: Browser) -> None:
    page = busy.text("/merchant/usage?metric=tokens_input&by=dimension:region")

    assert totals(page) == {"Without region": "15,000"}


def test_a_day_begins_at_midnight_also_half_an_hour_off(browser: Browser, engine: Engine) -> None:
    kolkata = live_in(engine, browser, "Asia/Kolkata")
    put_on_contract(engine, browser, "user_42")
    today = clock.now().astimezone(kolkata).date() - timedelta(1)
    midnight = datetime.combine(today, time(0), kolkata)
    before = event("evt_1", midnight - timedelta(seconds=1), quantity="3")
    after = event("evt_2", midnight, quantity="40")

    send(engine, browser, before, after)

    page = browser.text("/merchant/usage?metric=tokens_input&range=7")
    day, day_before = f"{today:%b} {today.day}", today - timedelta(1)
    assert re.search(rf"<td>{day}</td>\s*<td>40</td>", page)
    assert re.search(rf"<td>{day_before:%b} {day_before.day}</td>\s*<td>3</td>", page)


def test_hours_begin_on_the_merchants_clock_also_half_an_hour_off(
    browser: Browser, engine: Engine
) -> None:
    kolkata = live_in(engine, browser, "Asia/Kolkata")
    put_on_contract(engine, browser, "user_42")
    today = clock.now().astimezone(kolkata).date() - timedelta(1)
    nine = datetime.combine(today, time(9), kolkata)

    send(
        engine,
        browser,
        event("evt_1", nine - timedelta(seconds=1), quantity="3"),
        event("evt_2", nine, quantity="40"),
    )

    page = browser.text("/merchant/usage?metric=tokens_input&range=2")
    day = f"{today:%b} {today.day}"
    assert re.search(rf"<td>{day}, 08:00</td>\s*<td>3</td>", page)
    assert re.search(rf"<td>{day}, 09:00</td>\s*<td>40</td>", page)


def test_the_rows_alone_are_contained_in_the_page(busy: Browser) -> None:
    fragment = busy.text("/merchant/usage", headers=PARTIAL)

    assert "<html" not in fragment
    assert fragment.strip() in busy.text("/merchant/usage")


def test_the_csv_file_is_exact(busy: Browser) -> None:
    answer = busy.get("/merchant/usage?metric=tokens_input&by=customer&format=csv")

    assert ",tokens_input,user_42,,14500,2" in answer.text
    assert ",tokens_input,user_43,,500,1" in answer.text


def test_a_metric_there_is_not_is_not_found(browser: Browser) -> None:
    assert browser.get("/merchant/usage?metric=nothing").status_code == 404


def test_days_we_do_not_draw_are_refused(browser: Browser) -> None:
    assert browser.get("/merchant/usage?range=all").status_code == 422


@pytest.mark.parametrize("key", ["2", "7", "30", "90", "month", "last_month"])
def test_every_range_is_drawn(busy: Browser, key: str) -> None:
    assert 'class="chart' in busy.text(f"/merchant/usage?range={key}")


def test_what_waits_is_counted_on_the_tab(busy: Browser, engine: Engine) -> None:
    assert "<small>" not in busy.text("/merchant/usage").partition('class="tabs"')[2][:600]

    send(engine, busy, event("evt_9", customer_external_id="user_77"))

    assert "<small>1</small>" in busy.text("/merchant/usage")
