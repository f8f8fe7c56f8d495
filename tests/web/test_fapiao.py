"""The issuer's side of a fapiao: a list to work off, a file for the software, a form that keeps."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, select

from app.billing import fapiao
from app.billing.fapiao_models import FapiaoRequest, FapiaoStatus
from app.core.db import begin
from app.core.ids import Prefix, show
from app.mail.models import Mail
from jobs import fapiao as jobs
from tests.billing.fapiao import DIGITAL, PDF, details, paid_invoice
from tests.make import ADA, NOON
from tests.payments.builders import issue
from tests.web.conftest import PARTIAL, Browser

ISSUED = {"number": DIGITAL, "issued_on": "2026-06-02", "revision": "1"}


@dataclass(frozen=True)
class Asked:
    """A committed request, and its page."""

    request_id: int
    invoice_id: int
    path: str


def ask(engine: Engine, browser: Browser, *, is_paid: bool = True, **changed: Any) -> Asked:
    with begin(engine, browser.merchant_id) as session:
        invoice = paid_invoice(session) if is_paid else issue(session)
        made = fapiao.request(session, invoice.id, details(**changed), now=NOON)
        public_id = show(Prefix.FAPIAO_REQUEST, made.id)
        return Asked(made.id, invoice.id, f"/merchant/fapiao/{public_id}")


def stored(engine: Engine, browser: Browser, asked: Asked) -> FapiaoRequest:
    with begin(engine, browser.merchant_id) as session:
        return session.get_one(FapiaoRequest, (browser.merchant_id, asked.request_id))


def upload(
    browser: Browser, path: str, content: bytes = PDF, name: str = "fp.pdf", **form: str
) -> Any:
    values = ISSUED | form | {"file": (io.BytesIO(content), name)}
    return browser.post(path, values, content_type="multipart/form-data")


def test_an_empty_list_says_what_to_do_next(browser: Browser) -> None:
    page = browser.text("/merchant/fapiao")

    assert "Nobody has asked for a fapiao yet" in page
    assert 'href="/docs/fapiao"' in page


def test_the_list_has_tabs_with_counts_and_filters(browser: Browser, engine: Engine) -> None:
    asked = ask(engine, browser, title="<b>Acme</b> &co")
    other = ask(engine, browser, title="北京云杉数据有限公司")
    with begin(engine, browser.merchant_id) as session:
        fapiao.reject(session, other.request_id, reason="no", actor=ADA, now=NOON)

    page = browser.text("/merchant/fapiao?status=requested")

    assert asked.path in page
    assert other.path not in page
    assert "&lt;b&gt;Acme&lt;/b&gt; &amp;co" in page
    rows = browser.text("/merchant/fapiao?q=云杉", headers=PARTIAL)
    assert other.path in rows
    assert asked.path not in rows
    assert "<html" not in rows
    assert "No request matches" in browser.text("/merchant/fapiao?kind=special")
    assert browser.get("/merchant/fapiao?status=nonsense").status_code == 422


def test_the_export_is_what_issuing_software_reads(browser: Browser, engine: Engine) -> None:
    ask(
        engine,
        browser,
        title="=cmd()",
        address="上海市浦东新区世纪大道 1 号",
        phone="021-60000000",
        bank="招商银行上海分行",
        account="6222 0200 0000 0000",
    )

    marked = browser.get("/merchant/fapiao?format=csv&status=requested").data
    bare = browser.get("/merchant/fapiao?format=csv&status=requested&bom=0").data

    assert marked == b"\xef\xbb\xbf" + bare
    (row,) = csv.DictReader(io.StringIO(bare.decode()))
    assert row["抬头"] == "'=cmd()"
    assert row["税号"] == "91350100M000100Y43"
    assert row["地址电话"] == "上海市浦东新区世纪大道 1 号 021-60000000"
    assert (row["开户行"], row["账号"]) == ("招商银行上海分行", "6222 0200 0000 0000")
    assert (row["金额"], row["税额"], row["价税合计"]) == ("905.33", "0.00", "905.33")
    assert row["备注"].startswith("LUM-2026-")
    assert row["邮箱"] == "caiwu@example.cn"
    assert (row["项目名称"], row["商品和服务税收编码"]) == ("*信息技术服务*技术服务费", "")


def test_what_was_sold_is_the_merchants_to_say(browser: Browser, engine: Engine) -> None:
    asked = ask(engine, browser)
    sold = {"item": "*信息技术服务*<b>模型调用</b>", "tax_code": "30402030000 00000000"}

    assert browser.post("/merchant/settings/fapiao", sold).status_code == 303

    export = browser.get("/merchant/fapiao?format=csv&bom=0").text
    (row,) = csv.DictReader(io.StringIO(export))
    assert (row["项目名称"], row["商品和服务税收编码"]) == (sold["item"], "3040203000000000000")
    for path in (asked.path, "/merchant/settings/fapiao"):
        page = browser.text(path)
        assert "*信息技术服务*&lt;b&gt;模型调用&lt;/b&gt;" in page
        assert "3040203000000000000" in page
    assert "Item of the fapiao changed" in browser.text("/merchant/settings/audit")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"item": ""}, "must not be empty"),
        ({"item": "*信息技术服务*"}, "Write a name, or *class*name."),
        ({"item": "技术*服务"}, "Write a name, or *class*name."),
        ({"item": "长" * 91}, "must not be longer"),
        ({"tax_code": "304"}, "Copy the 19 digits"),
    ],
)
def test_what_no_fapiao_has_room_for_is_refused_as_typed(
    browser: Browser, wrong: dict[str, str], said: str
) -> None:
    answer = browser.post("/merchant/settings/fapiao", {"item": "技术服务费"} | wrong)

    assert answer.status_code == 422
    assert said in answer.text
    assert all(text in answer.text for text in wrong.values())


def test_a_fapiao_is_issued_with_its_file(browser: Browser, engine: Engine) -> None:
    asked = ask(engine, browser)

    answer = upload(browser, f"{asked.path}/issue")

    assert (answer.status_code, answer.location) == (303, asked.path)
    assert stored(engine, browser, asked).status is FapiaoStatus.ISSUED
    file = browser.get(f"{asked.path}/files/fapiao")
    assert (file.data, file.mimetype) == (PDF, "application/pdf")
    assert file.headers["Content-Disposition"] == f'attachment; filename="fapiao-{DIGITAL}.pdf"'
    assert file.headers["X-Content-Type-Options"] == "nosniff"
    assert DIGITAL in browser.text(asked.path)


@pytest.mark.parametrize(
    ("content", "form", "message"),
    [
        (b"<html></html>\x00", {}, "this is no PDF, OFD or XML file"),
        (b"", {}, "choose the file of the fapiao"),
        (PDF, {"number": "12"}, "20 digits"),
        (PDF, {"issued_on": ""}, "write the day of issue"),
        (PDF, {"issued_on": "2999-01-01"}, "in the future"),
        (PDF, {"revision": "0"}, "the buyer changed the details meanwhile"),
    ],
)
def test_a_form_that_is_wrong_keeps_what_was_typed(
    browser: Browser, engine: Engine, content: bytes, form: dict[str, str], message: str
) -> None:
    asked = ask(engine, browser)

    answer = upload(browser, f"{asked.path}/issue", content, **form)

    assert answer.status_code in {409, 422}
    assert message in answer.text
    assert f'value="{form.get("number", DIGITAL)}"' in answer.text
    assert stored(engine, browser, asked).status is FapiaoStatus.REQUESTED


def test_an_unpaid_invoice_has_no_form_yet(browser: Browser, engine: Engine) -> None:
    asked = ask(engine, browser, is_paid=False)

    assert "The invoice is not paid yet" in browser.text(asked.path)
    assert upload(browser, f"{asked.path}/issue").status_code == 409


def test_a_rejection_needs_a_reason(browser: Browser, engine: Engine) -> None:
    asked = ask(engine, browser)

    assert browser.post(f"{asked.path}/reject", {"reason": " "}).status_code == 422
    assert browser.post(f"{asked.path}/reject", {"reason": "抬头有误"}).status_code == 303
    page = browser.text(asked.path)
    assert "抬头有误" in page
    assert browser.post(f"{asked.path}/reject", {"reason": "again"}).status_code == 409


def test_an_issued_fapiao_is_cancelled_in_red(browser: Browser, engine: Engine) -> None:
    asked = ask(engine, browser)
    upload(browser, f"{asked.path}/issue")

    assert browser.post(f"{asked.path}/request-red-letter", {"reason": "退款"}).status_code == 303
    assert "Record the red letter" in browser.text(asked.path)
    red = upload(browser, f"{asked.path}/red-letter", number="26312000000087654321")

    assert red.status_code == 303
    assert stored(engine, browser, asked).red_number == "26312000000087654321"
    assert browser.get(f"{asked.path}/files/red_letter").data == PDF


def test_another_merchants_request_is_not_there(
    sign_up: Callable[..., Browser], engine: Engine
) -> None:
    owner, stranger = sign_up(), sign_up()
    asked = ask(engine, owner)
    upload(owner, f"{asked.path}/issue")

    for path in ("", "/files/fapiao"):
        assert stranger.get(f"{asked.path}{path}").status_code == 404
    for path in ("issue", "reject", "request-red-letter", "red-letter"):
        assert stranger.post(f"{asked.path}/{path}", {"reason": "x"}).status_code == 404
    assert asked.path not in stranger.text("/merchant/fapiao")


def test_the_invoice_names_its_fapiao(browser: Browser, engine: Engine) -> None:
    asked = ask(engine, browser)
    invoice_id = show(Prefix.INVOICE, asked.invoice_id)

    assert asked.path in browser.text(f"/merchant/invoices/{invoice_id}")


def test_the_sandboxs_mailbox_hands_out_the_file(
    web_app: Flask, browser: Browser, engine: Engine
) -> None:
    asked = ask(engine, browser)
    upload(browser, f"{asked.path}/issue")
    with web_app.app_context():
        public_id = asked.path.rpartition("/")[2]
        jobs.mail_issued(merchant_id=browser.merchant_id, fapiao_request=public_id)
    with begin(engine, browser.merchant_id) as session:
        mail_id = show(Prefix.MAIL, session.scalars(select(Mail.id)).one())

    answer = browser.get(f"/merchant/mailbox/{mail_id}/pdf")

    assert answer.data == PDF
    assert answer.headers["Content-Disposition"] == f'attachment; filename="fapiao-{DIGITAL}.pdf"'


def test_the_pages_speak_chinese(browser: Browser, engine: Engine) -> None:
    asked = ask(engine, browser)
    browser.post("/language", {"language": "zh", "back": "/"})

    assert "登记并发送" in browser.text(asked.path)
    assert "导出开票清单" in browser.text("/merchant/fapiao")


def test_an_invoice_without_one_says_how_it_comes(browser: Browser, engine: Engine) -> None:
    with begin(engine, browser.merchant_id) as session:
        invoice_id = show(Prefix.INVOICE, issue(session).id)

    page = browser.text(f"/merchant/invoices/{invoice_id}")

    assert "The customer can ask for it on the hosted page." in page
