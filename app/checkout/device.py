"""What a payer holds in his hand, by what his browser says, and the ways to pay that work there.

A browser may say anything: it decides what is offered first, and nothing else. Every other way of
a channel stays one press away.
"""

import re
from collections.abc import Mapping
from enum import StrEnum

from app.channels.base import ChannelName, Method

_DESKTOP_WECHAT = re.compile(r"WindowsWechat|MacWechat|UnifiedPCWechat", re.IGNORECASE)
_MOBILE = re.compile(r"Mobile|Android|iPhone|iPad|iPod|(?:Phone|Tablet); OpenHarmony|HarmonyOS")


class Device(StrEnum):
    DESKTOP = "desktop"
    MOBILE = "mobile"  # any mobile browser but the two apps' own
    WECHAT = "wechat"  # WeChat's browser on a phone
    ALIPAY = "alipay"  # Alipay's browser on a phone


Offer = dict[ChannelName, tuple[Method, ...]]

OFFERS: Mapping[Device, Offer] = {
    Device.DESKTOP: {
        ChannelName.WECHAT: (Method.NATIVE,),
        ChannelName.ALIPAY: (Method.PRECREATE, Method.PAGE),
    },
    Device.MOBILE: {
        ChannelName.WECHAT: (Method.H5, Method.NATIVE),
        ChannelName.ALIPAY: (Method.WAP, Method.PRECREATE),
    },
    # Neither app opens the other: what is left there is a code for another device.
    Device.WECHAT: {
        ChannelName.WECHAT: (Method.JSAPI, Method.NATIVE),
        ChannelName.ALIPAY: (Method.PRECREATE,),
    },
    Device.ALIPAY: {
        ChannelName.WECHAT: (Method.NATIVE,),
        ChannelName.ALIPAY: (Method.WAP, Method.PRECREATE),
    },
}
"""What is offered on a device, the best way first."""


def device_of(user_agent: str) -> Device:
    """Tell the device by its User-Agent.

    WeChat on a desktop is one: paying inside it is not sure to work, scanning is. WeCom is a
    mobile browser: it sends `MicroMessenger`, but knows no openid of ours.
    """
    if "MicroMessenger" in user_agent and "wxwork" not in user_agent:
        return Device.DESKTOP if _DESKTOP_WECHAT.search(user_agent) else Device.WECHAT
    if not _MOBILE.search(user_agent):
        return Device.DESKTOP
    return Device.ALIPAY if "AlipayClient" in user_agent else Device.MOBILE
