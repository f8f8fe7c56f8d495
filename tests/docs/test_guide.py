"""Who follows the integration guide, word for word, ends with a paid invoice."""

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, select

from app.core import clock
from app.core.db import begin
from app.identity import accounts, keys
from app.identity.models import DirectoryEntry, DirectoryKind, Scope
from app.webhooks.catalogue import EventType
from app.webhooks.models import WebhookEvent
from tests.checkout.conftest import Simulator
from tests.docs import reading
from tests.docs.conftest import Reader, app_pepper
from tests.docs.reading import Follower

MAY_25 = datetime(2026, 5, 25, 10, 5, tzinfo=UTC)
STEPS = [
    "POST /api/v1/products",
    "POST /api/v1/rate-cards",
    "POST /api/v1/customers",
    "POST /api/v1/contracts",
    "POST /api/v1/usage-events",
    "POST /api/v1/usage-events",
    "POST /api/v1/sandbox/clock",
    "POST /api/v1/sandbox/invoice-runs",
    "GET /api/v1/invoices?status=open",
    "POST /api/v1/invoices/{}/checkout",
    "GET /api/v1/invoices/{}",
    "GET /api/v1/balances",
    "POST /api/v1/webhook-endpoints",
    "POST /api/v1/pricing/dry-run",
    "PUT /api/v1/rate-cards/{}/draft",
    "POST /api/v1/rate-cards/{}/draft/publish",
    "PUT /api/v1/contracts/{}/next-version",
    "GET /api/openapi",
]
_PASSWORD = "correct horse battery staple"
_TOKEN = re.compile(r'name="csrf-token" content="([^"]+)"')


def follow(client: FlaskClient, key: str, texts: list[str], *, simulator: Simulator) -> list[str]:
    """Send every request of the snippets; pay what is opened. Return what was sent."""
    follower = Follower(client, key)
    for path in follower.follow(texts):
        if path.endswith("/checkout"):
            invoice = path.removesuffix("/checkout")
            pay(client, key, invoice, simulator=simulator)
    return [re.sub(r"(inv|rc|ctr)_\w{13}", "{}", sent) for sent in follower.sent]


def pay(client: FlaskClient, key: str, invoice: str, *, simulator: Simulator) -> None:
    """Scan the code and pay, as the payer does, and wait until the product has heard of it."""
    headers = {"Authorization": f"Bearer {key}"}
    again = client.post(f"{invoice}/checkout", json={"channel": "wechat"}, headers=headers)
    assert again.json is not None
    simulator.control("pay", qr=again.json["qrPayload"])
    deadline = time.monotonic() + 15
    while status(client, invoice, headers) != "paid":
        assert time.monotonic() < deadline, "the invoice is not paid"
        time.sleep(0.1)


def status(client: FlaskClient, invoice: str, headers: dict[str, str]) -> str:
    answer = client.get(invoice, headers=headers)
    assert answer.json is not None
    return str(answer.json["status"])


@pytest.mark.parametrize("name", ["guide.md", "guide.zh.md"])
def test_the_guide_as_printed_leads_to_a_paid_invoice(
    name: str,
    app: Flask,
    simulator: Simulator,
    reader_at: Callable[[datetime], Reader],
) -> None:
    reader = reader_at(MAY_25)
    texts = reading.snippets(name)

    sent = follow(app.test_client(), reader.key, texts, simulator=simulator)

    assert sent == STEPS


def test_the_page_of_a_merchant_works_today_with_his_own_data(
    app: Flask, simulator: Simulator, engine: Engine
) -> None:
    browser = app.test_client()
    sign_up(browser, email="reader@lumen.example")
    key = make_key(app, engine, email="reader@lumen.example")

    texts = reading.snippets_of_page(browser.get("/docs").text)

    assert f"export BUFFMONEY_API_KEY={key.partition('.')[0]}.…" in texts
    assert follow(app.test_client(), key, texts, simulator=simulator) == STEPS


def sign_up(browser: FlaskClient, *, email: str) -> None:
    token = _TOKEN.search(browser.get("/").text)
    assert token
    form = {"csrf_token": token[1], "email": email, "company": "Lumen AI", "password": _PASSWORD}
    assert browser.post("/signup", data=form).status_code == 302


def make_key(app: Flask, engine: Engine, *, email: str) -> str:
    with begin(engine, None) as session:
        entry = session.get_one(DirectoryEntry, (DirectoryKind.EMAIL, email))
        (merchant_id,) = accounts.merchants_of(session, entry.target_id)
    with begin(engine, merchant_id) as session:
        _, text = keys.create_key(
            session, "guide", scopes=tuple(Scope), pepper=app_pepper(app), now=clock.now()
        )
    return text


def test_the_example_event_has_the_fields_of_a_real_one(
    app: Flask,
    simulator: Simulator,
    engine: Engine,
    reader_at: Callable[[datetime], Reader],
) -> None:
    reader = reader_at(MAY_25)
    follow(app.test_client(), reader.key, reading.snippets("guide.md"), simulator=simulator)
    with begin(engine, reader.merchant_id) as session:
        paid = WebhookEvent.event_type == EventType.INVOICE_PAID
        sent = json.loads(session.scalars(select(WebhookEvent.payload).where(paid)).one())

    printed = json.loads(reading.snippet("webhooks.md", "Its body: invoice.paid"))

    assert shape(printed) == shape(sent)
    assert {name: printed["data"][name] for name in ("subtotal", "collection", "settlement")} == {
        name: sent["data"][name] for name in ("subtotal", "collection", "settlement")
    }


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    return type(value).__name__


def test_every_page_the_guide_names_is_there(app: Flask) -> None:
    source = (reading.DOCS / "guide.md").read_text()
    paths = set(re.findall(r"http://127\.0\.0\.1:8000(/(?:signup|merchant)[a-z/]*)\)", source))
    adapter = app.url_map.bind("localhost")

    assert "/merchant/developer" in paths
    assert [path for path in sorted(paths) if not adapter.test(path, "GET")] == []
