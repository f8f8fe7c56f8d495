"""A buyer asks for the fapiao by the invoice's link alone, and gets its file by it; nobody else."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.billing import fapiao, fapiao_issuing, fapiao_queries
from app.billing.fapiao_models import FapiaoKind, FapiaoRequest, FapiaoStatus, TitleType
from app.billing.models import Invoice, InvoiceStatus
from app.core.db import Transaction
from tests.billing.fapiao import DIGITAL, PDF, upload
from tests.checkout.conftest import Due
from tests.make import ADA, NOON

_TOKEN = re.compile(r'name="csrf_token"\s+value="([^"]+)"')
COMPANY = {
    "kind": "general",
    "title_type": "company",
    "title": "上海智谱星图信息科技有限公司",
    "tax_id": "91350100 M000100 Y43",
    "email": "caiwu@example.cn",
}


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def post(client: FlaskClient, path: str, form: dict[str, str] | None = None) -> TestResponse:
    """Send a form as a browser without JavaScript does: with the token of the page."""
    page = client.get(re.sub(r"/withdraw$", "", path)).text
    found = _TOKEN.search(page)
    assert found
    return client.post(path, data={"csrf_token": found[1]} | (form or {}))


def newest(transaction: Transaction) -> FapiaoRequest:
    with transaction() as session:
        return session.scalars(select(FapiaoRequest).order_by(FapiaoRequest.id.desc())).first() or (
            pytest.fail("nobody asked for a fapiao")
        )


def issue(app: Flask, transaction: Transaction, due: Due) -> None:
    """Have the invoice paid and its fapiao issued."""
    with transaction() as session:
        invoice = session.get_one(Invoice, (due.invoice.merchant_id, due.invoice.id))
        invoice.status, invoice.paid_at = InvoiceStatus.PAID, NOON
        live = fapiao_queries.find_live(session, invoice.id)
    assert live
    storage = app.extensions["buffmoney"].storage
    fapiao_issuing.issue(transaction, storage, live.id, upload=upload(), actor=ADA, now=NOON)


def test_the_pay_page_offers_it_in_chinese(client: FlaskClient, due: Due) -> None:
    page = client.get(due.path).text

    assert "申请开票" in page
    assert f'href="{due.path}/fapiao"' in page


def test_a_company_asks_before_it_has_paid(
    client: FlaskClient, due: Due, transaction: Transaction
) -> None:
    answer = post(client, f"{due.path}/fapiao", COMPANY)

    assert (answer.status_code, answer.location) == (303, f"{due.path}/fapiao")
    made = newest(transaction)
    assert (made.invoice_id, made.status) == (due.invoice.id, FapiaoStatus.REQUESTED)
    assert (made.tax_id, made.kind) == ("91350100M000100Y43", FapiaoKind.GENERAL)
    assert "修改或撤回" in client.get(due.path).text


def test_a_person_asks_without_a_tax_number(
    client: FlaskClient, due: Due, transaction: Transaction
) -> None:
    hidden = {"kind": "special", "tax_id": "what the company field held"}

    answer = post(
        client,
        f"{due.path}/fapiao",
        COMPANY | hidden | {"title_type": "personal", "title": "张三"},
    )

    assert answer.status_code == 303
    made = newest(transaction)
    assert (made.title_type, made.kind, made.tax_id) == (
        TitleType.PERSONAL,
        FapiaoKind.GENERAL,
        "",
    )


def test_a_wrong_tax_number_keeps_what_was_typed(client: FlaskClient, due: Due) -> None:
    wrong = COMPANY | {"tax_id": "91350100M000100Y4Z", "title": '<b>"公司"</b>'}

    answer = post(client, f"{due.path}/fapiao", wrong)

    assert answer.status_code == 422
    assert 'value="91350100M000100Y4Z"' in answer.text
    assert "税号有误" in answer.text
    assert "<b>&#34;" not in answer.text
    assert "&lt;b&gt;" in answer.text


@pytest.mark.parametrize("field", ["kind", "title_type"])
def test_a_choice_that_is_none_is_refused(client: FlaskClient, due: Due, field: str) -> None:
    assert post(client, f"{due.path}/fapiao", COMPANY | {field: "x"}).status_code == 422


def test_a_request_is_changed_by_the_same_form(
    client: FlaskClient, due: Due, transaction: Transaction
) -> None:
    post(client, f"{due.path}/fapiao", COMPANY)
    assert 'value="91350100M000100Y43"' in client.get(f"{due.path}/fapiao").text

    post(client, f"{due.path}/fapiao", COMPANY | {"title": "北京云杉数据有限公司"})

    made = newest(transaction)
    assert (made.title, made.revision) == ("北京云杉数据有限公司", 2)


def test_a_request_is_withdrawn_and_made_again(
    client: FlaskClient, due: Due, transaction: Transaction
) -> None:
    post(client, f"{due.path}/fapiao", COMPANY)

    assert post(client, f"{due.path}/fapiao/withdraw").status_code == 303
    assert newest(transaction).status is FapiaoStatus.WITHDRAWN
    assert post(client, f"{due.path}/fapiao", COMPANY).status_code == 303


def test_a_rejection_says_why_and_the_form_is_filled_in(
    client: FlaskClient, due: Due, transaction: Transaction
) -> None:
    post(client, f"{due.path}/fapiao", COMPANY)
    with transaction() as session:
        live = fapiao_queries.find_live(session, due.invoice.id)
        assert live
        fapiao.reject(session, live.id, reason="税号与抬头不符", actor=ADA, now=NOON)

    page = client.get(f"{due.path}/fapiao").text

    assert "税号与抬头不符" in page
    assert 'value="91350100M000100Y43"' in page
    assert post(client, f"{due.path}/fapiao", COMPANY).status_code == 303


def test_an_issued_fapiao_is_downloaded_and_never_shown_as_a_page(
    app: Flask, client: FlaskClient, due: Due, transaction: Transaction
) -> None:
    post(client, f"{due.path}/fapiao", COMPANY)
    issue(app, transaction, due)

    answer = client.get(f"{due.path}/fapiao/fapiao")

    assert (answer.data, answer.mimetype) == (PDF, "application/pdf")
    disposition = answer.headers["Content-Disposition"]
    assert disposition == f'attachment; filename="fapiao-{DIGITAL}.pdf"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert DIGITAL in client.get(due.path).text
    assert client.get(f"{due.path}/fapiao/red_letter").status_code == 404


def test_an_issued_fapiao_is_no_longer_changed(
    app: Flask, client: FlaskClient, due: Due, transaction: Transaction
) -> None:
    page = client.get(f"{due.path}/fapiao").text
    post(client, f"{due.path}/fapiao", COMPANY)
    issue(app, transaction, due)

    found = _TOKEN.search(page)
    assert found
    form = {"csrf_token": found[1]} | COMPANY | {"title": "另一家公司"}
    answer = client.post(f"{due.path}/fapiao", data=form)
    late = client.post(f"{due.path}/fapiao/withdraw", data={"csrf_token": found[1]})

    assert (answer.status_code, late.status_code) == (409, 409)
    assert newest(transaction).title == COMPANY["title"]


def test_a_wrong_link_opens_nothing(client: FlaskClient, due: Due) -> None:
    wrong = f"{due.path[:-1]}~"

    for path in ("", "/fapiao", "/fapiao/red_letter", "/other"):
        assert client.get(f"{wrong}/fapiao{path}").status_code == 404
    assert client.get(f"{due.path}/fapiao/other").status_code == 404


def test_a_form_without_its_token_is_refused(client: FlaskClient, due: Due) -> None:
    assert client.post(f"{due.path}/fapiao", data=COMPANY).status_code == 400


def test_one_link_sends_thirty_forms_an_hour(client: FlaskClient, due: Due) -> None:
    found = _TOKEN.search(client.get(f"{due.path}/fapiao").text)
    assert found
    form = {"csrf_token": found[1]} | COMPANY | {"tax_id": "1"}

    statuses = [client.post(f"{due.path}/fapiao", data=form).status_code for _ in range(31)]

    assert statuses == [422] * 30 + [429]


def test_every_wrong_link_is_refused_alike(client: FlaskClient) -> None:
    assert client.get("/pay/nothing/fapiao").status_code == 404
    assert client.get("/pay/nothing/fapiao").headers["Referrer-Policy"] == "no-referrer"
