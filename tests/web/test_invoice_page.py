"""The page of an invoice tells all of it: lines down to their events, amounts, what happened."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, select

from app.billing import one_off, viewing
from app.billing.handling_models import InvoiceResend
from app.billing.models import Invoice, InvoiceLine, InvoiceStatus
from app.billing.one_off import Item, OneOff
from app.core import clock
from app.core.db import begin
from app.core.ids import Prefix, read, show
from app.core.money import Currency
from app.customers.models import Customer
from tests.make import Make
from tests.web.books import issued, paid
from tests.web.conftest import Browser


def change(engine: Engine, browser: Browser, **columns: Any) -> None:
    """Change columns of the only invoice."""
    with begin(engine, browser.merchant_id) as session:
        invoice = session.scalars(select(Invoice)).one()
        for name, value in columns.items():
            setattr(invoice, name, value)


def change_line(engine: Engine, browser: Browser, **columns: Any) -> None:
    """Change columns of its only line."""
    with begin(engine, browser.merchant_id) as session:
        line = session.scalars(select(InvoiceLine)).one()
        for name, value in columns.items():
            setattr(line, name, value)


def drafted_by_hand(engine: Engine, browser: Browser) -> str:
    with begin(engine, browser.merchant_id) as session:
        customer = Make(session).customer(name="Acme")
        asked = OneOff(customer.id, Currency.USD, [Item("Setup", "2", "6320.5")])
        invoice = one_off.draft(session, asked, now=clock.now())
        return show(Prefix.INVOICE, invoice.id)


def test_a_line_leads_to_its_events(browser: Browser, engine: Engine) -> None:
    invoice = issued(engine, browser)
    change_line(engine, browser, part={"group": {"model": "gpt-5"}})

    page = browser.text(f"/merchant/invoices/{invoice}")

    assert "metric=agent_runs&amp;range=2026-05-01..2026-05-31&amp;dimension=model%3Dgpt-5" in page


def test_a_line_of_several_dimensions_leads_to_its_events(browser: Browser, engine: Engine) -> None:
    invoice = issued(engine, browser)
    price = {
        "metric": "agent_runs",
        "filters": [{"match": {"region": "*", "model": ["gpt-5", "qwen"]}}],
    }
    change(engine, browser, rate_card={"currencies": {"USD": [price]}})
    change_line(engine, browser, part={"filter": 0, "group": {"region": "cn"}})

    page = browser.text(f"/merchant/invoices/{invoice}")

    assert "dimension=model%3Dgpt-5&amp;dimension=model%3Dqwen&amp;dimension=region%3Dcn" in page


@pytest.mark.parametrize(
    ("days", "status"),
    [
        ("2026-05-01..2026-05-31", 200),
        ("2026-05-31..2026-05-01", 422),
        ("2020-01-01..2026-05-01", 422),
        ("2026-02-30..2026-03-01", 422),
    ],
)
def test_the_explorer_shows_the_days_of_a_line(browser: Browser, days: str, status: int) -> None:
    answer = browser.get(f"/merchant/usage/events?range={days}")

    assert answer.status_code == status


def test_discount_and_tax_lead_from_the_lines_to_the_total(
    browser: Browser, engine: Engine
) -> None:
    invoice = issued(engine, browser)
    change_line(engine, browser, discount_minor=1_264, tax_percent=Decimal(6), tax_minor=683)
    change(
        engine,
        browser,
        discount_minor=1_264,
        subtotal_minor=11_377,
        tax_minor=683,
        total_minor=12_060,
    )

    page = browser.text(f"/merchant/invoices/{invoice}")

    for text in ("Before tax", "113.77", "Tax 6%", "6.83", "120.60"):
        assert text in page


def test_what_the_balance_paid_is_a_step_of_the_arithmetic(
    browser: Browser, engine: Engine
) -> None:
    invoice = issued(engine, browser, balance_minor=10_000, due_minor=80_533)

    page = browser.text(f"/merchant/invoices/{invoice}")

    assert "Customer balance used" in page
    assert "905.33 − 100.00" in page
    assert "805.33 CNY" in page


def test_what_was_credited_before_it_was_paid_is_a_step_too(
    browser: Browser, engine: Engine
) -> None:
    invoice = issued(engine, browser)
    change(engine, browser, credited_minor=533, due_minor=90_000)

    page = browser.text(f"/merchant/invoices/{invoice}")

    assert "Credited before it was paid" in page
    assert "905.33 − 5.33" in page


def test_the_story_has_who_looked_and_who_paid(browser: Browser, engine: Engine) -> None:
    invoice = paid(engine, browser)
    for minutes in (1, 2):
        with begin(engine, browser.merchant_id) as session:
            at = clock.now() + timedelta(minutes=minutes)
            viewing.note_view(session, read(Prefix.INVOICE, invoice), now=at)

    page = browser.text(f"/merchant/invoices/{invoice}")
    story = page[page.index('class="timeline"') :]

    assert "2 times so far" in story
    assert story.index("Paid") < story.index("Finalized") < story.index("Draft created")


def test_an_attempt_is_told_by_both_clocks(browser: Browser, engine: Engine) -> None:
    page = browser.text(f"/merchant/invoices/{paid(engine, browser)}")

    assert "paid, says the channel" in page
    assert "paid, by your clock" in page


def test_an_invoice_is_mailed_again_but_not_twice_in_a_minute(
    browser: Browser, engine: Engine
) -> None:
    path = f"/merchant/invoices/{issued(engine, browser)}"

    first, second = (browser.post(f"{path}/resend", follow_redirects=True) for _ in range(2))

    assert "The mail is on its way." in first.text
    assert "It was mailed within the last minute." in second.text
    with begin(engine, browser.merchant_id) as session:
        assert len(session.scalars(select(InvoiceResend)).all()) == 1


def test_without_an_address_nothing_is_mailed(browser: Browser, engine: Engine) -> None:
    path = f"/merchant/invoices/{issued(engine, browser)}"
    with begin(engine, browser.merchant_id) as session:
        session.scalars(select(Customer)).one().email = ""

    answer = browser.post(f"{path}/resend", follow_redirects=True)

    assert "This customer has no e-mail address." in answer.text


def test_a_void_invoice_is_not_mailed(browser: Browser, engine: Engine) -> None:
    path = f"/merchant/invoices/{issued(engine, browser)}"
    change(engine, browser, status=InvoiceStatus.VOID, voided_at=datetime(2026, 6, 3, tzinfo=UTC))

    assert f"{path}/resend" not in browser.text(path)
    answer = browser.post(f"{path}/resend", follow_redirects=True)
    assert "A draft or a void invoice is not mailed." in answer.text


def test_a_draft_is_shown_as_it_would_be_issued(browser: Browser, engine: Engine) -> None:
    invoice = drafted_by_hand(engine, browser)

    page = browser.text(f"/merchant/invoices/{invoice}/preview")

    assert "126.41 USD × 7.16184000 = 905.328194…" in page
    assert f"/merchant/invoices/{invoice}/finalize" in page
    with begin(engine, browser.merchant_id) as session:
        assert session.scalars(select(Invoice)).one().status is InvoiceStatus.DRAFT


def test_what_is_issued_has_no_preview(browser: Browser, engine: Engine) -> None:
    invoice = issued(engine, browser)

    answer = browser.get(f"/merchant/invoices/{invoice}/preview", follow_redirects=True)

    assert "It is no draft any more." in answer.text


def test_a_draft_by_hand_says_what_it_waits_for(browser: Browser, engine: Engine) -> None:
    page = browser.text(f"/merchant/invoices/{drafted_by_hand(engine, browser)}")

    assert "It waits for you" in page
    assert "By hand" in page


def test_what_is_overdue_says_since_when(browser: Browser, engine: Engine) -> None:
    now = clock.now()
    invoice = issued(
        engine, browser, finalized_at=now - timedelta(days=19), due_at=now - timedelta(days=4.5)
    )

    assert "It should have been paid 5 days ago." in browser.text(f"/merchant/invoices/{invoice}")


def test_documents_and_previews_of_others_are_not_there(
    sign_up: Callable[..., Browser], engine: Engine
) -> None:
    owner = sign_up()
    invoice = drafted_by_hand(engine, owner)
    stranger = sign_up("Nimbus")

    assert stranger.get(f"/merchant/invoices/{invoice}/preview").status_code == 404
    assert stranger.post(f"/merchant/invoices/{invoice}/resend").status_code == 404
    assert stranger.get(f"/merchant/documents/{show(Prefix.DOCUMENT, 7)}").status_code == 404


def test_a_list_is_narrowed_by_period_amount_and_currency(browser: Browser, engine: Engine) -> None:
    invoice = issued(engine, browser)

    def found(query: str) -> bool:
        return invoice in browser.text(f"/merchant/invoices?{query}")

    assert found("from=2026-05-31&to=2026-06-30")
    assert not found(f"from={date(2026, 6, 1)}")
    assert found("least=905.33&most=1,000")
    assert not found("least=905.34")
    assert found("currency=USD&sort=amount")
    assert not found("currency=EUR&sort=due")
    assert found("status=overdue")


@pytest.mark.parametrize("query", ["least=12.345", "from=soon", "sort=best", "status=lost"])
def test_a_filter_that_can_not_be_read_is_said_and_kept(browser: Browser, query: str) -> None:
    answer = browser.get(f"/merchant/invoices?{query}")

    assert answer.status_code == 422
    assert "This filter can not be read" in answer.text
