"""A WeChat Pay refund is made once, and what is not sure is asked about, never assumed."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest

from app.channels.base import (
    BadNotice,
    ChannelRefused,
    ChannelShort,
    ChannelUnavailable,
    NoticeKind,
    RefundAsk,
    RefundState,
)
from app.channels.wechat import Wechat
from app.core.money import Currency, Money
from tests.channels.conftest import Stub
from tests.channels.signers import (
    ORDER,
    WECHAT_NOW,
    Reply,
    wechat_error,
    wechat_headers,
    wechat_notice,
    wechat_refund,
    wechat_reply,
    wechat_settings,
)
from tests.channels.test_wechat import sent, vector

ASK = RefundAsk(
    out_refund_no="RF20261120000001",
    out_trade_no=ORDER,
    amount=Money(2_000, Currency.CNY),
    total=Money(14_900, Currency.CNY),
    reason="duplicate",
    notify_url="https://pay.example.com/api/webhooks/wechat",
)
REFUND_ID = "50300002026112000000000000001"


def answered(**changes: object) -> Reply:
    """Answer with the vectors' refund; what a callback calls refund_status is status here."""
    fields = wechat_refund(**{"status": "PROCESSING", "success_time": None, **changes})
    fields.pop("refund_status", None)
    return wechat_reply(fields)


def test_refund_sends_the_vector_and_says_that_it_is_under_way(wechat: Wechat, stub: Stub) -> None:
    stub.reply = answered()

    refund = wechat.refund(ASK, now=WECHAT_NOW)

    assert sent(stub) == vector("refund")
    assert (refund.state, refund.raw_state) == (RefundState.PROCESSING, "PROCESSING")
    assert refund.channel_refund_id == REFUND_ID
    assert refund.succeeded_at is None


def test_a_refund_is_asked_for_by_our_number(wechat: Wechat, stub: Stub) -> None:
    stub.reply = answered(status="SUCCESS", success_time="2026-11-20T10:05:00+08:00")

    refund = wechat.query_refund(ASK, now=WECHAT_NOW)

    assert stub.seen[0].method == "GET"
    assert stub.seen[0].target == "/v3/refund/domestic/refunds/RF20261120000001"
    assert refund.state is RefundState.SUCCEEDED
    assert refund.amount == Money(2_000, Currency.CNY)
    assert refund.succeeded_at == datetime(2026, 11, 20, 2, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("raw_state", "state"),
    [
        ("PROCESSING", RefundState.PROCESSING),
        ("SUCCESS", RefundState.SUCCEEDED),
        ("CLOSED", RefundState.FAILED),
        ("ABNORMAL", RefundState.ABNORMAL),
    ],
)
def test_what_the_states_of_a_refund_mean(
    wechat: Wechat, stub: Stub, *, raw_state: str, state: RefundState
) -> None:
    stub.reply = answered(status=raw_state)

    assert wechat.query_refund(ASK, now=WECHAT_NOW).state is state


@pytest.mark.parametrize("code", ["RESOURCE_NOT_EXISTS", "RESOURCENOTEXISTS"])
def test_a_refund_the_channel_does_not_know(wechat: Wechat, stub: Stub, code: str) -> None:
    stub.reply = wechat_error(404, code)

    assert wechat.query_refund(ASK, now=WECHAT_NOW).state is RefundState.NOT_FOUND


def test_an_account_too_empty_is_told_apart(wechat: Wechat, stub: Stub) -> None:
    stub.reply = wechat_error(403, "NOT_ENOUGH")

    with pytest.raises(ChannelShort, match="NOT_ENOUGH"):
        wechat.refund(ASK, now=WECHAT_NOW)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "PARAM_ERROR"),
        (400, "INVALID_REQUEST"),
        (400, "APPID_MCHID_NOT_MATCH"),
        (401, "SIGN_ERROR"),
        (403, "NO_AUTH"),
        (403, "NOAUTH"),
        (403, "RULE_LIMIT"),
        (403, "TRADE_ERROR"),
        (403, "USER_ACCOUNT_ABNORMAL"),
        (404, "MCH_NOT_EXISTS"),
        (404, "RESOURCE_NOT_EXISTS"),
        (404, "ORDER_NOT_EXIST"),
    ],
)
def test_a_definite_no_is_a_refusal(wechat: Wechat, stub: Stub, *, status: int, code: str) -> None:
    stub.reply = wechat_error(status, code)

    with pytest.raises(ChannelRefused, match=code):
        wechat.refund(ASK, now=WECHAT_NOW)


