"""In a real browser: the simulator's buttons work under our own policy, and axe finds nothing."""

import json
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page

from tests.simulator.conftest import Simulator, Sink
from tests.simulator.merchant import new_number, sign

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


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1440, "light")])
def test_the_desk_switches_shows_and_sends_again(
    simulator: Simulator, sink: Sink, browser: Browser, *, width: int, scheme: Any
) -> None:
    out_trade_no = new_number()
    path = f"/{out_trade_no}"
    simulator.wechat.order(out_trade_no, notify_url=sink.url(path))
    viewport: Any = {"width": width, "height": 844}
    context = browser.new_context(viewport=viewport, color_scheme=scheme, locale="en-GB")
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))

    page.goto(f"{simulator.url}/sim/")
    page.get_by_label("Fault").select_option(label="late")
    page.get_by_label("Order number").fill(out_trade_no)
    page.get_by_label("Seconds").fill("0")
    page.get_by_role("button", name="Switch on").click()
    page.get_by_text("Notices: late").wait_for()
    check(page)
    page.get_by_role("link", name="Orders").click()
    page.get_by_label("Order number or item").fill(out_trade_no)
    page.get_by_role("button", name="Search").click()
    check(page)
    page.get_by_role("link", name=out_trade_no).click()
    page.get_by_role("button", name="Pay now").click()
    sink.wait(path)
    page.get_by_label("Fault").select_option(label="bad signature")
    page.get_by_role("button", name="Send again").click()
    sink.wait(path, 2)
    page.reload()
    check(page)
    page.goto(f"{simulator.url}/sim/")
    page.get_by_role("button", name="All off").click()
    page.get_by_text("Nothing is switched on").wait_for()
    check(page)
    page.goto(f"{simulator.url}/wechat/jsapi")
    check(page)

    assert complaints == []
    context.close()


MERCHANTS_PAGE = """
<!DOCTYPE html><title>Shop</title><p id="said"></p><button>Pay</button>
<script src="{url}/static/jsbridge.js"></script>
<script>
  document.querySelector("button").onclick = () => WeixinJSBridge.invoke(
    "getBrandWCPayRequest", {params}, answer => {{ said.textContent = answer.err_msg }});
</script>
"""


def test_a_merchant_s_page_pays_over_the_bridge(
    simulator: Simulator, sink: Sink, browser: Browser
) -> None:
    wechat, out_trade_no = simulator.wechat, new_number()
    body = wechat.native(out_trade_no, payer={"openid": "oSimulatedPayer0000000000000"})
    prepaid = wechat.call("POST", "/v3/pay/transactions/jsapi", body).json()
    said = {"appId": wechat.keys["appid"], "timeStamp": "1795132800", "nonceStr": "abc"}
    package = f"prepay_id={prepaid['prepay_id']}"
    text = "".join(f"{value}\n" for value in (*said.values(), package))
    signature = sign(wechat.keys["merchant_private_key_pem"], text.encode())
    params = {**said, "package": package, "signType": "RSA", "paySign": signature}
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    sink.pages["/shop"] = MERCHANTS_PAGE.format(url=simulator.url, params=json.dumps(params))

    page.goto(sink.url("/shop"))
    with page.expect_popup() as opened:
        page.get_by_role("button", name="Pay").click()
    opened.value.get_by_role("button", name="Pay").click()
    page.get_by_text("get_brand_wcpay_request:ok").wait_for()

    assert wechat.query(out_trade_no).json()["trade_state"] == "SUCCESS"
    context.close()


def test_an_h5_payer_comes_back_by_himself(
    simulator: Simulator, sink: Sink, browser: Browser
) -> None:
    wechat, out_trade_no = simulator.wechat, new_number()
    scene = {"payer_client_ip": "203.0.113.7", "h5_info": {"type": "Wap"}}
    body = wechat.native(out_trade_no, scene_info=scene)
    url = wechat.call("POST", "/v3/pay/transactions/h5", body).json()["h5_url"]
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    sink.pages["/back"] = "back again"

    back = urlencode({"redirect_url": sink.url("/back")})
    page.goto(f"{url}&{back}", referer="https://merchant.example/")
    page.get_by_role("button", name="Pay").click()
    page.get_by_role("link", name="Back to the merchant").wait_for()
    check(page)
    page.get_by_text("back again").wait_for()

    context.close()
