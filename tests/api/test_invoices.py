"""From usage to an invoice and the QR code that pays it, all by program."""

from collections.abc import Callable
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import Engine, select

from app.core import ids
from app.core.db import begin
from app.core.language import Language
from app.core.outbox import OutboxJob
from app.documents import store
from app.documents.models import Document, DocumentKind
from app.identity.models import Mode
from app.pricing import metrics
from tests.api.caller import Caller
from tests.api.conftest import new_caller, new_merchant
from tests.make import NOON

PRICES = {"USD": [{"metric": "tokens_input", "model": "standard", "unitPrice": "0.25"}]}


@pytest.fixture
def invoice(caller: Caller, engine: Engine, merchant_id: int) -> str:
    """Do the guide's steps 3 to 5: 12,500 tokens of May, billed on the second of June."""
    with begin(engine, merchant_id) as session:
        metrics.make_built_in(session, now=NOON)
    caller.post("/sandbox/clock", {"now": "2026-06-02T04:00:00Z"})
    product = {"code": "chat_api", "name": "Chat API"}
    card = {
        "productId": caller.post("/products", product).get_json()["id"],
        "code": "standard",
        "name": "Standard",
        "currencies": PRICES,
    }
    customer = {"externalId": "user_42", "name": "上海智谱星图信息科技"}
    terms = {
        "customerId": caller.post("/customers", customer).get_json()["id"],
        "rateCardId": caller.post("/rate-cards", card).get_json()["id"],
        "currency": "USD",
        "cycle": "monthly_calendar",
        "startsOn": "2026-05-01",
    }
    assert caller.post("/contracts", terms).status_code == 201
    event = {
        "customerExternalId": "user_42",
        "idempotencyKey": "evt_abc_1234",
        "metric": "tokens_input",
        "quantity": "12500",
        "occurredAt": "2026-05-25T10:00:00Z",
    }
    assert caller.post("/usage-events", {"events": [event]}).get_json()["accepted"] == 1
    caller.post("/sandbox/clock", {"now": "2026-06-04T04:00:00Z"})
    run = caller.post("/sandbox/invoice-runs").get_json()
    assert (run["drafted"], run["finalized"], run["lastError"]) == (1, 1, None)
    (made,) = caller.get("/invoices").get_json()["data"]
    return str(made["id"])


def test_an_invoice_shows_its_four_amounts_and_their_working(caller: Caller, invoice: str) -> None:
    shown = caller.get(f"/invoices/{invoice}").get_json()

    assert shown["status"] == "open"
    assert shown["number"] == "LUM-2026-000001"
    assert (shown["periodFrom"], shown["periodTo"]) == ("2026-05-01", "2026-06-01")
    assert shown["subtotal"] == {"amountMinor": 3125, "currency": "USD"}
    assert shown["collection"] == {"amountMinor": 22_381, "currency": "CNY"}
    assert shown["platformFee"]["currency"] == "CNY"
    assert shown["settlement"]["currency"] == "USD"
    assert shown["fx"]["pricingRate"] == "7.16184"
    (line,) = shown["lines"]
    assert (line["metric"], line["quantity"]) == ("tokens_input", "12500")
    assert line["amount"] == {"amountMinor": 3125, "currency": "USD"}
    assert line["tiers"] == [
        {
            "above": "0",
            "upTo": None,
            "quantity": "12500",
            "unitPrice": "0.25",
            "flatFee": "0",
            "amount": "3125",
            "basis": "units",
            "packageSize": None,
        }
    ]


def test_invoices_are_found_by_status_and_customer(caller: Caller, invoice: str) -> None:
    shown = caller.get(f"/invoices/{invoice}").get_json()
    of_customer = caller.get("/invoices", customerId=shown["customerId"]).get_json()["data"]

    assert [one["id"] for one in of_customer] == [invoice]
    assert caller.get("/invoices", status="paid").get_json()["data"] == []
    assert caller.get("/invoices", customerId="user_42").status_code == 404


def test_invoices_are_found_and_sorted_as_on_their_page(caller: Caller, invoice: str) -> None:
    def found(**query: object) -> list[str]:
        return [one["id"] for one in caller.get("/invoices", **query).get_json()["data"]]

    collected = caller.get(f"/invoices/{invoice}").get_json()["collection"]["amountMinor"]
    assert found(currency="USD", minAmount=collected, maxAmount=collected) == [invoice]
    assert found(minAmount=collected + 1) == []
    assert found(periodFrom="2026-05-31", periodTo="2026-06-30") == [invoice]
    assert found(periodFrom="2026-06-01") == []
    assert found(overdue="true") == []
    assert found(sort="due") == found(sort="amount") == [invoice]
    assert caller.get("/invoices", sort="best").status_code == 422


def test_a_cursor_goes_on_in_its_own_order_only(caller: Caller, invoice: str) -> None:
    customer = caller.get(f"/invoices/{invoice}").get_json()["customerId"]
    item = {"description": "Setup", "quantity": "1", "unitPrice": "100"}
    caller.post("/invoices", {"customerId": customer, "currency": "CNY", "items": [item]})

    first = caller.get("/invoices", sort="amount", limit=1).get_json()
    rest = caller.get("/invoices", sort="amount", limit=1, cursor=first["nextCursor"])

    assert [one["id"] for one in first["data"]] == [invoice]
    assert len(rest.get_json()["data"]) == 1
    assert caller.get("/invoices", cursor=first["nextCursor"]).status_code == 422


