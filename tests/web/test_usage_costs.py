"""Costs by month are those of the invoices, by metric, customer and part, in one currency."""

from sqlalchemy import Engine

from tests.web.books import issued
from tests.web.conftest import PARTIAL, Browser


def test_nothing_invoiced_is_said(browser: Browser) -> None:
    assert "Nothing is invoiced yet" in browser.text("/merchant/usage/costs")


def test_a_month_costs_what_its_invoices_say(browser: Browser, engine: Engine) -> None:
    issued(engine, browser)

    page = browser.text("/merchant/usage/costs")
    assert "$126.41" in page
    assert "<td>126.41</td>" in page
    assert "agent_runs" in page


def test_costs_are_told_apart_by_customer(browser: Browser, engine: Engine) -> None:
    issued(engine, browser)

    assert "上海智谱星图信息科技" in browser.text("/merchant/usage/costs?by=customer")


def test_usage_by_a_dimension_is_priced_by_parts(browser: Browser, engine: Engine) -> None:
    issued(engine, browser)

    assert "Agent runs" in browser.text("/merchant/usage/costs?by=dimension:model")


def test_the_part_alone_is_contained_in_the_page(browser: Browser, engine: Engine) -> None:
    issued(engine, browser)

    fragment = browser.text("/merchant/usage/costs", headers=PARTIAL)
    assert "<html" not in fragment
    assert fragment.strip() in browser.text("/merchant/usage/costs")


def test_a_currency_there_is_not_is_refused(browser: Browser) -> None:
    assert browser.get("/merchant/usage/costs?currency=XAU").status_code == 422
