"""The price editor: drafts are saved as typed, published once, and nothing typed is ever lost."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine

from app.core.db import begin
from app.core.money import Currency
from app.pricing import drafts, price_sets, queries
from app.pricing.charges import Graduated
from tests.web.conftest import PARTIAL, Browser
from tests.web.test_products import GRADUATED, STANDARD, new_card, new_product

FILTERED = {
    "state": '[{"charge":{"model":""},"filters":[{"match":{}}]}]',
    "at": "0:0",
    "metric": "tokens_output",
    "currency": "USD",
    "match-model": "gpt-5, o3",
    "match-region": "*",
    "model": "package",
    "package_size": "1000",
    "package_price": "5",
    "commitment-USD": "100000",
    "group_by": "tier",
}
"""A filter that is open, of a price without a default."""


def content_of(browser: Browser, engine: Engine) -> dict[str, Any]:
    """Return the content of the only rate card's current version."""
    with begin(engine, browser.merchant_id) as session:
        (card,) = queries.list_rate_cards(session).rows
        return queries.current_version(session, card.id).content


def draft_of(browser: Browser, engine: Engine) -> dict[str, Any] | None:
    with begin(engine, browser.merchant_id) as session:
        (card,) = queries.list_rate_cards(session).rows
        draft = drafts.find_draft(session, card.id)
        return dict(draft.content) if draft else None


def hidden(page: str, name: str) -> str:
    """Return the value of a hidden field."""
    found = re.search(rf'name="{name}"[^>]* value="([^"]*)"', page)
    assert found, page
    return found[1].replace("&#34;", '"')


def test_a_price_per_unit_is_published(browser: Browser, engine: Engine) -> None:
    new_card(browser, STANDARD)

    price = {"metric": "agent_runs", "model": "standard", "unit_price": "1"}
    assert content_of(browser, engine) == {"currencies": {"USD": [price]}}


def test_graduated_prices_and_free_units_are_published(browser: Browser, engine: Engine) -> None:
    path = new_card(browser, GRADUATED)

    assert content_of(browser, engine)["currencies"]["CNY"] == [
        {
            "metric": "tokens_input",
            "model": "graduated",
            "tiers": [
                {"up_to": "1000000", "unit_price": "0.015", "flat_fee": "0"},
                {"up_to": None, "unit_price": "0.012", "flat_fee": "500"},
            ],
            "free_units": "10000",
        }
    ]
    page = browser.text(path)
    assert "0.00015" in page  # the unit price in yuan
    assert "150" in page  # and that of a million


def test_filters_groups_and_commitments_are_published(browser: Browser, engine: Engine) -> None:
    path = new_card(browser, FILTERED)

    assert content_of(browser, engine) == {
        "currencies": {
            "USD": [
                {
                    "metric": "tokens_output",
                    "filters": [
                        {
                            "match": {"model": ["gpt-5", "o3"], "region": "*"},
                            "model": "package",
                            "package_size": "1000",
                            "package_price": "5",
                            "package_rounding": "up",
                        }
                    ],
                    "group_by": ["tier"],
                }
            ]
        },
        "commitments": {"USD": "100000"},
    }
    page = browser.text(path)
    assert "model = gpt-5, o3 · region = any" in page
    assert "at least 1,000 USD" in page


def test_a_button_changes_the_rows_and_loses_nothing(browser: Browser) -> None:
    path = f"{new_product(browser)}/rate-cards/new"
    typed = {"name": "My card", "code": "bad code", **GRADUATED, "do": "tier-add:1"}

    page = browser.post(path, typed)

    assert page.status_code == 200
    assert 'value="My card"' in page.text
    assert 'value="bad code"' in page.text
    assert 'value="0.012"' in page.text
    assert 'name="tiers-2-price"' in page.text
    assert re.search(r'id="tiers-1-up_to"[^>]*autofocus', page.text)
    swapped = browser.post(path, typed, headers=PARTIAL).text
    assert re.search(r'id="tiers-1-up_to"[^>]*data-focus', swapped)


def test_the_other_prices_travel_along(browser: Browser) -> None:
    path = f"{new_product(browser)}/rate-cards/new"

    added = browser.post(path, GRADUATED | {"do": "add"}).text
    state = {"state": hidden(added, "state"), "at": hidden(added, "at")}
    back = browser.post(path, STANDARD | state | {"do": "open:0:"}).text

    assert 'value="0.015"' in back
    assert "agent_runs" in hidden(back, "state")


