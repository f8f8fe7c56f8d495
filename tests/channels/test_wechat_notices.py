"""A WeChat Pay callback is believed when its key is known, it is fresh, ours and untouched."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.channels import wire
from app.channels.base import BadNotice, NoticeKind, TradeState
from app.channels.wechat import Wechat
from app.core.money import Currency, Money
from tests.channels.signers import (
    PLATFORM_ID,
    STRANGERS_KEY,
    WECHAT,
    WECHAT_NOW,
    wechat_headers,
    wechat_notice,
    wechat_settings,
    wechat_trade,
)

GENUINE = WECHAT["notifications"][0]
BODY: bytes = GENUINE["body"].encode()
SIGNATURE: bytes = GENUINE["headers"]["Wechatpay-Signature"].encode()
REFUND = json.loads(WECHAT["notifications"][1]["plaintext"])


@pytest.fixture(scope="module")
def channel() -> Iterator[Wechat]:
    with wire.new_client() as client:
        yield Wechat(wechat_settings(), client=client)


def flipped(raw: bytes, bit: int) -> bytes:
    changed = bytearray(raw)
    changed[bit // 8] ^= 1 << (bit % 8)
    return bytes(changed)


@given(bit=st.integers(0, len(BODY) * 8 - 1))
def test_no_bit_of_the_body_can_be_flipped(channel: Wechat, bit: int) -> None:
    with pytest.raises(BadNotice):
        channel.read_notice(GENUINE["headers"], flipped(BODY, bit), now=WECHAT_NOW)


@given(bit=st.integers(0, len(SIGNATURE) * 8 - 1))
def test_no_bit_of_the_signature_can_be_flipped(channel: Wechat, bit: int) -> None:
    signature = flipped(SIGNATURE, bit).decode("latin-1")
    headers = {**GENUINE["headers"], "Wechatpay-Signature": signature}

    with pytest.raises(BadNotice):
        channel.read_notice(headers, BODY, now=WECHAT_NOW)


def test_a_signature_has_one_spelling(channel: Wechat) -> None:
    signature = GENUINE["headers"]["Wechatpay-Signature"]
    assert signature.endswith("g==")
    headers = {**GENUINE["headers"], "Wechatpay-Signature": signature[:-3] + "h=="}

    with pytest.raises(BadNotice, match="canonical"):
        channel.read_notice(headers, BODY, now=WECHAT_NOW)


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_a_notice_is_fresh_for_five_minutes_either_way(channel: Wechat, seconds: int) -> None:
    now = WECHAT_NOW + timedelta(seconds=seconds)

    assert channel.read_notice(GENUINE["headers"], BODY, now=now).trade.state is TradeState.PAID


@pytest.mark.parametrize("seconds", [-301, 301, 86_400])
def test_a_replayed_notice_is_refused(channel: Wechat, seconds: int) -> None:
    with pytest.raises(BadNotice, match="five minutes"):
        channel.read_notice(GENUINE["headers"], BODY, now=WECHAT_NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    "header",
    ["Wechatpay-Timestamp", "Wechatpay-Nonce", "Wechatpay-Serial", "Wechatpay-Signature"],
)
def test_a_notice_without_one_of_the_headers_is_refused(channel: Wechat, header: str) -> None:
    headers = {name: value for name, value in GENUINE["headers"].items() if name != header}

    with pytest.raises(BadNotice, match="missing"):
        channel.read_notice(headers, BODY, now=WECHAT_NOW)


@pytest.mark.parametrize("timestamp", ["-1", "1795132800.5", "٣", "9" * 40])
def test_a_timestamp_that_is_none_is_refused(channel: Wechat, timestamp: str) -> None:
    headers = {**GENUINE["headers"], "Wechatpay-Timestamp": timestamp}

    with pytest.raises(BadNotice):
        channel.read_notice(headers, BODY, now=WECHAT_NOW)


def test_header_names_are_read_in_any_case(channel: Wechat) -> None:
    headers = {name.lower(): value for name, value in GENUINE["headers"].items()}

    assert channel.read_notice(headers, BODY, now=WECHAT_NOW).notice_id


def test_a_strangers_key_under_a_known_serial_is_refused(channel: Wechat) -> None:
    body = wechat_notice(wechat_trade())

    with pytest.raises(BadNotice, match="signature is wrong"):
        channel.read_notice(wechat_headers(body, key=STRANGERS_KEY), body, now=WECHAT_NOW)


def test_an_unknown_serial_is_refused_without_asking_anyone(channel: Wechat) -> None:
    body = wechat_notice(wechat_trade())

    with pytest.raises(BadNotice, match="serial"):
        channel.read_notice(wechat_headers(body, serial="F" * 40), body, now=WECHAT_NOW)


def test_both_keys_verify_while_the_account_changes_keys() -> None:
    certificate = WECHAT["platform_certificate_mode"]
    serial = certificate["response"]["data"][0]["serial_no"]
    settings = wechat_settings()
    settings = type(settings)(
        **{**vars(settings), "platform_keys": {serial: certificate["certificate_pem"]}}
    )
    body = wechat_notice(wechat_trade())
    with wire.new_client() as client:
        channel = Wechat(settings, client=client)
        for known in (PLATFORM_ID, serial):
            headers = wechat_headers(body, serial=known)
            assert channel.read_notice(headers, body, now=WECHAT_NOW).notice_id == "EV-1"


def read(channel: Wechat, body: bytes) -> NoticeKind:
    return channel.read_notice(wechat_headers(body), body, now=WECHAT_NOW).kind


@pytest.mark.parametrize("event", ["REFUND.SUCCESS", "REFUND.ABNORMAL", "REFUND.CLOSED"])
def test_a_refund_is_told_apart_from_a_payment(channel: Wechat, event: str) -> None:
    assert read(channel, wechat_notice(REFUND, event_type=event)) is NoticeKind.REFUND


@pytest.mark.parametrize(
    "body",
    [
        wechat_notice(wechat_trade(mchid="1900000002")),
        wechat_notice(wechat_trade(appid="wx0000000000000000")),
        wechat_notice({**REFUND, "mchid": "1900000002"}, event_type="REFUND.SUCCESS"),
        wechat_notice(wechat_trade(), event_type="COUPON.USE"),
        wechat_notice(wechat_trade(), api_v3_key="f" * 32),
        wechat_notice(wechat_trade(), resource_type="plain"),
        wechat_notice(wechat_trade(), resource=None),
        wechat_notice(wechat_trade(), id=""),
        b"<xml><return_code>SUCCESS</return_code></xml>",
        b"[]",
        b"[" * 100_000,
        b"",
    ],
    ids=[
        "another merchant",
        "another app",
        "another merchant's refund",
        "an event we never asked for",
        "another APIv3 key",
        "not encrypted",
        "no resource",
        "no id",
        "the old XML",
        "a list",
        "too deep",
        "empty",
    ],
)
def test_a_genuine_signature_over_something_else_is_refused(channel: Wechat, body: bytes) -> None:
    with pytest.raises(BadNotice):
        read(channel, body)


def test_a_resource_under_another_algorithms_name_is_refused(channel: Wechat) -> None:
    resource = json.loads(wechat_notice(wechat_trade()))["resource"]
    body = wechat_notice(wechat_trade(), resource={**resource, "algorithm": "AEAD_AES_128_GCM"})

    with pytest.raises(BadNotice, match="another way"):
        read(channel, body)


@pytest.mark.parametrize("field", ["nonce", "associated_data", "ciphertext"])
def test_a_resource_with_a_part_exchanged_does_not_decrypt(channel: Wechat, field: str) -> None:
    resource = json.loads(wechat_notice(wechat_trade()))["resource"]
    body = wechat_notice(wechat_trade(), resource={**resource, field: "AAAAAAAAAAAA"})

    with pytest.raises(BadNotice, match="decrypt"):
        read(channel, body)


def test_a_payment_in_another_currency_is_reported_as_it_came(channel: Wechat) -> None:
    body = wechat_notice(wechat_trade(amount={"total": 14_900, "currency": "USD"}))

    notice = channel.read_notice(wechat_headers(body), body, now=WECHAT_NOW)

    assert notice.trade.paid == Money(14_900, Currency.USD)
