"""What a person or a program does in a journey, one step a function."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
from playwright.sync_api import Page, expect

from app.config import ROOT
from tests.journeys.conftest import Product
from tests.loopback import NO_TLS

PASSWORD = "a few plain words"
PATIENCE_SECONDS = 45
AXE = (ROOT / "tests" / "vendor" / "axe.min.js").read_text()
KEY = re.compile(r"^bm_sandbox_[0-9A-Za-z]{8}\.[0-9A-Za-z]{43}$")
MAY_25 = "2026-05-25T10:00:00Z"
JUNE_2 = "2026-06-01T16:00:00Z"  # midnight in Shanghai, when May's grace is over


@dataclass(frozen=True)
class Developer:
    """A program that holds a key of the merchant."""

    product: Product
    key: str

    def get(self, path: str, **query: str) -> Any:
        return self._call("GET", path, params=query)

    def post(self, path: str, **body: Any) -> Any:
        return self._call("POST", path, json=body)

    def _call(self, method: str, path: str, **content: Any) -> Any:
        url = f"{self.product.url}/api/v1{path}"
        headers = {"Authorization": f"Bearer {self.key}"}
        response = httpx.request(method, url, headers=headers, timeout=20, **content, verify=NO_TLS)
        assert response.is_success, f"{url}: {response.status_code} {response.text}"
        return response.json()


def sign_up(page: Page, product: Product, company: str) -> None:
    """Go from the landing page to a sandbox dashboard."""
    page.goto(product.url)
    page.locator("a[href='/signup']").first.click()
    page.get_by_label("Work e-mail").fill(f"{company.lower().replace(' ', '.')}@example.com")
    page.get_by_label("Company or product name").fill(company)
    page.locator("input[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page).to_have_url(re.compile(r"/merchant$"))


def create_key(page: Page, product: Product) -> Developer:
    """Make a key on its page and read it, the only time it is shown."""
    page.goto(product.url + "/merchant/developer")
    page.get_by_role("link", name="New key").first.click()
    page.locator("input[name=name]").fill("Server")
    page.get_by_role("button", name="Create key").click()
    shown = page.get_by_text(KEY)
    expect(shown).to_be_visible()
    return Developer(product, shown.inner_text())


def sell_agent_runs(developer: Developer, *, starts_on: str = "2026-05-01") -> str:
    """Define product, rate card at one cent a run, customer and contract; return the contract."""
    sold = developer.post("/products", code="agents", name="Agents")
    card = developer.post(
        "/rate-cards",
        productId=sold["id"],
        code="standard",
        name="Standard",
        currencies={"USD": [{"metric": "agent_runs", "model": "standard", "unitPrice": "1"}]},
    )
    customer = developer.post(
        "/customers",
        externalId="user_42",
        name="上海智谱星图信息科技",
        email="finance@example.cn",
    )
    contract = developer.post(
        "/contracts",
        customerId=customer["id"],
        rateCardId=card["id"],
        currency="USD",
        cycle="monthly_calendar",
        startsOn=starts_on,
    )
    return str(contract["id"])


def send_runs(
    developer: Developer, quantity: int, *, key: str = "evt_abc_1234", customer: str = "user_42"
) -> Any:
    """Send one usage event of 25 May, as the guide prints it."""
    return developer.post(
        "/usage-events",
        events=[
            {
                "customerExternalId": customer,
                "idempotencyKey": key,
                "metric": "agent_runs",
                "quantity": str(quantity),
                "occurredAt": MAY_25,
                "dimensions": {"model": "gpt-5", "region": "us-east-1"},
            }
        ],
    )


def eventually(ask: Callable[[], Any], *, seconds: float = PATIENCE_SECONDS) -> Any:
    """Ask until the answer is something, as a person reloads a page; fail when it never is."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := ask():
            return answer
        time.sleep(0.3)
    raise AssertionError(f"nothing came within {seconds} s")


def bill_may(developer: Developer) -> Any:
    """Move the clock past May and its grace, and wait for the one invoice that is issued."""
    developer.post("/sandbox/clock", now=JUNE_2)
    (invoice,) = eventually(lambda: developer.get("/invoices", status="open")["data"])
    return invoice


def pay_as_payer(page: Page, product: Product, qr_payload: str) -> None:
    """Scan the code with the simulated wallet and press pay."""
    page.goto(str(httpx.URL(product.simulator + "/pay", params={"qr": qr_payload})))
    page.locator("button[value=pay]").click()


def faults_of(page: Page, width: int, *, part: str = "html") -> list[str]:
    """Return what axe finds in a part of the page as it is now, and whether all is too wide."""
    return axe_faults(page, part=part) + width_faults(page, width)


def axe_faults(page: Page, *, part: str = "html") -> list[str]:
    page.evaluate(AXE)
    faults: list[str] = page.evaluate(
        "part => axe.run(part, {resultTypes: ['violations']}).then(found => found.violations.map("
        "rule => rule.id + ': ' + rule.nodes.map(node => node.html).join(' | ')))",
        part,
    )
    return faults


def width_faults(page: Page, width: int) -> list[str]:
    is_wider = page.evaluate("document.documentElement.scrollWidth") > width
    return ["is wider than the screen"] if is_wider else []
