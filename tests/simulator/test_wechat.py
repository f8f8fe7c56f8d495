"""WeChat Pay v3 as a merchant meets it: signed both ways, the real codes, one order per number."""

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography.exceptions import InvalidSignature

from app.simulator.clock import now
from tests.loopback import NO_TLS
from tests.simulator.conftest import Simulator
from tests.simulator.merchant import new_number


def refusal(response: httpx.Response) -> tuple[int, str]:
    assert "Wechatpay-Signature" not in response.headers
    return response.status_code, response.json()["code"]


def test_an_order_answers_a_code_signed_by_the_platform(simulator: Simulator) -> None:
    response = simulator.wechat.order(new_number())

    simulator.wechat.check(response.headers, response.content)
    assert response.json()["code_url"].startswith("weixin://wxpay/bizpayurl?pr=")
    assert len(response.json()["code_url"]) <= 64


def test_an_answer_changed_on_its_way_does_not_verify(simulator: Simulator) -> None:
    response = simulator.wechat.order(new_number())

    with pytest.raises(InvalidSignature):
        simulator.wechat.check(response.headers, response.content + b" ")


def test_the_same_order_again_is_the_same_code(simulator: Simulator) -> None:
    out_trade_no = new_number()

    first = simulator.wechat.order(out_trade_no).json()
    again = simulator.wechat.order(out_trade_no).json()

    assert again == first


def test_a_used_number_with_another_amount_is_refused(simulator: Simulator) -> None:
    out_trade_no = new_number()
    simulator.wechat.order(out_trade_no)

    changed = simulator.wechat.order(out_trade_no, amount={"total": 1, "currency": "CNY"})

    assert refusal(changed) == (403, "OUT_TRADE_NO_USED")


def test_an_unpaid_order_is_notpay_and_carries_no_transaction(simulator: Simulator) -> None:
    out_trade_no = new_number()
    simulator.wechat.order(out_trade_no, attach="merchant 7")

    response = simulator.wechat.query(out_trade_no)

    simulator.wechat.check(response.headers, response.content)
    assert response.json() == {
        "appid": simulator.keys["wechat"]["appid"],
        "mchid": simulator.keys["wechat"]["mchid"],
        "out_trade_no": out_trade_no,
        "trade_state": "NOTPAY",
        "trade_state_desc": "订单未支付",
        "amount": {"total": 29_900, "currency": "CNY"},
        "attach": "merchant 7",
    }


def test_a_paid_order_is_found_by_both_its_numbers(simulator: Simulator) -> None:
    out_trade_no = new_number()
    simulator.wechat.order(out_trade_no)
    paid = simulator.control("pay", outTradeNo=out_trade_no).json()

    by_ours = simulator.wechat.query(out_trade_no).json()
    mchid = simulator.keys["wechat"]["mchid"]
    target = f"/v3/pay/transactions/id/{paid['transactionId']}?mchid={mchid}"
    by_theirs = simulator.wechat.call("GET", target).json()

    assert by_ours == by_theirs
    assert by_ours["trade_state"] == "SUCCESS"
    assert by_ours["amount"]["total"] == 29_900
    assert len(by_ours["transaction_id"]) == 28
    assert by_ours["transaction_id"].startswith("4200")
    assert by_ours["success_time"].endswith("+08:00")


@pytest.mark.parametrize("out_trade_no", ["Ab-_09", "order|1*2", "x" * 32])
def test_every_allowed_number_can_be_ordered_and_queried(
    simulator: Simulator, out_trade_no: str
) -> None:
    simulator.wechat.order(out_trade_no)

    assert simulator.wechat.query(out_trade_no).json()["out_trade_no"] == out_trade_no


def test_an_unknown_order_does_not_exist(simulator: Simulator) -> None:
    assert refusal(simulator.wechat.query("nobodys-order")) == (404, "ORDER_NOT_EXIST")
    assert refusal(simulator.wechat.close("nobodys-order")) == (404, "ORDER_NOT_EXIST")


def test_closing_is_204_signed_and_can_be_repeated(simulator: Simulator) -> None:
    out_trade_no = new_number()
    simulator.wechat.order(out_trade_no)

    for _ in range(2):
        response = simulator.wechat.close(out_trade_no)
        simulator.wechat.check(response.headers, b"")
        assert response.status_code == 204

    assert simulator.wechat.query(out_trade_no).json()["trade_state"] == "CLOSED"
    assert refusal(simulator.wechat.order(out_trade_no)) == (400, "ORDER_CLOSED")
    assert simulator.control("pay", outTradeNo=out_trade_no).status_code == 409


def test_a_paid_order_can_be_neither_closed_nor_ordered_again(simulator: Simulator) -> None:
    out_trade_no = new_number()
    simulator.wechat.order(out_trade_no)
    simulator.control("pay", outTradeNo=out_trade_no)

    assert refusal(simulator.wechat.close(out_trade_no)) == (400, "ORDERPAID")
    assert refusal(simulator.wechat.order(out_trade_no)) == (400, "ORDERPAID")
    assert simulator.wechat.query(out_trade_no).json()["trade_state"] == "SUCCESS"


