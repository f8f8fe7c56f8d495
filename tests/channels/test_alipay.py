"""An Alipay code is opened, queried and closed; an answer we can not believe settles nothing."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.channels import alipay_crypto
from app.channels.alipay import Alipay
from app.channels.base import Ask, ChannelRefused, ChannelUnavailable, Method, Opened, TradeState
from app.channels.wire import Untrusted
from app.core.money import Currency, Money
from tests.channels.conftest import Stub
from tests.channels.signers import (
    ALIPAY,
    ALIPAY_NOW,
    ORDER,
    Reply,
    alipay_reply,
    alipay_settings,
    rsa_signature,
)

ASK = Ask(
    out_trade_no=ORDER,
    amount=Money(14_900, Currency.CNY),
    description="BuffMoney 发票 a/b=c&d",
    expires_at=datetime(2026, 11, 20, 4, 0, tzinfo=UTC),
    notify_url="https://pay.example.com/api/webhooks/alipay",
    attach="merchant=mrc_01",
    method=Method.PRECREATE,
)
REQUESTS = {vector["name"]: vector for vector in ALIPAY["requests"]}
OK = {"code": "10000", "msg": "Success", "out_trade_no": ORDER}
PAID = {
    **OK,
    "trade_no": "2026112022001400000000000001",
    "trade_status": "TRADE_SUCCESS",
    "total_amount": "149.00",
    "send_pay_date": "2026-11-20 10:00:00",
}
REFUSED = {"code": "40004", "msg": "Business Failed"}
QR_CODE = "https://qr.alipay.com/bavh4wjlxf12tper3a"


@pytest.mark.parametrize("name", ["query", "close"])
def test_calls_send_the_vector(alipay: Alipay, stub: Stub, name: str) -> None:
    stub.reply = alipay_reply(name, PAID)
    call = alipay.query if name == "query" else alipay.close

    call(ORDER, now=ALIPAY_NOW)

    (seen,) = stub.seen
    http = REQUESTS[name]["http"]
    assert (seen.method, seen.body.decode()) == (http["method"], http["body"])
    assert urlsplit(seen.target).query == urlsplit(http["url"]).query
    assert seen.headers["content-type"] == http["content_type"]


def test_open_signs_what_it_sends_and_answers_the_code(alipay: Alipay, stub: Stub) -> None:
    stub.reply = alipay_reply("precreate", {**OK, "qr_code": QR_CODE})

    opened = alipay.open(ASK, now=ALIPAY_NOW)

    assert opened == Opened(Method.PRECREATE, QR_CODE)
    (seen,) = stub.seen
    query = dict(parse_qsl(urlsplit(seen.target).query, strict_parsing=True))
    form = {**query, **dict(parse_qsl(seen.body.decode(), strict_parsing=True))}
    assert form["method"] == "alipay.trade.precreate"
    assert form["timestamp"] == "2026-11-20 10:00:00"
    assert form["notify_url"] == "https://pay.example.com/api/webhooks/alipay"
    assert form["biz_content"] == (
        '{"out_trade_no":"INV20261120000001","total_amount":"149.00",'
        '"subject":"BuffMoney 发票 a b c d","product_code":"QR_CODE_OFFLINE",'
        '"time_expire":"2026-11-20 12:00:00","passback_params":"merchant%3Dmrc_01"}'
    )
    sign = form.pop("sign")
    text = "&".join(f"{name}={form[name]}" for name in sorted(form))
    assert sign == rsa_signature(ALIPAY["app_private_key_pkcs8"], text.encode())


@pytest.mark.parametrize("vector", ALIPAY["responses"][1:2])
def test_query_reads_the_vectors_answer(alipay: Alipay, stub: Stub, vector: dict[str, Any]) -> None:
    stub.reply = Reply(200, vector["raw_body"].encode())

    trade = alipay.query(ORDER, now=ALIPAY_NOW)

    assert (trade.state, trade.raw_state) == (TradeState.PAID, "TRADE_SUCCESS")
    assert trade.paid == Money(14_900, Currency.CNY)
    assert trade.paid_at == datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
    assert trade.attach is None


@pytest.mark.parametrize(
    ("raw_state", "send_pay_date", "state"),
    [
        ("WAIT_BUYER_PAY", "", TradeState.PENDING),
        ("TRADE_SUCCESS", "2026-11-20 10:00:00", TradeState.PAID),
        ("TRADE_FINISHED", "2026-11-20 10:00:00", TradeState.PAID),
        ("TRADE_CLOSED", "", TradeState.CLOSED),
        ("TRADE_CLOSED", "2026-11-20 10:00:00", TradeState.PAID),  # and refunded in full
    ],
)
def test_what_the_states_of_a_trade_mean(
    alipay: Alipay, stub: Stub, *, raw_state: str, send_pay_date: str, state: TradeState
) -> None:
    fields = {**PAID, "trade_status": raw_state, "send_pay_date": send_pay_date}
    stub.reply = alipay_reply("query", fields)

    trade = alipay.query(ORDER, now=ALIPAY_NOW)

    assert (trade.state, trade.raw_state) == (state, raw_state)


def test_a_code_nobody_scanned_is_not_found_and_counts_as_closed(
    alipay: Alipay, stub: Stub
) -> None:
    stub.reply = alipay_reply("query", {**REFUSED, "sub_code": "ACQ.TRADE_NOT_EXIST"})
    assert alipay.query(ORDER, now=ALIPAY_NOW).state is TradeState.NOT_FOUND

    stub.reply = alipay_reply("close", {**REFUSED, "sub_code": "ACQ.TRADE_NOT_EXIST"})
    alipay.close(ORDER, now=ALIPAY_NOW)


def test_a_paid_trade_does_not_close(alipay: Alipay, stub: Stub) -> None:
    stub.reply = alipay_reply("close", {**REFUSED, "sub_code": "ACQ.TRADE_STATUS_ERROR"})

    with pytest.raises(ChannelRefused) as caught:
        alipay.close(ORDER, now=ALIPAY_NOW)

    assert caught.value.channel_code == "ACQ.TRADE_STATUS_ERROR"


def test_the_gateway_may_refuse_unsigned(alipay: Alipay, stub: Stub) -> None:
    stub.reply = Reply(200, ALIPAY["responses"][3]["raw_body"].encode())

    with pytest.raises(ChannelRefused, match=r"isv\.invalid-app-id: 无效的AppID参数"):
        alipay.query(ORDER, now=ALIPAY_NOW)


def test_an_answer_may_come_as_error_response(alipay: Alipay, stub: Stub) -> None:
    stub.reply = alipay_reply("query", {"code": "40001"}, wrapper="error_response", key=None)

    with pytest.raises(ChannelRefused, match="40001"):
        alipay.query(ORDER, now=ALIPAY_NOW)


def test_braces_and_quotes_inside_texts_do_not_move_the_cut(alipay: Alipay, stub: Stub) -> None:
    stub.reply = alipay_reply("query", {**PAID, "subject": '}{"sign":"\\"} 发票/'})

    assert alipay.query(ORDER, now=ALIPAY_NOW).state is TradeState.PAID


def changed(reply: Reply, old: bytes, new: bytes) -> Reply:
    assert old in reply.body
    return Reply(reply.status, reply.body.replace(old, new, 1), reply.headers)


SIGNED = alipay_reply("query", PAID)
INNER = SIGNED.body.split(b',"sign"')[0].removeprefix(b"{")
UNBELIEVABLE = {
    "no signature": alipay_reply("query", PAID, key=None),
    "an unsigned business refusal": alipay_reply(
        "query", {**REFUSED, "sub_code": "ACQ.TRADE_NOT_EXIST"}, key=None
    ),
    "an empty signature": changed(SIGNED, b'"sign":"', b'"sign":"","x":"'),
    "signed with our own key": alipay_reply("query", PAID, key=ALIPAY["app_private_key_pkcs8"]),
    "a changed amount": changed(SIGNED, b"149.00", b"149.01"),
    "written again with other blanks": changed(SIGNED, b'": "', b'":"'),
    "the answer twice, the second forged": changed(
        SIGNED, b',"sign"', b"," + INNER.replace(b"149.00", b"1.00") + b',"sign"'
    ),
    "another call's answer": alipay_reply("close", PAID),
    "another order": alipay_reply("query", {**PAID, "out_trade_no": "INV20261120000002"}),
    "an unknown state": alipay_reply("query", {**PAID, "trade_status": "TRADE_ODD"}),
    "a third decimal": alipay_reply("query", {**PAID, "total_amount": "149.000"}),
    "an amount that is no text": alipay_reply("query", {**PAID, "total_amount": 149}),
    "a date that is none": alipay_reply("query", {**PAID, "send_pay_date": "2026-11-31"}),
    "no transaction number": alipay_reply("query", {**PAID, "trade_no": ""}),
    "an unknown result": alipay_reply("query", {"code": "20000", "sub_code": "isp.unknow-error"}),
    "a system error": alipay_reply("query", {**REFUSED, "sub_code": "ACQ.SYSTEM_ERROR"}),
    "no code": alipay_reply("query", {"msg": "Success"}),
    "a page": Reply(200, b"<html>sorry</html>"),
    "not UTF-8": Reply(200, '{"msg":"繁忙"}'.encode("gbk")),
    "text after the end": Reply(200, SIGNED.body + b"{}"),
    "half an answer": Reply(200, SIGNED.body[:-1]),
    "an error of theirs": Reply(500, SIGNED.body),
    "a redirect": Reply(302, b"", {"Location": "/elsewhere"}),
}


@pytest.mark.parametrize("reply", UNBELIEVABLE.values(), ids=UNBELIEVABLE.keys())
def test_an_answer_we_can_not_believe_leaves_the_result_unknown(
    alipay: Alipay, stub: Stub, reply: Reply
) -> None:
    stub.reply = reply

    with pytest.raises(ChannelUnavailable):
        alipay.query(ORDER, now=ALIPAY_NOW)

    assert len(stub.seen) == 1


@pytest.mark.parametrize("fields", [{**OK}, {**OK, "out_trade_no": "other1", "qr_code": QR_CODE}])
def test_a_code_that_is_not_for_this_order_is_not_shown(
    alipay: Alipay, stub: Stub, fields: dict[str, object]
) -> None:
    stub.reply = alipay_reply("precreate", fields)

    with pytest.raises(ChannelUnavailable):
        alipay.open(ASK, now=ALIPAY_NOW)


def test_a_create_that_times_out_is_unknown_not_failed(stub: Stub) -> None:
    stub.awake.clear()
    with httpx.Client(trust_env=False, timeout=0.2) as client:
        alipay = Alipay(alipay_settings(f"{stub.url}/gateway.do"), client=client)
        with pytest.raises(ChannelUnavailable, match="ReadTimeout"):
            alipay.open(ASK, now=ALIPAY_NOW)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(answer=JSON, sign=st.text(), gap=st.sampled_from(["", " ", "\r\n\t"]))
def test_a_member_is_cut_out_as_it_was_written(answer: object, sign: str, gap: str) -> None:
    def written(value: object) -> str:
        return json.dumps(value).replace("/", "\\/")

    document = f'{gap}{{{gap}"a":{gap}{written(answer)}{gap},{gap}"b"{gap}:{written(sign)}}}{gap}'

    assert alipay_crypto.raw_members(document) == {"a": written(answer), "b": written(sign)}


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[]",
        "{}",
        '{"a":1',
        '{"a" 1}',
        '{"a":1,}',
        '{"a":1,"a":1}',
        '{"a":1}x',
        "{1:2}",
        '{"a":' + "[" * 100_000,
    ],
    ids=range(10),
)
def test_a_document_that_is_no_answer_is_not_cut(document: str) -> None:
    with pytest.raises(Untrusted):
        alipay_crypto.raw_members(document)


def test_settings_show_no_key() -> None:
    shown = repr(alipay_settings())

    assert "2021000122671080" in shown
    assert "KEY-----" not in shown
