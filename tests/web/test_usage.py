"""The usage page draws the days, lists their events, and teaches an empty one to fill itself."""

from datetime import timedelta

from sqlalchemy import Engine

from app.core import clock
from tests.web.books import used
from tests.web.conftest import PARTIAL, Browser


def test_an_empty_page_has_the_guides_command_of_now(browser: Browser) -> None:
    page = browser.text("/merchant/usage")

    assert "POST http://127.0.0.1:8000/api/v1/usage-events" in page
    assert f"{clock.now():%Y-%m-%dT%H:}" in page


def test_an_event_is_listed_and_drawn(browser: Browser, engine: Engine) -> None:
    used(engine, browser, at=clock.now())

    page = browser.text("/merchant/usage")
    assert "evt_1" in page
    assert "12,500" in page
    assert 'class="bar s1"' in page
    assert "model = gpt-5" in page


def test_the_chart_of_one_metric_adds_quantities(browser: Browser, engine: Engine) -> None:
    used(engine, browser, at=clock.now())

    assert '<p class="big">12,500</p>' in browser.text("/merchant/usage?metric=tokens_input")
    assert '<p class="big">1</p>' in browser.text("/merchant/usage")


def test_days_and_customer_narrow_the_list(browser: Browser, engine: Engine) -> None:
    used(engine, browser, at=clock.now() - timedelta(days=20))

    assert "evt_1" in browser.text("/merchant/usage?range=30&customer=user_42")
    assert "evt_1" not in browser.text("/merchant/usage?range=7")
    assert "evt_1" not in browser.text("/merchant/usage?customer=user_4")


def test_the_rows_alone_are_contained_in_the_page(browser: Browser, engine: Engine) -> None:
    used(engine, browser, at=clock.now())

    fragment = browser.text("/merchant/usage", headers=PARTIAL)
    assert "<html" not in fragment
    assert fragment.strip() in browser.text("/merchant/usage")


def test_the_csv_file_is_exact_and_runs_no_formula(browser: Browser, engine: Engine) -> None:
    used(engine, browser, name="=cmd()", at=clock.now())

    answer = browser.get("/merchant/usage?format=csv")
    assert "evt_1,user_42,tokens_input,12500,model=gpt-5,evt_" in answer.text


def test_a_metric_there_is_not_is_not_found(browser: Browser) -> None:
    assert browser.get("/merchant/usage?metric=nothing").status_code == 404


def test_days_we_do_not_draw_are_refused(browser: Browser) -> None:
    assert browser.get("/merchant/usage?range=all").status_code == 422