def test_a_moment_that_passed_leaves_a_minute_to_pay(simulator: Simulator) -> None:
    out_trade_no = new_number()
    simulator.wechat.order(out_trade_no, time_expire="2020-01-01T00:00:00+08:00")

    assert simulator.control("pay", outTradeNo=out_trade_no).status_code == 200


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"mchid": "1999999999"}, "PARAM_ERROR"),
        ({"appid": "wx0000"}, "APPID_MCHID_NOT_MATCH"),
        ({"description": ""}, "PARAM_ERROR"),
        ({"description": "x" * 128}, "PARAM_ERROR"),
        ({"out_trade_no": "short"}, "PARAM_ERROR"),
        ({"out_trade_no": "white space"}, "PARAM_ERROR"),
        ({"amount": {"total": 0, "currency": "CNY"}}, "PARAM_ERROR"),
        ({"amount": {"total": 1.5, "currency": "CNY"}}, "PARAM_ERROR"),
        ({"amount": {"total": 100, "currency": "USD"}}, "PARAM_ERROR"),
        ({"time_expire": "2026-11-20T10:00:00"}, "PARAM_ERROR"),
        ({"notify_url": "http://127.0.0.1/x?y=z"}, "PARAM_ERROR"),
        ({"notify_url": "ftp://127.0.0.1/x"}, "PARAM_ERROR"),
        ({"notify_url": "http://[::bad/x"}, "PARAM_ERROR"),
    ],
)
def test_a_wrong_order_is_refused_by_the_real_code(
    simulator: Simulator, changes: dict[str, object], code: str
) -> None:
    assert refusal(simulator.wechat.order(new_number(), **changes)) == (400, code)


@pytest.mark.parametrize(
    "twist",
    [
        {"mchid": "1999999999"},
        {"serial_no": "00"},
        {"signature": "AAAA"},
        {"signature": "not base64"},
        {"timestamp": "yesterday"},
        {"timestamp": "1795132800"},
        {"timestamp": "4102444800"},
        {"timestamp": "9" * 400},
    ],
)
def test_a_request_that_is_not_our_merchants_now_is_401(
    simulator: Simulator, twist: dict[str, str]
) -> None:
    target = f"/v3/pay/transactions/out-trade-no/x?mchid={simulator.keys['wechat']['mchid']}"

    assert refusal(simulator.wechat.call("GET", target, **twist)) == (401, "SIGN_ERROR")


def test_a_body_changed_after_signing_is_401(simulator: Simulator) -> None:
    body = simulator.wechat.native(new_number())
    cheaper = json.dumps({**body, "amount": {"total": 1, "currency": "CNY"}}).encode()

    response = simulator.wechat.call("POST", "/v3/pay/transactions/native", body, body_sent=cheaper)

    assert refusal(response) == (401, "SIGN_ERROR")


def test_nobody_is_answered_without_an_authorization(simulator: Simulator) -> None:
    for header in ("", "Bearer x", "WECHATPAY2-SHA256-RSA2048 nonsense"):
        headers = {"Authorization": header}
        url = f"{simulator.url}/v3/certificates"
        assert refusal(httpx.get(url, headers=headers, verify=NO_TLS)) == (401, "SIGN_ERROR")


def test_there_are_no_platform_certificates_in_public_key_mode(simulator: Simulator) -> None:
    assert refusal(simulator.wechat.call("GET", "/v3/certificates")) == (
        404,
        "RESOURCE_NOT_EXISTS",
    )


def test_the_moment_of_payment_is_now(simulator: Simulator) -> None:
    out_trade_no = new_number()
    simulator.wechat.order(out_trade_no)
    simulator.control("pay", outTradeNo=out_trade_no)

    paid_at = datetime.fromisoformat(simulator.wechat.query(out_trade_no).json()["success_time"])

    assert abs(paid_at.astimezone(UTC) - now()) < timedelta(seconds=30)


def test_an_abnormal_refund_goes_to_another_account(simulator: Simulator) -> None:
    wechat, out_trade_no, out_refund_no = simulator.wechat, new_number(), new_number()
    wechat.order(out_trade_no)
    simulator.control("pay", outTradeNo=out_trade_no)
    simulator.control("faults", kind="refund_abnormal", outTradeNo=out_trade_no)
    ask = {
        "out_trade_no": out_trade_no,
        "out_refund_no": out_refund_no,
        "amount": {"refund": 100, "total": 29_900, "currency": "CNY"},
    }
    asked = wechat.call("POST", "/v3/refund/domestic/refunds", ask).json()
    target = f"/v3/refund/domestic/refunds/{asked['refund_id']}/apply-abnormal-refund"
    elsewhere = {"out_refund_no": out_refund_no, "type": "MERCHANT_BANK_CARD"}
    simulator.control("clock", advanceSeconds=60)

    sent = wechat.call("POST", target, elsewhere)
    again = wechat.call("POST", target, elsewhere)
    found = wechat.call("GET", f"/v3/refund/domestic/refunds/{out_refund_no}").json()
    simulator.control("clock", reset=True)

    wechat.check(sent.headers, sent.content)
    assert sent.json()["status"] == "SUCCESS"
    assert found["status"] == "SUCCESS"
    assert refusal(again) == (400, "INVALID_REQUEST")