def test_a_checkout_returns_what_the_qr_code_shows(caller: Caller, invoice: str) -> None:
    answer = caller.post(f"/invoices/{invoice}/checkout", {"channel": "wechat"})

    opened = answer.get_json()
    assert answer.status_code == 200
    assert opened["paymentOrderId"].startswith("po_")
    assert opened["channel"] == "wechat"
    assert opened["qrPayload"].startswith("weixin://wxpay/bizpayurl?pr=")
    assert opened["expiresAt"].endswith("Z")
    assert (opened["amount"], opened["currency"]) == (22_381, "CNY")
    assert opened["checkoutUrl"].startswith("http://127.0.0.1:8000/pay/")


def test_a_second_checkout_returns_the_open_payment(caller: Caller, invoice: str) -> None:
    path = f"/invoices/{invoice}/checkout"

    first = caller.post(path, {"channel": "wechat"}).get_json()

    assert caller.post(path, {"channel": "wechat"}).get_json() == first


def test_a_payer_is_sent_back_to_a_plain_web_page_only(caller: Caller, invoice: str) -> None:
    path, bad = f"/invoices/{invoice}/checkout", "https:evil.example.com"

    refused = caller.post(path, {"channel": "wechat", "returnUrl": bad})
    taken = caller.post(path, {"channel": "wechat", "returnUrl": "http://localhost:3000/done"})

    assert (refused.status_code, refused.get_json()["code"]) == (422, "bad_return_url")
    assert refused.get_json()["path"] == "returnUrl"
    assert taken.status_code == 200  # one of the sandbox


def test_an_unknown_channel_is_refused(caller: Caller, invoice: str) -> None:
    answer = caller.post(f"/invoices/{invoice}/checkout", {"channel": "cash"})

    assert (answer.status_code, answer.get_json()["path"]) == (422, "channel")


def test_a_void_invoice_can_not_be_paid(caller: Caller, invoice: str) -> None:
    voided = caller.post(f"/invoices/{invoice}/void", {"reason": "Sent to the wrong company"})
    again = caller.post(f"/invoices/{invoice}/void", {"reason": "Once more"})
    paying = caller.post(f"/invoices/{invoice}/checkout", {"channel": "wechat"})

    assert voided.get_json()["status"] == "void"
    assert voided.get_json()["voidReason"] == "Sent to the wrong company"
    assert (again.status_code, again.get_json()["code"]) == (409, "invoice_not_open")
    assert (paying.status_code, paying.get_json()["code"]) == (409, "invoice_not_payable")


@pytest.fixture
def storing(app: Flask, engine: Engine, merchant_id: int) -> Callable[..., Document]:
    """Store documents of the merchant, as the job that prints them does."""
    storage = app.extensions["buffmoney"].storage
    return partial(store.store_document, partial(begin, engine, merchant_id), storage)


def test_a_document_is_served_once_it_is_printed(
    caller: Caller, storing: Callable[..., Document], invoice: str
) -> None:
    before = caller.get(f"/invoices/{invoice}/pdf")
    assert (before.status_code, before.get_json()["code"]) == (404, "document_not_ready")

    storing(
        b"%PDF-1.7",
        kind=DocumentKind.INVOICE_PDF,
        subject_id=ids.read(ids.Prefix.INVOICE, invoice),
        language=Language.ZH_HANS_CN,
        now=NOON,
    )

    answer = caller.get(f"/invoices/{invoice}/pdf")
    assert (answer.data, answer.mimetype) == (b"%PDF-1.7", "application/pdf")
    assert caller.get(f"/invoices/{invoice}/pdf", language="en").status_code == 404


def test_the_books_show_what_was_issued(caller: Caller, invoice: str) -> None:
    (posted,) = caller.get("/ledger-transactions", invoiceId=invoice).get_json()["data"]

    assert sum(entry["amountMinor"] for entry in posted["entries"]) == 0
    assert posted["invoiceId"] == invoice
    assert caller.get(f"/ledger-transactions/{posted['id']}").get_json() == posted
    balances = caller.get("/balances").get_json()["data"]
    assert sorted(one["amountMinor"] for one in balances if one["book"] == "P") == [-22_381, 22_381]


def test_the_clock_only_goes_forward_after_an_invoice(caller: Caller, invoice: str) -> None:
    assert invoice
    answer = caller.post("/sandbox/clock", {"now": "2026-06-01T00:00:00Z"})

    assert (answer.status_code, answer.get_json()["code"]) == (409, "clock_only_forward")


def test_moving_the_clock_owes_the_catching_up(
    caller: Caller, engine: Engine, merchant_id: int
) -> None:
    moved = caller.post("/sandbox/clock", {"now": "2027-01-02T04:00:00+08:00"}).get_json()

    assert moved["now"] == "2027-01-01T20:00:00Z"
    assert caller.get("/sandbox/clock").get_json()["now"].startswith("2027-01-01T20:0")
    with begin(engine, merchant_id) as session:
        (job,) = session.scalars(select(OutboxJob)).all()
        assert job.task == "jobs.billing.catch_up"
        assert job.due_at.isoformat()[:13] == moved["realNow"][:13]


def test_a_live_merchant_has_no_sandbox(app: Flask, engine: Engine) -> None:
    live = new_caller(app, engine, new_merchant(engine, Mode.LIVE))

    for answer in (
        live.post("/sandbox/clock", {"now": "2027-01-02T04:00:00Z"}),
        live.post("/sandbox/invoice-runs"),
    ):
        assert (answer.status_code, answer.get_json()["code"]) == (409, "clock_is_real")


def test_a_time_without_zone_is_no_time(caller: Caller) -> None:
    answer = caller.post("/sandbox/clock", {"now": "2027-01-02T04:00:00"})

    assert (answer.status_code, answer.get_json()["path"]) == (422, "now")
