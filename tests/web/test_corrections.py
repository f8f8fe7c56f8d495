"""Correcting by hand: credit notes, balances, invoices written by hand; nothing typed is lost."""

import re
from collections.abc import Callable
from decimal import Decimal

import pytest
from sqlalchemy import Engine, select

from app.billing import balances, queries
from app.billing.credit_models import CreditNote
from app.billing.models import Invoice, InvoiceStatus
from app.core import clock
from app.core.db import begin
from app.core.ids import Prefix, read, show
from app.pricing import taxes
from tests.make import BY_ADA, Make, cny, usd
from tests.web.books import issued, paid
from tests.web.conftest import Browser

LINE = {"description_0": "Setup", "quantity_0": "2.5", "unit_price_0": "300.00"}


@pytest.fixture
def invoice(engine: Engine, browser: Browser) -> str:
    """Issue the invoice of 126.41 USD, which are 905.33 CNY."""
    return issued(engine, browser)


@pytest.fixture
def customer(engine: Engine, browser: Browser) -> str:
    with begin(engine, browser.merchant_id) as session:
        made = Make(session).customer(external_id="user_42", name="<b>星图</b>")
        return show(Prefix.CUSTOMER, made.id)


def notes(engine: Engine, browser: Browser) -> list[CreditNote]:
    with begin(engine, browser.merchant_id) as session:
        return list(session.scalars(select(CreditNote)))


def test_a_preview_says_what_it_comes_to_and_writes_nothing(
    engine: Engine, browser: Browser, invoice: str
) -> None:
    form = {"reason": "goodwill", "total": "26.41", "action": "preview"}

    answer = browser.post(f"/merchant/invoices/{invoice}/credit", form)

    assert answer.status_code == 200
    assert "189.14" in answer.text
    assert 'value="26.41"' in answer.text
    assert notes(engine, browser) == []


def test_a_credit_note_is_given_and_shown(engine: Engine, browser: Browser, invoice: str) -> None:
    page = browser.text(f"/merchant/invoices/{invoice}/credit")
    assert "Agent runs" in page

    form = {"reason": "service_failure", "note": "Two <days>", "line_1": "26.41", "action": "give"}
    answer = browser.post(f"/merchant/invoices/{invoice}/credit", form)

    assert answer.status_code == 303
    [note] = notes(engine, browser)
    assert (note.total, note.amount) == (usd(2_641), cny(18_914))
    shown = browser.text(answer.location)
    assert note.number in shown
    assert "Two &lt;days&gt;" in shown
    assert "It is being printed." in shown
    assert note.number in browser.text("/merchant/credit-notes")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"reason": "", "total": "1"}, "reason"),
        ({"reason": "goodwill"}, "total"),
        ({"reason": "goodwill", "total": "126.42"}, ""),
        ({"reason": "goodwill", "total": "1.001"}, "total"),
        ({"reason": "goodwill", "total": "x"}, "total"),
        ({"reason": "goodwill", "line_1": "126.42"}, ""),
        ({"reason": "late_usage", "total": "1"}, "reason"),
    ],
)
def test_a_wrong_credit_keeps_what_was_typed(
    engine: Engine, browser: Browser, invoice: str, form: dict[str, str], error: str
) -> None:
    answer = browser.post(
        f"/merchant/invoices/{invoice}/credit", form | {"note": "Kept", "action": "give"}
    )

    assert answer.status_code == 422
    assert 'value="Kept"' in answer.text
    assert not error or f'id="{error}-error"' in answer.text or "aria-invalid" in answer.text
    assert notes(engine, browser) == []


def test_a_paid_invoice_fills_the_balance(engine: Engine, browser: Browser) -> None:
    public_id = paid(engine, browser)
    form = {"reason": "goodwill", "total": "126.41", "action": "give"}

    browser.post(f"/merchant/invoices/{public_id}/credit", form)

    with begin(engine, browser.merchant_id) as session:
        invoice = queries.get_invoice(session, read(Prefix.INVOICE, public_id))
        assert balances.balance_of(session, invoice.customer_id) == cny(90_533)
        customer_id = show(Prefix.CUSTOMER, invoice.customer_id)
    assert "905.33" in browser.text(f"/merchant/customers/{customer_id}")


def test_a_balance_is_adjusted_with_a_reason(browser: Browser, customer: str) -> None:
    path = f"/merchant/customers/{customer}/balance"

    answer = browser.post(path, {"amount": "100.00", "reason": "Thanks <3"})

    assert answer.status_code == 303
    page = browser.text(path)
    assert "Thanks &lt;3" in page
    assert "<b>星图" not in page
    refused = browser.post(path, {"amount": "-100.01", "reason": "Back"})
    assert refused.status_code == 422
    assert 'value="-100.01"' in refused.text
    assert browser.post(path, {"amount": "1", "reason": " "}).status_code == 422


