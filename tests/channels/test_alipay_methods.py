"""A payer who is sent to Alipay's own page comes with what we signed, and nobody is called."""

import json
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest

from app.channels.alipay import Alipay
from app.channels.base import Ask, ChannelUnavailable, Method
from tests.channels.conftest import Stub
from tests.channels.signers import ALIPAY, ALIPAY_NOW, Reply, rsa_signature
from tests.channels.test_alipay import ASK

RETURN_URL = "https://pay.example.com/checkout/return"
PAGE = replace(ASK, method=Method.PAGE, return_url=RETURN_URL)
WAP = replace(PAGE, method=Method.WAP)
VECTORS = {vector["name"]: vector["params"] for vector in ALIPAY["requests"]}


def parameters(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query, strict_parsing=True))


@pytest.mark.parametrize(
    ("ask", "name"), [(PAGE, "page.pay"), (WAP, "wap.pay")], ids=["page", "wap"]
)
def test_the_page_is_asked_for_with_the_vectors_parameters(
    alipay: Alipay, stub: Stub, *, ask: Ask, name: str
) -> None:
    opened = alipay.open(ask, now=ALIPAY_NOW)
    sent = parameters(opened.payload)

    assert not stub.seen
    assert opened.payload.startswith(f"{stub.url}/gateway.do?app_id=2021000122671080&method=")
    ours = {"biz_content", "sign"}
    assert {key: sent[key] for key in sent if key not in ours} == {
        key: value for key, value in VECTORS[name].items() if key not in ours
    }
    order, wanted = json.loads(sent["biz_content"]), json.loads(VECTORS[name]["biz_content"])
    for key in ("out_trade_no", "total_amount", "product_code"):
        assert order[key] == wanted[key]
    assert order["time_expire"] == "2026-11-20 12:00:00"
    assert order["passback_params"] == "merchant%3Dmrc_01"
    assert ("quit_url" in order) == (name == "wap.pay")
    sign = sent.pop("sign")
    text = "&".join(f"{key}={sent[key]}" for key in sorted(sent))
    assert sign == rsa_signature(ALIPAY["app_private_key_pkcs8"], text.encode())


def test_nobody_is_sent_to_a_channel_that_does_not_answer(alipay: Alipay, stub: Stub) -> None:
    stub.reply = Reply(503)
    for _ in range(5):
        with pytest.raises(ChannelUnavailable):
            alipay.query(ASK.out_trade_no, now=ALIPAY_NOW)

    with pytest.raises(ChannelUnavailable, match="left alone"):
        alipay.open(PAGE, now=ALIPAY_NOW)

    assert len(stub.seen) == 5


def test_a_page_that_is_signed_proves_nothing_about_the_channel(alipay: Alipay, stub: Stub) -> None:
    stub.reply = Reply(503)
    for _ in range(5):
        alipay.open(PAGE, now=ALIPAY_NOW)
        with pytest.raises(ChannelUnavailable, match="503"):
            alipay.query(ASK.out_trade_no, now=ALIPAY_NOW)

    with pytest.raises(ChannelUnavailable, match="left alone"):
        alipay.query(ASK.out_trade_no, now=ALIPAY_NOW)


def test_wechats_methods_are_not_alipays(alipay: Alipay, stub: Stub) -> None:
    assert alipay.methods == {Method.PRECREATE, Method.PAGE, Method.WAP}
    with pytest.raises(ValueError, match="native"):
        alipay.open(replace(ASK, method=Method.NATIVE), now=ALIPAY_NOW)
    assert not stub.seen
