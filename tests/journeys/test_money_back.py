"""Money that went astray and money that goes back: page, books and webhooks tell the same of it.

One running product: the channel's notice of a payment gets lost, the payer pays a second time
with an old code, and the merchant gives a part back.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from standardwebhooks.webhooks import Webhook

from tests.journeys.conftest import Product, Receiver
from tests.journeys.steps import Developer, create_key, eventually, sign_up
from tests.loopback import NO_TLS

pytestmark = [pytest.mark.xdist_group("journeys"), pytest.mark.browser, pytest.mark.slow]

TOLD = ("payment.succeeded", "payment.unapplied", "refund.succeeded", "invoice.refunded")


@dataclass(frozen=True)
class Levers:
    """The levers of the channels' simulator."""

    product: Product

    def pull(self, lever: str, **ask: Any) -> Any:
        url = f"{self.product.simulator}/control/{lever}"
        answer = httpx.post(url, json=ask, verify=NO_TLS)
        assert answer.is_success, answer.text
        return answer.json()

    def look(self, path: str) -> Any:
        return httpx.get(f"{self.product.simulator}/control/{path}", verify=NO_TLS).json()


def test_money_that_went_astray_is_found_and_what_goes_back_is_told(
    page: Page, browser: Browser, product: Product, receiver: Receiver
) -> None:
    sign_up(page, product, "Quiet Labs")
    developer, levers = create_key(page, product), Levers(product)
    endpoint = developer.post("/webhook-endpoints", url=receiver.url, eventTypes=list(TOLD))
    invoice = owed(developer)

    first = developer.post(f"/invoices/{invoice['id']}/checkout", channel="wechat")
    second = developer.post(f"/invoices/{invoice['id']}/checkout", channel="alipay")
    pay_while_the_notice_is_lost(browser, levers, second)
    levers.pull("pay", qr=first["qrPayload"], late=True)
    assert eventually(partial(back_by_itself, developer))["amount"]["amountMinor"] == 200_000

    give_back(page, product, invoice)
    look_at_what_the_payer_sees(browser, second["checkoutUrl"])
    check_books(developer)
    check_messages(receiver, endpoint["secret"])


def owed(developer: Developer) -> Any:
    """Write an invoice of 2,000 yuan by hand, and issue it."""
    customer = developer.post("/customers", externalId="user_42", name="上海智谱星图信息科技")
    item = {"description": "Setup", "quantity": "1", "unitPrice": "200000"}
    draft = developer.post("/invoices", customerId=customer["id"], currency="CNY", items=[item])
    return developer.post(f"/invoices/{draft['id']}/finalize")


def pay_while_the_notice_is_lost(browser: Browser, levers: Levers, opened: Any) -> None:
    """Pay in the wallet; nobody tells us, and the payer's page turns green all the same."""
    trade_no = levers.look("orders")["data"][0]["outTradeNo"]  # the newest one
    levers.pull("faults", kind="drop", outTradeNo=trade_no)
    payer = browser.new_page()
    payer.goto(opened["checkoutUrl"])
    levers.pull("pay", qr=opened["qrPayload"])
    expect(payer.locator("main[data-state=paid]")).to_be_visible(timeout=20_000)
    (notice,) = levers.look(f"orders/alipay/{trade_no}")["notices"]
    assert notice["acknowledgedAt"] is None
    payer.close()


def back_by_itself(developer: Developer) -> Any:
    """Return the refund of the payment that paid nothing, once the channel has made it."""
    found = developer.get("/refunds", status="succeeded")["data"]
    return next((refund for refund in found if refund["purpose"] == "send_back"), None)


def give_back(page: Page, product: Product, invoice: Any) -> None:
    """Refund 500 yuan on the invoice's page, and see it arrive."""
    page.goto(f"{product.url}/merchant/invoices/{invoice['id']}")
    page.get_by_role("link", name="Refund…").click()
    page.get_by_label("Amount").fill("500")
    page.get_by_label("Reason").fill("Not delivered")
    preview = page.locator("#preview")
    expect(preview).to_contain_text("1,500.00")  # left after it
    expect(preview).to_contain_text("15.00")  # our fee of it comes back
    page.get_by_role("button", name="Refund", exact=True).click()
    expect(page.locator("main")).to_contain_text("500.00")
    expect(page.locator("main")).to_contain_text("Not delivered")


def look_at_what_the_payer_sees(browser: Browser, url: str) -> None:
    payer = browser.new_page()

    def is_told() -> bool:
        payer.goto(f"{url}?lang=en")
        return "500.00" in payer.locator("main").inner_text()

    assert eventually(is_told)
    payer.close()


def check_books(developer: Developer) -> None:
    """See what is left: 1,500 of the payment, and nothing of what came twice."""
    balances = {
        (row["account"], row["currency"]): row["amountMinor"]
        for row in developer.get("/balances")["data"]
        if row["amountMinor"]
    }
    assert sum(balances.values()) == 0
    assert balances["channel_clearing/alipay", "CNY"] == 150_000
    assert balances["platform_fee_revenue", "CNY"] == -4_500
    assert not [account for account, _ in balances if "wechat" in account or "transit" in account]


def check_messages(receiver: Receiver, secret: str) -> None:
    """Verify what was told: each thing once, and the refund with what it left."""
    messages = receiver.wait_for(5)
    events = [Webhook(secret).verify(message.body, message.headers) for message in messages]
    told = sorted(event["type"] for event in events)
    assert told == sorted([*TOLD, "refund.succeeded"])
    (refunded,) = [event for event in events if event["type"] == "invoice.refunded"]
    assert refunded["data"]["refunded"] == {"amountMinor": 50_000, "currency": "CNY"}
