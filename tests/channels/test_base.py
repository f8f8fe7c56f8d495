"""An ask no channel would take, a trade that contradicts itself and a bad key are never made."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from app.channels import signing, wechat_crypto
from app.channels.base import (
    Ask,
    Method,
    Refund,
    RefundAsk,
    RefundState,
    Trade,
    TradeState,
)
from app.core.money import Currency, Money

ASK = Ask(
    out_trade_no="A0000001",
    amount=Money(1, Currency.CNY),
    description="",
    expires_at=datetime(2026, 11, 20, tzinfo=UTC),
    notify_url="https://pay.example.com/api/webhooks/wechat",
    attach="x" * 128,
    method=Method.NATIVE,
)


@pytest.mark.parametrize(
    "number", ["short", "x" * 33, "A/000001", "A|000001", "A000001\n", "订单订单订单"]
)
def test_an_order_number_no_channel_takes_is_refused(number: str) -> None:
    with pytest.raises(ValueError, match="order number"):
        replace(ASK, out_trade_no=number)


@pytest.mark.parametrize(
    "amount", [Money(0, Currency.CNY), Money(-1, Currency.CNY), Money(1, Currency.USD)]
)
def test_an_amount_no_channel_collects_is_refused(amount: Money) -> None:
    with pytest.raises(ValueError, match="collects"):
        replace(ASK, amount=amount)


def test_an_attach_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="attach"):
        replace(ASK, attach="户" * 43)


def test_an_expiry_has_a_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        replace(ASK, expires_at=ASK.expires_at.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("state", "paid", "channel_txn_id"),
    [
        (TradeState.PAID, None, "42"),
        (TradeState.PAID, Money(1, Currency.CNY), None),
        (TradeState.CLOSED, Money(1, Currency.CNY), "42"),
    ],
)
def test_a_trade_is_paid_exactly_when_it_has_money(
    state: TradeState, paid: Money | None, channel_txn_id: str | None
) -> None:
    with pytest.raises(ValueError, match="A0000001"):
        Trade(state, "A0000001", "X", paid=paid, channel_txn_id=channel_txn_id)


REFUND = RefundAsk(
    out_refund_no="R0000001",
    out_trade_no="A0000001",
    amount=Money(1, Currency.CNY),
    total=Money(2, Currency.CNY),
    reason="",
    notify_url="https://pay.example.com/api/webhooks/wechat",
)


def ask_by(
    method: Method,
    *,
    openid: str = "oUpF8",
    payer_ip: str = "203.0.113.7",
    return_url: str = "https://pay.example.com/checkout/1",
) -> Ask:
    return replace(ASK, method=method, openid=openid, payer_ip=payer_ip, return_url=return_url)


@pytest.mark.parametrize(
    ("method", "missing"),
    [
        (Method.JSAPI, "openid"),
        (Method.H5, "payer_ip"),
        (Method.H5, "return_url"),
        (Method.PAGE, "return_url"),
        (Method.WAP, "return_url"),
    ],
)
def test_what_a_method_needs_has_to_be_there(method: Method, missing: str) -> None:
    assert ask_by(method).method is method

    with pytest.raises(ValueError, match=r"openid|address|comes back"):
        ask_by(method, **{missing: ""})


@pytest.mark.parametrize("address", ["localhost", "203.0.113.7:80", "<script>"])
def test_a_payers_address_is_one(address: str) -> None:
    with pytest.raises(ValueError, match="address"):
        ask_by(Method.H5, payer_ip=address)


@pytest.mark.parametrize("number", ["short", "x" * 65, "R/000001", "R|000001"])
def test_a_refund_number_no_channel_takes_is_refused(number: str) -> None:
    assert replace(REFUND, out_refund_no="x" * 64)
    with pytest.raises(ValueError, match="refund number"):
        replace(REFUND, out_refund_no=number)


@pytest.mark.parametrize(
    ("amount", "total"),
    [
        (Money(3, Currency.CNY), Money(2, Currency.CNY)),
        (Money(0, Currency.CNY), Money(2, Currency.CNY)),
        (Money(1, Currency.USD), Money(2, Currency.CNY)),
        (Money(1, Currency.CNY), Money(2, Currency.USD)),
    ],
)
def test_no_more_is_refunded_than_was_paid(amount: Money, total: Money) -> None:
    assert replace(REFUND, amount=REFUND.total)
    with pytest.raises(ValueError, match=r"refunded|collects"):
        replace(REFUND, amount=amount, total=total)


def test_a_refund_that_succeeded_has_an_amount() -> None:
    with pytest.raises(ValueError, match="R0000001"):
        Refund(RefundState.SUCCEEDED, "R0000001", "A0000001", "SUCCESS")


def pems(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> tuple[str, str]:
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 1024),  # noqa: S505 - the point is that it is refused
        ec.generate_private_key(ec.SECP256R1()),
    ],
    ids=["too short", "another kind"],
)
def test_a_weak_or_foreign_key_is_refused(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
) -> None:
    private, public = pems(key)

    with pytest.raises(ValueError, match="RSA private key"):
        signing.load_private_key(private)
    with pytest.raises(ValueError, match="RSA public key"):
        signing.load_verifying_key(public)


@pytest.mark.parametrize("key", ["", "0" * 31, "0" * 33, "密" * 32])
def test_an_api_v3_key_has_32_ascii_characters(key: str) -> None:
    with pytest.raises(ValueError, match=r"32 characters|ascii"):
        wechat_crypto.load_api_v3_key(key)
