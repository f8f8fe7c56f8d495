"""Each word a channel has for no means one thing: refused for good, or not known."""

from dataclasses import replace

import pytest

from app.channels.alipay import Alipay
from app.channels.base import ChannelRefused, ChannelUnavailable
from app.channels.wechat import Wechat
from tests.channels.conftest import Stub
from tests.channels.signers import ALIPAY_NOW, WECHAT_NOW, alipay_reply, wechat_error
from tests.channels.test_alipay import ASK as ALIPAY_ASK
from tests.channels.test_wechat import ASK as WECHAT_ASK
from tests.channels.test_wechat_refunds import ASK as REFUND_ASK

WECHAT_REFUSED = [
    (400, "PARAM_ERROR"),
    (400, "INVALID_REQUEST"),
    (400, "APPID_MCHID_NOT_MATCH"),
    (400, "MCH_NOT_EXISTS"),
    (400, "ORDER_CLOSED"),
    (400, "ORDERPAID"),
    (401, "SIGN_ERROR"),
    (403, "NO_AUTH"),
    (403, "NOAUTH"),
    (403, "OUT_TRADE_NO_USED"),
    (403, "RULE_LIMIT"),
    (403, "TRADE_ERROR"),
    (404, "ORDER_NOT_EXIST"),
]
WECHAT_UNKNOWN = [
    (429, "FREQUENCY_LIMITED"),
    (429, "FREQUENCYLIMITED"),
    (500, "SYSTEM_ERROR"),
    (500, "SYSTEMERROR"),
    (503, "PARAM_ERROR"),
]
ALIPAY_REFUSED = [
    ("40004", "ACQ.TRADE_HAS_SUCCESS"),
    ("40004", "ACQ.TRADE_HAS_CLOSE"),
    ("40004", "ACQ.CONTEXT_INCONSISTENT"),
    ("40004", "ACQ.TOTAL_FEE_EXCEED"),
    ("40004", "ACQ.EXIST_FORBIDDEN_WORD"),
    ("40004", "ACQ.ACCESS_FORBIDDEN"),
    ("40004", "ACQ.PARTNER_ERROR"),
    ("40004", "ACQ.BUYER_SELLER_EQUAL"),
    ("40004", "ACQ.APPLY_PC_MERCHANT_CODE_ERROR"),
    ("40004", "ACQ.INVALID_PARAMETER"),
    ("20001", "aop.invalid-auth-token"),
    ("40001", "isv.missing-method"),
    ("40002", "isv.invalid-signature"),
    ("40002", "isv.invalid-timestamp"),
    ("40006", "isv.insufficient-isv-permissions"),
]
ALIPAY_UNKNOWN = [
    ("40004", "ACQ.SYSTEM_ERROR"),
    ("20000", "isp.unknow-error"),
    ("20000", "aop.unknow-error"),
    ("10003", "ACQ.WAIT_BUYER_PAY"),
    ("40005", "isv.app-call-limited"),
]


@pytest.mark.parametrize(("status", "code"), WECHAT_REFUSED)
def test_what_wechat_refuses(wechat: Wechat, stub: Stub, *, status: int, code: str) -> None:
    stub.reply = wechat_error(status, code)

    with pytest.raises(ChannelRefused) as caught:
        wechat.open(WECHAT_ASK, now=WECHAT_NOW)

    assert caught.value.channel_code == code


@pytest.mark.parametrize(("status", "code"), WECHAT_UNKNOWN)
def test_what_wechat_leaves_open(wechat: Wechat, stub: Stub, *, status: int, code: str) -> None:
    stub.reply = wechat_error(status, code)

    with pytest.raises(ChannelUnavailable, match=code):
        wechat.open(WECHAT_ASK, now=WECHAT_NOW)


@pytest.mark.parametrize(("code", "sub_code"), ALIPAY_REFUSED)
def test_what_alipay_refuses(alipay: Alipay, stub: Stub, *, code: str, sub_code: str) -> None:
    stub.reply = alipay_reply("precreate", {"code": code, "sub_code": sub_code, "sub_msg": "不"})

    with pytest.raises(ChannelRefused) as caught:
        alipay.open(ALIPAY_ASK, now=ALIPAY_NOW)

    assert (caught.value.channel_code, caught.value.channel_message) == (sub_code, "不")


@pytest.mark.parametrize(("code", "sub_code"), ALIPAY_UNKNOWN)
def test_what_alipay_leaves_open(alipay: Alipay, stub: Stub, *, code: str, sub_code: str) -> None:
    stub.reply = alipay_reply("precreate", {"code": code, "sub_code": sub_code})

    with pytest.raises(ChannelUnavailable, match=sub_code):
        alipay.open(ALIPAY_ASK, now=ALIPAY_NOW)


def test_a_question_may_be_refused(wechat: Wechat, alipay: Alipay, stub: Stub) -> None:
    stub.reply = wechat_error(403, "NO_AUTH")
    for ask in (
        lambda: wechat.query(WECHAT_ASK.out_trade_no, now=WECHAT_NOW),
        lambda: wechat.query_refund(REFUND_ASK, now=WECHAT_NOW),
        lambda: wechat.close(WECHAT_ASK.out_trade_no, now=WECHAT_NOW),
    ):
        with pytest.raises(ChannelRefused, match="NO_AUTH"):
            ask()

    no = {"code": "40004", "sub_code": "ACQ.ACCESS_FORBIDDEN"}
    stub.replies = [
        alipay_reply("query", no),
        alipay_reply("fastpay_refund_query", no),
        alipay_reply("close", no),
    ]
    for ask in (
        lambda: alipay.query(ALIPAY_ASK.out_trade_no, now=ALIPAY_NOW),
        lambda: alipay.query_refund(REFUND_ASK, now=ALIPAY_NOW),
        lambda: alipay.close(ALIPAY_ASK.out_trade_no, now=ALIPAY_NOW),
    ):
        with pytest.raises(ChannelRefused, match="ACCESS_FORBIDDEN"):
            ask()


def test_a_subject_holds_none_of_what_alipay_refuses(alipay: Alipay, stub: Stub) -> None:
    stub.reply = alipay_reply("precreate", {"code": "40004", "sub_code": "ACQ.INVALID_PARAMETER"})

    with pytest.raises(ChannelRefused):
        alipay.open(replace(ALIPAY_ASK, description="a,b/c=d&e"), now=ALIPAY_NOW)

    assert b"%22subject%22%3A%22a+b+c+d+e%22" in stub.seen[0].body
