"""A statement is fetched from where the channel says, if that is the channel's, and checked."""

import base64
import hashlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.channels import statements
from app.channels.alipay import Alipay
from app.channels.base import (
    BadStatement,
    Channel,
    ChannelName,
    ChannelRefused,
    ChannelUnavailable,
    Statement,
    StatementNotReady,
)
from app.channels.wechat import Wechat
from tests.channels.bills import BILLS, DAY, WECHAT_TEXT, alipay_zip
from tests.channels.conftest import Stub
from tests.channels.signers import (
    ALIPAY_NOW,
    WECHAT,
    WECHAT_NOW,
    Reply,
    alipay_reply,
    wechat_error,
    wechat_reply,
)
from tests.channels.test_wechat_bill import PAYMENT, REFUND

PACKED = base64.b64decode(BILLS["wechat_trade_ALL"]["gzip_base64"])
SHA1: str = BILLS["wechat_trade_ALL"]["sha1_of_uncompressed"]
VECTORS = {vector["name"]: vector for vector in WECHAT["requests"]}
FILE = "/v3/billdownload/file?token=abc&tartype=gzip"
EIGHT = datetime(2026, 11, 20, 0, tzinfo=UTC)  # in China, the next morning
TEN = datetime(2026, 11, 20, 2, tzinfo=UTC)
URL_QUERY = "alipay_data_dataservice_bill_downloadurl_query_response"


def wechat_place(url: str, **changes: object) -> Reply:
    return wechat_reply(
        {"hash_type": "SHA1", "hash_value": SHA1, "download_url": url + FILE, **changes}
    )


def alipay_place(url: str) -> Reply:
    fields = {"code": "10000", "msg": "Success", "bill_download_url": url}
    return alipay_reply("", fields, wrapper=URL_QUERY)


def alipay_refusal(sub_code: str) -> Reply:
    return alipay_reply("", {"code": "40004", "sub_code": sub_code}, wrapper=URL_QUERY)


def test_no_bill_of_the_vectors_is_left_out() -> None:
    bills = {"wechat_trade_ALL", "wechat_fundflow_BASIC", "alipay_trade_detail"}

    assert BILLS.keys() == bills


def test_wechats_is_asked_for_and_fetched_like_the_vectors(wechat: Wechat, stub: Stub) -> None:
    stub.replies = [wechat_place(stub.url), Reply(200, PACKED)]

    statement = wechat.fetch_statement(DAY, now=WECHAT_NOW)

    assert [(seen.method, seen.target, seen.headers["authorization"]) for seen in stub.seen] == [
        (vector["method"], vector["request_target"], vector["authorization_header"])
        for vector in (
            VECTORS["trade bill"],
            VECTORS["bill download (second step, also signed)"],
        )
    ]
    assert (statement.channel, statement.day) == (ChannelName.WECHAT, DAY)
    assert statement.rows == (PAYMENT, REFUND)
    assert statement.raw == WECHAT_TEXT.encode()
    assert statement.sha256 == hashlib.sha256(WECHAT_TEXT.encode()).hexdigest()


def test_alipays_is_asked_for_and_fetched(alipay: Alipay, stub: Stub) -> None:
    packed = alipay_zip()
    stub.replies = [alipay_place(f"{stub.url}/bill?id=1"), Reply(200, packed)]

    statement = alipay.fetch_statement(DAY, now=ALIPAY_NOW)

    assert [seen.method for seen in stub.seen] == ["POST", "GET"]
    assert stub.seen[0].body == (
        b"biz_content=%7B%22bill_type%22%3A%22trade%22%2C%22bill_date%22%3A%222026-11-19%22%7D"
    )
    assert stub.seen[1].target == "/bill?id=1"
    assert [row.kind for row in statement.rows] == ["payment", "refund"]
    assert statement.raw == packed


def nothing(statement: Statement) -> bool:
    no_bytes = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    return (statement.rows, statement.raw, statement.sha256) == ((), b"", no_bytes)


def test_a_day_of_no_trade_has_an_empty_statement(
    wechat: Wechat, alipay: Alipay, stub: Stub
) -> None:
    stub.replies = [
        wechat_error(400, "NO_STATEMENT_EXIST"),
        alipay_refusal("NO_BILL_DATA"),
        alipay_refusal("isp.bill_not_exist"),
    ]

    assert nothing(wechat.fetch_statement(DAY, now=EIGHT))
    assert nothing(alipay.fetch_statement(DAY, now=EIGHT))
    assert nothing(alipay.fetch_statement(DAY, now=TEN))


