"""A customer's page draws what he used since the month began, and what each day of it costs."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select

from app.core import clock
from app.core.db import begin
from app.core.ids import Prefix, show
from app.customers.models import Contract, Customer
from tests.web.conftest import PARTIAL, Browser
from tests.web.metered import event, put_on_contract, send


@pytest.fixture
def page(browser: Browser, engine: Engine) -> str:
    """Let a customer use 12,500 tokens at a cent each, and return the path of the page."""
    put_on_contract(engine, browser, "user_42")
    send(engine, browser, event())
    now = clock.now()
    with begin(engine, browser.merchant_id) as session:
        contract = session.scalars(select(Contract)).one()
        contract.next_period_at = now - timedelta(days=1)
        contract.due_at = now + timedelta(days=27)
        customer = session.scalars(select(Customer)).one()
        return f"/merchant/customers/{show(Prefix.CUSTOMER, customer.id)}"


def test_usage_of_the_month_is_told_by_metric(browser: Browser, page: str) -> None:
    text = browser.text(page)

    assert "12,500" in text
    assert 'class="bar s1"' in text


def test_the_open_period_costs_what_its_days_added(browser: Browser, page: str) -> None:
    fragment = browser.text(f"{page}/costs", headers=PARTIAL)

    assert "$125.00" in fragment
    assert re.search(r"<td>125\.00</td>", fragment)
    assert fragment.strip() in browser.text(f"{page}/costs")


def test_without_a_contract_nothing_is_due(browser: Browser, engine: Engine, page: str) -> None:
    with begin(engine, browser.merchant_id) as session:
        contract = session.scalars(select(Contract)).one()
        contract.next_period_at = contract.due_at = None

    assert "No contract has an open period." in browser.text(f"{page}/costs")
