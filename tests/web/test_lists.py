"""A merchant's lists are narrowed by their address, and their file is exactly what is listed."""

import csv
import io
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select

from app.billing import balances
from app.billing.models import Invoice
from app.core import clock
from app.core.db import begin
from app.core.ids import Prefix, show
from app.core.money import Currency, Money
from app.mail import sending
from app.mail.messages import Content, Party
from app.mail.models import MailKind
from app.payments import disputes
from app.payments.disputes import Complaint
from app.pricing import taxes
from tests.make import ADA, BY_ADA, Make, cny
from tests.payments.backing import WEI
from tests.web.books import issued, paid
from tests.web.conftest import PARTIAL, Browser

LISTS = [
    "/merchant/credit-notes",
    "/merchant/disputes",
    "/merchant/invoices/upcoming",
    "/merchant/mailbox",
    "/merchant/settings/taxes",
]


def file_of(browser: Browser, path: str) -> list[dict[str, str]]:
    """Return the lines of a list's file by their columns."""
    text = browser.text(f"{path}{'&' if '?' in path else '?'}format=csv")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def columns(browser: Browser, path: str, name: str) -> list[str]:
    return [line[name] for line in file_of(browser, path)]


def invoice_number(engine: Engine, browser: Browser) -> str:
    with begin(engine, browser.merchant_id) as session:
        return session.scalars(select(Invoice.number)).one() or ""


@pytest.fixture
def dispute(engine: Engine, browser: Browser) -> str:
    """Have 200 CNY of a paid invoice withdrawn, and return the dispute's id."""
    paid(engine, browser)
    with begin(engine, browser.merchant_id) as session:
        invoice = session.scalars(select(Invoice)).one()
        complaint = Complaint("CASE-1", cny(20_000), "=not()", Money(1_500, Currency.USD))
        made = disputes.open_dispute(session, invoice.id, complaint, actor=WEI, now=clock.now())
        return show(Prefix.DISPUTE, made.id)


@pytest.fixture
def note(engine: Engine, browser: Browser) -> str:
    """Credit 26.41 of the 126.41 USD of an invoice, and return the credit note's number."""
    invoice = issued(engine, browser)
    form = {"reason": "goodwill", "note": "=1+1", "total": "26.41", "action": "give"}
    browser.post(f"/merchant/invoices/{invoice}/credit", form)
    return columns(browser, "/merchant/credit-notes", "number")[0]


@pytest.fixture
def customer(engine: Engine, browser: Browser) -> str:
    """Give a customer 8.00 CNY and take 3.00 back; return his id."""
    with begin(engine, browser.merchant_id) as session:
        row = Make(session).customer(external_id="user_42")
        for amount in (800, -300):
            balances.adjust(session, row.id, cny(amount), reason="=2", actor=ADA, now=clock.now())
        return show(Prefix.CUSTOMER, row.id)


def mail(engine: Engine, browser: Browser, kind: MailKind, subject: str) -> None:
    with begin(engine, browser.merchant_id) as session:
        sending.queue_mail(
            session,
            Content(subject, "text", "<p>html</p>"),
            kind=kind,
            reference="inv_1",
            recipient=Party("pay@acme.example", "Acme"),
            now=clock.now(),
        )


@pytest.mark.parametrize("path", LISTS)
def test_a_list_of_nothing_is_a_file_of_its_header(browser: Browser, path: str) -> None:
    answer = browser.get(f"{path}?format=csv")

    assert answer.status_code == 200
    assert answer.mimetype == "text/csv"
    assert len(answer.text.splitlines()) == 1


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/merchant/credit-notes?from=soon", "must be a day"),
        ("/merchant/credit-notes?reason=odd", "reason must be one of"),
        ("/merchant/disputes?channel=paypal", "channel must be one of"),
        ("/merchant/disputes?status=odd", "status must be one of"),
        ("/merchant/disputes?to=9999-12-31", "must be a day"),
        ("/merchant/invoices/upcoming?customer=%00", "control characters"),
        ("/merchant/mailbox?kind=odd", "kind must be one of"),
        ("/merchant/credit-notes?q=%00", "control characters"),
        ("/merchant/disputes?q=%00", "control characters"),
        ("/merchant/mailbox?q=%07", "control characters"),
        ("/merchant/refunds?q=%00", "control characters"),
        ("/merchant/settings/taxes?status=odd", "status must be one of"),
    ],
)
def test_a_filter_that_makes_no_sense_is_said_in_the_list(
    browser: Browser, path: str, words: str
) -> None:
    for headers in ({}, PARTIAL):
        answer = browser.get(path, headers=headers)
        assert answer.status_code == 422
        assert words in answer.text
        assert "<table" not in answer.text
    assert browser.get(f"{path}&format=csv").status_code == 422


def test_disputes_are_narrowed(engine: Engine, browser: Browser, dispute: str) -> None:
    number = invoice_number(engine, browser)
    tomorrow = (clock.now() + timedelta(days=2)).date()

    for query in (
        "channel=wechat&status=open",
        "q=CASE-1",
        f"q={number.lower()}",
        f"q={dispute}",
        f"to={tomorrow}",
    ):
        assert dispute in browser.text(f"/merchant/disputes?{query}")
    for query in ("channel=alipay", "status=won", "q=CASE", f"from={tomorrow}", "customer=nobody"):
        assert "No dispute matches" in browser.text(f"/merchant/disputes?{query}")
        assert file_of(browser, f"/merchant/disputes?{query}") == []