@pytest.mark.parametrize(
    ("name", "reply"),
    [
        ("wechat", wechat_error(400, "STATEMENT_CREATING")),
        ("alipay", alipay_refusal("isp.bill_not_exist")),
    ],
)
def test_a_statement_not_written_yet_is_no_empty_one(
    request: pytest.FixtureRequest, stub: Stub, *, name: str, reply: Reply
) -> None:
    channel: Channel = request.getfixturevalue(name)
    stub.reply = reply

    with pytest.raises(StatementNotReady):
        channel.fetch_statement(DAY, now=EIGHT)


@pytest.mark.parametrize(
    ("name", "reply", "outcome"),
    [
        ("wechat", wechat_error(400, "INVALID_REQUEST"), ChannelRefused),
        ("wechat", wechat_error(403, "NO_AUTH"), ChannelRefused),
        ("wechat", wechat_error(429, "FREQUENCY_LIMITED"), ChannelUnavailable),
        ("alipay", alipay_refusal("isv.invalid-arguments"), ChannelRefused),
        ("alipay", alipay_refusal("TYPE_NOT_SUPPORTED"), ChannelRefused),
        ("alipay", alipay_refusal("ACQ.SYSTEM_ERROR"), ChannelUnavailable),
    ],
)
def test_a_statement_that_is_refused(
    request: pytest.FixtureRequest,
    stub: Stub,
    *,
    name: str,
    reply: Reply,
    outcome: type[Exception],
) -> None:
    channel: Channel = request.getfixturevalue(name)
    stub.reply = reply

    with pytest.raises(outcome):
        channel.fetch_statement(DAY, now=TEN)


def test_another_file_than_the_hash_says_is_refused(wechat: Wechat, stub: Stub) -> None:
    stub.replies = [wechat_place(stub.url, hash_value="0" * 40), Reply(200, PACKED)]

    with pytest.raises(BadStatement, match="hash"):
        wechat.fetch_statement(DAY, now=WECHAT_NOW)


@pytest.mark.parametrize(
    "changes",
    [{"hash_type": "MD5"}, {"hash_value": None}, {"download_url": None}],
)
def test_a_place_without_a_hash_is_not_gone_to(
    wechat: Wechat, stub: Stub, changes: dict[str, object]
) -> None:
    stub.reply = wechat_place(stub.url, **changes)

    with pytest.raises(ChannelUnavailable):
        wechat.fetch_statement(DAY, now=WECHAT_NOW)

    assert len(stub.seen) == 1


ELSEWHERE = [
    "http://127.0.0.1:1/bill",
    "https://api.mch.weixin.qq.com/bill",
    "http://bill.alipay.com/bill",
    "http://[::1/bill",
    "//127.0.0.1/bill",
    "file:///etc/passwd",
    "bill",
]


def test_alipays_place_has_to_be_named(alipay: Alipay, stub: Stub) -> None:
    stub.reply = alipay_place("")

    with pytest.raises(ChannelUnavailable, match="bill_download_url"):
        alipay.fetch_statement(DAY, now=ALIPAY_NOW)


@pytest.mark.parametrize("url", ELSEWHERE)
def test_a_file_anywhere_else_is_not_fetched(
    wechat: Wechat, alipay: Alipay, stub: Stub, url: str
) -> None:
    stub.replies = [wechat_place("", download_url=url), alipay_place(url)]

    for channel, now in ((wechat, WECHAT_NOW), (alipay, ALIPAY_NOW)):
        with pytest.raises(ChannelUnavailable, match="lies"):
            channel.fetch_statement(DAY, now=now)

    assert len(stub.seen) == 2


@pytest.mark.parametrize("status", [302, 403, 500])
def test_a_file_that_is_not_given_out_is_unknown(
    wechat: Wechat, alipay: Alipay, stub: Stub, status: int
) -> None:
    refused = Reply(status, b"<html>no</html>")
    stub.replies = [wechat_place(stub.url), refused, alipay_place(stub.url), refused]

    with pytest.raises(ChannelUnavailable):
        wechat.fetch_statement(DAY, now=WECHAT_NOW)
    with pytest.raises(ChannelUnavailable):
        alipay.fetch_statement(DAY, now=ALIPAY_NOW)


def test_a_row_that_comes_twice_is_refused() -> None:
    with pytest.raises(BadStatement, match="twice"):
        statements.of(ChannelName.WECHAT, DAY, b"", rows=(PAYMENT, PAYMENT))


def test_two_refunds_of_one_payment_are_two_rows() -> None:
    other = replace(REFUND, out_refund_no="RF20261119000002")

    assert statements.of(ChannelName.WECHAT, DAY, b"", rows=(REFUND, other)).rows[1] == other
