"""Sandbox and live never mix: an account that collects real money shares nothing with a sandbox."""

from collections.abc import Iterable

from app.channels import signing
from app.channels.alipay_calls import AlipaySettings
from app.channels.signing import load_verifying_key
from app.channels.wechat_calls import WechatSettings


class SandboxKeys(ValueError):
    """What is set for live payments is the sandbox's, whose keys the simulator has, too."""


def check_wechat(live: WechatSettings, sandbox: WechatSettings) -> None:
    """Raise SandboxKeys where the live account has a number or a key of the sandbox's."""
    if live.mchid == sandbox.mchid:
        raise SandboxKeys("the merchant number is the sandbox's")
    if live.api_v3_key == sandbox.api_v3_key:
        raise SandboxKeys("the APIv3 key is the sandbox's")
    _check_private(live.merchant_private_key_pem, sandbox.merchant_private_key_pem)
    _check_public(live.all_platform_keys.values(), sandbox.all_platform_keys.values())


def check_alipay(live: AlipaySettings, sandbox: AlipaySettings) -> None:
    """Raise SandboxKeys where the live application has a number or a key of the sandbox's."""
    if live.app_id == sandbox.app_id or live.seller_id == sandbox.seller_id:
        raise SandboxKeys("the application or the seller is the sandbox's")
    _check_private(live.app_private_key_pem, sandbox.app_private_key_pem)
    _check_public(live.all_alipay_keys, sandbox.all_alipay_keys)


def _check_private(live: str, sandbox: str) -> None:
    """Compare the keys, not how they are written."""
    ours, theirs = signing.load_private_key(live), signing.load_private_key(sandbox)
    if ours.private_numbers() == theirs.private_numbers():
        raise SandboxKeys("our private key is the sandbox's")


def _check_public(live: Iterable[str], sandbox: Iterable[str]) -> None:
    theirs = {load_verifying_key(pem).key.public_numbers() for pem in sandbox}
    if any(load_verifying_key(pem).key.public_numbers() in theirs for pem in live):
        raise SandboxKeys("the channel's key is the sandbox's")
