"""Addresses that go with a payment: where its channel calls us, and where its payer comes back."""

import re

from app.channels.base import ChannelName, Method
from app.core.errors import Invalid
from app.identity.models import Mode

CALLBACKS = "/api/webhooks"
"""Under which path each channel calls us."""

MAX_LENGTH = 255

_RETURN_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>[A-Za-z0-9.-]{1,253}|\[::1\])(?::[0-9]{1,5})?"
    r"(?:[/?#](?:[A-Za-z0-9._~!$&'()*+,;=:@/?#-]|%[0-9A-Fa-f]{2})*)?"
)
_DOMAIN = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+"
    r"(?:[a-z]{2,63}|xn--[a-z0-9-]{2,59})",  # no spelling of an IP address ends like this
    re.IGNORECASE,
)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})


class BadReturnUrl(Invalid):
    """A payer's browser is not sent there."""

    code = "bad_return_url"


def notify_url(base_url: str, channel: ChannelName) -> str:
    """Return where the channel tells us what became of a payment or a refund."""
    return f"{base_url}{CALLBACKS}/{channel}"


def return_url(hosted_url: str, channel: ChannelName, method: Method) -> str:
    """Return the look at the hosted page that who paid this way comes back to."""
    return f"{hosted_url}?way={channel}.{method}"


def check_return_url(url: str, mode: Mode) -> None:
    """Refuse what is not plainly a web page of the merchant's; nothing is looked up.

    That is https at a domain name, by a grammar much stricter than what browsers forgive. In the
    sandbox it may be this machine, by http too. Raises BadReturnUrl.
    """
    parts = _RETURN_URL.fullmatch(url) if len(url) <= MAX_LENGTH else None
    if parts is None:
        raise BadReturnUrl("it must read https://host[:port][/path][?query]", path="returnUrl")
    if mode is Mode.SANDBOX and parts["host"] in _LOOPBACK:
        return
    if parts["scheme"] != "https" or not _DOMAIN.fullmatch(parts["host"]):
        raise BadReturnUrl("it must be https:// at a domain name", path="returnUrl")
