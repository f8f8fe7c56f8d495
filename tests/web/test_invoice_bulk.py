"""What is done with many invoices is done with each by itself; the page says what came of it."""

import io
import zipfile
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import Engine, select
from werkzeug.test import TestResponse

from app.billing.handling_models import InvoiceBulk, InvoiceResend
from app.billing.models import Invoice, InvoiceStatus
from app.core import clock
from app.core.db import begin
from app.core.ids import Prefix, read, show
from app.core.language import Language
from app.core.outbox import OutboxJob
from app.customers.models import Customer
from app.documents import store
from app.documents.models import DocumentKind
from app.extensions import bound, runtime
from jobs import bulk as jobs
from tests.web.books import issued, paid
from tests.web.conftest import PARTIAL, Browser

BULK = "/merchant/invoices/bulk"


@pytest.fixture
def acme(browser: Browser, engine: Engine) -> list[str]:
    """Issue an open and a paid invoice; the customer of the paid one has no e-mail address."""
    settled, opened = paid(engine, browser), issued(engine, browser)
    with begin(engine, browser.merchant_id) as session:
        row = session.get_one(Invoice, (browser.merchant_id, read(Prefix.INVOICE, settled)))
        session.get_one(Customer, (browser.merchant_id, row.customer_id)).email = ""
    return [opened, settled]


def begun(browser: Browser, action: str, chosen: list[str], path: str = BULK) -> TestResponse:
    return browser.post(path, {"action": action, "invoice": chosen})


def run(app: Flask, engine: Engine, browser: Browser) -> str:
    """Do what is owed, as the worker does, and return the page's address."""
    with begin(engine, browser.merchant_id) as session:
        (job,) = session.scalars(select(OutboxJob).where(OutboxJob.task == "jobs.bulk.handle"))
        arguments = dict(job.arguments)
    with app.app_context():
        jobs.handle(merchant_id=browser.merchant_id, **arguments)
    return f"{BULK}/{arguments['bulk']}"


def test_what_is_lost_is_given_up_and_what_is_paid_refuses(
    browser: Browser, engine: Engine, acme: list[str], web_app: Flask
) -> None:
    answer = begun(browser, "give_up", acme)
    assert answer.status_code == 303
    assert "Under way" in browser.text(answer.location)

    page = browser.text(run(web_app, engine, browser))

    assert "1 done, 1 not: why stands beside each." in page
    assert "every 2s" not in page
    with begin(engine, browser.merchant_id) as session:
        statuses = set(session.scalars(select(Invoice.status)))
    assert statuses == {InvoiceStatus.UNCOLLECTIBLE, InvoiceStatus.PAID}


def test_a_job_that_runs_again_does_nothing_twice(
    browser: Browser, engine: Engine, acme: list[str], web_app: Flask
) -> None:
    begun(browser, "resend", acme[:1])

    for _ in range(2):
        run(web_app, engine, browser)

    with begin(engine, browser.merchant_id) as session:
        assert len(session.scalars(select(InvoiceResend)).all()) == 1


def test_who_has_no_address_is_not_mailed(
    browser: Browser, engine: Engine, acme: list[str], web_app: Flask
) -> None:
    begun(browser, "resend", acme)

    page = browser.text(run(web_app, engine, browser))

    assert "mail queued" in page
    assert "This customer has no e-mail address." in page


def test_documents_come_in_one_file(
    browser: Browser, engine: Engine, acme: list[str], web_app: Flask
) -> None:
    with web_app.app_context():
        store.store_document(
            bound(browser.merchant_id),
            runtime().storage,
            b"%PDF-1.7 of Acme",
            kind=DocumentKind.INVOICE_PDF,
            subject_id=read(Prefix.INVOICE, acme[0]),
            language=Language.EN,
            now=clock.now(),
        )
    begun(browser, "download", acme)
    path = run(web_app, engine, browser)

    page, answer = browser.text(path), browser.get(f"{path}/zip")

    assert "The PDF is not printed yet." in page
    assert "The file is kept until" in page
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        (name,) = archive.namelist()
        assert name.endswith("-en.pdf")
        assert archive.read(name) == b"%PDF-1.7 of Acme"
    with begin(engine, browser.merchant_id) as session:
        session.scalars(select(InvoiceBulk)).one().storage_key = None  # a week later
    assert "The file was kept until" in browser.text(path)
    assert browser.get(f"{path}/zip").status_code == 404


def test_without_a_document_there_is_no_file(
    browser: Browser, engine: Engine, acme: list[str], web_app: Flask
) -> None:
    begun(browser, "download", acme)

    assert browser.get(f"{run(web_app, engine, browser)}/zip").status_code == 404


def test_all_that_the_filter_finds_can_be_chosen(
    browser: Browser, engine: Engine, acme: list[str]
) -> None:
    assert acme
    browser.post(f"{BULK}?status=open", {"action": "give_up", "everything": "1"})

    with begin(engine, browser.merchant_id) as session:
        assert session.scalars(select(InvoiceBulk.total)).all() == [1]


def test_nothing_chosen_is_said_on_the_list(browser: Browser) -> None:
    answer = browser.post(f"{BULK}?status=open", {"action": "resend"}, follow_redirects=True)

    assert "Select at least one invoice." in answer.text
    assert answer.request.args["status"] == "open"


def test_an_action_there_is_not_is_refused(browser: Browser, acme: list[str]) -> None:
    assert begun(browser, "void", acme).status_code == 422


def test_the_progress_is_contained_in_the_page(browser: Browser, acme: list[str]) -> None:
    path = begun(browser, "give_up", acme).location

    fragment = browser.text(path, headers=PARTIAL)

    assert "<html" not in fragment
    assert fragment.strip() in browser.text(path)


def test_invoices_of_others_are_not_touched(
    sign_up: Callable[..., Browser], engine: Engine, acme: list[str]
) -> None:
    stranger = sign_up("Nimbus")

    begun(stranger, "give_up", acme)

    with begin(engine, stranger.merchant_id) as session:
        assert session.scalars(select(InvoiceBulk)).all() == []


def test_a_bulk_action_of_others_is_not_there(
    browser: Browser, sign_up: Callable[..., Browser], engine: Engine, acme: list[str]
) -> None:
    begun(browser, "give_up", acme)
    with begin(engine, browser.merchant_id) as session:
        (row,) = session.scalars(select(InvoiceBulk))
    stranger, path = sign_up("Nimbus"), f"{BULK}/{show(Prefix.INVOICE_BULK, row.id)}"

    assert stranger.get(path).status_code == stranger.get(f"{path}/zip").status_code == 404