def test_tabs_of_disputes_count_what_the_other_filters_leave(
    browser: Browser, dispute: str
) -> None:
    assert dispute in browser.text("/merchant/disputes")
    assert "Being decided<small>1</small>" in browser.text("/merchant/disputes?status=won")
    assert "Being decided<small>0</small>" in browser.text("/merchant/disputes?channel=alipay")


def test_the_file_of_disputes(engine: Engine, browser: Browser, dispute: str) -> None:
    [line] = file_of(browser, "/merchant/disputes")

    assert (line["id"], line["status"], line["closed_at"]) == (dispute, "open", "")
    assert line["invoice"] == invoice_number(engine, browser)
    assert (line["channel"], line["channel_case_no"]) == ("wechat", "CASE-1")
    assert (line["amount_cny_minor"], line["charge_minor"]) == ("20000", "1500")
    assert line["reason"] == "'=not()"


def test_credit_notes_are_narrowed(engine: Engine, browser: Browser, note: str) -> None:
    number = invoice_number(engine, browser)
    tomorrow = (clock.now() + timedelta(days=2)).date()

    for query in ("reason=goodwill", f"q={note.lower()}", f"q={number}", f"to={tomorrow}"):
        assert note in browser.text(f"/merchant/credit-notes?{query}")
    for query in ("reason=other", "q=CN", f"from={tomorrow}", "customer=nobody"):
        assert "No credit note matches" in browser.text(f"/merchant/credit-notes?{query}")
        assert file_of(browser, f"/merchant/credit-notes?{query}") == []


def test_the_file_of_credit_notes(engine: Engine, browser: Browser, note: str) -> None:
    [line] = file_of(browser, "/merchant/credit-notes")

    assert (line["number"], line["invoice"]) == (note, invoice_number(engine, browser))
    assert (line["currency"], line["total_minor"]) == ("USD", "2641")
    assert (line["amount_cny_minor"], line["balance_cny_minor"]) == ("18914", "0")
    assert (line["reason"], line["note"]) == ("goodwill", "'=1+1")


def test_a_balance_is_narrowed(browser: Browser, customer: str) -> None:
    path = f"/merchant/customers/{customer}/balance"
    today, tomorrow = clock.now().date(), (clock.now() + timedelta(days=2)).date()

    assert columns(browser, path, "amount_cny_minor") == ["-300", "800"]
    assert columns(browser, path, "balance_cny_minor") == ["500", "800"]
    assert columns(browser, path, "note") == ["'=2", "'=2"]
    assert len(file_of(browser, f"{path}?kind=adjustment&to={tomorrow}")) == 2
    assert len(file_of(browser, f"{path}?from={today - timedelta(days=1)}")) == 2
    for query in ("kind=used", f"from={tomorrow}"):
        assert "No movement matches" in browser.text(f"{path}?{query}")
        assert file_of(browser, f"{path}?{query}") == []
    assert browser.get(f"{path}?kind=odd").status_code == 422
    assert browser.get(f"{path}?kind=odd&format=csv").status_code == 422


def test_a_balance_of_another_merchant_has_no_file(
    sign_up: Callable[..., Browser], customer: str
) -> None:
    path = f"/merchant/customers/{customer}/balance?format=csv"

    assert sign_up("Nimbus").get(path).status_code == 404


def test_mails_are_narrowed(engine: Engine, browser: Browser) -> None:
    mail(engine, browser, MailKind.INVOICE_ISSUED, "Invoice LUM-1")
    mail(engine, browser, MailKind.INVOICE_PAID, "=Receipt")

    assert columns(browser, "/merchant/mailbox", "subject") == ["'=Receipt", "Invoice LUM-1"]
    for query in ("kind=invoice_issued", "q=lum-1", "q=ACME@&kind=invoice_issued"):
        found = browser.text(f"/merchant/mailbox?{query.replace('ACME@', 'acme.example')}")
        assert "Invoice LUM-1" in found
        assert "=Receipt" not in found
    for query in ("kind=fapiao_issued", "q=100%25"):
        assert "No mail matches" in browser.text(f"/merchant/mailbox?{query}")


def test_tax_rates_are_narrowed(engine: Engine, browser: Browser) -> None:
    with begin(engine, browser.merchant_id) as session:
        for code in ("old", "vat_6"):
            made = taxes.create_tax_rate(
                session, code=code, name="=VAT", percent="6.00", is_inclusive=True, **BY_ADA
            )
            if code == "old":
                taxes.archive_tax_rate(session, made.id, **BY_ADA)

    path = "/merchant/settings/taxes"
    assert columns(browser, path, "code") == ["vat_6", "old"]
    assert columns(browser, f"{path}?status=archived", "code") == ["old"]
    [line] = file_of(browser, f"{path}?status=active")
    assert (line["name"], line["percent"], line["is_inclusive"]) == ("'=VAT", "6", "True")
    assert "vat_6" not in browser.text(f"{path}?status=archived", headers=PARTIAL)


def test_upcoming_invoices_are_narrowed(engine: Engine, browser: Browser) -> None:
    with begin(engine, browser.merchant_id) as session:
        make = Make(session)
        version = make.priced_at(make.metric(), "1")
        contracts = [
            make.contract(version, customer_id=make.customer(external_id=name).id)
            for name in ("a", "b")
        ]
        ids = [show(Prefix.CONTRACT, contract.id) for contract in contracts]

    path = "/merchant/invoices/upcoming"
    assert columns(browser, path, "contract") == ids[::-1]
    assert columns(browser, f"{path}?customer=a", "contract") == ids[:1]
    assert "No contract matches" in browser.text(f"{path}?customer=nobody")
