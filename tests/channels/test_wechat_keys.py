"""WeChat Pay is believed by its public key or by its certificates, while they are good."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import httpx
import pytest

from app.channels import wire
from app.channels.base import BadNotice, ChannelRefused, ChannelUnavailable
from app.channels.wechat import Wechat, WechatSettings
from tests.channels.conftest import Stub
from tests.channels.signers import (
    ORDER,
    PLATFORM_ID,
    STRANGERS_KEY,
    WECHAT,
    WECHAT_NOW,
    Reply,
    certificate,
    wechat_certificates,
    wechat_error,
    wechat_headers,
    wechat_notice,
    wechat_reply,
    wechat_settings,
    wechat_trade,
)

OLD, NEW = "5157F09EFDC096DE15EBE81A47057A7232F1B8E1", "0A1B2C3D4E5F60718293A4B5C6D7E8F901020304"
PEMS = {serial: certificate(int(serial, 16)) for serial in (OLD, NEW)}
BODY = wechat_notice(wechat_trade())
YEARS_LATER = datetime(2031, 1, 1, tzinfo=UTC)


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with wire.new_client() as client:
        yield client


def certificates_only(
    url: str = "http://127.0.0.1:1", known: Mapping[str, str] = MappingProxyType({})
) -> WechatSettings:
    return replace(
        wechat_settings(url),
        platform_public_key_id="",
        platform_public_key_pem="",
        platform_keys=known,
    )


def notice(channel: Wechat, serial: str, *, at: datetime = WECHAT_NOW) -> str:
    return channel.read_notice(wechat_headers(BODY, serial=serial, at=at), BODY, now=at).notice_id


def listed(*serials: str, signed_by: str = OLD) -> Reply:
    reply = wechat_reply(wechat_certificates({serial: PEMS[serial] for serial in serials}))
    return Reply(200, reply.body, wechat_headers(reply.body, serial=signed_by))


def test_the_vectors_certificate_is_fetched_and_believed(stub: Stub, client: httpx.Client) -> None:
    serial = WECHAT["platform_certificate_mode"]["response"]["data"][0]["serial_no"]
    reply = wechat_reply(WECHAT["platform_certificate_mode"]["response"])
    stub.reply = Reply(200, reply.body, wechat_headers(reply.body, serial=serial))
    channel = Wechat(certificates_only(stub.url), client=client)

    channel.fetch_certificates(now=WECHAT_NOW)

    assert stub.seen[0].target == "/v3/certificates"
    assert "wechatpay-serial" not in stub.seen[0].headers
    assert notice(channel, serial) == "EV-1"


def test_certificates_are_believed_by_whoever_learns_them(stub: Stub, client: httpx.Client) -> None:
    stub.reply = listed(OLD)
    answer = Wechat(certificates_only(stub.url), client=client).fetch_certificates(now=WECHAT_NOW)
    other = Wechat(certificates_only(), client=client)
    with pytest.raises(BadNotice, match="serial"):
        notice(other, OLD)

    other.learn_certificates(answer)

    assert notice(other, OLD) == "EV-1"


def test_while_certificates_change_both_are_believed(stub: Stub, client: httpx.Client) -> None:
    channel = Wechat(certificates_only(stub.url), client=client)
    for serials, signed_by in (((OLD,), OLD), ((OLD, NEW), NEW), ((NEW,), NEW)):
        stub.reply = listed(*serials, signed_by=signed_by)
        channel.fetch_certificates(now=WECHAT_NOW)
        assert {notice(channel, serial) for serial in serials} == {"EV-1"}

    with pytest.raises(BadNotice, match="serial"):
        notice(channel, OLD)


def test_a_public_key_and_certificates_are_believed_together(
    stub: Stub, client: httpx.Client
) -> None:
    channel = Wechat(wechat_settings(stub.url), client=client)
    stub.reply = listed(OLD)

    channel.fetch_certificates(now=WECHAT_NOW)

    assert notice(channel, OLD) == notice(channel, PLATFORM_ID) == "EV-1"


def test_a_strangers_serial_makes_us_ask_nobody(stub: Stub, client: httpx.Client) -> None:
    channel = Wechat(certificates_only(stub.url, known={OLD: PEMS[OLD]}), client=client)

    with pytest.raises(BadNotice, match="serial"):
        notice(channel, NEW)

    assert not stub.seen


@pytest.mark.parametrize(
    ("at", "is_good"),
    [
        (YEARS_LATER - timedelta(seconds=1), True),
        (YEARS_LATER, False),
        (datetime(2025, 12, 31, tzinfo=UTC), False),
    ],
)
def test_a_certificate_is_believed_from_its_begin_to_its_end(
    client: httpx.Client, *, at: datetime, is_good: bool
) -> None:
    channel = Wechat(certificates_only(known={OLD: PEMS[OLD]}), client=client)
    if is_good:
        assert notice(channel, OLD, at=at) == "EV-1"
        return
    with pytest.raises(BadNotice, match="serial"):
        notice(channel, OLD, at=at)


def test_a_public_key_has_no_end(client: httpx.Client) -> None:
    assert notice(Wechat(wechat_settings(), client=client), PLATFORM_ID, at=YEARS_LATER) == "EV-1"


def forged(**changes: object) -> Reply:
    answer = wechat_certificates({OLD: PEMS[OLD]})
    entry = {**answer["data"][0], **changes}  # type: ignore[index]  # a list of one, made above
    body = wechat_reply({"data": [entry]}).body
    return Reply(200, body, wechat_headers(body, serial=OLD))


def unsigned() -> Reply:
    return Reply(200, listed(OLD).body)


def of_another_merchant() -> Reply:
    body = wechat_reply(wechat_certificates({OLD: PEMS[OLD]}, api_v3_key="f" * 32)).body
    return Reply(200, body, wechat_headers(body, serial=OLD))


def signed_by_a_stranger() -> Reply:
    body = listed(OLD).body
    return Reply(200, body, wechat_headers(body, serial=OLD, key=STRANGERS_KEY))


def expired() -> Reply:
    pem = certificate(int(OLD, 16), end=datetime(2026, 11, 1, tzinfo=UTC))
    body = wechat_reply(wechat_certificates({OLD: pem})).body
    return Reply(200, body, wechat_headers(body, serial=OLD))


@pytest.mark.parametrize(
    "reply",
    [
        unsigned(),
        of_another_merchant(),
        signed_by_a_stranger(),
        expired(),
        forged(serial_no=NEW),
        forged(encrypt_certificate=None),
        wechat_reply({"data": []}),
        wechat_reply({"data": ["certificate"]}),
        wechat_reply({"data": [{}] * 11}),
        wechat_reply({}),
    ],
    ids=[
        "unsigned",
        "encrypted for another merchant",
        "signed by a stranger",
        "expired",
        "under another serial",
        "not encrypted",
        "none",
        "no objects",
        "too many",
        "nothing",
    ],
)
def test_a_list_that_does_not_prove_itself_teaches_nothing(
    stub: Stub, client: httpx.Client, reply: Reply
) -> None:
    stub.reply = reply
    channel = Wechat(certificates_only(stub.url), client=client)

    with pytest.raises(ChannelUnavailable):
        channel.fetch_certificates(now=WECHAT_NOW)

    with pytest.raises(BadNotice, match="serial"):
        notice(channel, OLD)


def test_a_list_encrypted_for_another_key_is_not_learned(client: httpx.Client) -> None:
    channel = Wechat(certificates_only(), client=client)

    with pytest.raises(ValueError, match="decrypt"):
        channel.learn_certificates(of_another_merchant().body)


def test_an_account_without_certificates_is_refused_them(stub: Stub, client: httpx.Client) -> None:
    stub.reply = wechat_error(404, "RESOURCE_NOT_EXISTS")

    with pytest.raises(ChannelRefused):
        Wechat(wechat_settings(stub.url), client=client).fetch_certificates(now=WECHAT_NOW)


def test_without_any_key_no_answer_is_believed(stub: Stub, client: httpx.Client) -> None:
    stub.reply = wechat_reply(wechat_trade())

    with pytest.raises(ChannelUnavailable, match="serial"):
        Wechat(certificates_only(stub.url), client=client).query(ORDER, now=WECHAT_NOW)


def test_a_certificate_under_another_serial_is_not_loaded() -> None:
    with pytest.raises(ValueError, match="serial"):
        Wechat(certificates_only(known={NEW: PEMS[OLD]}))
