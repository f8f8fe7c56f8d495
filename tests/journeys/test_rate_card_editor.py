"""A price is changed by keyboard alone: found, parted into tiers, tried, saved and published.

Nothing is clicked. Whatever is used is reached by Tab, and the focus is never lost to a swap.
"""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import Product
from tests.journeys.steps import create_key, sell_agent_runs, sign_up

pytestmark = [pytest.mark.xdist_group("journeys"), pytest.mark.browser, pytest.mark.slow]

MOST_TABS = 60


def test_a_rate_card_is_priced_by_keyboard_alone(page: Page, product: Product) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    sign_up(page, product, "Keyboard Works")
    developer = create_key(page, product)
    sell_agent_runs(developer)
    (card,) = developer.get("/rate-cards")["data"]
    page.goto(f"{product.url}/merchant/rate-cards/{card['id']}")

    skip_to_content(page)
    press(page, "edit")
    expect(page).to_have_url(re.compile(r"/edit$"))
    part_into_tiers(page)
    try_it(page)
    save_and_publish(page)

    expect(page.locator("h1")).to_contain_text("v2")
    expect(page.locator("main")).to_contain_text("above 1,000, to 5,000")
    versions = developer.get(f"/rate-cards/{card['id']}/versions")["data"]
    assert versions[0]["currencies"]["USD"][0]["tiers"] == [
        {"upTo": "1000", "unitPrice": "1", "flatFee": "0"},
        {"upTo": "5000", "unitPrice": "0.8", "flatFee": "0"},
        {"upTo": None, "unitPrice": "0.5", "flatFee": "0"},
    ]
    assert said == []


def part_into_tiers(page: Page) -> None:
    """Make the price graduated; Enter in a tier adds the next, arrows go between them."""
    skip_to_content(page)
    press(page, "model-graduated")
    expect(page.locator("#tiers-1-price")).to_be_visible()
    expect(page.locator("#model-graduated")).to_be_focused()
    tab_to(page, "tiers-0-up_to")
    page.keyboard.type("1000")
    page.keyboard.press("Tab")
    # What the unit cost before is there already.
    expect(page.locator("#tiers-0-price")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#tiers-1-up_to")).to_be_focused()
    page.keyboard.type("500")
    page.keyboard.press("Tab")
    page.keyboard.type("0.8")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#tiers-2-price")).to_be_focused()
    page.keyboard.type("0.5")
    expect(page.locator("#tiers-1-up_to-error")).to_contain_text("must be above 1000")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Shift+Tab")
    page.keyboard.type("5000")
    expect(page.locator("#tiers-1-up_to-error")).to_have_count(0)
    expect(page.locator("#tiers-1-up_to")).to_be_focused()


def try_it(page: Page) -> None:
    """See what 6,000 runs cost, and which tier pays what, without a press of anything."""
    tab_to(page, "try-quantity")
    page.keyboard.press("Control+A")
    page.keyboard.type("6000")
    preview = page.locator("#preview")
    expect(preview).to_contain_text("47.00")
    for working in ("1,000 × 0.01", "4,000 × 0.008", "1,000 × 0.005"):
        expect(preview).to_contain_text(working)
    expect(preview.get_by_role("img")).to_have_count(2)
    expect(page.locator("#try-quantity")).to_be_focused()


def save_and_publish(page: Page) -> None:
    tab_to(page, "save", back=True)
    page.keyboard.press("Enter")
    expect(page.locator("#toasts")).to_contain_text("The draft is saved.")
    skip_to_content(page)
    press(page, "ask-publish")
    expect(page.locator("dialog#publish")).to_be_visible()
    press(page, "publish-now")
    expect(page.locator("#toasts")).to_contain_text("Version 2 is published.")


def skip_to_content(page: Page) -> None:
    """Take the first link of a page just opened, as those do who know where they go."""
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")


def press(page: Page, name: str) -> None:
    tab_to(page, name)
    page.keyboard.press("Enter")


def tab_to(page: Page, name: str, *, back: bool = False) -> None:
    """Press Tab until the element of this id has the focus."""
    for _ in range(MOST_TABS):
        if focused(page) == name:
            return
        page.keyboard.press("Shift+Tab" if back else "Tab")
    raise AssertionError(f"{MOST_TABS} tabs did not reach {name}")


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.id"))
