"""Who pays inside WeChat is told by WeChat, to us alone, once per code."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from app.channels import wire
from app.channels.base import ChannelRefused, ChannelUnavailable
from app.channels.wechat_login import WechatLogin, WechatLoginSettings
from tests.channels.conftest import Stub
from tests.channels.signers import Reply

OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"


@pytest.fixture
def login(stub: Stub) -> Iterator[WechatLogin]:
    with wire.new_client() as client:
        yield WechatLogin(
            WechatLoginSettings(
                authorize_url="https://open.weixin.qq.com/connect/oauth2/authorize",
                token_url=f"{stub.url}/sns/oauth2/access_token",
                appid="wxd678efh567hg6787",
                app_secret="s3cret",
            ),
            client=client,
        )


def test_the_payer_is_sent_to_wechat_silently(login: WechatLogin) -> None:
    url = login.authorize_url("https://pay.example.com/checkout/1/openid?a=b&c", state="x y")

    assert url == (
        "https://open.weixin.qq.com/connect/oauth2/authorize?appid=wxd678efh567hg6787"
        "&redirect_uri=https%3A%2F%2Fpay.example.com%2Fcheckout%2F1%2Fopenid%3Fa%3Db%26c"
        "&response_type=code&scope=snsapi_base&state=x+y#wechat_redirect"
    )


def test_a_code_is_changed_for_an_openid(login: WechatLogin, stub: Stub) -> None:
    stub.reply = Reply(
        200, f'{{"access_token":"a","expires_in":7200,"openid":"{OPENID}"}}'.encode()
    )

    assert login.fetch_openid("0 1&") == OPENID

    (seen,) = stub.seen
    assert seen.method == "GET"
    assert parse_qs(urlsplit(seen.target).query) == {
        "appid": ["wxd678efh567hg6787"],
        "secret": ["s3cret"],
        "code": ["0 1&"],
        "grant_type": ["authorization_code"],
    }


@pytest.mark.parametrize("code", [40029, 40163, 40013, 40125])
def test_a_code_that_is_none_is_refused(login: WechatLogin, stub: Stub, code: int) -> None:
    stub.reply = Reply(200, f'{{"errcode":{code},"errmsg":"invalid code"}}'.encode())

    with pytest.raises(ChannelRefused, match=f"{code}: invalid code"):
        login.fetch_openid("used")


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b'{"errcode":-1,"errmsg":"system error"}'),
        Reply(200, b'{"openid":""}'),
        Reply(200, b'{"errcode":{}}'),
        Reply(200, b'{"openid":"<script>"}'),
        Reply(200, b'{"openid":7}'),
        Reply(200, b'{"openid":"' + b"o" * 129 + b'"}'),
        Reply(200, b"<html>"),
        Reply(302, b"", {"Location": "/elsewhere"}),
        Reply(500, f'{{"openid":"{OPENID}"}}'.encode()),
    ],
)
def test_an_answer_we_can_not_use_tells_nobody(
    login: WechatLogin, stub: Stub, reply: Reply
) -> None:
    stub.reply = reply

    with pytest.raises(ChannelUnavailable):
        login.fetch_openid("code")


def test_the_secret_is_shown_nowhere(login: WechatLogin, stub: Stub) -> None:
    stub.reply = Reply(500)

    with pytest.raises(ChannelUnavailable) as caught:
        login.fetch_openid("code")

    assert "s3cret" not in f"{caught.value!r} {caught.value.__cause__!r} {vars(login)!r}"
