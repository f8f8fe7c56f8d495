"""A payer inside WeChat and one in any other mobile browser each get what theirs understands."""

import json
from dataclasses import replace

import pytest

from app.channels.base import Ask, ChannelUnavailable, Method, Opened
from app.channels.wechat import Wechat
from tests.channels.conftest import Stub
from tests.channels.signers import WECHAT, WECHAT_NOW, wechat_reply
from tests.channels.test_wechat import ASK, sent, vector

INVOKED = WECHAT["jsapi_invoke"]["params"]
PREPAY_ID = INVOKED["package"].removeprefix("prepay_id=")
JSAPI = replace(ASK, method=Method.JSAPI, openid="oUpF8uMuAJO_M2pxb1Q9zNjWeS6o")
H5 = replace(
    ASK,
    method=Method.H5,
    payer_ip="203.0.113.7",
    return_url="https://pay.example.com/checkout/1?a=b",
)
H5_URL = "https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=wx2014&package=1"


def test_jsapi_sends_the_vector_and_answers_the_prepay_id(wechat: Wechat, stub: Stub) -> None:
    stub.reply = wechat_reply({"prepay_id": PREPAY_ID})

    assert wechat.open(JSAPI, now=WECHAT_NOW) == Opened(Method.JSAPI, PREPAY_ID)
    assert sent(stub) == vector("jsapi create")


def test_h5_sends_the_vector_and_answers_where_to_go_and_come_back(
    wechat: Wechat, stub: Stub
) -> None:
    stub.reply = wechat_reply({"h5_url": H5_URL})

    opened = wechat.open(H5, now=WECHAT_NOW)

    assert sent(stub) == vector("h5 create")
    assert opened.payload == (
        f"{H5_URL}&redirect_url=https%3A%2F%2Fpay.example.com%2Fcheckout%2F1%3Fa%3Db"
    )


def test_the_page_inside_wechat_is_invoked_with_the_vector(wechat: Wechat) -> None:
    assert wechat.invocation(PREPAY_ID, now=WECHAT_NOW) == INVOKED


@pytest.mark.parametrize("ask", [JSAPI, H5], ids=["jsapi", "h5"])
def test_another_methods_answer_is_not_taken(wechat: Wechat, stub: Stub, ask: Ask) -> None:
    stub.reply = wechat_reply({"code_url": "weixin://wxpay/bizpayurl?pr=p4lpSuKzz"})

    with pytest.raises(ChannelUnavailable):
        wechat.open(ask, now=WECHAT_NOW)


def test_alipays_methods_are_not_wechats(wechat: Wechat, stub: Stub) -> None:
    assert wechat.methods == {Method.NATIVE, Method.JSAPI, Method.H5}
    with pytest.raises(ValueError, match="page"):
        wechat.open(replace(H5, method=Method.PAGE), now=WECHAT_NOW)
    assert not stub.seen


def test_what_only_one_method_needs_is_sent_with_no_other(wechat: Wechat, stub: Stub) -> None:
    stub.reply = wechat_reply({"code_url": "weixin://wxpay/bizpayurl?pr=p4lpSuKzz"})

    wechat.open(replace(H5, method=Method.NATIVE, openid="oUpF8"), now=WECHAT_NOW)

    assert json.loads(stub.seen[0].body).keys().isdisjoint({"payer", "scene_info"})
