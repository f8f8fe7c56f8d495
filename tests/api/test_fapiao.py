"""A fapiao by program: asked for, issued with its file, cancelled in red; nobody else sees it."""

import base64
from typing import Any

import pytest
from sqlalchemy import Engine

from app.billing.fapiao_files import LARGEST_FILE
from app.core.db import begin
from app.core.ids import Prefix, show
from tests.api.caller import Caller
from tests.billing.fapiao import DIGITAL, PDF, XML, paid_invoice

BUYER = {
    "title": "上海智谱星图信息科技有限公司",
    "taxId": "91350100m000100y43",
    "email": "caiwu@example.cn",
}
RED = "26312000000087654321"


def upload(number: str = DIGITAL, content: bytes = PDF, **more: Any) -> dict[str, Any]:
    file = base64.b64encode(content).decode()
    return {"number": number, "issuedOn": "2026-06-02", "file": file, **more}


@pytest.fixture
def invoice_id(engine: Engine, merchant_id: int) -> str:
    with begin(engine, merchant_id) as session:
        return show(Prefix.INVOICE, paid_invoice(session).id)


@pytest.fixture
def made(caller: Caller, invoice_id: str) -> dict[str, Any]:
    answer = caller.post("/fapiao-requests", BUYER | {"invoiceId": invoice_id})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def test_a_request_shows_what_was_asked_for(made: dict[str, Any], invoice_id: str) -> None:
    assert made["id"].startswith("fpr_")
    assert (made["invoiceId"], made["status"], made["revision"]) == (invoice_id, "requested", 1)
    assert (made["kind"], made["titleType"]) == ("general", "company")
    assert made["taxId"] == "91350100M000100Y43"
    assert made["amount"] == {"amountMinor": 90_533, "currency": "CNY"}


def test_a_wrong_tax_number_names_its_field(caller: Caller, invoice_id: str) -> None:
    wrong = BUYER | {"invoiceId": invoice_id, "taxId": "91350100M000100Y4Z"}

    answer = caller.post("/fapiao-requests", wrong)

    assert answer.status_code == 422
    problem = answer.get_json()
    assert (problem["code"], problem["path"]) == ("invalid_tax_id", "taxId")


def test_a_second_request_is_refused(caller: Caller, made: dict[str, Any], invoice_id: str) -> None:
    answer = caller.post("/fapiao-requests", BUYER | {"invoiceId": invoice_id})

    assert made["status"] == "requested"
    assert answer.status_code == 409
    assert answer.get_json()["code"] == "fapiao_already_requested"


def test_a_fapiao_is_issued_and_its_file_handed_back(caller: Caller, made: dict[str, Any]) -> None:
    path = f"/fapiao-requests/{made['id']}"

    issued = caller.post(f"{path}/issue", upload(revision=1))

    assert issued.status_code == 200, issued.text
    assert (issued.get_json()["status"], issued.get_json()["number"]) == ("issued", DIGITAL)
    file = caller.get(f"{path}/file")
    assert (file.data, file.mimetype) == (PDF, "application/octet-stream")
    assert file.headers["X-Content-Type-Options"] == "nosniff"
    assert caller.get(f"{path}/file", part="red_letter").status_code == 404


def test_a_fapiao_by_an_old_revision_is_refused(caller: Caller, made: dict[str, Any]) -> None:
    answer = caller.post(f"/fapiao-requests/{made['id']}/issue", upload(revision=0))

    assert answer.status_code == 409
    assert answer.get_json()["code"] == "fapiao_request_changed"


def test_a_file_of_two_megabytes_fits_and_no_more(caller: Caller, made: dict[str, Any]) -> None:
    path = f"/fapiao-requests/{made['id']}/issue"
    filling = b"%" * (LARGEST_FILE - len(PDF))

    too_large = caller.post(path, upload(content=PDF[:-6] + filling + b"%%" + PDF[-6:]))
    endless = caller.post(path, upload(content=PDF + filling * 2))
    fits = caller.post(path, upload(content=PDF[:-6] + filling + PDF[-6:]))

    assert (too_large.status_code, too_large.get_json()["path"]) == (422, "file")
    assert (endless.status_code, endless.get_json()["code"]) == (413, "body_too_large")
    assert fits.status_code == 200, fits.text


