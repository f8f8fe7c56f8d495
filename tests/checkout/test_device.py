"""Each browser is offered what works in it."""

import pytest

from app.channels.base import ChannelName, Method
from app.checkout.device import OFFERS, Device, device_of
from app.payments.opening import METHODS

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15"
ANDROID = "Mozilla/5.0 (Linux; Android 14; 23127PN0CC Build/UKQ1.230804; wv) AppleWebKit/537.36"
WECHAT = f"{IPHONE} Mobile/15E148 MicroMessenger/8.0.54(0x18003631) NetType/WIFI Language/zh_CN"
ALIPAY = f"{IPHONE} Mobile/22B83 Ariver/1.1.0 AliApp(AP/10.6.90.6000) Nebula AlipayClient/10.6.90"


@pytest.mark.parametrize(
    ("user_agent", "device"),
    [
        (WECHAT, Device.WECHAT),
        (
            (
                f"{ANDROID} Version/4.0 Chrome/126.0.6478.188 Mobile Safari/537.36"
                " XWEB/1260183 MMWEBSDK/20240404 MicroMessenger/8.0.49(0x28003156) WeChat/arm64"
            ),
            Device.WECHAT,
        ),
        (ALIPAY, Device.ALIPAY),
        (
            (
                f"{ANDROID} Version/4.0 Chrome/105.0 Mobile Safari/537.36 UCBS/3.22"
                " AliApp(AP/10.5.96.8000) AlipayClient/10.5.96.8000 Language/zh-Hans"
            ),
            Device.ALIPAY,
        ),
        (f"{IPHONE} Version/18.1 Mobile/15E148 Safari/604.1", Device.MOBILE),
        (
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36"
                " Chrome/131.0.0.0 Mobile Safari/537.36"
            ),
            Device.MOBILE,
        ),
        (
            (
                "Mozilla/5.0 (Linux; Android 14; SM-X710) AppleWebKit/537.36"
                " Chrome/131.0.0.0 Safari/537.36"
            ),
            Device.MOBILE,
        ),
        (
            (
                "Mozilla/5.0 (Phone; OpenHarmony 5.0) AppleWebKit/537.36"
                " Chrome/114.0.0.0 Safari/537.36 ArkWeb/4.1.6.1 Mobile"
            ),
            Device.MOBILE,
        ),
        (
            f"{IPHONE} Mobile/15E148 wxwork/4.1.30 MicroMessenger/7.0.1 Language/zh",
            Device.MOBILE,
        ),
        (
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36"
                " Chrome/122.0.0.0 Safari/537.36 MicroMessenger/7.0.20.1781(0x6700143B)"
                " NetType/WIFI MiniProgramEnv/Windows WindowsWechat/WMPF WindowsWechat(0x63090b19)"
            ),
            Device.DESKTOP,
        ),
        (
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36"
                " Chrome/122.0.0.0 Safari/537.36 MicroMessenger/6.8.0(0x16080000) MacWechat/3.8.9"
            ),
            Device.DESKTOP,
        ),
        (
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36"
                " Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0"
            ),
            Device.DESKTOP,
        ),
        (
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15"
                " Version/18.1 Safari/605.1.15"
            ),
            Device.DESKTOP,
        ),
        ("curl/8.5.0", Device.DESKTOP),
        ("", Device.DESKTOP),
    ],
)
def test_a_browser_tells_what_it_is(user_agent: str, device: Device) -> None:
    assert device_of(user_agent) is device


@pytest.mark.parametrize("device", Device)
def test_every_device_is_offered_a_way_at_every_channel(device: Device) -> None:
    offer = OFFERS[device]

    assert set(offer) == set(ChannelName)
    assert all(set(methods) <= set(METHODS[channel]) for channel, methods in offer.items())


def test_only_wechat_is_offered_what_only_wechat_can_do() -> None:
    offering = [device for device in Device if Method.JSAPI in OFFERS[device][ChannelName.WECHAT]]

    assert offering == [Device.WECHAT]
