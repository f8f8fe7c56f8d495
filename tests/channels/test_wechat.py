"""A WeChat Pay order is opened, queried and closed; a doubtful answer settles nothing."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from app.channels.base import Ask, ChannelRefused, ChannelUnavailable, Method, Opened, TradeState
from app.channels.wechat import Wechat
from app.core.money import Currency, Money
from tests.channels.conftest import Stub
from tests.channels.signers import (
    NONCE,
    ORDER,
    PLATFORM_ID,
    STRANGERS_KEY,
    WECHAT,
    WECHAT_NOW,
    Reply,
    wechat_error,
    wechat_headers,
    wechat_reply,
    wechat_settings,
    wechat_trade,
)

ASK = Ask(
    out_trade_no=ORDER,
    amount=Money(14_900, Currency.CNY),
    description="BuffMoney 发票 INV-2026-0001",
    expires_at=datetime(2026, 11, 20, 4, 0, tzinfo=UTC),
    notify_url="https://pay.example.com/api/webhooks/wechat",
    attach="mrc_01",
    method=Method.NATIVE,
)
REQUESTS = {vector["name"]: vector for vector in WECHAT["requests"]}
CODE_URL = {"code_url": "weixin://wxpay/bizpayurl?pr=p4lpSuKzz"}
CODE_BODY = json.dumps(CODE_URL).encode()
LONG_BODY = b" " * (1 << 20) + CODE_BODY


def sent(stub: Stub) -> tuple[str, str, str, str]:
    (seen,) = stub.seen
    return seen.method, seen.target, seen.body.decode(), seen.headers["authorization"]


def vector(name: str) -> tuple[str, str, str, str]:
    request = REQUESTS[name]
    return (
        request["method"],
        request["request_target"],
        request["body"],
        request["authorization_header"],
    )


def test_open_sends_the_vector_and_answers_the_code(wechat: Wechat, stub: Stub) -> None:
    stub.reply = wechat_reply(CODE_URL)

    opened = wechat.open(ASK, now=WECHAT_NOW)

    assert opened == Opened(Method.NATIVE, "weixin://wxpay/bizpayurl?pr=p4lpSuKzz")
    assert sent(stub) == vector("native create")
    assert stub.seen[0].headers["wechatpay-serial"] == PLATFORM_ID
    assert stub.seen[0].headers["user-agent"]


def test_query_sends_the_vector_and_answers_the_trade(wechat: Wechat, stub: Stub) -> None:
    stub.reply = wechat_reply(wechat_trade())

    trade = wechat.query(ORDER, now=WECHAT_NOW)

    assert sent(stub) == vector("query by out_trade_no (mchid in query, signed)")
    assert trade.state is TradeState.PAID
    assert trade.paid == Money(14_900, Currency.CNY)
    assert trade.paid_at == datetime(2026, 11, 20, 1, 59, 58, tzinfo=UTC)
    assert trade.attach == "mrc_01"


def test_close_sends_the_vector(wechat: Wechat, stub: Stub) -> None:
    stub.reply = wechat_reply(None, status=204)

    wechat.close(ORDER, now=WECHAT_NOW)

    assert sent(stub) == vector("close")


def test_a_long_description_is_cut_between_characters(wechat: Wechat, stub: Stub) -> None:
    stub.reply = wechat_reply(CODE_URL)
    ask = replace(ASK, description="发" * 43)

    wechat.open(ask, now=WECHAT_NOW)

    assert json.loads(stub.seen[0].body)["description"] == "发" * 42


def test_each_request_has_a_nonce_of_its_own(stub: Stub) -> None:
    stub.reply = wechat_reply(None, status=204)
    with httpx.Client(trust_env=False) as client:
        wechat = Wechat(wechat_settings(stub.url), client=client)
        wechat.close(ORDER, now=WECHAT_NOW)
        wechat.close(ORDER, now=WECHAT_NOW)

    first, second = (seen.headers["authorization"].split(",")[1] for seen in stub.seen)
    assert first != second


@pytest.mark.parametrize(
    ("raw_state", "state"),
    [
        ("NOTPAY", TradeState.PENDING),
        ("SUCCESS", TradeState.PAID),
        ("REFUND", TradeState.PAID),
        ("CLOSED", TradeState.CLOSED),
    ],
)
def test_what_the_states_of_an_order_mean(
    wechat: Wechat, stub: Stub, *, raw_state: str, state: TradeState
) -> None:
    stub.reply = wechat_reply(wechat_trade(trade_state=raw_state))

    trade = wechat.query(ORDER, now=WECHAT_NOW)

    assert (trade.state, trade.raw_state) == (state, raw_state)
    assert (trade.paid is not None) == (state is TradeState.PAID)


@pytest.mark.parametrize("code", ["ORDER_NOT_EXIST", "ORDERNOTEXIST"])
def test_an_order_the_channel_does_not_know(wechat: Wechat, stub: Stub, code: str) -> None:
    stub.reply = wechat_error(404, code)

    assert wechat.query(ORDER, now=WECHAT_NOW).state is TradeState.NOT_FOUND
    wechat.close(ORDER, now=WECHAT_NOW)


def test_a_404_that_is_not_the_channels_own_says_nothing(wechat: Wechat, stub: Stub) -> None:
    stub.reply = Reply(404, b"<html>Not Found</html>")

    with pytest.raises(ChannelUnavailable):
        wechat.query(ORDER, now=WECHAT_NOW)


def test_a_refusal_carries_the_channels_own_code(wechat: Wechat, stub: Stub) -> None:
    stub.reply = wechat_error(403, "OUT_TRADE_NO_USED")

    with pytest.raises(ChannelRefused, match="OUT_TRADE_NO_USED: 因为") as caught:
        wechat.open(ASK, now=WECHAT_NOW)

    assert caught.value.channel_code == "OUT_TRADE_NO_USED"


def test_a_paid_order_does_not_close(wechat: Wechat, stub: Stub) -> None:
    stub.reply = wechat_error(400, "ORDER_PAID")

    with pytest.raises(ChannelRefused):
        wechat.close(ORDER, now=WECHAT_NOW)


def test_a_closed_order_closes_again(wechat: Wechat, stub: Stub) -> None:
    stub.reply = wechat_error(400, "ORDER_CLOSED")

    wechat.close(ORDER, now=WECHAT_NOW)

    assert len(stub.seen) == 1


UNBELIEVABLE = {
    "no signature": Reply(200, CODE_BODY),
    "signed by a stranger": Reply(200, CODE_BODY, wechat_headers(CODE_BODY, key=STRANGERS_KEY)),
    "signed for another body": Reply(200, CODE_BODY, wechat_headers(b"{}")),
    "unknown serial": Reply(200, CODE_BODY, wechat_headers(CODE_BODY, serial="PUB_KEY_ID_2")),
    "an old answer": Reply(
        200, CODE_BODY, wechat_headers(CODE_BODY, at=WECHAT_NOW - timedelta(seconds=301))
    ),
    "no JSON": Reply(200, b"ok", wechat_headers(b"ok")),
    "no code": wechat_reply({"prepay_id": "wx2014"}),
    "another success": wechat_reply(CODE_URL, status=202),
    "a redirect": Reply(302, b"", {"Location": "/elsewhere"}),
    "an error of theirs": wechat_error(500, "SYSTEM_ERROR"),
    "an error of theirs with any code": wechat_error(503, "INVALID_REQUEST"),
    "an error of their old spelling": wechat_error(400, "SYSTEMERROR"),
    "too many requests": wechat_error(429, "FREQUENCY_LIMITED"),
    "a gateway in between": Reply(502, b"<html>Bad Gateway</html>"),
    "too long": Reply(200, LONG_BODY, wechat_headers(LONG_BODY)),
}


@pytest.mark.parametrize("reply", UNBELIEVABLE.values(), ids=UNBELIEVABLE.keys())
def test_an_answer_we_can_not_believe_leaves_the_result_unknown(
    wechat: Wechat, stub: Stub, reply: Reply
) -> None:
    stub.reply = reply

    with pytest.raises(ChannelUnavailable):
        wechat.open(ASK, now=WECHAT_NOW)

    assert len(stub.seen) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"mchid": "1900000002"},
        {"appid": "wx0000000000000000"},
        {"out_trade_no": "INV20261120000002"},
        {"trade_state": "ACCEPTED"},
        {"transaction_id": None},
        {"success_time": "yesterday"},
        {"success_time": "2026-11-20T09:59:58"},
        {"amount": {"total": 149.00, "currency": "CNY"}},
        {"amount": {"total": "14900", "currency": "CNY"}},
        {"amount": {"total": True, "currency": "CNY"}},
        {"amount": {"total": 0, "currency": "CNY"}},
        {"amount": {"total": 14900, "currency": "XXX"}},
        {"amount": None},
    ],
)
def test_a_trade_that_makes_no_sense_is_not_believed(
    wechat: Wechat, stub: Stub, changes: dict[str, object]
) -> None:
    stub.reply = wechat_reply(wechat_trade(**changes))

    with pytest.raises(ChannelUnavailable):
        wechat.query(ORDER, now=WECHAT_NOW)


def test_a_create_that_times_out_is_unknown_not_failed(stub: Stub) -> None:
    stub.awake.clear()
    with httpx.Client(trust_env=False, timeout=0.2) as client:
        wechat = Wechat(wechat_settings(stub.url), client=client, nonce=lambda: NONCE)
        with pytest.raises(ChannelUnavailable, match="ReadTimeout"):
            wechat.open(ASK, now=WECHAT_NOW)


def test_a_channel_that_is_down_is_unavailable() -> None:
    with httpx.Client(trust_env=False) as client:
        wechat = Wechat(wechat_settings("http://127.0.0.1:1"), client=client)
        with pytest.raises(ChannelUnavailable, match="ConnectError"):
            wechat.query(ORDER, now=WECHAT_NOW)


def test_settings_show_no_key() -> None:
    shown = repr(wechat_settings())

    assert "1900000001" in shown
    assert "PRIVATE KEY" not in shown
    assert WECHAT["apiv3_key"] not in shown
