"""The product's main job, whole: sign up, meter, invoice, pay, books, document, webhook.

One newcomer, one running product, real HTTP, real Chromium: 12,641 agent runs at one cent become
126.41 USD, 905.33 CNY paid by WeChat, a fee of 27.16 and 122.62 USD owed to the merchant.
"""

import json
import re

import pytest
from playwright.sync_api import Browser, Page, expect
from standardwebhooks.webhooks import Webhook

from tests.journeys.conftest import Product, Receiver
from tests.journeys.steps import (
    bill_may,
    create_key,
    eventually,
    pay_as_payer,
    sell_agent_runs,
    send_runs,
    sign_up,
)

pytestmark = [pytest.mark.xdist_group("journeys"), pytest.mark.browser, pytest.mark.slow]


def test_a_call_is_metered_invoiced_paid_booked_and_told(
    page: Page, browser: Browser, product: Product, receiver: Receiver
) -> None:
    sign_up(page, product, "Lumen AI")
    developer = create_key(page, product)
    endpoint = developer.post(
        "/webhook-endpoints", url=receiver.url, eventTypes=["invoice.created", "invoice.paid"]
    )

    # Metered, twice: the second time it is a duplicate.
    developer.post("/sandbox/clock", now="2026-05-26T02:00:00Z")
    sell_agent_runs(developer)
    assert send_runs(developer, 12_641)["accepted"] == 1
    assert send_runs(developer, 12_641)["duplicates"] == 1

    # Invoiced: the four amounts of the worked example.
    invoice = bill_may(developer)
    assert invoice["number"] == "LUM-2026-000001"
    assert invoice["subtotal"] == {"amountMinor": 12_641, "currency": "USD"}
    assert invoice["collection"]["amountMinor"] == 90_533
    assert invoice["platformFee"]["amountMinor"] == 2_716
    assert invoice["settlement"]["amountMinor"] == 12_262

    # Paid: the payer's page turns green by itself while the wallet pays elsewhere.
    opened = developer.post(f"/invoices/{invoice['id']}/checkout", channel="wechat")
    assert opened["qrPayload"].startswith("weixin://wxpay/bizpayurl")
    payer, wallet = browser.new_page(), browser.new_page()
    payer.goto(opened["checkoutUrl"])
    expect(payer.locator("body")).to_contain_text("905")
    pay_as_payer(wallet, product, opened["qrPayload"])
    expect(payer.locator("body")).to_contain_text("支付成功", timeout=20_000)
    paid = eventually(
        lambda: (
            found := developer.get(f"/invoices/{invoice['id']}"),
            found if found["status"] == "paid" else None,
        )[1]
    )
    assert paid["paidAt"]

    # Booked: T1 to T4, and every book and currency adds up to zero.
    kinds = {row["kind"] for row in developer.get("/ledger-transactions")["data"]}
    assert kinds == {"invoice_finalized", "payment_captured", "platform_fee", "fx_conversion"}
    balances = {
        (row["account"], row["currency"]): row["amountMinor"]
        for row in developer.get("/balances")["data"]
    }
    assert balances["merchant_payable", "USD"] == -12_262
    assert balances["platform_fee_revenue", "CNY"] == -2_716
    assert balances["channel_clearing/wechat", "CNY"] == 90_533

    # Told: both events arrive signed, and the published library verifies them.
    messages = receiver.wait_for(2)
    verifier = Webhook(endpoint["secret"])
    events = [verifier.verify(message.body, message.headers) for message in messages]
    assert [event["type"] for event in events] == ["invoice.created", "invoice.paid"]
    assert events[1]["data"]["invoiceId"] == invoice["id"]
    assert json.loads(messages[1].body)["data"]["settlement"]["amountMinor"] == 12_262

    # Seen: the merchant's own page says the same.
    page.goto(product.url + "/merchant/invoices")
    page.get_by_role("link", name=re.compile("LUM-2026-000001")).first.click()
    for text in ("126.41", "905.33", "27.16", "122.62"):
        expect(page.locator("main")).to_contain_text(text)
