"""The product's main job, whole: sign up, meter, invoice, pay, books, document, webhook.

One newcomer, one running product, real HTTP, real Chromium: 12,641 agent runs at one cent become
126.41 USD, 905.33 CNY paid by WeChat, a fee of 27.16 and 122.62 USD owed to the merchant.
"""

import io
import re
from functools import partial
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from pypdf import PdfReader
from standardwebhooks.webhooks import Webhook

from tests.journeys.conftest import Product, Receiver
from tests.journeys.steps import (
    Developer,
    bill_may,
    create_key,
    eventually,
    pay_as_payer,
    sell_agent_runs,
    send_runs,
    sign_up,
)
from tests.loopback import NO_TLS

pytestmark = [pytest.mark.xdist_group("journeys"), pytest.mark.browser, pytest.mark.slow]


def test_a_call_is_metered_invoiced_paid_booked_and_told(
    page: Page, browser: Browser, product: Product, receiver: Receiver
) -> None:
    sign_up(page, product, "Lumen AI")
    developer = create_key(page, product)
    endpoint = developer.post(
        "/webhook-endpoints", url=receiver.url, eventTypes=["invoice.created", "invoice.paid"]
    )
    developer.post("/sandbox/clock", now="2026-05-26T02:00:00Z")
    sell_agent_runs(developer)

    assert send_runs(developer, 12_641)["accepted"] == 1
    assert send_runs(developer, 12_641)["duplicates"] == 1
    invoice = bill_may(developer)
    pay_on_the_hosted_page(browser, product, developer, invoice)

    assert eventually(lambda: paid_at(developer, invoice))
    check_amounts(invoice)
    check_books(developer)
    check_documents(developer, invoice)
    check_messages(receiver, endpoint["secret"], invoice)
    page.goto(product.url + "/merchant/invoices")
    page.get_by_role("link", name=re.compile("LUM-2026-000001")).first.click()
    for text in ("126.41", "905.33", "27.16", "122.62"):
        expect(page.locator("main")).to_contain_text(text)


def pay_on_the_hosted_page(
    browser: Browser, product: Product, developer: Developer, invoice: Any
) -> None:
    """Pay in the wallet, while the payer's page turns green by itself."""
    opened = developer.post(f"/invoices/{invoice['id']}/checkout", channel="wechat")
    assert opened["qrPayload"].startswith("weixin://wxpay/bizpayurl")
    payer, wallet = browser.new_page(), browser.new_page()
    payer.goto(opened["checkoutUrl"])
    expect(payer.locator("body")).to_contain_text("905")
    pay_as_payer(wallet, product, opened["qrPayload"])
    expect(payer.locator("body")).to_contain_text("支付成功", timeout=20_000)


def paid_at(developer: Developer, invoice: Any) -> str | None:
    found = developer.get(f"/invoices/{invoice['id']}")["paidAt"]
    return None if found is None else str(found)


def check_amounts(invoice: Any) -> None:
    """Compare with the worked example, to the fen and the cent."""
    assert invoice["number"] == "LUM-2026-000001"
    assert invoice["subtotal"] == {"amountMinor": 12_641, "currency": "USD"}
    assert invoice["collection"] == {"amountMinor": 90_533, "currency": "CNY"}
    assert invoice["platformFee"] == {"amountMinor": 2_716, "currency": "CNY"}
    assert invoice["settlement"] == {"amountMinor": 12_262, "currency": "USD"}


def check_books(developer: Developer) -> None:
    """See T1 to T4 posted, and what is left: what each party holds or owes."""
    kinds = {row["kind"] for row in developer.get("/ledger-transactions")["data"]}
    assert kinds == {"invoice_finalized", "payment_captured", "platform_fee", "fx_conversion"}
    balances = {
        (row["account"], row["currency"]): row["amountMinor"]
        for row in developer.get("/balances")["data"]
    }
    assert sum(balances.values()) == 0
    assert balances["channel_clearing/wechat", "CNY"] == 90_533
    assert balances["platform_fee_revenue", "CNY"] == -2_716
    assert balances["fx_clearing", "CNY"] == -87_817
    assert balances["merchant_payable", "USD"] == -12_262


def check_documents(developer: Developer, invoice: Any) -> None:
    """Read the receipt in both languages, with the amount in capitals in Chinese."""
    for language, words in (
        ("zh_Hans_CN", ("上海智谱星图信息科技", "玖佰零伍元叁角叁分", "905.33")),
        ("en", ("LUM-2026-000001", "905.33", "126.41")),
    ):
        text = eventually(partial(printed, developer, invoice, language))
        for word in words:
            assert word in text, (language, word, text)


def printed(developer: Developer, invoice: Any, language: str) -> str | None:
    """Return the text of the receipt, or None while it is being printed."""
    answer = httpx.get(
        f"{developer.product.url}/api/v1/invoices/{invoice['id']}/pdf",
        params={"kind": "receipt_pdf", "language": language},
        headers={"Authorization": f"Bearer {developer.key}"},
        verify=NO_TLS,
    )
    if answer.status_code == httpx.codes.NOT_FOUND:
        assert answer.json()["code"] == "document_not_ready"
        return None
    pages = PdfReader(io.BytesIO(answer.content)).pages
    return "".join(page.extract_text() for page in pages).replace("\n", "")


def check_messages(receiver: Receiver, secret: str, invoice: Any) -> None:
    """Verify both events with the published library."""
    messages = receiver.wait_for(2)
    events = [Webhook(secret).verify(message.body, message.headers) for message in messages]
    assert [event["type"] for event in events] == ["invoice.created", "invoice.paid"]
    assert events[1]["data"]["invoiceId"] == invoice["id"]
    assert events[1]["data"]["settlement"] == {"amountMinor": 12_262, "currency": "USD"}
