"""The simulator reads what the real SDKs signed, and nothing that differs from it by one bit."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.simulator import alipay_wire, wechat_wire
from app.simulator.keys import AlipayIdentity, WeChatIdentity
from app.simulator.signing import is_signed
from app.simulator.wechat_wire import Received

VECTORS = Path(__file__).resolve().parents[1] / "vectors"
WECHAT: dict[str, Any] = json.loads((VECTORS / "wechat.json").read_text())
ALIPAY: dict[str, Any] = json.loads((VECTORS / "alipay.json").read_text())
SIGNED_AT = datetime.fromtimestamp(1_795_132_800, UTC)

MERCHANT = WeChatIdentity(
    mchid=WECHAT["merchant"]["mchid"],
    appid=WECHAT["merchant"]["appid"],
    merchant_serial=WECHAT["merchant"]["api_cert_serial_no"],
    merchant_private_key_pem=WECHAT["merchant"]["private_key_pem"],
    api_v3_key=WECHAT["apiv3_key"],
    platform_public_key_id=WECHAT["platform"]["public_key_id"],
    platform_private_key_pem=WECHAT["platform"]["private_key_pem_simulator_only"],
)
APP = AlipayIdentity(
    app_id=ALIPAY["app_id"],
    seller_id=ALIPAY["seller_id"],
    app_private_key_pem=ALIPAY["app_private_key_pkcs8"],
    alipay_private_key_pem=ALIPAY["alipay_private_key_simulator_only"],
)


def received(vector: dict[str, Any]) -> Received:
    path, _, query = vector["request_target"].partition("?")
    body = vector["body"].encode()
    return Received(vector["method"], unquote(path), query, body, vector["authorization_header"])


@pytest.mark.parametrize("vector", WECHAT["requests"], ids=lambda vector: vector["name"])
def test_a_signed_wechat_request_is_our_merchants(vector: dict[str, Any]) -> None:
    assert wechat_wire.whats_wrong(received(vector), MERCHANT, now=SIGNED_AT) == ""


@given(st.data())
def test_a_wechat_request_with_any_bit_flipped_is_not(data: st.DataObject) -> None:
    request = received(WECHAT["requests"][0])
    bit = data.draw(st.integers(0, len(request.body) * 8 - 1))
    body = bytearray(request.body)
    body[bit // 8] ^= 1 << bit % 8
    flipped = Received(request.method, request.path, "", bytes(body), request.authorization)

    assert wechat_wire.whats_wrong(flipped, MERCHANT, now=SIGNED_AT) == "签名错误"


@given(st.text())
def test_no_authorization_makes_the_door_fall(authorization: str) -> None:
    request = Received("GET", "/v3/x", "", b"", authorization)

    assert wechat_wire.whats_wrong(request, MERCHANT, now=SIGNED_AT)


@pytest.mark.parametrize("vector", ALIPAY["requests"], ids=lambda vector: vector["name"])
def test_a_signed_alipay_request_is_our_apps(vector: dict[str, Any]) -> None:
    text = alipay_wire.canonical(vector["params"], without=frozenset({"sign"}))

    assert text.decode() == vector["sign_content"]
    assert is_signed(APP.app_key, text, vector["sign"])


def test_an_alipay_answer_is_the_real_gateways_to_the_byte() -> None:
    vector = ALIPAY["responses"][0]
    content = json.loads(vector["raw_body"])["alipay_trade_precreate_response"]

    answer = alipay_wire.answer("alipay.trade.precreate", content, APP)

    assert answer.decode() == vector["raw_body"]


@given(st.integers(1, 100_000_000_00))
def test_fen_to_yuan_and_back_is_the_same(minor: int) -> None:
    assert alipay_wire.to_minor(alipay_wire.to_yuan(minor)) == minor


@pytest.mark.parametrize(("minor", "yuan"), [(1, "0.01"), (10, "0.10"), (14_900, "149.00")])
def test_yuan_have_two_places(minor: int, yuan: str) -> None:
    assert alipay_wire.to_yuan(minor) == yuan
