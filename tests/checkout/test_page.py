"""The page gives away nothing: one 404 for every wrong link, server state only, no inline style."""

import html
import re
from datetime import date, timedelta
from decimal import Decimal

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.billing import collection, viewing
from app.billing.models import InvoiceLine, InvoiceStatus, LineKind
from app.billing.queries import get_invoice
from app.core import clock
from app.core.db import Transaction, merchant_of
from app.payments import queries
from app.payments.capture import record_capture
from tests.checkout.conftest import Due, Simulator
from tests.checkout.payer import Payer
from tests.make import NOON
from tests.payments.builders import issue, order_for, paid

_FORM_TOKEN = re.compile(r"[\w.-]{60,}")  # the only thing that differs from page to page


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def test_the_page_is_chinese_unless_asked_for_english(app: Flask, due: Due) -> None:
    payer = Payer(app, due.path)

    payer.look()
    assert '<html lang="zh-CN"' in payer.text
    assert "请选择支付方式" in payer.text
    payer.look("?lang=en")
    assert '<html lang="en"' in payer.text
    payer.choose("wechat")
    assert "Open WeChat and use Scan to pay" in payer.text


def test_a_payers_browser_does_not_choose_the_language(client: FlaskClient, due: Due) -> None:
    answer = client.get(due.path, headers={"Accept-Language": "en"})

    assert '<html lang="zh-CN"' in answer.text


def test_nobody_stores_indexes_or_passes_on_the_link(client: FlaskClient, due: Due) -> None:
    for path in (due.path, f"{due.path}/status", "/pay/nothing"):
        headers = client.get(path).headers
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Robots-Tag"] == "noindex"


def test_the_code_is_drawn_without_styles(app: Flask, due: Due) -> None:
    payer = Payer(app, due.path)
    payer.look()
    payer.choose("wechat")

    assert '<svg viewBox="0 0 ' in payer.text
    assert "style=" not in payer.text
    assert "<style" not in payer.text


@pytest.mark.parametrize("is_paid", [False, True])
def test_the_page_leads_back_to_where_the_merchant_said(
    app: Flask, transaction: Transaction, *, due: Due, is_paid: bool
) -> None:
    there = "https://lumen.example.com/orders/7?a=1&b=2"
    with transaction() as session:
        order = order_for(session, due.invoice, return_url=there)
        if is_paid:
            record_capture(session, paid(order), channel=order.channel, now=clock.now())
    payer = Payer(app, due.path)

    assert payer.look("?lang=en") == ("paid" if is_paid else "open")
    assert re.search(rf'href="{re.escape(html.escape(there))}"\s+rel="noopener">', payer.text)
    assert "Back to Lumen AI" in payer.text


def test_without_a_word_of_the_merchant_there_is_no_way_back(app: Flask, due: Due) -> None:
    payer = Payer(app, due.path)
    payer.look("?lang=en")

    assert "Back to" not in payer.text


def test_a_sandboxs_page_links_to_who_plays_its_channels(
    app: Flask, simulator: Simulator, due: Due
) -> None:
    payer = Payer(app, due.path)
    payer.look("?lang=en")

    assert f'href="http://127.0.0.1:{simulator.port}/sim/"' in payer.text


def test_an_invoice_whose_rates_have_expired_is_to_be_issued_anew(
    app: Flask, transaction: Transaction
) -> None:
    with transaction() as session:
        old = issue(session, finalized_at=clock.now() - timedelta(days=31))
        payer = Payer(app, f"/pay/{collection.link_token(old)}")

    assert payer.look("?lang=en") == "outdated"
    assert "ask Lumen AI to issue the invoice anew" in payer.text


def test_a_look_is_counted_and_the_choice_of_a_channel_is_none(
    app: Flask, due: Due, transaction: Transaction
) -> None:
    payer = Payer(app, due.path)
    payer.look()
    payer.choose("wechat")
    payer.look()

    with transaction() as session:
        view = viewing.find_view(session, due.invoice.id)
    assert view is not None
    assert view.views == 2


def test_the_countdown_is_the_servers(app: Flask, due: Due) -> None:
    payer = Payer(app, due.path)
    payer.look()
    payer.choose("wechat")

    seconds = int(payer.text.split('data-countdown="')[1].split('"')[0])
    assert 890 <= seconds <= 900


def wrong_links(path: str) -> list[str]:
    """Return texts that lead to no invoice, each by another mistake."""
    token = path.removeprefix("/pay/")
    return [
        "x",
        token[:-1],
        token + "0",
        token[:-1] + ("0" if token[-1] != "0" else "1"),
        "0" * 11 + token[11:],
        token[:11] + "0" * 13 + token[24:],
        "z" * 11 + token[11:],
        token[:11] + "z" * 13 + token[24:],
        token.upper(),
        "é" * 46,
        "%00" * 46,
    ]


