"""Alipay's gateway as a merchant meets it: no trade before the scan, signed business refusals."""

from typing import Any

import pytest

from tests.simulator.conftest import Simulator
from tests.simulator.merchant import new_number


def test_precreate_answers_a_code_with_escaped_slashes(simulator: Simulator) -> None:
    out_trade_no = new_number()
    biz = {"out_trade_no": out_trade_no, "total_amount": "0.01", "subject": "{ one } 分"}

    response = simulator.alipay.send("alipay.trade.precreate", biz)
    answer = simulator.alipay.call("alipay.trade.precreate", biz)

    assert rb'"qr_code":"https:\/\/qr.alipay.com\/' in response.content
    assert response.headers["Content-Type"] == "text/html;charset=utf-8"
    assert answer["code"] == "10000"
    assert answer["out_trade_no"] == out_trade_no


def test_the_same_order_again_is_the_same_code(simulator: Simulator) -> None:
    out_trade_no = new_number()

    assert simulator.alipay.order(out_trade_no) == simulator.alipay.order(out_trade_no)


def test_before_the_scan_there_is_no_trade(simulator: Simulator) -> None:
    out_trade_no = new_number()
    simulator.alipay.order(out_trade_no)

    for answer in (simulator.alipay.query(out_trade_no), simulator.alipay.close(out_trade_no)):
        assert (answer["code"], answer["sub_code"]) == ("40004", "ACQ.TRADE_NOT_EXIST")


def test_a_paid_trade_is_found_by_both_its_numbers(simulator: Simulator) -> None:
    out_trade_no = new_number()
    simulator.alipay.order(out_trade_no)
    paid = simulator.control("pay", outTradeNo=out_trade_no).json()

    by_ours = simulator.alipay.query(out_trade_no)
    by_theirs = simulator.alipay.call("alipay.trade.query", {"trade_no": paid["transactionId"]})

    assert by_ours == by_theirs
    assert by_ours["trade_status"] == "TRADE_SUCCESS"
    assert by_ours["total_amount"] == "149.00"
    assert len(by_ours["trade_no"]) == 28


@pytest.mark.parametrize(
    ("first", "then_refused"),
    [
        ("pay", ("close", "ACQ.TRADE_STATUS_ERROR")),
        ("pay", ("order", "ACQ.TRADE_HAS_SUCCESS")),
        ("scan and close", ("close", "ACQ.TRADE_STATUS_ERROR")),
        ("scan and close", ("order", "ACQ.TRADE_HAS_CLOSE")),
    ],
)
def test_what_can_not_be_done_any_more_says_why(
    simulator: Simulator, first: str, then_refused: tuple[str, str]
) -> None:
    then, sub_code = then_refused
    out_trade_no = new_number()
    code = simulator.alipay.order(out_trade_no)["qr_code"]
    if first == "pay":
        simulator.control("pay", qr=code)
    if first == "scan and close":
        simulator.look(code)
        assert simulator.alipay.close(out_trade_no)["code"] == "10000"
        assert simulator.alipay.query(out_trade_no)["trade_status"] == "TRADE_CLOSED"

    if then == "close":
        answer = simulator.alipay.close(out_trade_no)
    else:
        answer = simulator.alipay.order(out_trade_no)

    assert (answer["code"], answer["sub_code"]) == ("40004", sub_code)


def test_a_used_number_with_another_amount_is_refused(simulator: Simulator) -> None:
    out_trade_no = new_number()
    simulator.alipay.order(out_trade_no)

    answer = simulator.alipay.order(out_trade_no, total_amount="149.01")

    assert answer["sub_code"] == "ACQ.CONTEXT_INCONSISTENT"


@pytest.mark.parametrize(
    "changes",
    [
        {"total_amount": "0.00"},
        {"total_amount": "1.005"},
        {"total_amount": "-1"},
        {"total_amount": "1e3"},
        {"total_amount": 149},
        {"total_amount": "100000000.01"},
        {"subject": "a/b"},
        {"subject": ""},
        {"seller_id": "2088000000000000"},
        {"timeout_express": "16d"},
        {"timeout_express": "soon"},
        {"time_expire": "2020-01-01 00:00:00"},
    ],
)
def test_a_wrong_order_is_a_signed_refusal(simulator: Simulator, changes: dict[str, Any]) -> None:
    answer = simulator.alipay.order(new_number(), **changes)

    assert (answer["code"], answer["sub_code"]) == ("40004", "ACQ.INVALID_PARAMETER")


@pytest.mark.parametrize(
    ("changes", "sub_code"),
    [
        ({"app_id": "2021000000000000"}, "isv.invalid-app-id"),
        ({"sign": "AAAA"}, "isv.invalid-signature"),
        ({"sign_type": "RSA"}, "isv.invalid-signature-type"),
        ({"charset": "gbk"}, "isv.invalid-charset"),
        ({"timestamp": "2026-11-20T10:00:00Z"}, "isv.invalid-timestamp"),
        ({"method": "alipay.trade.cancel"}, "isv.invalid-method"),
    ],
)
def test_a_call_the_gateway_can_not_place_is_refused_unsigned(
    simulator: Simulator, changes: dict[str, str], sub_code: str
) -> None:
    method = changes.pop("method", "alipay.trade.query")

    answer = simulator.alipay.send(method, {"out_trade_no": "x"}, **changes).json()

    [(_, said)] = answer.items()
    assert (said["code"], said["sub_code"]) == ("40002", sub_code)


def test_the_whole_call_may_travel_in_the_body(simulator: Simulator) -> None:
    request = simulator.alipay.send("alipay.trade.query", {"out_trade_no": "nothing"}).request
    body = request.url.query + b"&" + request.content

    answer = simulator.post("/gateway.do", body).json()

    assert answer["alipay_trade_query_response"]["sub_code"] == "ACQ.TRADE_NOT_EXIST"
