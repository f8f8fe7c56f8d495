"""An Alipay notification is believed when it is RSA2-signed, ours, and reads in one way only."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.channels import alipay_crypto, wire
from app.channels.alipay import Alipay
from app.channels.base import BadNotice, Notice, NoticeKind, TradeState
from app.core.money import Currency, Money
from tests.channels.signers import ALIPAY, ALIPAY_NOW, alipay_notice, alipay_settings

GENUINE: bytes = ALIPAY["notifications"][0]["body_urlencoded"].encode()


@pytest.fixture(scope="module")
def channel() -> Iterator[Alipay]:
    with wire.new_client() as client:
        yield Alipay(alipay_settings(), client=client)


def read(channel: Alipay, body: bytes) -> Notice:
    return channel.read_notice({}, body, now=ALIPAY_NOW)


@given(bit=st.integers(0, len(GENUINE) * 8 - 1))
def test_a_flipped_bit_is_refused_or_spells_the_same_form(channel: Alipay, bit: int) -> None:
    body = bytearray(GENUINE)
    body[bit // 8] ^= 1 << (bit % 8)
    try:
        notice = read(channel, bytes(body))
    except BadNotice:
        return

    assert bytes(body).upper() == GENUINE.upper()  # %2f for %2F, nothing else
    assert notice == read(channel, GENUINE)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"trade_status": "TRADE_SUCCESS"}, TradeState.PAID),
        ({"trade_status": "TRADE_FINISHED"}, TradeState.PAID),
        ({"trade_status": "WAIT_BUYER_PAY", "gmt_payment": None}, TradeState.PENDING),
        ({"trade_status": "TRADE_CLOSED", "gmt_payment": None}, TradeState.CLOSED),
    ],
)
def test_what_a_notification_says_of_its_trade(
    channel: Alipay, changes: dict[str, str | None], state: TradeState
) -> None:
    notice = read(channel, alipay_notice(changes))

    assert (notice.trade.state, notice.kind) == (state, NoticeKind.PAYMENT)


def test_a_partial_refund_is_told_apart_from_a_payment(channel: Alipay) -> None:
    body = alipay_notice({"gmt_refund": "2026-11-20 10:05:00.123", "refund_fee": "1.00"})

    notice = read(channel, body)

    assert notice.kind is NoticeKind.REFUND
    assert notice.trade.paid == Money(14_900, Currency.CNY)


def test_new_fields_are_part_of_what_was_signed(channel: Alipay) -> None:
    assert read(channel, alipay_notice({"buyer_open_id": "074a1CcTG1LelxKe4xQC0zgNdId"})).notice_id


@pytest.mark.parametrize(
    "changes",
    [
        {"app_id": "2021000122671081"},
        {"seller_id": "2088101122136242"},
        {"seller_id": None},
        {"sign_type": "RSA"},
        {"sign_type": "MD5"},
        {"sign_type": None},
        {"notify_type": "dut_user_sign"},
        {"notify_id": None},
        {"out_trade_no": None},
        {"trade_no": None},
        {"trade_status": "TRADE_ODD"},
        {"total_amount": "149.001"},
        {"total_amount": "1.49e2"},
        {"total_amount": "-149.00"},
        {"total_amount": "\uff11\uff14\uff19.00"},
        {"total_amount": None},
        {"gmt_payment": "now"},
    ],
)
def test_a_genuine_signature_over_something_else_is_refused(
    channel: Alipay, changes: dict[str, str | None]
) -> None:
    with pytest.raises(BadNotice):
        read(channel, alipay_notice(changes))


@pytest.mark.parametrize(
    "body",
    [
        alipay_notice(key=ALIPAY["app_private_key_pkcs8"]),
        GENUINE + b"&total_amount=0.01",
        b"total_amount=0.01&" + GENUINE,
        GENUINE + b"&extra=1",
        GENUINE.replace(b"charset=utf-8", b"charset=gbk"),
        GENUINE.replace(b"149.00", b"149.01"),
        GENUINE.replace(b"&gmt_payment=", b"%26gmt_payment%3D"),
        GENUINE.replace(b"=2088101122136241", b"%3D2088101122136241="),
        GENUINE.replace(b"%25", b"%"),
        GENUINE.replace(b"sign=", b"signature="),
        GENUINE.replace(b"%E5", b"%FF"),
        GENUINE + "&备注=".encode(),
        b'{"trade_status":"TRADE_SUCCESS"}',
        b"",
    ],
    ids=[
        "signed with our own key",
        "a field twice",
        "a field twice, the genuine one last",
        "a field more",
        "another charset",
        "another amount",
        "two fields read as one",
        "a name with the value inside",
        "decoded once too often",
        "no signature",
        "not UTF-8",
        "not encoded",
        "JSON",
        "empty",
    ],
)
def test_a_notification_that_was_touched_is_refused(channel: Alipay, body: bytes) -> None:
    with pytest.raises(BadNotice):
        read(channel, body)


@pytest.mark.parametrize(
    "body",
    [
        b"a=%FF",
        "a=备".encode(),
        b"a",
        b"a=1&",
        b"a=1&a=1",
        b"a%3D1=2",
        b"a=1%26b=2",
        b"a%26b=2",
        b"&".join(b"f%d=1" % number for number in range(101)),
    ],
)
def test_a_form_that_could_be_read_otherwise_is_not_read(body: bytes) -> None:
    with pytest.raises(wire.Untrusted):
        alipay_crypto.read_form(body)


def test_a_form_is_decoded_once_and_without_its_empty_fields() -> None:
    assert alipay_crypto.read_form(b"a=b%2526c+d&e=&f=x%26y") == {"a": "b%26c d", "f": "x&y"}


def test_an_empty_field_is_no_field(channel: Alipay) -> None:
    """Empty fields are outside the signature, so one added by a stranger must say nothing."""
    assert read(channel, GENUINE + b"&gmt_refund=") == read(channel, GENUINE)


def test_fields_may_not_swallow_each_other(channel: Alipay) -> None:
    """`a=1` and `b=2` sign like one `a` that says `1&b=2`: hiding a refund must not work."""
    refunded = ALIPAY["notifications"][1]["body_urlencoded"].encode()
    fields = sorted(refunded.split(b"&"))
    hiding = b"&".join(fields).replace(b"&gmt_refund=", b"%26gmt_refund%3D")
    assert read(channel, b"&".join(fields)).kind is NoticeKind.REFUND

    with pytest.raises(BadNotice, match="reads like two"):
        read(channel, hiding)
