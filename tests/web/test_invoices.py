"""An invoice's page tells how its amounts came about; it is voided once, with a reason."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, select

from app.billing import invoice_lists
from app.billing.models import Invoice, InvoiceKind, InvoiceLine, InvoiceStatus, LineKind
from app.core import clock
from app.core.db import begin
from app.core.ids import Prefix, read
from app.core.language import Language
from app.documents import store
from app.documents.models import Document, DocumentKind
from app.documents.storage import Storage
from app.extensions import bound, runtime
from app.web import invoices
from tests.make import Make
from tests.payments.builders import issue
from tests.web.books import issued, paid
from tests.web.conftest import PARTIAL, Browser


def test_the_list_shows_what_is_issued(browser: Browser, engine: Engine) -> None:
    invoice = issued(engine, browser)

    listed = browser.text("/merchant/invoices")
    assert f"/merchant/invoices/{invoice}" in listed
    assert "905.33" in listed


def test_a_tab_narrows_the_list(browser: Browser, engine: Engine) -> None:
    invoice = issued(engine, browser)

    assert invoice in browser.text("/merchant/invoices?status=open")
    assert invoice not in browser.text("/merchant/invoices?status=paid")


def test_a_status_there_is_not_is_refused(browser: Browser) -> None:
    assert browser.get("/merchant/invoices?status=lost").status_code == 422


def test_the_rows_alone_are_contained_in_the_page(browser: Browser, engine: Engine) -> None:
    issued(engine, browser)

    fragment = browser.text("/merchant/invoices?status=open", headers=PARTIAL)
    assert "<html" not in fragment
    assert fragment.strip() in browser.text("/merchant/invoices?status=open")


def test_names_are_text_never_markup(browser: Browser, engine: Engine) -> None:
    with begin(engine, browser.merchant_id) as session:
        customer = Make(session).customer(name="<script>alert(1)</script>{{7*7}}")
        customer_id = customer.id
    assert customer_id
    invoice = issued(engine, browser)
    with begin(engine, browser.merchant_id) as session:
        session.scalars(select(Invoice)).one().customer_id = customer_id

    for path in ("/merchant", "/merchant/invoices", f"/merchant/invoices/{invoice}"):
        page = browser.text(path)
        assert "&lt;script&gt;alert(1)&lt;/script&gt;{{7*7}}" in page
        assert "<script>alert" not in page


def test_the_csv_file_has_exactly_what_is_filtered(browser: Browser, engine: Engine) -> None:
    invoice = issued(engine, browser)

    answer = browser.get("/merchant/invoices?status=open&format=csv")
    assert answer.mimetype == "text/csv"
    assert answer.text.startswith("\ufeffnumber,kind,status,")
    assert "USD,0,12641,0,12641,90533,0,90533,0,2716,USD,12262" in answer.text
    assert invoice not in browser.get("/merchant/invoices?status=void&format=csv").text


def test_of_many_the_page_says_that_they_are_many_and_the_file_has_each(
    browser: Browser, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invoice_lists, "MOST_COUNTED", 2)
    monkeypatch.setattr(invoices, "MAX_LIMIT", 2)
    with begin(engine, browser.merchant_id) as session:
        for _ in range(5):
            issue(session)

    page = browser.text("/merchant/invoices?status=open")
    lines = browser.text("/merchant/invoices?status=open&format=csv").splitlines()

    assert "2+ invoices" in page
    assert "Export every one as CSV" in page
    assert len(lines) == 1 + 5


def test_the_page_shows_the_arithmetic(browser: Browser, engine: Engine) -> None:
    page = browser.text(f"/merchant/invoices/{paid(engine, browser)}")

    assert "710.50 ÷ 100 × 1.0080" in page
    assert "126.41 USD × 7.16184000 = 905.328194…" in page
    assert "878.17 ÷ 7.16184000 = 122.61793…" in page


def test_the_page_shows_attempt_and_entries_of_a_paid_invoice(
    browser: Browser, engine: Engine
) -> None:
    page = browser.text(f"/merchant/invoices/{paid(engine, browser)}")

    assert "4200001" in page
    for code in ("T1", "T2", "T3", "T4"):
        assert f'<span class="tag">{code}</span>' in page
    assert "channel_clearing/wechat" in page


def test_another_amount_is_shown_as_money_aside(browser: Browser, engine: Engine) -> None:
    invoice = paid(engine, browser, minor=90_000)

    page = browser.text(f"/merchant/invoices/{invoice}")
    assert "900.00 CNY came that does not pay this invoice" in page
    assert "another amount than we asked for" in page
    assert "900.00 CNY came that pays no invoice" in browser.text("/merchant/attention")


def test_an_open_invoice_can_be_voided_with_a_reason(browser: Browser, engine: Engine) -> None:
    invoice = issued(engine, browser)

    answer = browser.post(f"/merchant/invoices/{invoice}/void", {"reason": "Wrong rate card"})

    assert answer.status_code == 303
    page = browser.text(f"/merchant/invoices/{invoice}")
    assert "Wrong rate card" in page
    assert f"/merchant/invoices/{invoice}/void" not in page


def test_without_a_reason_nothing_is_voided(browser: Browser, engine: Engine) -> None:
    invoice = issued(engine, browser)

    answer = browser.post(f"/merchant/invoices/{invoice}/void", {"reason": " "})

    assert answer.status_code == 422
    assert "The invoice was not voided" in answer.text
    with begin(engine, browser.merchant_id) as session:
        assert session.scalars(select(Invoice)).one().status is InvoiceStatus.OPEN


def test_a_paid_invoice_can_not_be_voided(browser: Browser, engine: Engine) -> None:
    invoice = paid(engine, browser)

    answer = browser.post(f"/merchant/invoices/{invoice}/void", {"reason": "Too late"})

    assert answer.status_code == 409


def test_an_invoice_of_another_merchant_is_not_there(
    sign_up: Callable[..., Browser], engine: Engine
) -> None:
    invoice = issued(engine, sign_up())
    stranger = sign_up("Nimbus")

    for path in (f"/merchant/invoices/{invoice}", f"/merchant/invoices/{invoice}/pdf"):
        assert stranger.get(path).status_code == 404
    void = stranger.post(f"/merchant/invoices/{invoice}/void", {"reason": "Mine"})
    assert void.status_code == 404


def test_a_pdf_that_is_not_printed_yet_is_promised(browser: Browser, engine: Engine) -> None:
    invoice = issued(engine, browser)

    answer = browser.get(f"/merchant/invoices/{invoice}/pdf?language=en", follow_redirects=True)

    assert "This PDF is being printed." in answer.text


def test_the_pdf_is_the_one_that_was_stored(browser: Browser, engine: Engine) -> None:
    invoice = issued(engine, browser)
    document = printed(browser, invoice, b"%PDF-1.7 of 905.33")

    answer = browser.get(f"/merchant/invoices/{invoice}/pdf?language=zh")

    assert answer.data == b"%PDF-1.7 of 905.33"
    assert answer.headers["ETag"] == f'"{document.sha256}"'
    assert answer.headers["Content-Disposition"].startswith("attachment; ")


def test_a_damaged_pdf_goes_to_nobody(browser: Browser, engine: Engine) -> None:
    invoice = issued(engine, browser)
    document = printed(browser, invoice, b"%PDF-1.7")
    with browser.app.app_context():
        folder = runtime().settings.instance_dir / "documents"
    (folder / document.storage_key).write_bytes(b"%PDF-1.7 changed")

    answer = browser.get(f"/merchant/invoices/{invoice}/pdf?language=zh")

    assert answer.status_code == 500
    assert b"%PDF" not in answer.data


def test_a_language_we_do_not_print_is_not_there(browser: Browser, engine: Engine) -> None:
    invoice = issued(engine, browser)

    assert browser.get(f"/merchant/invoices/{invoice}/pdf?language=fr").status_code == 404


def test_running_with_nothing_due_says_so(browser: Browser) -> None:
    answer = browser.post("/merchant/invoices/run", follow_redirects=True)

    assert "Nothing is due yet" in answer.text


def test_a_contract_shows_what_its_next_invoice_comes_to(browser: Browser, engine: Engine) -> None:
    with begin(engine, browser.merchant_id) as session:
        make = Make(session)
        make.contract(make.priced_at(make.metric(), "1"), customer_id=make.customer(name="Acme").id)

    page = browser.text("/merchant/invoices/upcoming")
    assert "Acme" in page
    assert "May 1, 2026" in page


def printed(browser: Browser, invoice: str, content: bytes) -> Document:
    """Store `content` as the Chinese print of the invoice."""
    with browser.app.app_context():
        storage: Storage = runtime().storage
        return store.store_document(
            bound(browser.merchant_id),
            storage,
            content,
            kind=DocumentKind.INVOICE_PDF,
            subject_id=read(Prefix.INVOICE, invoice),
            language=Language.ZH_HANS_CN,
            now=clock.now(),
        )


def test_a_line_of_late_usage_names_its_period(browser: Browser, engine: Engine) -> None:
    invoice = issued(engine, browser)
    add_line(
        engine,
        browser,
        kind=LineKind.LATE,
        part={"filter": 0},
        description="Agent runs (model = gpt-5)",
        amount_minor=-91,
        period_from=date(2026, 4, 1),
        period_to=date(2026, 5, 1),
        tiers=[step("billed", "-91")],
    )

    page = browser.text(f"/merchant/invoices/{invoice}")

    assert "Agent runs (model = gpt-5)" in page
    assert "Late usage" in page
    assert "Apr 1, 2026 – Apr 30, 2026" in page
    assert "billed before" in page
    assert "−0.91 USD" in page


def test_a_commitment_is_a_line_without_a_metric(browser: Browser, engine: Engine) -> None:
    invoice = issued(engine, browser)
    add_line(
        engine,
        browser,
        kind=LineKind.COMMITMENT,
        metric_id=None,
        metric_code="",
        description="Minimum commitment",
        amount_minor=800,
        tiers=[step("committed", "1000"), step("used", "-200")],
    )

    page = browser.text(f"/merchant/invoices/{invoice}")

    assert "Minimum commitment" in page
    assert "committed for the period" in page
    assert "Late usage" not in page


def test_an_invoice_of_late_usage_says_so(browser: Browser, engine: Engine) -> None:
    invoice = issued(engine, browser)
    with begin(engine, browser.merchant_id) as session:
        session.scalars(select(Invoice)).one().kind = InvoiceKind.LATE

    assert browser.text(f"/merchant/invoices/{invoice}").count("Late usage") == 2


def test_invoices_of_late_usage_are_marked_and_filtered(browser: Browser, engine: Engine) -> None:
    invoice = issued(engine, browser)
    assert invoice in browser.text("/merchant/invoices?kind=usage")
    assert invoice not in browser.text("/merchant/invoices?kind=late")

    with begin(engine, browser.merchant_id) as session:
        session.scalars(select(Invoice)).one().kind = InvoiceKind.LATE

    page = browser.text("/merchant/invoices?kind=late")
    assert invoice in page
    assert '<span class="tag">Late usage' in page
    assert ",late,open," in browser.get("/merchant/invoices?kind=late&format=csv").text
    assert invoice not in browser.text("/merchant/invoices?kind=usage")


def step(basis: str, amount: str) -> dict[str, str | None]:
    return {
        "above": "0",
        "up_to": None,
        "quantity": "0",
        "unit_price": "0",
        "flat_fee": "0",
        "amount": amount,
        "basis": basis,
    }


def add_line(engine: Engine, browser: Browser, **columns: Any) -> None:
    """Add a second line to the only invoice there is."""
    with begin(engine, browser.merchant_id) as session:
        invoice = session.scalars(select(Invoice)).one()
        defaults: dict[str, Any] = {
            "merchant_id": browser.merchant_id,
            "invoice_id": invoice.id,
            "position": 2,
            "period_from": invoice.period_from,
            "period_to": invoice.period_to,
            "metric_id": 1,
            "metric_code": "agent_runs",
            "description": "Agent runs",
            "unit": "run",
            "quantity": Decimal(1),
            "events": 1,
            "is_priced": True,
        }
        session.add(InvoiceLine(**defaults | columns))
