"""What was unmatched says why and what mends it, and is counted once that is done."""

import re

import pytest
from sqlalchemy import Engine

from app.core import clock
from app.core.db import begin
from app.core.ids import Prefix, show
from app.customers.models import CustomerStatus
from app.metering import replaying
from app.metering.dead_events import DeadFilter
from tests.make import Make
from tests.metering.conftest import SHANGHAI
from tests.metering.dead import kept
from tests.web.conftest import PARTIAL, Browser
from tests.web.metered import dead_id, event, put_on_contract, send

DEAD = "/merchant/usage/dead"


@pytest.fixture
def lost(browser: Browser, engine: Engine) -> Browser:
    """Return the browser of a merchant who sent one event of somebody unknown."""
    assert send(engine, browser, event(customer_external_id="user_77")) == ["unmatched"]
    return browser


def test_nothing_waits_at_first(browser: Browser) -> None:
    page = browser.text(DEAD)

    assert "Nothing waits" in page
    assert "every event was plainly accepted" in page


def test_an_unknown_customer_is_created_from_here(lost: Browser) -> None:
    page = lost.text(DEAD)

    assert "Unknown customer user_77" in page
    assert 'href="/merchant/customers?external_id=user_77#new-customer"' in page
    assert 'value="user_77"' in lost.text("/merchant/customers?external_id=user_77")


def test_quantities_are_written_like_those_of_taken_events(
    browser: Browser, engine: Engine
) -> None:
    send(engine, browser, event(customer_external_id="user_77", quantity="1234567.50"))

    assert "<b>1,234,567.5</b>" in browser.text(DEAD)


def test_an_unknown_metric_is_added_from_here(browser: Browser, engine: Engine) -> None:
    put_on_contract(engine, browser, "user_42")
    send(engine, browser, event(metric="gpu_seconds"))

    page = browser.text(DEAD)

    assert "Unknown metric gpu_seconds" in page
    assert 'href="/merchant/products?metric_code=gpu_seconds#new-metric"' in page
    assert 'value="gpu_seconds"' in browser.text("/merchant/products?metric_code=gpu_seconds")


def test_a_customer_without_a_contract_gets_one_from_here(browser: Browser, engine: Engine) -> None:
    with begin(engine, browser.merchant_id) as session:
        Make(session).customer(external_id="user_43")
    send(engine, browser, event(customer_external_id="user_43"))

    page = browser.text(DEAD)

    assert "No contract of user_43 covers the time" in page
    assert 'href="/merchant/contracts/new?customer=user_43"' in page


def test_an_archived_customer_is_shown_from_here(browser: Browser, engine: Engine) -> None:
    with begin(engine, browser.merchant_id) as session:
        customer = Make(session).customer(external_id="user_43", status=CustomerStatus.ARCHIVED)
        public_id = show(Prefix.CUSTOMER, customer.id)
    send(engine, browser, event(customer_external_id="user_43"))

    assert f'href="/merchant/customers/{public_id}"' in browser.text(DEAD)


def test_a_mended_cause_is_replayed_whole(lost: Browser, engine: Engine) -> None:
    put_on_contract(engine, lost, "user_77")

    answer = lost.post(f"{DEAD}/replay?reason=unknown_customer&name=user_77")

    assert answer.status_code == 303
    page = lost.text(DEAD)
    assert "Counted now: 1." in page
    assert "Nothing waits" in page
    assert "evt_1" in lost.text("/merchant/usage/events")


def test_what_is_not_mended_waits_on_and_says_why(lost: Browser) -> None:
    lost.post(f"{DEAD}/replay")

    page = lost.text(DEAD)
    assert "Counted now: 0. Still waiting: 1." in page
    assert "No active customer has this external id." in page


def test_nothing_to_replay_is_said(browser: Browser) -> None:
    browser.post(f"{DEAD}/replay")

    assert "no such event waits" in browser.text(DEAD)


def test_a_cause_is_discarded_whole(lost: Browser) -> None:
    lost.post(f"{DEAD}/discard?reason=unknown_customer&name=user_77")

    assert "Nothing waits" in lost.text(DEAD)
    assert "evt_1" in lost.text(f"{DEAD}?status=discarded")


def test_one_event_is_shown_replayed_and_settled(lost: Browser, engine: Engine) -> None:
    path = f"{DEAD}/{dead_id(engine, lost)}"
    assert "&#34;customerExternalId&#34;: &#34;user_77&#34;" in lost.text(path)

    lost.post(f"{path}/replay")
    assert "It still waits: No active customer" in lost.text(path)

    put_on_contract(engine, lost, "user_77")
    lost.post(f"{path}/replay")
    page = lost.text(path)
    assert "The event is counted now." in page
    assert "Resolved at" in page


def test_one_event_is_discarded(lost: Browser, engine: Engine) -> None:
    path = f"{DEAD}/{dead_id(engine, lost)}"

    lost.post(f"{path}/discard")

    assert "Discarded" in lost.text(path)
    lost.post(f"{path}/replay")
    assert "a dead event that is discarded can not replay" in lost.text(path)


def test_a_long_replay_shows_how_far_it_is(browser: Browser, engine: Engine) -> None:
    with begin(engine, browser.merchant_id) as session:
        for _ in range(501):
            kept(session, occurred_at=clock.now())
        now = clock.now()
        replaying.start_replay(session, DeadFilter(), merchant=SHANGHAI, now=now, real_now=now)

    assert "500 / 501" in browser.text(DEAD)
    assert "every 2s" in browser.text(f"{DEAD}/progress", headers=PARTIAL)

    with begin(engine, browser.merchant_id) as session:
        replaying.continue_replay(session, merchant=SHANGHAI, now=now, real_now=now)

    ended = browser.text(f"{DEAD}/progress", headers=PARTIAL)
    assert "Counted: 0 of 501." in ended
    assert "every 2s" not in ended


def test_the_other_answers_are_counted_by_day(browser: Browser, engine: Engine) -> None:
    put_on_contract(engine, browser, "user_42")
    moment = clock.now()
    send(engine, browser, event(at=moment), event(at=moment), event(at=moment, quantity="1"))

    page = browser.text(DEAD)
    assert re.search(r"<td>1</td>\s*<td>1</td>\s*<td>0</td>\s*<td>0</td>\s*<td>0</td>", page)


def test_the_rows_alone_are_contained_in_the_page(lost: Browser) -> None:
    fragment = lost.text(DEAD, headers=PARTIAL)

    assert "<html" not in fragment
    assert fragment.strip() in lost.text(DEAD)


def test_the_csv_file_runs_no_formula(browser: Browser, engine: Engine) -> None:
    send(engine, browser, event("=cmd()", customer_external_id="user_77"))

    answer = browser.get(f"{DEAD}?format=csv")
    assert "waiting,unknown_customer,'=cmd(),user_77,tokens_input," in answer.text


@pytest.mark.parametrize("query", ["status=lost", "reason=bad_luck", "cursor=x"])
def test_what_an_address_can_not_mean_is_refused(browser: Browser, query: str) -> None:
    assert browser.get(f"{DEAD}?{query}").status_code == 422
