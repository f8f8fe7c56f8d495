"""An Alipay refund is made once, and what is not sure is asked about, never assumed."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.channels.alipay import Alipay
from app.channels.base import (
    ChannelRefused,
    ChannelShort,
    ChannelUnavailable,
    RefundAsk,
    RefundState,
)
from app.core.money import Currency, Money
from tests.channels.conftest import Stub
from tests.channels.signers import ALIPAY, ALIPAY_NOW, ORDER, Reply, alipay_reply
from tests.channels.test_alipay import OK, REFUSED, REQUESTS

ASK = RefundAsk(
    out_refund_no="RF20261120000001",
    out_trade_no=ORDER,
    amount=Money(2_000, Currency.CNY),
    total=Money(14_900, Currency.CNY),
    reason="duplicate",
    notify_url="https://pay.example.com/api/webhooks/alipay",
)


def refunded(**changes: object) -> Reply:
    return alipay_reply("refund", {**OK, "fund_change": "Y", "refund_fee": "20.00", **changes})


def found(**changes: object) -> Reply:
    fields = {
        **OK,
        "out_request_no": "RF20261120000001",
        "refund_status": "REFUND_SUCCESS",
        "refund_amount": "20.00",
        "total_amount": "149.00",
        "gmt_refund_pay": "2026-11-20 10:05:00",
        **changes,
    }
    return alipay_reply("fastpay_refund_query", fields)


@pytest.mark.parametrize("name", ["refund", "refund query"])
def test_refunds_send_the_vector(alipay: Alipay, stub: Stub, name: str) -> None:
    stub.reply = refunded() if name == "refund" else found()
    call = alipay.refund if name == "refund" else alipay.query_refund

    call(ASK, now=ALIPAY_NOW)

    (seen,) = stub.seen
    http = REQUESTS[name]["http"]
    assert seen.body.decode() == http["body"]
    assert seen.target.partition("?")[2] == http["url"].partition("?")[2]


def test_without_a_reason_none_is_sent(alipay: Alipay, stub: Stub) -> None:
    stub.reply = refunded()

    alipay.refund(replace(ASK, reason=""), now=ALIPAY_NOW)

    assert b"refund_reason" not in stub.seen[0].body


def test_a_refund_that_moved_money_is_done(alipay: Alipay, stub: Stub) -> None:
    stub.reply = refunded()

    refund = alipay.refund(ASK, now=ALIPAY_NOW)

    assert refund.state is RefundState.SUCCEEDED
    assert refund.amount == Money(2_000, Currency.CNY)
    assert refund.channel_refund_id is None


def test_the_sum_of_all_refunds_is_not_taken_for_this_one(alipay: Alipay, stub: Stub) -> None:
    stub.reply = refunded(refund_fee="70.00")

    assert alipay.refund(ASK, now=ALIPAY_NOW).amount == Money(2_000, Currency.CNY)


def test_a_refund_that_moved_nothing_now_is_under_way(alipay: Alipay, stub: Stub) -> None:
    """It is what a repeated ask is answered, too: only the query tells them apart."""
    stub.reply = refunded(fund_change="N")

    assert alipay.refund(ASK, now=ALIPAY_NOW).state is RefundState.PROCESSING


def test_a_refund_is_found_by_our_number(alipay: Alipay, stub: Stub) -> None:
    stub.reply = found()

    refund = alipay.query_refund(ASK, now=ALIPAY_NOW)

    assert (refund.state, refund.raw_state) == (RefundState.SUCCEEDED, "REFUND_SUCCESS")
    assert refund.amount == Money(2_000, Currency.CNY)
    assert refund.succeeded_at == datetime(2026, 11, 20, 2, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "reply",
    [
        alipay_reply("fastpay_refund_query", {"code": "10000", "msg": "Success"}),
        alipay_reply("fastpay_refund_query", {**OK, "refund_status": ""}),
        alipay_reply("fastpay_refund_query", {**REFUSED, "sub_code": "ACQ.TRADE_NOT_EXIST"}),
    ],
    ids=["no status", "an empty one", "no trade"],
)
def test_without_a_status_there_is_no_refund(alipay: Alipay, stub: Stub, reply: Reply) -> None:
    stub.reply = reply

    assert alipay.query_refund(ASK, now=ALIPAY_NOW).state is RefundState.NOT_FOUND


def test_an_account_too_empty_is_told_apart(alipay: Alipay, stub: Stub) -> None:
    stub.reply = alipay_reply("refund", {**REFUSED, "sub_code": "ACQ.SELLER_BALANCE_NOT_ENOUGH"})

    with pytest.raises(ChannelShort, match="BALANCE"):
        alipay.refund(ASK, now=ALIPAY_NOW)


@pytest.mark.parametrize(
    "sub_code",
    [
        "ACQ.REASON_TRADE_REFUND_FEE_ERR",
        "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL",
        "ACQ.TRADE_HAS_FINISHED",
        "ACQ.TRADE_HAS_CLOSE",
        "ACQ.TRADE_STATUS_ERROR",
        "ACQ.TRADE_NOT_ALLOW_REFUND",
        "ACQ.TRADE_NOT_EXIST",
        "ACQ.INVALID_PARAMETER",
        "ACQ.ACCESS_FORBIDDEN",
        "isv.insufficient-isv-permissions",
    ],
)
def test_a_definite_no_is_a_refusal(alipay: Alipay, stub: Stub, sub_code: str) -> None:
    stub.reply = alipay_reply("refund", {**REFUSED, "sub_code": sub_code})

    with pytest.raises(ChannelRefused, match=sub_code):
        alipay.refund(ASK, now=ALIPAY_NOW)


@pytest.mark.parametrize(
    "reply",
    [
        alipay_reply("refund", {**REFUSED, "sub_code": "ACQ.SYSTEM_ERROR"}),
        alipay_reply("refund", {**REFUSED, "sub_code": "aop.ACQ.SYSTEM_ERROR"}),
        alipay_reply("refund", {**REFUSED, "sub_code": "ACQ.DISCORDANT_REPEAT_REQUEST"}),
        alipay_reply("refund", {**REFUSED, "sub_code": "ACQ.A_CODE_OF_TOMORROW"}),
        alipay_reply("refund", {**REFUSED, "sub_code": "isp.bizpoint-error"}),
        alipay_reply("refund", REFUSED),
        alipay_reply("refund", {"code": "20000", "sub_code": "isp.unknow-error"}),
        alipay_reply("refund", {"code": "40005", "sub_code": "isv.app-call-limited"}),
        refunded(out_trade_no="INV20261120000002"),
        refunded(fund_change=None),
        refunded(refund_fee="19.99"),
        refunded(refund_fee=""),
        refunded(refund_fee=20),
        refunded(gmt_refund_pay="now"),
        alipay_reply("refund", {**OK, "fund_change": "Y", "refund_fee": "20.00"}, key=None),
        Reply(502, b"<html>Bad Gateway</html>"),
    ],
)
def test_anything_else_leaves_the_result_unknown(alipay: Alipay, stub: Stub, reply: Reply) -> None:
    stub.reply = reply

    with pytest.raises(ChannelUnavailable):
        alipay.refund(ASK, now=ALIPAY_NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {"refund_status": "REFUND_PROCESSING"},
        {"out_request_no": "RF20261120000002"},
        {"out_request_no": None},
        {"out_trade_no": "INV20261120000002"},
        {"refund_amount": "20.01"},
        {"refund_amount": None},
        {"gmt_refund_pay": "2026-11-31 10:05:00"},
    ],
)
def test_a_refund_that_is_not_the_one_asked_about_is_not_believed(
    alipay: Alipay, stub: Stub, changes: dict[str, object]
) -> None:
    stub.reply = found(**changes)

    with pytest.raises(ChannelUnavailable):
        alipay.query_refund(ASK, now=ALIPAY_NOW)


def test_an_answer_signed_with_our_own_key_is_not_believed(alipay: Alipay, stub: Stub) -> None:
    fields = {**OK, "fund_change": "Y", "refund_fee": "20.00"}
    stub.reply = alipay_reply("refund", fields, key=ALIPAY["app_private_key_pkcs8"])

    with pytest.raises(ChannelUnavailable, match="signature"):
        alipay.refund(ASK, now=ALIPAY_NOW)