@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        ({"file": base64.b64encode(b"<html></html>\x00").decode()}, "file", "invalid_fapiao_file"),
        ({"file": "not base64!"}, "file", "validation_failed"),
        ({"number": "12"}, "number", "invalid_fapiao_number"),
        ({"issuedOn": "2999-01-01"}, "issuedOn", "invalid_fapiao_date"),
    ],
)
def test_what_is_wrong_with_an_upload_is_named(
    caller: Caller, made: dict[str, Any], change: dict[str, str], path: str, code: str
) -> None:
    answer = caller.post(f"/fapiao-requests/{made['id']}/issue", upload() | change)

    assert answer.status_code == 422
    assert (answer.get_json()["code"], answer.get_json()["path"]) == (code, path)


def test_a_rejected_request_says_why(caller: Caller, made: dict[str, Any]) -> None:
    answer = caller.post(f"/fapiao-requests/{made['id']}/reject", {"reason": "税号与抬头不符"})

    assert answer.get_json()["status"] == "rejected"
    assert answer.get_json()["rejectReason"] == "税号与抬头不符"


def test_an_issued_fapiao_is_cancelled_in_red(caller: Caller, made: dict[str, Any]) -> None:
    path = f"/fapiao-requests/{made['id']}"
    caller.post(f"{path}/issue", upload())
    early = caller.post(f"{path}/red-letter", upload(RED, XML))

    asked = caller.post(f"{path}/request-red-letter", {"reason": "Refunded in full"})
    done = caller.post(f"{path}/red-letter", upload(RED, XML))

    assert (early.status_code, early.get_json()["code"]) == (409, "illegal_state")
    assert asked.get_json()["status"] == "red_letter_requested"
    assert (done.get_json()["status"], done.get_json()["redNumber"]) == ("red_lettered", RED)
    assert caller.get(f"{path}/file", part="red_letter").data == XML


def test_requests_are_listed_by_status_and_invoice(
    caller: Caller, made: dict[str, Any], invoice_id: str
) -> None:
    for query in ({"status": "requested"}, {"invoiceId": invoice_id}, {"q": "智谱"}):
        (row,) = caller.get("/fapiao-requests", **query).get_json()["data"]
        assert row == made
    assert caller.get("/fapiao-requests", status="issued").get_json()["data"] == []


def test_another_merchant_sees_and_moves_nothing(
    caller: Caller, stranger: Caller, made: dict[str, Any], invoice_id: str
) -> None:
    path = f"/fapiao-requests/{made['id']}"
    caller.post(f"{path}/issue", upload())

    assert stranger.get(path).status_code == 404
    assert stranger.get(f"{path}/file").status_code == 404
    assert stranger.post(f"{path}/request-red-letter", {"reason": "x"}).status_code == 404
    asked = stranger.post("/fapiao-requests", BUYER | {"invoiceId": invoice_id})
    assert asked.status_code == 404
    assert stranger.get("/fapiao-requests").get_json()["data"] == []


def test_what_was_sold_is_set_and_told(caller: Caller) -> None:
    assert caller.get("/fapiao-settings").get_json() == {
        "item": "*信息技术服务*技术服务费",
        "taxCode": "",
    }

    sold = {"item": "模型调用", "taxCode": "3040203000000000000"}
    assert caller.call("PUT", "/fapiao-settings", json=sold).get_json() == sold

    assert caller.get("/fapiao-settings").get_json() == sold
    wrong = caller.call("PUT", "/fapiao-settings", json=sold | {"taxCode": "1"})
    assert (wrong.status_code, wrong.get_json()["path"]) == (422, "taxCode")
