"""Every published vector of both channels is signed, verified and decrypted the same way by us."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from app.channels import alipay_crypto, signing, wechat_crypto
from app.channels.alipay import Alipay
from app.channels.base import BadNotice, Channel, NoticeKind, TradeState
from app.channels.wechat import Wechat
from app.channels.wire import Untrusted
from app.core.money import Currency, Money
from tests.channels.signers import (
    ALIPAY,
    ALIPAY_NOW,
    NONCE,
    PLATFORM_ID,
    WECHAT,
    WECHAT_NOW,
    alipay_settings,
    wechat_settings,
)

Vector = dict[str, Any]
MERCHANT = WECHAT["merchant"]
PLATFORM_KEYS = {PLATFORM_ID: signing.load_verifying_key(WECHAT["platform"]["public_key_pem"]).key}
API_V3_KEY = wechat_crypto.load_api_v3_key(WECHAT["apiv3_key"])
CERTIFICATES = WECHAT["platform_certificate_mode"]
ALIPAY_KEY = signing.load_verifying_key(ALIPAY["alipay_public_key"]).key
PAID, REFUNDED = WECHAT["notifications"]


def named(vectors: list[Vector]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", vectors, ids=lambda vector: vector["name"])


def signed_parameters(vector: Vector) -> dict[str, str]:
    return {name: value for name, value in vector["params"].items() if name != "sign"}


def test_no_list_of_vectors_is_left_out() -> None:
    lists = {"requests", "responses", "notifications"}

    assert {name for name in ALIPAY if isinstance(ALIPAY[name], list)} == lists
    assert {name for name in WECHAT if isinstance(WECHAT[name], list)} == lists | {"negative_cases"}
    assert {name for name in WECHAT if isinstance(WECHAT[name], dict)} == {
        "merchant",
        "platform",
        "jsapi_invoke",
        "platform_certificate_mode",
    }


@named(WECHAT["requests"])
def test_wechat_requests_are_authorized_byte_for_byte(vector: Vector) -> None:
    text = wechat_crypto.signed_text(
        vector["method"],
        vector["request_target"],
        vector["timestamp"],
        vector["nonce_str"],
        vector["body"],
    )
    header = wechat_crypto.authorization(
        signing.load_private_key(MERCHANT["private_key_pem"]),
        text,
        mchid=MERCHANT["mchid"],
        serial=MERCHANT["api_cert_serial_no"],
        nonce=vector["nonce_str"],
        timestamp=vector["timestamp"],
    )

    assert text.decode() == vector["sign_string"]
    assert header == vector["authorization_header"]
    merchant_key = signing.load_verifying_key(MERCHANT["public_key_pem"]).key
    signing.verify(merchant_key, text, vector["signature"])


@named(WECHAT["responses"] + WECHAT["notifications"])
def test_wechat_answers_and_callbacks_verify(vector: Vector) -> None:
    headers, body = vector["headers"], vector["body"].encode()

    wechat_crypto.verify(PLATFORM_KEYS, headers, body, now=WECHAT_NOW)

    text = wechat_crypto.signed_text(headers["Wechatpay-Timestamp"], NONCE, body)
    assert text.decode() == vector["sign_string"]


@named(WECHAT["notifications"])
def test_wechat_callbacks_decrypt(vector: Vector) -> None:
    resource = json.loads(vector["body"])["resource"]

    assert wechat_crypto.decrypt(API_V3_KEY, resource).decode() == vector["plaintext"]


def test_wechat_callbacks_say_paid_and_refunded() -> None:
    channel = Wechat(wechat_settings())

    paid = channel.read_notice(PAID["headers"], PAID["body"].encode(), now=WECHAT_NOW)
    refunded = channel.read_notice(REFUNDED["headers"], REFUNDED["body"].encode(), now=WECHAT_NOW)

    assert (paid.notice_id, paid.kind) == ("EV-2026112010000000001", NoticeKind.PAYMENT)
    assert paid.out_trade_no == "INV20261120000001"
    assert paid.trade.state is TradeState.PAID
    assert paid.trade.paid == Money(14_900, Currency.CNY)
    assert paid.trade.channel_txn_id == "4200002026112000000000000001"
    assert paid.trade.attach == "mrc_01"
    assert str(paid.trade.paid_at) == "2026-11-20 09:59:58+08:00"
    assert refunded.kind is NoticeKind.REFUND
    assert refunded.out_trade_no == "INV20261120000001"
    assert refunded.trade.raw_state == "SUCCESS"


def test_wechat_page_parameters_are_signed_the_same() -> None:
    params = WECHAT["jsapi_invoke"]["params"]
    text = wechat_crypto.signed_text(
        params["appId"], params["timeStamp"], params["nonceStr"], params["package"]
    )

    assert text.decode() == WECHAT["jsapi_invoke"]["sign_string"]
    key = signing.load_private_key(MERCHANT["private_key_pem"])
    assert signing.sign(key, text) == params["paySign"]


def test_a_wechat_platform_certificate_decrypts_and_verifies() -> None:
    entry = CERTIFICATES["response"]["data"][0]
    pem = wechat_crypto.decrypt(API_V3_KEY, entry["encrypt_certificate"]).decode()
    headers = {**PAID["headers"], "Wechatpay-Serial": entry["serial_no"]}

    assert pem == CERTIFICATES["certificate_pem"]
    keys = {entry["serial_no"]: signing.load_verifying_key(pem).key}
    wechat_crypto.verify(keys, headers, PAID["body"].encode(), now=WECHAT_NOW)


def wechat_notice_is_refused(
    *, body: str = PAID["body"], seconds_later: int = 0, api_v3_key: str = "", **headers: str
) -> bool:
    settings = wechat_settings()
    if api_v3_key:
        settings = type(settings)(**{**vars(settings), "api_v3_key": api_v3_key})
    sent = {**PAID["headers"], **{name.replace("_", "-"): headers[name] for name in headers}}
    try:
        Wechat(settings).read_notice(
            sent, body.encode(), now=WECHAT_NOW + timedelta(seconds=seconds_later)
        )
    except BadNotice:
        return True
    return False


def wechat_type_is_optional_but_not_free() -> bool:
    """Take a callback without the type, which names the one algorithm there is; no other."""
    headers = {**PAID["headers"]}
    del headers["Wechatpay-Signature-Type"]
    Wechat(wechat_settings()).read_notice(headers, PAID["body"].encode(), now=WECHAT_NOW)
    return wechat_notice_is_refused(Wechatpay_Signature_Type="WECHATPAY2-SM2-WITH-SM3")


NEGATIVE: dict[str, Callable[[], bool]] = {
    "change one byte of body": lambda: wechat_notice_is_refused(
        body=PAID["body"].replace("EV-2026", "EV-2027")
    ),
    "Wechatpay-Serial not in the configured key map": lambda: wechat_notice_is_refused(
        Wechatpay_Serial="PUB_KEY_ID_0119000000012026112000000000000002"
    ),
    "timestamp older than 300 s": lambda: wechat_notice_is_refused(seconds_later=301),
    "signature starting with WECHATPAY/SIGNTEST/": lambda: wechat_notice_is_refused(
        Wechatpay_Signature="WECHATPAY/SIGNTEST/" + PAID["headers"]["Wechatpay-Signature"][19:]
    ),
    "missing Wechatpay-Signature-Type (SDK raises; header is always present in production)": (
        wechat_type_is_optional_but_not_free
    ),
    "wrong APIv3 key -> GCM tag error": lambda: wechat_notice_is_refused(api_v3_key="f" * 32),
}


@pytest.mark.parametrize("case", WECHAT["negative_cases"])
def test_wechat_negative_cases_are_refused(case: str) -> None:
    assert NEGATIVE[case]()


@named(ALIPAY["requests"])
@pytest.mark.parametrize("form", ["pkcs8", "pkcs1"])
def test_alipay_requests_are_signed_byte_for_byte(vector: Vector, form: str) -> None:
    key = signing.load_private_key(ALIPAY[f"app_private_key_{form}"])
    parameters = signed_parameters(vector)

    assert alipay_crypto.canonical(parameters).decode() == vector["sign_content"]
    assert alipay_crypto.sign_request(key, parameters) == vector["sign"]


@named(ALIPAY["requests"])
def test_alipay_forms_are_decoded_exactly_once(vector: Vector) -> None:
    query = urlsplit(vector["http"]["url"]).query
    body = vector["http"]["body"]

    assert alipay_crypto.read_form(f"{query}&{body}".encode()) == vector["params"]
    if vector["redirect_url_get"] is not None:
        assert dict(parse_qsl(urlsplit(vector["redirect_url_get"]).query)) == vector["params"]


@named([vector for vector in ALIPAY["responses"] if vector["sign"] is not None])
def test_alipay_answers_verify_over_their_raw_text(vector: Vector) -> None:
    members = alipay_crypto.raw_members(vector["raw_body"])
    (name,) = members.keys() - {"sign"}

    assert members[name] == vector["signed_substring"]
    signing.verify(ALIPAY_KEY, members[name].encode(), json.loads(members["sign"]))
    changed = members[name].replace("0", "1", 1)
    with pytest.raises(Untrusted):
        signing.verify(ALIPAY_KEY, changed.encode(), json.loads(members["sign"]))


def test_the_unsigned_alipay_answer_has_no_signature() -> None:
    (vector,) = (vector for vector in ALIPAY["responses"] if vector["sign"] is None)

    assert alipay_crypto.raw_members(vector["raw_body"]).keys() == {"alipay_trade_query_response"}


@named(ALIPAY["notifications"])
def test_alipay_notifications_verify(vector: Vector) -> None:
    form = alipay_crypto.read_form(vector["body_urlencoded"].encode())
    signed = {name: form[name] for name in form if name not in {"sign", "sign_type"}}

    assert form == vector["form"]
    assert alipay_crypto.canonical(signed).decode() == vector["sign_content"]
    signing.verify(ALIPAY_KEY, alipay_crypto.signed_notice(form), form["sign"])


def test_alipay_notifications_say_paid_and_refunded() -> None:
    channel: Channel = Alipay(alipay_settings())
    paid, refunded = (
        channel.read_notice({}, vector["body_urlencoded"].encode(), now=ALIPAY_NOW)
        for vector in ALIPAY["notifications"]
    )

    assert (paid.notice_id, paid.kind) == (
        "2026112000222100005000011405000001",
        NoticeKind.PAYMENT,
    )
    assert paid.trade.state is TradeState.PAID
    assert paid.trade.paid == Money(14_900, Currency.CNY)
    assert paid.trade.channel_txn_id == "2026112022001400000000000001"
    assert paid.trade.attach == "merchant=mrc_01"
    assert str(paid.trade.paid_at) == "2026-11-20 10:00:00+08:00"
    assert refunded.kind is NoticeKind.REFUND
    assert refunded.trade.state is TradeState.PAID
    assert refunded.trade.raw_state == "TRADE_CLOSED"