@pytest.mark.parametrize("case", range(11))
def test_every_wrong_link_is_the_same_404(client: FlaskClient, due: Due, case: int) -> None:
    nothing = client.get("/pay/nothing", headers={"X-Request-Id": "12345678"})
    link = wrong_links(due.path)[case]

    for address in (f"/pay/{link}", f"/pay/{link}/status"):
        answer = client.get(address, headers={"X-Request-Id": "12345678"})
        assert answer.status_code == 404
        assert _FORM_TOKEN.sub("", answer.text) == _FORM_TOKEN.sub("", nothing.text)


@pytest.mark.parametrize(
    "way", ["stripe", "wechat", "WECHAT.native", "wechat.native ", "wechat.wap", "wechat.", "%00"]
)
def test_an_unknown_way_is_a_404(client: FlaskClient, due: Due, way: str) -> None:
    assert client.get(f"{due.path}?way={way}").status_code == 404
    assert client.get(f"{due.path}/status?way={way}").status_code == 404


def test_a_choice_without_the_forms_token_opens_nothing(
    client: FlaskClient, transaction: Transaction, due: Due
) -> None:
    answer = client.post(f"{due.path}/way", data={"way": "wechat.native"})

    assert answer.status_code >= 400
    with transaction() as session:
        assert queries.list_of_invoice(session, due.invoice.id) == []


def test_what_the_browser_says_of_amount_and_payment_is_ignored(
    client: FlaskClient, transaction: Transaction, due: Due
) -> None:
    answer = client.get(f"{due.path}?paid=1&state=paid&amount=1&amount_minor=1&seen=paid")

    assert 'data-state="open"' in answer.text
    assert "905<em>.33</em>" in answer.text
    with transaction() as session:
        assert get_invoice(session, due.invoice.id).status is InvoiceStatus.OPEN


def test_the_fragment_is_a_part_of_the_page(app: Flask, client: FlaskClient, due: Due) -> None:
    payer = Payer(app, due.path)
    payer.look()

    answer = client.get(f"{due.path}/status?seen=other")

    assert answer.text.lstrip().startswith('<main id="checkout"')
    assert "<html" not in answer.text


def test_late_usage_names_the_days_it_is_about(
    app: Flask, due: Due, transaction: Transaction
) -> None:
    with transaction() as session:
        session.add(
            InvoiceLine(
                merchant_id=merchant_of(session),
                invoice_id=due.invoice.id,
                position=9,
                kind=LineKind.LATE,
                period_from=date(2026, 4, 1),
                period_to=date(2026, 5, 1),
                metric_id=1,
                metric_code="agent_runs",
                description="Agent runs (model = gpt-5)",
                unit="run",
                quantity=Decimal(1),
                events=1,
                amount_minor=23,
                is_priced=True,
                tiers=[],
            )
        )
    payer = Payer(app, due.path)

    payer.look("?lang=en")

    assert "Agent runs (model = gpt-5)" in payer.text
    assert "Late usage Apr 1, 2026 – Apr 30, 2026" in payer.text


def test_the_payer_is_asked_for_what_balance_and_credit_notes_left(
    app: Flask, transaction: Transaction
) -> None:
    left = {"balance_minor": 10_000, "credited_minor": 5_000, "due_minor": 75_533}
    with transaction() as session:
        invoice = issue(session, finalized_at=clock.now(), **left)
        payer = Payer(app, f"/pay/{collection.link_token(invoice)}")

    assert payer.look("?lang=en") == "open"
    assert "755<em>.33</em>" in payer.text
    assert re.search(r"Balance used</dt>\s*<dd>\s*<span class=\"money\">−¥100\.00", payer.text)
    assert re.search(r"Credited</dt>\s*<dd>\s*<span class=\"money\">−¥50\.00", payer.text)


def test_nobody_is_thanked_for_an_invoice_that_credit_notes_settled(
    app: Flask, transaction: Transaction
) -> None:
    settled = {"status": InvoiceStatus.PAID, "paid_at": NOON, "due_minor": 0}
    with transaction() as session:
        invoice = issue(session, credited_minor=90_533, **settled)
        payer = Payer(app, f"/pay/{collection.link_token(invoice)}")

    assert payer.look("?lang=en") == "free"
    assert "Nothing to pay" in payer.text
    assert "Payment received" not in payer.text
