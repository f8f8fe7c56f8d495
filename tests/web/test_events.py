"""The explorer finds what came, says what became of it, and shows new events as they arrive."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from app.core import clock
from app.web import csv
from tests.web.conftest import PARTIAL, Browser
from tests.web.metered import event, id_of, put_on_contract, send

EVENTS = "/merchant/usage/events"


@pytest.fixture
def busy(browser: Browser, engine: Engine) -> Browser:
    """Return the browser of a merchant whose two customers sent an event each."""
    put_on_contract(engine, browser, "user_42", name="<b>Acme</b>")
    put_on_contract(engine, browser, "user_43", name="Kite")
    send(
        engine,
        browser,
        event("evt_1"),
        event("evt_2", customer_external_id="user_43", dimensions={"model": "qwen-max"}),
    )
    return browser


def keys(page: str) -> set[str]:
    return set(re.findall(r">(evt_[0-9])</a>", page))


def test_an_empty_page_has_the_guides_command_of_now(browser: Browser) -> None:
    assert "POST http://127.0.0.1:8000/api/v1/usage-events" in browser.text(EVENTS)


def test_events_are_listed_with_names_as_text(busy: Browser) -> None:
    page = busy.text(EVENTS)

    assert keys(page) == {"evt_1", "evt_2"}
    assert "&lt;b&gt;Acme" in page
    assert "model = qwen-max" in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=evt_1", {"evt_1"}),
        ("q=evt_2&range=2", {"evt_2"}),
        ("q=user_43", {"evt_2"}),
        ("q=model%3Dgpt-5", {"evt_1"}),
        ("q=model+%3D+qwen-max", {"evt_2"}),
        ("q=region%3Dcn", set()),
        ("dimension=model%3Dgpt-5&dimension=model%3Dqwen-max", {"evt_1", "evt_2"}),
        ("dimension=model%3Dgpt-5&dimension=region%3Dcn", set()),
        ("dimension=model%3Dgpt-5&q=model%3Dqwen-max", {"evt_1", "evt_2"}),
        ("q=user_4", set()),
        ("q=%00", {"evt_1", "evt_2"}),
        ("customer=user_42", {"evt_1"}),
        ("metric=tokens_input", {"evt_1", "evt_2"}),
        ("metric=images", set()),
        ("outcome=accepted", {"evt_1", "evt_2"}),
        ("outcome=late", set()),
        ("outcome=voided", set()),
    ],
)
def test_filters_narrow_the_list(busy: Browser, query: str, found: set[str]) -> None:
    assert keys(busy.text(f"{EVENTS}?{query}")) == found


def test_days_narrow_the_list(busy: Browser, engine: Engine) -> None:
    send(engine, busy, event("evt_3", clock.now() - timedelta(days=20)))

    assert "evt_3" in busy.text(f"{EVENTS}?range=30")
    assert "evt_3" not in busy.text(f"{EVENTS}?range=7")


def test_pages_show_each_event_once(busy: Browser, engine: Engine) -> None:
    moment = clock.now()
    send(engine, busy, *[event(f"key_{n:03}", moment - timedelta(seconds=n)) for n in range(60)])

    first = busy.text(EVENTS)
    (following,) = re.findall(r'href="([^"]*cursor=[^"]*)"', first)
    second = busy.text(following.replace("&amp;", "&"))
    seen = re.findall(r">(key_[0-9]{3}|evt_[0-9])</a>", first + second)
    assert len(seen) == len(set(seen)) == 62


def test_the_rows_alone_are_contained_in_the_page(busy: Browser) -> None:
    fragment = busy.text(EVENTS, headers=PARTIAL)

    assert "<html" not in fragment
    assert fragment.strip() in busy.text(EVENTS)


def test_the_csv_file_is_exact_and_runs_no_formula(busy: Browser, engine: Engine) -> None:
    send(engine, busy, event("=cmd()"))

    answer = busy.get(f"{EVENTS}?format=csv")
    assert "evt_1,user_42,tokens_input,12500,model=gpt-5,accepted,," in answer.text
    assert csv.guarded("=cmd()") in answer.text


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("metric=nothing", 404),
        ("outcome=lost", 422),
        ("range=all", 422),
        ("cursor=x", 422),
        ("live=soon", 422),
        ("live=99999999999", 422),
        ("live=1&after=cus_0000000000000", 404),
    ],
)
def test_what_an_address_can_not_mean_is_refused(browser: Browser, query: str, status: int) -> None:
    assert browser.get(f"{EVENTS}?{query}").status_code == status


def test_the_last_hours_are_counted_in_a_part_of_the_page(busy: Browser) -> None:
    fragment = busy.text(f"{EVENTS}/hours", headers=PARTIAL)

    assert '<p class="big">2</p>' in fragment
    assert fragment.strip() in busy.text(f"{EVENTS}/hours")


def live(started: int, after: str = "") -> str:
    return f"{EVENTS}?live={started}&after={after}"


def test_a_live_list_is_silent_while_nothing_comes(busy: Browser, engine: Engine) -> None:
    now = int(clock.now().timestamp())
    page = busy.text(live(now), headers=PARTIAL)
    newest = id_of(engine, busy, "evt_2")

    assert f"after={newest}" in page
    assert busy.get(live(now, newest), headers=PARTIAL).status_code == 204


def test_what_arrives_stands_on_top_whenever_it_happened(busy: Browser, engine: Engine) -> None:
    now, newest = int(clock.now().timestamp()), id_of(engine, busy, "evt_2")
    send(engine, busy, event("evt_3", clock.now() - timedelta(days=40)))

    page = busy.text(live(now, newest), headers=PARTIAL)

    assert re.findall(r">(evt_[0-9])</a>", page)[0] == "evt_3"
    assert re.findall(r'<tr id="[^"]+" class="fresh">', page) == [
        f'<tr id="{id_of(engine, busy, "evt_3")}" class="fresh">'
    ]


def test_a_live_list_keeps_its_filter(busy: Browser, engine: Engine) -> None:
    now, newest = int(clock.now().timestamp()), id_of(engine, busy, "evt_2")
    send(engine, busy, event("evt_3"))

    answer = busy.get(live(now, newest) + "&customer=user_43", headers=PARTIAL)

    assert keys(answer.text) == set() or "evt_3" not in answer.text


def test_a_live_list_pauses_after_ten_minutes(busy: Browser) -> None:
    started = int((clock.now() - timedelta(minutes=10)).timestamp())

    page = busy.text(live(started), headers=PARTIAL)

    assert "every 2s" not in page
    assert "Go on" in page
