"""In a real browser: the payer's buttons work under our own policy, and axe finds nothing."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.simulator.conftest import Simulator
from tests.simulator.merchant import new_number

pytestmark = pytest.mark.browser

AXE = Path(__file__).resolve().parents[1] / "vendor" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """Take the machine's own Chromium where there is one."""
    flags = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    return {"args": flags, "executable_path": shutil.which("chromium")}


def check(page: Page) -> None:
    page.wait_for_load_state()  # what the test waited for may stand on a page still loading
    page.evaluate(AXE.read_text())
    found = page.evaluate("rules => axe.run({runOnly: rules})", RULES)
    assert [violation["id"] for violation in found["violations"]] == []
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_payer_fails_leaves_comes_back_and_pays(
    simulator: Simulator, browser: Browser, scheme: Any
) -> None:
    out_trade_no = new_number()
    code = simulator.wechat.order(out_trade_no).json()["code_url"]
    viewport: Any = {"width": 390, "height": 844}
    context = browser.new_context(viewport=viewport, color_scheme=scheme, locale="en-GB")
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))

    page.goto(f"{simulator.url}/pay")
    check(page)
    page.get_by_label("What the code says").fill(code)
    page.get_by_role("button", name="Scan").click()
    page.get_by_role("button", name="Let it fail").wait_for()
    check(page)
    page.get_by_role("button", name="Let it fail").click()
    page.get_by_role("alert").wait_for()
    check(page)
    page.get_by_role("button", name="Leave").click()
    page.get_by_role("link", name="Back to paying").wait_for()
    check(page)
    page.get_by_role("link", name="Back to paying").click()
    page.get_by_role("button", name="Pay").click()
    page.get_by_role("status").wait_for()
    check(page)

    assert page.get_by_role("heading", level=1).inner_text() == "¥299.00"
    assert complaints == []
    assert simulator.wechat.query(out_trade_no).json()["trade_state"] == "SUCCESS"
    context.close()
