"""At the real channels a file is fetched from their own hosts, over https, and from no other."""

import httpx
import pytest

from app.channels.alipay import Alipay
from app.channels.base import ChannelUnavailable
from app.channels.wechat import Wechat
from tests.channels.bills import DAY, alipay_zip
from tests.channels.signers import (
    ALIPAY_NOW,
    WECHAT_NOW,
    Reply,
    alipay_settings,
    wechat_settings,
)
from tests.channels.test_statements import PACKED, alipay_place, wechat_place


class Internet(httpx.BaseTransport):
    """Everything outside: answers in the order given, and remembers where it was asked."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.asked: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url))
        reply = self.replies.pop(0)
        body = httpx.ByteStream(reply.body)
        return httpx.Response(reply.status, headers=reply.headers, stream=body)


def wechats_file(place: str) -> list[str]:
    """Return where the file was fetched that WeChat Pay says lies at `place`."""
    internet = Internet(wechat_place("", download_url=place), Reply(200, PACKED))
    with httpx.Client(transport=internet) as client:
        channel = Wechat(wechat_settings("https://api.mch.weixin.qq.com"), client=client)
        channel.fetch_statement(DAY, now=WECHAT_NOW)
    return internet.asked[1:]


def alipays_file(place: str) -> list[str]:
    """Return where the file was fetched that Alipay says lies at `place`."""
    internet = Internet(alipay_place(place), Reply(200, alipay_zip()))
    with httpx.Client(transport=internet) as client:
        channel = Alipay(alipay_settings("https://openapi.alipay.com/gateway.do"), client=client)
        channel.fetch_statement(DAY, now=ALIPAY_NOW)
    return internet.asked[1:]


@pytest.mark.parametrize("host", ["api.mch.weixin.qq.com", "api2.mch.weixin.qq.com"])
def test_wechats_two_sites_are_one_service(host: str) -> None:
    place = f"https://{host}/v3/billdownload/file?token=abc"

    assert wechats_file(place) == [place]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_alipays_file_is_fetched_over_https_whatever_its_answer_says(scheme: str) -> None:
    place = "dwbillcenter.alipay.com/downloadBillFile.resource?bizType=trade&fileId=1"

    assert alipays_file(f"{scheme}://{place}") == [f"https://{place}"]


@pytest.mark.parametrize(
    "place",
    [
        "http://api.mch.weixin.qq.com/file",
        "https://api.mch.weixin.qq.com.evil.example/file",
        "https://api.mch.weixin.qq.com@evil.example/file",
        "https://evil.example/api.mch.weixin.qq.com",
        "https://api.mch.weixin.qq.com:8443/file",
        "https://127.0.0.1/file",
    ],
)
def test_wechats_file_on_another_host_is_not_fetched(place: str) -> None:
    with pytest.raises(ChannelUnavailable, match="not its own"):
        wechats_file(place)


@pytest.mark.parametrize(
    "place",
    [
        "https://evilalipay.com/file",
        "https://dwbillcenter.alipay.com.evil.example/file",
        "https://dwbillcenter.alipay.com@evil.example/file",
        "https://evil.example\\.alipay.com/file",
        "https://evil.example:443.alipay.com/file",
        "https://evil.example%2f.alipay.com/file",
        "https://127.0.0.1/file",
        "ftp://dwbillcenter.alipay.com/file",
    ],
)
def test_alipays_file_on_another_host_is_not_fetched(place: str) -> None:
    with pytest.raises(ChannelUnavailable, match="not its own"):
        alipays_file(place)