@pytest.mark.parametrize(
    "reply",
    [
        wechat_error(429, "FREQUENCY_LIMITED"),
        wechat_error(500, "SYSTEM_ERROR"),
        wechat_error(500, "NOT_ENOUGH"),
        wechat_error(400, "SYSTEMERROR"),
        wechat_error(403, "A_CODE_OF_TOMORROW"),
        Reply(403, b"<html>Forbidden</html>"),
        Reply(200, b"{}"),
        answered(status="ODD"),
        answered(status=None),
        answered(refund_id=None),
        answered(out_refund_no="RF20261120000002"),
        answered(out_trade_no="INV20261120000002"),
        answered(amount={"total": 14_900, "refund": 2_001, "currency": "CNY"}),
        answered(amount={"total": 14_900, "refund": 2_000, "currency": "USD"}),
        answered(amount={"total": 14_900, "refund": "2000", "currency": "CNY"}),
        answered(amount={"total": 14_900, "currency": "CNY"}),
    ],
)
def test_anything_else_leaves_the_result_unknown(wechat: Wechat, stub: Stub, reply: Reply) -> None:
    stub.reply = reply

    with pytest.raises(ChannelUnavailable):
        wechat.refund(ASK, now=WECHAT_NOW)


def test_a_refund_that_times_out_is_unknown_not_failed(stub: Stub) -> None:
    stub.awake.clear()
    with httpx.Client(trust_env=False, timeout=0.2) as client:
        wechat = Wechat(wechat_settings(stub.url), client=client)
        with pytest.raises(ChannelUnavailable, match="ReadTimeout"):
            wechat.refund(ASK, now=WECHAT_NOW)


def test_a_long_reason_is_cut_between_characters(wechat: Wechat, stub: Stub) -> None:
    stub.reply = answered()

    wechat.refund(replace(ASK, reason="退" * 27), now=WECHAT_NOW)

    assert json.loads(stub.seen[0].body)["reason"] == "退" * 26


def test_without_a_reason_none_is_sent(wechat: Wechat, stub: Stub) -> None:
    stub.reply = answered()

    wechat.refund(replace(ASK, reason=""), now=WECHAT_NOW)

    assert "reason" not in json.loads(stub.seen[0].body)


@pytest.mark.parametrize(
    ("event", "raw_state", "state"),
    [
        ("REFUND.SUCCESS", "SUCCESS", RefundState.SUCCEEDED),
        ("REFUND.ABNORMAL", "ABNORMAL", RefundState.ABNORMAL),
        ("REFUND.CLOSED", "CLOSED", RefundState.FAILED),
    ],
)
def test_a_notice_says_what_became_of_a_refund(
    wechat: Wechat, *, event: str, raw_state: str, state: RefundState
) -> None:
    body = wechat_notice(wechat_refund(refund_status=raw_state), event_type=event)

    notice = wechat.read_notice(wechat_headers(body), body, now=WECHAT_NOW)

    assert notice.kind is NoticeKind.REFUND
    assert notice.refund is not None
    assert (notice.refund.state, notice.refund.raw_state) == (state, raw_state)
    assert notice.refund.out_refund_no == "RF20261120000001"
    assert notice.refund.amount == Money(2_000, Currency.CNY)
    assert notice.trade.paid == Money(14_900, Currency.CNY)


@pytest.mark.parametrize(
    "changes",
    [
        {"mchid": "1900000002"},
        {"refund_status": "ODD"},
        {"out_refund_no": None},
        {"refund_id": ""},
        {"amount": {"total": 14_900, "refund": 0}},
        {"success_time": "yesterday"},
    ],
)
def test_a_notice_that_makes_no_sense_is_refused(
    wechat: Wechat, changes: dict[str, object]
) -> None:
    body = wechat_notice(wechat_refund(**changes), event_type="REFUND.SUCCESS")

    with pytest.raises(BadNotice):
        wechat.read_notice(wechat_headers(body), body, now=WECHAT_NOW)
