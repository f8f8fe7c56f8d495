"""A merchant's webhooks by hand and on the wire: every dialog does what it says, in a browser.

What arrives is verified by the reference library, with the secrets that the pages show.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from standardwebhooks.webhooks import Webhook

from app.config import ROOT
from app.webhooks.signing import new_secret
from tests.journeys.conftest import Product, Received, Receiver
from tests.journeys.steps import PASSWORD, create_key, faults_of, sign_up

pytestmark = [pytest.mark.xdist_group("journeys"), pytest.mark.browser, pytest.mark.slow]

WIDTHS = (390, 1440)
SECRET = re.compile(r"^whsec_[A-Za-z0-9+/=]{40,}$")
OUT_OF_SERVICE, NO_CONTENT = 503, 204


@pytest.fixture(scope="module")
def page(browser: Browser, product: Product) -> Iterator[Page]:
    """Sign up once for all: each test has an endpoint of its own."""
    context = browser.new_context()
    page = context.new_page()
    sign_up(page, product, "Listening Shop")
    yield page
    context.close()


def register(page: Page, product: Product, receiver: Receiver) -> str:
    """Register the receiver by form; return its secret and stay on its page."""
    page.goto(f"{product.url}/merchant/webhooks")
    page.get_by_label("URL").fill(receiver.url)
    page.get_by_role("button", name="Register").click()
    return shown_secret(page)


def shown_secret(page: Page) -> str:
    shown = page.get_by_text(SECRET)
    expect(shown).to_be_visible()
    return shown.inner_text()


def open_dialog(page: Page, button: str) -> Locator:
    page.get_by_role("button", name=button, exact=True).click()
    dialog = page.locator("dialog[open]")
    expect(dialog).to_be_visible()
    return dialog


def open_and_inspect(page: Page, button: str) -> Locator:
    """Open a dialog, and hold it to what every page is held to, on a phone and on a desk."""
    dialog = open_dialog(page, button)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert faults_of(page, width, part="dialog[open]") == []
    return dialog


def verified(received: Received, secret: str) -> str:
    """Return the type of the event once its signature is proved."""
    Webhook(secret).verify(received.body, received.headers)
    return str(json.loads(received.body)["type"])


def test_a_secret_is_revealed_to_who_knows_the_password_and_rolled(
    page: Page, product: Product, receiver: Receiver
) -> None:
    first = register(page, product, receiver)

    reveal = open_and_inspect(page, "Reveal")
    reveal.get_by_label("Your password", exact=True).fill("a wrong password")
    reveal.get_by_role("button", name="Show it").click()
    expect(page.get_by_text("The password is wrong.")).to_be_visible()
    expect(page.get_by_text(SECRET)).to_have_count(0)
    reveal = open_dialog(page, "Reveal")
    reveal.get_by_label("Your password", exact=True).fill(PASSWORD)
    reveal.get_by_role("button", name="Show it").click()
    assert shown_secret(page) == first

    open_and_inspect(page, "Roll").get_by_role("button", name="Roll the secret").click()
    second = shown_secret(page)
    page.get_by_role("button", name="Send a test").click()
    (received,) = receiver.wait_for(1)
    assert verified(received, first) == verified(received, second) == "webhook.test"
    assert first != second


def test_what_failed_is_sent_again_and_so_is_all_of_a_time(
    page: Page, product: Product, receiver: Receiver
) -> None:
    secret = register(page, product, receiver)
    endpoint = page.url
    receiver.status = OUT_OF_SERVICE
    page.get_by_role("button", name="Send a test").click()
    assert len(receiver.wait_for(1)) == 1
    await_status(page, "Retrying")

    page.goto(endpoint)
    again = open_and_inspect(page, "Send again")
    again.get_by_role("button", name="Send again").click()
    expect(page.get_by_text("1 message is sent again within seconds.")).to_be_visible()
    receiver.wait_for(2)

    receiver.status = NO_CONTENT
    for ends, said in (
        ("2020-01-02T00:00", "0 messages are"),
        ("2100-01-01T00:00", "1 message is"),
    ):
        page.goto(endpoint)
        again = open_dialog(page, "Send again")
        again.get_by_label("From", exact=True).fill("2020-01-01T00:00")
        again.get_by_label("Until", exact=True).fill(ends)
        again.get_by_label("Also what arrived").check()
        again.get_by_role("button", name="Send again").click()
        expect(page.get_by_text(f"{said} sent again")).to_be_visible()
    page.goto(endpoint)
    page.get_by_role("link", name="webhook.test").click()
    await_status(page, "Delivered")
    assert len(receiver.received) > 1
    assert {verified(each, secret) for each in receiver.received} == {"webhook.test"}
    assert len({each.headers["webhook-id"] for each in receiver.received}) == 1


def await_status(page: Page, status: str) -> None:
    """Load the page again until it says so."""
    heading = page.get_by_role("heading", level=1)
    for _ in range(40):
        if status in heading.inner_text():
            return
        page.wait_for_timeout(250)
        page.reload()
    expect(heading).to_contain_text(status)


def test_a_developer_hears_on_his_own_machine_until_he_has_enough(
    page: Page, product: Product, receiver: Receiver
) -> None:
    developer, secret = create_key(page, product), new_secret()

    with listening(product, receiver.url, developer.key, secret) as listener:
        assert listener.stdout
        assert f"forwarding to {receiver.url}" in listener.stdout.readline()
        developer.post("/customers", externalId="user_42", name="Acme", email="a@example.cn")
        (received,) = receiver.wait_for(1)
        listener.send_signal(signal.SIGINT)
        said, complaints = listener.communicate(timeout=10)

    assert verified(received, secret) == "customer.created"
    assert received.headers["webhook-signature"] in said
    assert "→ 204" in said
    assert (listener.returncode, complaints) == (0, "")


@contextmanager
def listening(
    product: Product, url: str, key: str, secret: str
) -> Iterator["subprocess.Popen[str]"]:
    """Run `flask listen` as a developer does, and end it whatever happens."""
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "listen", url]
    own = {
        "INSTANCE_DIR": str(product.instance),
        "BUFFMONEY_API_KEY": key,
        "BUFFMONEY_WEBHOOK_SECRET": secret,
        "PYTHONUNBUFFERED": "1",
    }
    process = subprocess.Popen(
        [*command, "--api-url", product.url],
        cwd=ROOT,
        env=os.environ | own,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()