def test_an_invoice_is_written_changed_and_finalised(
    engine: Engine, browser: Browser, customer: str
) -> None:
    assert customer
    form = LINE | {"customer": "user_42", "currency": "CNY", "action": "save"}
    answer = browser.post("/merchant/invoices/new", form)
    assert answer.status_code == 303
    public_id = re.search(r"inv_\w+", answer.location)
    assert public_id is not None
    path = f"/merchant/invoices/{public_id[0]}"
    page = browser.text(f"{path}/edit")
    assert 'value="2.5"' in page
    assert 'value="300"' in page

    changed = form | {"unit_price_0": "400", "description_1": "Gift", "quantity_1": "1"}
    assert browser.post(f"{path}/edit", changed | {"unit_price_1": "0"}).status_code == 303
    assert browser.post(f"{path}/finalize").status_code == 303

    with begin(engine, browser.merchant_id) as session:
        invoice = queries.get_invoice(session, read(Prefix.INVOICE, public_id[0]))
        assert (invoice.status, invoice.total) == (InvoiceStatus.OPEN, cny(100_000))
        assert len(queries.lines_of(session, invoice)) == 2
    assert browser.get(f"{path}/edit").status_code == 303


def test_more_lines_keep_what_was_typed(browser: Browser, customer: str) -> None:
    assert customer
    form = LINE | {"customer": "user_42", "currency": "USD", "action": "more"}

    answer = browser.post("/merchant/invoices/new", form)

    assert answer.status_code == 200
    assert 'value="300.00"' in answer.text
    assert 'name="description_3"' in answer.text


@pytest.mark.parametrize(
    "wrong",
    [
        {"customer": "nobody"},
        {"description_0": ""},
        {"quantity_0": "-1"},
        {"unit_price_0": "a lot"},
        {"period_from": "2026-06-01"},
        {"period_from": "2026-06-02", "period_to": "2026-05-01"},
        {"description_0": "", "quantity_0": "", "unit_price_0": ""},
    ],
    ids=str,
)
def test_a_wrong_invoice_keeps_what_was_typed(
    engine: Engine, browser: Browser, customer: str, wrong: dict[str, str]
) -> None:
    assert customer
    form = LINE | {"customer": "user_42", "currency": "CNY", "note": "Kept", "action": "save"}

    answer = browser.post("/merchant/invoices/new", form | wrong)

    assert answer.status_code == 422
    assert ">Kept</textarea>" in answer.text
    with begin(engine, browser.merchant_id) as session:
        assert session.scalars(select(Invoice)).all() == []


def test_a_draft_is_thrown_away(engine: Engine, browser: Browser, customer: str) -> None:
    assert customer
    form = LINE | {"customer": "user_42", "currency": "CNY", "action": "save"}
    location = browser.post("/merchant/invoices/new", form).location

    answer = browser.post(f"{location}/discard")

    assert answer.status_code == 303
    with begin(engine, browser.merchant_id) as session:
        assert session.scalars(select(Invoice)).all() == []


def test_an_invoice_is_given_up_and_not_issued_anew_too_early(
    engine: Engine, browser: Browser, invoice: str
) -> None:
    with begin(engine, browser.merchant_id) as session:
        row = queries.get_invoice(session, read(Prefix.INVOICE, invoice))
        row.finalized_at = clock.now()

    browser.post(f"/merchant/invoices/{invoice}/reissue")
    browser.post(f"/merchant/invoices/{invoice}/give-up")

    with begin(engine, browser.merchant_id) as session:
        row = queries.get_invoice(session, read(Prefix.INVOICE, invoice))
        assert row.status is InvoiceStatus.UNCOLLECTIBLE


def test_an_edited_draft_keeps_the_tax_of_each_line(
    engine: Engine, browser: Browser, customer: str
) -> None:
    assert customer
    with begin(engine, browser.merchant_id) as session:
        make = Make(session)
        usual = make.tax_rate(percent=Decimal(6), is_default=True)
        nine, old = make.tax_rate(percent=Decimal(9)), make.tax_rate(percent=Decimal(13))
        shown = [show(Prefix.TAX_RATE, rate.id) for rate in (usual, nine, old)]
    lines = {f"{name[:-1]}{row}": value for row in range(3) for name, value in LINE.items()}
    chosen = {"tax_rate_0": "", "tax_rate_1": shown[1], "tax_rate_2": shown[2]}
    form = {"customer": "user_42", "currency": "CNY"} | lines | chosen
    draft = browser.post("/merchant/invoices/new", form).location
    with begin(engine, browser.merchant_id) as session:
        taxes.archive_tax_rate(session, read(Prefix.TAX_RATE, shown[2]), **BY_ADA)

    page = browser.text(f"{draft}/edit")

    assert re.findall(r'<option value="(txr_\w+)" selected', page) == shown[1:]
    answer = browser.post(f"{draft}/edit", form)
    assert answer.status_code == 422
    assert "archived" in answer.text


@pytest.mark.parametrize(("make_it", "said"), [(paid, "It is paid by now."), (issued, "")])
def test_what_is_not_open_says_what_it_is_and_what_can_be_done(
    engine: Engine, browser: Browser, make_it: Callable[[Engine, Browser], str], said: str
) -> None:
    path = f"/merchant/invoices/{make_it(engine, browser)}"

    browser.post(f"{path}/give-up")

    page = browser.text(path)
    assert said in page
    assert ("Correct it with a credit note." in page) == bool(said)
