"""Every page opens, says nothing to the console, fits its screen and has no fault for axe.

In Chromium, at 390 and 1440 px, light and dark, English and Chinese, empty and full.
"""

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from app.config import ROOT
from tests.journeys.conftest import Product
from tests.journeys.steps import (
    Developer,
    axe_faults,
    bill_may,
    create_key,
    eventually,
    pay_as_payer,
    sell_agent_runs,
    send_runs,
    sign_up,
    width_faults,
)

pytestmark = [pytest.mark.xdist_group("journeys"), pytest.mark.browser, pytest.mark.slow]

PUBLIC = ("/", "/signup", "/signin", "/docs", "/docs/webhooks", "/docs/errors", "/docs/reference")
LISTS = (
    "/merchant",
    "/merchant/attention",
    "/merchant/invoices",
    "/merchant/invoices?currency=USD&from=2026-05-01&least=0.01&sort=amount",
    "/merchant/credit-notes",
    "/merchant/refunds",
    "/merchant/disputes",
    "/merchant/fapiao",
    "/merchant/customers",
    "/merchant/contracts",
    "/merchant/products",
    "/merchant/coupons",
    "/merchant/usage",
    "/merchant/usage/costs",
    "/merchant/usage/events",
    "/merchant/usage/events/hours",
    "/merchant/usage/dead",
    "/merchant/ledger",
    "/merchant/developer",
    "/merchant/developer/new",
    "/merchant/webhooks",
    "/merchant/mailbox",
    "/merchant/settings",
    "/merchant/settings/refunds",
    "/merchant/settings/reminders",
    "/merchant/settings/taxes",
)
FORMS = (
    "/merchant/invoices/new",
    "/merchant/invoices/upcoming",
    "/merchant/contracts/new",
    "/merchant/coupons/new",
    "/merchant/settings/branding",
)
ADMIN = (
    "/admin",
    "/admin/runs",
    "/admin/failures",
    "/admin/cases",
    "/admin/cases?view=refunds",
    "/admin/cases?view=calls",
    "/admin/disputes",
    "/admin/disputes/new",
    "/admin/refunds",
    "/admin/risk",
    "/admin/risk/channels",
    "/admin/risk/hits",
    "/admin/jobs",
    "/admin/outbox",
)
DETAIL = re.compile(r'href="(/merchant/(?:[a-z-]+/)+[a-z]+_[0-9a-z]{13})"')


@dataclass(frozen=True)
class Look:
    """How a page is looked at."""

    width: int
    scheme: Any
    language: str

    def __str__(self) -> str:
        return f"{self.width}-{self.scheme}-{self.language}"


LOOKS = (Look(1440, "light", "en-US"), Look(390, "dark", "zh-CN"))


@dataclass(frozen=True)
class Visitor:
    """A signed-in browser's cookies, and the pages there are to see."""

    cookies: list[Any]
    paths: tuple[str, ...]


@pytest.fixture(scope="module")
def newcomer(browser: Browser, product: Product) -> Iterator[Visitor]:
    """Sign up and do nothing: every list is empty."""
    context = browser.new_context()
    sign_up(context.new_page(), product, "Empty Shop")
    yield Visitor(context.cookies(), LISTS)
    context.close()


@pytest.fixture(scope="module")
def regular(browser: Browser, product: Product) -> Iterator[Visitor]:
    """Have something on every page, and one row of every kind to look into."""
    context = browser.new_context()
    page = context.new_page()
    sign_up(page, product, "Busy Shop")
    developer = create_key(page, product)
    developer.post("/webhook-endpoints", url="http://127.0.0.1:9/", eventTypes=["invoice.created"])
    developer.post("/sandbox/clock", now="2026-05-26T02:00:00Z")
    sell_agent_runs(developer)
    send_runs(developer, 12_641)
    send_runs(developer, 1, key="evt_lost", customer="user_77")
    invoice = bill_may(developer)
    _correct_and_discount(developer, customer_id=invoice["customerId"])
    eventually(lambda: "mail_" in _html(page, product, "/merchant/mailbox"))
    refunded = _pay_and_refund(page, product, developer, customer_id=invoice["customerId"])
    opened = developer.post(f"/invoices/{invoice['id']}/checkout", channel="alipay")
    details = {path: None for path in LISTS for path in _details(page, product, path)}
    checkout = opened["checkoutUrl"].removeprefix(product.url)
    prices = _pages_of_prices(developer)
    invoices = _pages_of_invoices(page, product, developer, customer_id=invoice["customerId"])
    seen = (
        *(*LISTS, *FORMS, *details, *prices, *invoices),
        *(refunded, checkout, f"{checkout}/fapiao"),
    )
    yield Visitor(context.cookies(), seen)
    context.close()


@pytest.fixture(scope="module")
def admin(browser: Browser, product: Product) -> Iterator[Visitor]:
    """Sign in as an admin that the command made, as an operator makes the first one."""
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "create-admin", "ada@example.com"]
    environment = os.environ | {"INSTANCE_DIR": str(product.instance)}
    made = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{product.url}/signin")
    page.fill("input[name=email]", "ada@example.com")
    page.fill("input[name=password]", made.stdout.split()[1])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/admin")
    yield Visitor(context.cookies(), ADMIN)
    context.close()