def test_typing_answers_the_calculator_only(browser: Browser) -> None:
    path = f"{new_product(browser)}/rate-cards/new"

    preview = browser.post(path, GRADUATED | {"try-quantity": "2010000"}, headers=PARTIAL).text

    assert "275.00" in preview  # a million at 0.00015, a million at 0.00012, 5 once
    assert "10,000 free units taken off first" in preview
    assert "<input" not in preview
    assert "<html" not in preview


def test_the_calculator_is_contained_in_the_page(browser: Browser) -> None:
    path = f"{new_product(browser)}/rate-cards/new"

    preview = browser.post(path, GRADUATED, headers=PARTIAL).text

    squeezed = re.sub(r"\s+", " ", browser.post(path, GRADUATED).text)
    assert re.sub(r"\s+", " ", preview).strip() in squeezed


def test_a_wrong_price_is_shown_at_its_field(browser: Browser) -> None:
    path = f"{new_product(browser)}/rate-cards/new"
    form = {"name": "Standard", "code": "standard", "do": "publish"} | GRADUATED

    answer = browser.post(path, form | {"tiers-1-price": "1e3"})

    assert answer.status_code == 422
    assert 'id="tiers-1-price-error"' in answer.text
    assert 'value="1e3"' in answer.text


def test_tiers_out_of_order_are_shown_while_one_types(browser: Browser) -> None:
    path = f"{new_product(browser)}/rate-cards/new"
    three = GRADUATED | {"tiers-1-up_to": "1000", "tiers-2-price": "1"}

    preview = browser.post(path, three, headers=PARTIAL).text

    assert 'data-problem="tiers-1-up_to"' in preview


def test_an_empty_field_is_no_mistake_yet(browser: Browser) -> None:
    path = f"{new_product(browser)}/rate-cards/new"

    preview = browser.post(path, GRADUATED | {"tiers-1-price": ""}, headers=PARTIAL).text

    assert "data-problem" not in preview
    assert "Complete the prices first" in preview


def test_a_draft_starts_from_the_current_prices(browser: Browser) -> None:
    path = new_card(browser, GRADUATED)

    editor = browser.text(f"{path}/edit")

    assert 'value="0.015"' in editor
    assert "The same prices." in editor


def test_a_saved_draft_publishes_nothing(browser: Browser, engine: Engine) -> None:
    path = new_card(browser, STANDARD)

    answer = browser.post(f"{path}/edit", STANDARD | {"unit_price": "2", "do": "save"})

    assert answer.status_code == 303
    assert draft_of(browser, engine) == {"currencies": {"USD": [STANDARD_AT_2]}}
    assert content_of(browser, engine)["currencies"]["USD"][0]["unit_price"] == "1"
    assert 'value="2"' in browser.text(str(answer.location))
    assert "A draft is being written." in browser.text(path)


STANDARD_AT_2 = {"metric": "agent_runs", "model": "standard", "unit_price": "2"}


def test_a_draft_is_published_with_its_difference(browser: Browser, engine: Engine) -> None:
    path = new_card(browser, GRADUATED)

    answer = browser.post(f"{path}/edit", GRADUATED | {"tiers-0-price": "0.014", "do": "publish"})

    assert answer.status_code == 303
    page = browser.text(path)
    assert "v2 against v1" in page
    assert '<del class="t3">0.00015</del>' in page
    assert "<b>0.00014</b>" in page
    assert draft_of(browser, engine) is None
    with begin(engine, browser.merchant_id) as session:
        (card,) = queries.list_rate_cards(session).rows
        first = queries.list_versions(session, card.id).rows[-1]
        price = price_sets.prices_of(first, Currency.CNY)["tokens_input"].default
    assert price
    assert isinstance(price.charge, Graduated)
    assert str(price.charge.tiers[0].unit_price) == "0.015"


def test_every_version_names_who_published_it(browser: Browser) -> None:
    path = new_card(browser, GRADUATED)
    browser.post(f"{path}/edit", GRADUATED | {"tiers-0-price": "0.014", "do": "publish"})

    page = browser.text(path)

    assert page.count("by owner-") == 1
    assert page.count("· owner-") == 2


def test_the_same_prices_are_no_new_version(browser: Browser, engine: Engine) -> None:
    path = new_card(browser, STANDARD)

    answer = browser.post(f"{path}/edit", STANDARD | {"do": "publish"})

    assert answer.status_code == 422
    assert "These prices are the ones of the current version." in answer.text
    assert draft_of(browser, engine) is None  # refused whole


def test_a_discarded_draft_is_gone(browser: Browser, engine: Engine) -> None:
    path = new_card(browser, STANDARD)
    browser.post(f"{path}/edit", STANDARD | {"unit_price": "2", "do": "save"})

    assert browser.post(f"{path}/draft/discard").status_code == 303

    assert draft_of(browser, engine) is None
    assert 'value="1"' in browser.text(f"{path}/edit")


