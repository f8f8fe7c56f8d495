"""A replay shows its progress, then who would pay what; only what was replayed is published."""

import re
from collections.abc import Callable
from functools import partial

from sqlalchemy import Engine, update

from app.billing import replay
from app.billing.replay_models import PriceReplay, PriceReplayRow, ReplayStatus
from app.core import clock
from app.core.db import begin
from app.core.ids import Prefix, read
from app.customers.models import Customer
from tests.web.conftest import PARTIAL, Browser
from tests.web.test_contract_versions import contract_with_newer_version
from tests.web.test_contracts import new_contract
from tests.web.test_products import STANDARD


def new_replay(browser: Browser, **prices: str) -> tuple[str, str]:
    """Save a draft, begin to replay it, and return the paths of its card and of the replay."""
    contract = new_contract(browser)
    (card,) = set(re.findall(r"/merchant/rate-cards/rc_\w+", browser.text(contract)))
    browser.post(f"{card}/edit", STANDARD | {"do": "save"} | prices)
    answer = browser.post(f"{card}/replays")
    assert answer.status_code == 303, answer.text
    return card, str(answer.location)


def finish(browser: Browser, engine: Engine, path: str) -> int:
    """Do the job of a replay and return its number."""
    number = read(Prefix.PRICE_REPLAY, path.rpartition("/")[2])
    replay.run(partial(begin, engine, browser.merchant_id), number, now=clock.now())
    return number


def test_a_running_replay_asks_again_by_itself(browser: Browser) -> None:
    _, path = new_replay(browser, minimum_amount="900")

    page = browser.text(path)

    assert "0 of 1 contracts" in page
    assert 'hx-trigger="every 1s"' in page
    assert "<html" not in browser.text(path, headers=PARTIAL)


def test_a_finished_replay_tells_the_difference(browser: Browser, engine: Engine) -> None:
    _, path = new_replay(browser, minimum_amount="900")

    finish(browser, engine, path)

    page = browser.text(path)
    assert "every 1s" not in page
    assert re.search(r"\+<span class=\"money\">\$9\.00", page)  # a minimum where nothing was used
    assert "Acme" in page


def test_the_csv_file_runs_no_formula(browser: Browser, engine: Engine) -> None:
    _, path = new_replay(browser, minimum_amount="900")
    finish(browser, engine, path)
    with begin(engine, browser.merchant_id) as session:
        session.execute(update(Customer).values(name="=cmd()"))

    text = browser.get(f"{path}?format=csv").text

    assert ",user_42,'=cmd(),USD,0,900,900,0,," in text


def test_the_draft_is_published_from_its_replay(browser: Browser, engine: Engine) -> None:
    card, path = new_replay(browser, minimum_amount="900")
    finish(browser, engine, path)
    page = browser.text(path)
    found = re.search(r'name="sha256" value="(\w+)"', page)
    assert found

    answer = browser.post(f"{card}/draft/publish", {"sha256": found[1]})

    assert answer.status_code == 303
    assert "v2 against v1" in browser.text(card)
    assert "These prices are published as version 2." in browser.text(path)


def test_a_draft_that_changed_since_is_not_published(browser: Browser, engine: Engine) -> None:
    card, path = new_replay(browser, minimum_amount="900")
    finish(browser, engine, path)
    found = re.search(r'name="sha256" value="(\w+)"', browser.text(path))
    assert found
    browser.post(f"{card}/edit", STANDARD | {"unit_price": "3", "do": "save"})

    page = browser.text(path)
    assert "The draft changed since this replay." in page
    assert 'name="sha256"' not in page
    browser.post(f"{card}/draft/publish", {"sha256": found[1]})
    assert "v2 against v1" not in browser.text(card)


def test_a_contract_that_can_not_be_rated_says_why(browser: Browser, engine: Engine) -> None:
    _, path = new_replay(browser, currency="EUR")

    finish(browser, engine, path)

    assert "The draft has no prices in this currency." in browser.text(path)


def test_a_replay_that_failed_says_so(browser: Browser, engine: Engine) -> None:
    _, path = new_replay(browser)
    number = read(Prefix.PRICE_REPLAY, path.rpartition("/")[2])
    with begin(engine, browser.merchant_id) as session:
        failed = {"status": ReplayStatus.FAILED, "error": "invalid: broken"}
        session.execute(update(PriceReplay).where(PriceReplay.id == number).values(failed))

    assert "The replay stopped." in browser.text(path)


def test_the_greatest_change_comes_first_and_pages_go_on(browser: Browser, engine: Engine) -> None:
    _, path = new_replay(browser, minimum_amount="900")
    number = finish(browser, engine, path)
    with begin(engine, browser.merchant_id) as session:
        (row,) = replay.list_rows(session, number).rows
        session.add_all(
            PriceReplayRow(
                merchant_id=row.merchant_id,
                replay_id=number,
                contract_id=each,
                customer_id=row.customer_id,
                currency=row.currency,
                current_minor=1000,
                draft_minor=1000 - each,
                events=0,
                crossings=[{"metric": "a", "part": "a", "before": 1, "after": 2}],
            )
            for each in range(1, 60)
        )

    first = browser.text(path)
    assert first.index("$9.00") < first.index("$0.59")
    assert "a: 1 → 2" in first
    following = re.search(r'href="([^"]*cursor=[^"]*)"', first)
    assert following
    second = browser.text(following[1].replace("&amp;", "&"))
    assert "−$0.01" in second


def test_without_a_draft_there_is_nothing_to_replay(browser: Browser) -> None:
    _, card, _, _ = contract_with_newer_version(browser)

    assert browser.post(f"{card}/replays").status_code == 404


def test_a_replay_of_another_merchant_is_not_there(
    browser: Browser, sign_up: Callable[[], Browser]
) -> None:
    _, path = new_replay(browser)

    stranger = sign_up()

    assert stranger.get(path).status_code == 404
    assert stranger.get(f"{path}?format=csv").status_code == 404
