"""In a real browser: each device pays by the page that its User-Agent is given; axe is content."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, expect

from app.core.db import Transaction
from app.payments import queries
from tests.checkout.conftest import Due, Simulator
from tests.checkout.test_device import ALIPAY, IPHONE, WECHAT

pytestmark = pytest.mark.browser

AXE = Path(__file__).resolve().parents[1] / "vendor" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
MOBILE = f"{IPHONE} Version/18.1 Mobile/15E148 Safari/604.1"
PHONE, DESK = (390, 844), (1440, 900)
BRIDGE = """window.WeixinJSBridge = {
  invoke(name, params, done) { window.invoked = [name, params]; },
};"""

expect.set_options(timeout=15_000)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """Take the machine's own Chromium where there is one."""
    flags = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    return {"args": flags, "executable_path": shutil.which("chromium")}


@dataclass
class Buyer:
    """A payer's browser, and what its console complained of."""

    page: Page
    complaints: list[str]


@pytest.fixture
def contexts() -> Iterator[list[BrowserContext]]:
    opened: list[BrowserContext] = []
    yield opened
    for context in opened:
        context.close()


def buyer(
    browser: Browser, contexts: list[BrowserContext], size: tuple[int, int], user_agent: str = ""
) -> Buyer:
    viewport: Any = {"width": size[0], "height": size[1]}
    context = browser.new_context(viewport=viewport, user_agent=user_agent or None)
    contexts.append(context)
    found = Buyer(context.new_page(), [])
    found.page.on("console", lambda message: found.complaints.append(message.text))
    return found


def address(app: Flask, due: Due, language: str) -> str:
    return f"{app.extensions['buffmoney'].settings.base_url}{due.path}?lang={language}"


def check(page: Page) -> None:
    """See that axe finds nothing, and that nothing stands over the edge."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("rules => axe.run({runOnly: rules})", RULES)
    assert [violation["id"] for violation in found["violations"]] == []
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")


def scan(page: Page) -> str:
    """Read the QR code off a screenshot, as a camera does."""
    image = cv2.imdecode(np.frombuffer(page.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    text, _, _ = cv2.QRCodeDetector().detectAndDecode(image)
    return str(text)


@pytest.mark.parametrize(
    ("channel", "size", "language"), [("wechat", DESK, "zh"), ("alipay", PHONE, "en")]
)
def test_the_code_is_scanned_off_the_screen_and_the_page_turns_green(
    app: Flask,
    simulator: Simulator,
    browser: Browser,
    *,
    contexts: list[BrowserContext],
    due: Due,
    channel: str,
    size: tuple[int, int],
    language: str,
) -> None:
    payer = buyer(browser, contexts, size)
    page = payer.page
    page.goto(address(app, due, language))
    check(page)
    page.locator(f".channels [data-channel={channel}]").click()
    page.locator(".code-frame svg").wait_for()
    check(page)
    assert page.url.endswith(f"lang={language}")  # the code came without a new page

    simulator.control("pay", qr=scan(page))

    expect(page.locator("main")).to_have_attribute("data-state", "paid")
    check(page)
    assert payer.complaints == []


@pytest.mark.parametrize(("way", "user_agent"), [("wechat.h5", MOBILE), ("alipay.wap", ALIPAY)])
def test_a_mobile_goes_to_the_app_and_comes_back_to_a_paid_invoice(
    app: Flask,
    simulator: Simulator,
    browser: Browser,
    *,
    contexts: list[BrowserContext],
    due: Due,
    way: str,
    user_agent: str,
) -> None:
    payer = buyer(browser, contexts, PHONE, user_agent)
    page = payer.page
    page.goto(address(app, due, "zh"))
    check(page)
    with page.expect_request(lambda ask: f":{simulator.port}/" in ask.url) as left:
        page.locator(f"button[value='{way}']").click()
    told = left.value.all_headers()["referer"]

    page.locator("button[value=pay]").click()  # one tap has led to the app

    expect(page.locator("main[data-state=paid]")).to_be_visible()
    check(page)
    assert told == f"{app.extensions['buffmoney'].settings.base_url}/"  # and not the link
    assert payer.complaints == []


def test_wechats_browser_is_invoked_under_our_policy(
    app: Flask,
    simulator: Simulator,
    browser: Browser,
    *,
    contexts: list[BrowserContext],
    due: Due,
    transaction: Transaction,
) -> None:
    payer = buyer(browser, contexts, PHONE, WECHAT)
    page = payer.page
    page.add_init_script(BRIDGE)
    page.goto(address(app, due, "zh"))
    page.locator(".channels a").click()
    page.wait_for_function("window.invoked")

    name, params = page.evaluate("window.invoked")
    check(page)

    assert (name, params["signType"]) == ("getBrandWCPayRequest", "RSA")
    assert "#pay" not in page.url
    with transaction() as session:
        order = queries.find_newest(session, due.invoice.id)
    assert order is not None
    assert params["package"] == f"prepay_id={order.payload}"
    simulator.control("pay", qr=order.payload)
    expect(page.locator("main[data-state=paid]")).to_be_visible()
    assert payer.complaints == [], json.dumps(payer.complaints)


def test_where_wechat_is_not_one_press_leads_to_the_page_that_stands_for_it(
    app: Flask, browser: Browser, *, contexts: list[BrowserContext], due: Due
) -> None:
    payer = buyer(browser, contexts, PHONE, WECHAT)
    page = payer.page
    page.goto(address(app, due, "en"))
    page.locator(".channels a").click()

    page.locator("button[value=pay]").click()

    expect(page.locator("main[data-state=paid]")).to_be_visible()
    assert payer.complaints == []


def test_a_code_that_ran_out_is_replaced_without_a_reload(
    app: Flask,
    browser: Browser,
    *,
    contexts: list[BrowserContext],
    due: Due,
    transaction: Transaction,
) -> None:
    payer = buyer(browser, contexts, DESK)
    page = payer.page
    page.goto(address(app, due, "en"))
    page.locator("button[value='wechat.native']").click()
    page.locator(".code-frame svg").wait_for()
    page.evaluate("window.same = true")
    first = scan(page)

    with transaction() as session:
        order = queries.find_newest(session, due.invoice.id)
        assert order is not None
        order.expires_at = order.created_at

    page.wait_for_function(
        "seen => document.querySelector('.code-frame svg')?.innerHTML !== seen",
        arg=page.locator(".code-frame svg").inner_html(),
    )
    page.locator(".code-frame svg").wait_for()
    assert scan(page) != first
    assert page.evaluate("window.same")
    assert payer.complaints == []


def test_without_javascript_everything_but_polling_works(
    app: Flask, simulator: Simulator, browser: Browser, *, contexts: list[BrowserContext], due: Due
) -> None:
    context = browser.new_context(java_script_enabled=False)
    contexts.append(context)
    page = context.new_page()
    page.goto(address(app, due, "en"))
    page.locator("button[value='alipay.precreate']").click()
    page.locator(".code-frame svg").wait_for()
    simulator.control("pay", qr=scan(page), notify="drop")

    page.get_by_role("button", name="I have paid").click()

    expect(page.locator("main[data-state=paid]")).to_be_visible()