def test_a_version_published_meanwhile_is_not_overwritten(browser: Browser, engine: Engine) -> None:
    path = new_card(browser, STANDARD)
    opened = {"based_on": "1", "seen": ""}
    browser.post(f"{path}/edit", STANDARD | opened | {"unit_price": "2", "do": "publish"})

    second = STANDARD | opened | {"unit_price": "3", "do": "publish"}
    refused = browser.post(f"{path}/edit", second)
    assert refused.status_code == 409
    assert "Version 2 was published meanwhile" in refused.text
    assert 'value="3"' in refused.text

    known = browser.post(f"{path}/edit", second | {"do": "rebase"}).text
    assert hidden(known, "based_on") == "2"
    answer = browser.post(f"{path}/edit", second | {"based_on": "2"})
    assert answer.status_code == 303
    assert content_of(browser, engine)["currencies"]["USD"][0]["unit_price"] == "3"


def test_a_draft_saved_meanwhile_is_not_overwritten(browser: Browser, engine: Engine) -> None:
    path = new_card(browser, STANDARD)
    browser.post(f"{path}/edit", STANDARD | {"unit_price": "2", "do": "save"})
    seen = hidden(browser.text(f"{path}/edit"), "seen")
    browser.post(f"{path}/edit", STANDARD | {"unit_price": "3", "do": "save"})

    stale = {"unit_price": "4", "do": "save", "based_on": "1", "seen": seen}
    refused = browser.post(f"{path}/edit", STANDARD | stale)

    assert refused.status_code == 409
    assert 'value="4"' in refused.text
    draft = draft_of(browser, engine)
    assert draft
    assert draft["currencies"]["USD"][0]["unit_price"] == "3"


def test_the_first_draft_of_a_colleague_is_not_overwritten(browser: Browser) -> None:
    path = new_card(browser, STANDARD)
    opened = {"based_on": "1", "seen": hidden(browser.text(f"{path}/edit"), "seen")}
    browser.post(f"{path}/edit", STANDARD | {"unit_price": "2", "do": "save"})

    refused = browser.post(f"{path}/edit", STANDARD | opened | {"unit_price": "4", "do": "save"})

    assert refused.status_code == 409
    assert "saved the draft meanwhile" in refused.text


def test_a_metric_that_was_archived_is_still_named(browser: Browser) -> None:
    metric = {"metric_code": "audio", "metric_name": "Audio", "unit": "minute"}
    browser.post("/merchant/metrics", metric | {"aggregation": "sum", "dimensions": ""})
    path = new_card(browser, STANDARD | {"metric": "audio"})
    found = re.search(r"/merchant/metrics/mtr_\w+/archive", browser.text("/merchant/products"))
    assert found
    browser.post(found[0])

    assert '<option value="audio" selected>' in browser.text(f"{path}/edit")


def test_an_older_version_can_be_read_and_compared(browser: Browser) -> None:
    path = new_card(browser, STANDARD)
    for price in ("2", "3"):
        browser.post(f"{path}/edit", STANDARD | {"unit_price": price, "do": "publish"})

    assert "Superseded" in browser.text(f"{path}?version=1")
    assert "v3 against v1" in browser.text(f"{path}?version=3&against=1")
    assert browser.get(f"{path}?version=4").status_code == 404
    assert browser.get(f"{path}?version=3&against=x").status_code == 404


def test_a_version_says_who_published_it_and_its_hash(browser: Browser, engine: Engine) -> None:
    path = new_card(browser, STANDARD)

    page = browser.text(path)

    assert "by owner-" in page
    with begin(engine, browser.merchant_id) as session:
        (card,) = queries.list_rate_cards(session).rows
        assert queries.current_version(session, card.id).sha256 in page


def test_a_tampered_form_is_refused(browser: Browser) -> None:
    path = new_card(browser, STANDARD)

    for fields in ({"state": "[{]"}, {"currency": "XXX"}, {"model": "free"}):
        assert browser.post(f"{path}/edit", STANDARD | fields).status_code == 422


@pytest.mark.parametrize("suffix", ["", "/edit", "/draft/discard", "/draft/publish", "/replays"])
def test_a_card_of_another_merchant_is_not_there(
    browser: Browser, sign_up: Callable[[], Browser], suffix: str
) -> None:
    path = new_card(browser, STANDARD)

    stranger = sign_up()

    if suffix in {"", "/edit"}:
        assert stranger.get(path + suffix).status_code == 404
    for wish in ("", "save", "publish"):
        form = {"name": "Mine", "do": wish} | STANDARD
        assert stranger.post(path + suffix, form).status_code == 404
