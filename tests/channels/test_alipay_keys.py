"""Alipay is believed by its key or by its certificates, and both while one replaces the other."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.channels import alipay_keys, wire
from app.channels.alipay import Alipay, AlipaySettings
from app.channels.base import BadNotice, ChannelUnavailable, TradeState
from tests.channels.conftest import Stub
from tests.channels.signers import (
    ALIPAY,
    ALIPAY_NOW,
    ORDER,
    WECHAT,
    alipay_notice,
    alipay_reply,
    alipay_settings,
    certificate,
)
from tests.channels.test_alipay import PAID

ANT = x509.Name(
    [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Ant Financial"),
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Certification Authority"),
        x509.NameAttribute(NameOID.COMMON_NAME, "Ant Financial Certification Authority Class 1 R1"),
    ]
)
SERIAL = 0x1234567890ABCDEF
SN = "92b3ae0659458f13a784d4e94ee9181b"
"""Of `openssl x509 -issuer -nameopt RFC2253` and the serial in decimal, by `md5sum`."""
OLD_KEY: str = ALIPAY["alipay_private_key_simulator_only"]
NEW_KEY: str = WECHAT["platform"]["private_key_pem_simulator_only"]  # any other good key
STRANGERS_KEY: str = ALIPAY["app_private_key_pkcs8"]

OLD = certificate(SERIAL, key=OLD_KEY, issuer=ANT)
NEW = certificate(SERIAL + 1, key=NEW_KEY, issuer=ANT)
ROOT = certificate(SERIAL, key=STRANGERS_KEY, issuer=ANT)
APPLICATION = certificate(SERIAL + 2, key=STRANGERS_KEY, issuer=ANT)


def sn(pem: str) -> str:
    return alipay_keys.certificate_sn(x509.load_pem_x509_certificate(pem.encode()))


def root_of_curves() -> str:
    """Return a root that signs with no RSA, as there are some in Alipay's bundle."""
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        x509.CertificateBuilder()
        .subject_name(ANT)
        .issuer_name(ANT)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2031, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


def in_certificate_mode(url: str = "http://127.0.0.1:1/gateway.do") -> AlipaySettings:
    return replace(
        alipay_settings(url),
        alipay_public_key_pem=OLD,
        app_certificate_pem=APPLICATION,
        alipay_root_certificates_pem=ROOT + root_of_curves() + NEW,
    )


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with wire.new_client() as client:
        yield client


def test_a_certificate_is_numbered_as_alipay_numbers_it() -> None:
    assert sn(OLD) == SN


def test_a_bundle_of_roots_is_numbered_by_those_that_sign_with_rsa() -> None:
    assert alipay_keys.root_sn(ROOT + root_of_curves() + NEW) == f"{SN}_{sn(NEW)}"
    with pytest.raises(ValueError, match="RSA"):
        alipay_keys.root_sn(root_of_curves())


def test_in_certificate_mode_a_call_names_certificates(stub: Stub, client: httpx.Client) -> None:
    stub.reply = alipay_reply("query", PAID, cert_sn=SN)
    channel = Alipay(in_certificate_mode(f"{stub.url}/gateway.do"), client=client)

    assert channel.query(ORDER, now=ALIPAY_NOW).state is TradeState.PAID

    sent = dict(parse_qsl(stub.seen[0].target.partition("?")[2]))
    assert sent["app_cert_sn"] == sn(APPLICATION)
    assert sent["alipay_root_cert_sn"] == f"{SN}_{sn(NEW)}"


def test_in_public_key_mode_a_call_names_none(stub: Stub, client: httpx.Client) -> None:
    stub.reply = alipay_reply("query", PAID)

    Alipay(alipay_settings(f"{stub.url}/gateway.do"), client=client).query(ORDER, now=ALIPAY_NOW)

    assert "cert_sn" not in stub.seen[0].target


@pytest.mark.parametrize(
    ("key", "cert_sn"),
    [(OLD_KEY, sn(OLD)), (NEW_KEY, sn(NEW)), (OLD_KEY, ""), (NEW_KEY, "")],
    ids=["old", "new", "old, unnamed", "new, unnamed"],
)
def test_while_it_changes_both_are_believed(
    stub: Stub, client: httpx.Client, *, key: str, cert_sn: str
) -> None:
    settings = replace(in_certificate_mode(f"{stub.url}/gateway.do"), alipay_keys=(NEW,))
    stub.reply = alipay_reply("query", PAID, key=key, cert_sn=cert_sn)

    trade = Alipay(settings, client=client).query(ORDER, now=ALIPAY_NOW)

    assert trade.state is TradeState.PAID


@pytest.mark.parametrize(
    ("key", "cert_sn"),
    [
        (OLD_KEY, sn(NEW)),
        (NEW_KEY, sn(OLD)),
        (OLD_KEY, "0" * 32),
        (STRANGERS_KEY, ""),
        (STRANGERS_KEY, sn(OLD)),
    ],
)
def test_an_answer_is_believed_by_the_certificate_it_names_only(
    stub: Stub, client: httpx.Client, *, key: str, cert_sn: str
) -> None:
    settings = replace(in_certificate_mode(f"{stub.url}/gateway.do"), alipay_keys=(NEW,))
    stub.reply = alipay_reply("query", PAID, key=key, cert_sn=cert_sn)

    with pytest.raises(ChannelUnavailable):
        Alipay(settings, client=client).query(ORDER, now=ALIPAY_NOW)

    assert len(stub.seen) == 1  # and no certificate was looked for


def test_an_expired_certificate_no_longer_verifies(client: httpx.Client) -> None:
    channel, body = Alipay(in_certificate_mode(), client=client), alipay_notice()
    assert channel.read_notice({}, body, now=ALIPAY_NOW).trade.state is TradeState.PAID

    with pytest.raises(BadNotice, match="expired"):
        channel.read_notice({}, body, now=datetime(2031, 1, 1, tzinfo=UTC))


def test_notices_are_believed_by_either_key_while_it_changes(client: httpx.Client) -> None:
    new = WECHAT["platform"]["public_key_pem"]
    channel = Alipay(replace(alipay_settings(), alipay_keys=(new,)), client=client)

    for key in (OLD_KEY, NEW_KEY):
        notice = channel.read_notice({}, alipay_notice(key=key), now=ALIPAY_NOW)
        assert notice.trade.state is TradeState.PAID
    with pytest.raises(BadNotice, match="signature"):
        channel.read_notice({}, alipay_notice(key=STRANGERS_KEY), now=ALIPAY_NOW)


def test_a_notice_that_names_a_certificate_is_believed_by_that_one(client: httpx.Client) -> None:
    channel = Alipay(in_certificate_mode(), client=client)

    assert channel.read_notice({}, alipay_notice({"alipay_cert_sn": SN}), now=ALIPAY_NOW)
    with pytest.raises(BadNotice, match="none of ours"):
        channel.read_notice({}, alipay_notice({"alipay_cert_sn": sn(NEW)}), now=ALIPAY_NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {"alipay_public_key_pem": ALIPAY["alipay_public_key"]},
        {"alipay_keys": (ALIPAY["alipay_public_key"],)},
        {"alipay_root_certificates_pem": ""},
        {"alipay_root_certificates_pem": root_of_curves()},
        {"app_certificate_pem": ALIPAY["alipay_public_key"]},
    ],
)
def test_half_a_certificate_mode_is_refused(changes: dict[str, object]) -> None:
    settings = AlipaySettings(**{**vars(in_certificate_mode()), **changes})

    with pytest.raises(ValueError):  # noqa: PT011 - cryptography has its own words for some
        Alipay(settings)