def _correct_and_discount(developer: Developer, *, customer_id: str) -> None:
    """Have a coupon, a tax rate, a credit note and a request for a fapiao."""
    developer.post("/coupons", code="WELCOME10", name="Welcome", percent="10")
    developer.post("/tax-rates", code="vat_6", name="VAT", percent="6", isInclusive=True)
    invoice = _written(developer, customer_id)
    developer.post(f"/invoices/{invoice['id']}/finalize")
    developer.post("/credit-notes", invoiceId=invoice["id"], reason="goodwill", totalMinor=100)
    developer.post(
        "/fapiao-requests",
        invoiceId=invoice["id"],
        title="上海智谱星图信息科技有限公司",
        taxId="91350100M000100Y43",
        email="caiwu@example.cn",
    )


def _pay_and_refund(page: Page, product: Product, developer: Developer, *, customer_id: str) -> str:
    """Have an invoice paid and a part of it back with the payer; return the form for the rest."""
    invoice = _written(developer, customer_id)
    developer.post(f"/invoices/{invoice['id']}/finalize")
    opened = developer.post(f"/invoices/{invoice['id']}/checkout", channel="wechat")
    pay_as_payer(page, product, opened["qrPayload"])
    eventually(lambda: developer.get(f"/invoices/{invoice['id']}")["status"] == "paid")
    developer.post("/refunds", invoiceId=invoice["id"], amountMinor=100, reason="Not delivered")
    eventually(lambda: developer.get("/refunds", status="succeeded")["data"])
    return f"/merchant/invoices/{invoice['id']}/refund"


def _written(developer: Developer, customer_id: str) -> Any:
    """Write an invoice by hand; it is a draft."""
    item = {"description": "Setup", "quantity": "1", "unitPrice": "200000"}
    return developer.post("/invoices", customerId=customer_id, currency="CNY", items=[item])


def _pages_of_prices(developer: Developer) -> tuple[str, ...]:
    """Return the paths of the price editor, of a new rate card, and of a replay that is done."""
    (card,) = developer.get("/rate-cards")["data"]
    version = card["currentVersion"]["id"]
    replay = developer.post(f"/rate-cards/{card['id']}/replays", rateCardVersionId=version)
    eventually(lambda: developer.get(f"/replays/{replay['id']}")["status"] == "done")
    return (
        f"/merchant/rate-cards/{card['id']}/edit",
        f"/merchant/products/{card['productId']}/rate-cards/new",
        f"/merchant/replays/{replay['id']}",
    )


def _pages_of_invoices(
    page: Page, product: Product, developer: Developer, *, customer_id: str
) -> tuple[str, ...]:
    """Return the paths of what is asked of a draft, of an open one, of many, and of a balance."""
    draft = _written(developer, customer_id)
    (issued, *_others) = developer.get("/invoices", status="open")["data"]
    page.goto(f"{product.url}/merchant/invoices")
    page.check("[data-tick-all]")
    page.select_option("#bulk [name=action]", "download")
    page.click("#bulk [type=submit]")
    page.wait_for_url("**/bulk/*")
    page.wait_for_selector(".callout")  # it asks by itself until it is over
    return (
        f"/merchant/invoices/{draft['id']}/preview",
        f"/merchant/invoices/{draft['id']}/edit",
        f"/merchant/invoices/{issued['id']}/credit",
        f"/merchant/customers/{customer_id}/balance",
        page.url.removeprefix(product.url),
    )


def _html(page: Page, product: Product, path: str) -> str:
    page.goto(product.url + path)
    return page.content()


def _details(page: Page, product: Product, path: str) -> list[str]:
    """Return one path of every kind that a list links to."""
    found = DETAIL.findall(_html(page, product, path))
    return list({link.rpartition("_")[0]: link for link in found}.values())


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_the_public_pages(browser: Browser, product: Product, look: Look) -> None:
    check(browser, product, Visitor([], PUBLIC), look)


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_the_pages_of_a_newcomer(
    browser: Browser, product: Product, newcomer: Visitor, look: Look
) -> None:
    check(browser, product, newcomer, look)


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_the_pages_of_a_regular(
    browser: Browser, product: Product, regular: Visitor, look: Look
) -> None:
    assert len(regular.paths) >= len(LISTS) + len(FORMS) + 16
    check(browser, product, regular, look)


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_the_pages_of_an_admin(
    browser: Browser, product: Product, admin: Visitor, look: Look
) -> None:
    check(browser, product, admin, look)


def check(browser: Browser, product: Product, visitor: Visitor, look: Look) -> None:
    """Open each page as `look` says and collect every fault before complaining.

    Pages are made of the same parts: axe reads each page once, every other one in this look.
    """
    is_read = itertools.cycle([each is look for each in LOOKS])
    context = browser.new_context(
        viewport={"width": look.width, "height": 900},
        color_scheme=look.scheme,
        locale=look.language,
    )
    context.add_cookies(visitor.cookies)
    page = context.new_page()  # one for all: a new one costs as much as the rest of the check
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    faults = {}
    for path in visitor.paths:
        found = _faults(page, product.url + path, look)
        found += axe_faults(page) if next(is_read) else []
        faults[path] = found + said
        said.clear()
    context.close()
    assert {path: found for path, found in faults.items() if found} == {}


def _faults(page: Page, url: str, look: Look) -> list[str]:
    answer = page.goto(url)
    faults = [] if answer and answer.ok else [f"answered {answer.status if answer else 'nothing'}"]
    return faults + width_faults(page, look.width)
