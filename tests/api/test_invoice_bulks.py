"""Many invoices are handled by program as on the page: each by itself, and one reads what came."""

import io
import zipfile
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, select

from app.billing.handling_models import InvoiceBulk
from app.core.db import begin
from app.core.ids import Prefix, read
from app.core.language import Language
from app.core.outbox import OutboxJob
from app.documents import store
from app.documents.models import DocumentKind
from app.extensions import bound, runtime
from jobs import bulk as jobs
from tests.api.caller import Caller
from tests.make import NOON


@pytest.fixture
def opened(caller: Caller) -> list[str]:
    """Issue two open invoices; the customer of the second has no e-mail address."""
    made = []
    for number, email in ((1, "caiwu@example.cn"), (2, "")):
        body = {"externalId": f"user_{number}", "name": "星图", "email": email}
        customer = caller.post("/customers", body).get_json()["id"]
        item = {"description": "Setup", "quantity": "2", "unitPrice": "100000"}
        draft = {"customerId": customer, "currency": "CNY", "items": [item]}
        invoice_id = caller.post("/invoices", draft).get_json()["id"]
        assert caller.post(f"/invoices/{invoice_id}/finalize").status_code == 200
        made.append(str(invoice_id))
    return made


def run(app: Flask, engine: Engine, merchant_id: int) -> None:
    """Do what is owed, as the worker does."""
    with begin(engine, merchant_id) as session:
        (job,) = session.scalars(select(OutboxJob).where(OutboxJob.task == "jobs.bulk.handle"))
        arguments = dict(job.arguments)
    with app.app_context():
        jobs.handle(merchant_id=merchant_id, **arguments)


def started(caller: Caller, action: str, invoice_ids: list[str]) -> dict[str, Any]:
    answer = caller.post("/invoice-bulks", {"action": action, "invoiceIds": invoice_ids})
    assert answer.status_code == 201, answer.get_json()
    shown: dict[str, Any] = answer.get_json()
    return shown


def test_each_says_what_became_of_it(
    caller: Caller, app: Flask, engine: Engine, merchant_id: int, opened: list[str]
) -> None:
    begun = started(caller, "resend", opened)
    assert (begun["total"], begun["done"], begun["endedAt"]) == (2, 0, None)
    assert [item["outcome"] for item in begun["items"]] == [None, None]

    run(app, engine, merchant_id)

    ended = caller.get(f"/invoice-bulks/{begun['id']}").get_json()
    refused, done = ended["items"]
    assert (ended["done"], ended["refused"], ended["hasFile"]) == (1, 1, False)
    assert ended["endedAt"]
    assert (done["invoiceId"], done["outcome"], done["code"]) == (opened[0], "done", None)
    assert (refused["invoiceId"], refused["code"]) == (opened[1], "customer_without_email")
    assert refused["number"].endswith("-000002")


def test_a_download_is_one_file(
    caller: Caller, app: Flask, engine: Engine, merchant_id: int, opened: list[str]
) -> None:
    with app.app_context():
        store.store_document(
            bound(merchant_id),
            runtime().storage,
            b"%PDF-1.7 of Acme",
            kind=DocumentKind.INVOICE_PDF,
            subject_id=read(Prefix.INVOICE, opened[0]),
            language=Language.ZH_HANS_CN,
            now=NOON,
        )
    path = f"/invoice-bulks/{started(caller, 'download', opened)['id']}"
    early = caller.get(f"{path}/file")
    assert (early.status_code, early.get_json()["code"]) == (404, "document_not_ready")

    run(app, engine, merchant_id)

    answer = caller.get(f"{path}/file")
    assert answer.mimetype == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        (name,) = archive.namelist()
        assert archive.read(name) == b"%PDF-1.7 of Acme"


def test_an_invoice_that_is_not_there_begins_nothing(
    caller: Caller, stranger: Caller, opened: list[str], engine: Engine, merchant_id: int
) -> None:
    body = {"action": "give_up", "invoiceIds": [*opened, "inv_0123456789abc"]}

    answer = caller.post("/invoice-bulks", body)
    theirs = stranger.post("/invoice-bulks", body | {"invoiceIds": opened})

    assert (answer.status_code, answer.get_json()["path"]) == (404, "invoiceIds")
    assert (theirs.status_code, theirs.get_json()["code"]) == (422, "no_invoices_chosen")
    with begin(engine, merchant_id) as session:
        assert session.scalars(select(InvoiceBulk)).all() == []


def test_what_takes_documents_back_is_not_done_in_bulk(caller: Caller, opened: list[str]) -> None:
    assert (
        caller.post("/invoice-bulks", {"action": "void", "invoiceIds": opened}).status_code == 422
    )


def test_a_mail_is_sent_again_but_not_twice_within_a_minute(
    caller: Caller, opened: list[str]
) -> None:
    first = caller.post(f"/invoices/{opened[0]}/resend")
    again = caller.post(f"/invoices/{opened[0]}/resend")
    mute = caller.post(f"/invoices/{opened[1]}/resend")

    assert (first.status_code, first.get_json()["invoiceId"]) == (201, opened[0])
    assert (again.status_code, again.get_json()["code"]) == (409, "mailed_just_now")
    assert (mute.status_code, mute.get_json()["code"]) == (409, "customer_without_email")
    (entry,) = caller.get("/audit-entries", subject=opened[0]).get_json()["data"]
    assert entry["action"] == "invoice.resent"
