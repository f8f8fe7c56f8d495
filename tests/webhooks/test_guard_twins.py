"""Each check of the webhook guard, taken out: a URL or an address it refuses gets through.

So every one of them is needed, and a test notices when it goes. The guard is read as a text, one
check of it is replaced, and what comes of it is asked about the same URL.
"""

import inspect
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network
from types import ModuleType

import pytest

from app.core.errors import Invalid
from app.webhooks import guard
from app.webhooks.guard import AddressBlocked, Target

SOURCE = inspect.getsource(guard)
SHOP = Target("https", "hooks.shop.com", 443, "/")
LOCAL = Target("http", "localhost", 9000, "/")
LIVE = {"live": True, "allow_loopback": True}
SANDBOX = {"live": False, "allow_loopback": True}

_LABELS = "and all(_LABEL.fullmatch(label) for label in labels)"
_LETTERS = "and _TOP_LEVEL.fullmatch(labels[-1]) is not None"
_DASHES = 'and not any(label[2:4] == "--" for label in labels)'
_RESERVED = "and not _RESERVED_TOP_LEVELS.fullmatch(labels[-1])"

URL_CHECKS: list[tuple[str, str, str, dict[str, bool]]] = [
    # what stands there, what stands there instead, what gets through, for whom
    ("_URL.fullmatch(url)", "_URL.match(url)", "https://shop.com#@127.0.0.1", LIVE),
    ("_URL.fullmatch(url)", "_URL.match(url)", "https://shop.com\\@127.0.0.1", LIVE),
    (" if len(url) <= MAX_URL_LENGTH else None", "", "https://shop.com/" + "a" * 2048, LIVE),
    ("and allow_loopback and not live", "and allow_loopback", "http://127.0.0.1:9000/", LIVE),
    (
        "target.is_loopback and allow_loopback",
        "target.is_loopback",
        "http://127.0.0.1:9000/",
        {"live": False, "allow_loopback": False},
    ),
    ("if not 1 <= port <= 65535:", "if False:", "http://127.0.0.1:65536/", SANDBOX),
    ("if not _is_public_name(host):", "if False:", "https://127.0.0.1", LIVE),
    ('if scheme != "https":', "if False:", "http://shop.com:8443/", LIVE),
    ("if port not in PORTS:", "if False:", "https://shop.com:6379", LIVE),
    ("len(labels) > 1", "labels", "https://intranets", LIVE),
    (_LABELS, "", "https://shop..com", LIVE),
    (_LETTERS, "", "https://10.0.0.1", LIVE),
    (_LETTERS, "", "https://0x7f.1", LIVE),
    (_DASHES, "", "https://xn--fiqs8s.cn", LIVE),
    (_RESERVED, "", "https://metadata.google.internal", LIVE),
]
ADDRESS_CHECKS: list[tuple[str, str, Target, list[str]]] = [
    ("if not addresses:", "if False:", SHOP, []),
    ("if not all(", "if not any(", SHOP, ["8.8.8.8", "10.0.0.1"]),
    ("if not all(is_fit(address) for address in addresses):", "if False:", SHOP, ["10.0.0.1"]),
    ("_is_loopback if target.is_loopback else is_public", "is_public", LOCAL, ["8.8.8.8"]),
    ("if address.ipv4_mapped is not None:", "if False:", SHOP, ["::ffff:8.8.8.8"]),
    ("address in _GLOBAL_V6 and", "", SHOP, ["64:ff9b::7f00:1"]),
    ("return address.is_loopback", "return True", LOCAL, ["192.168.0.1"]),
]
INSIDE = {
    "0.0.0.0/8": "0.1.2.3",
    "10.0.0.0/8": "10.0.0.1",
    "100.64.0.0/10": "100.100.100.200",
    "127.0.0.0/8": "127.0.0.1",
    "168.63.129.16/32": "168.63.129.16",
    "169.254.0.0/16": "169.254.169.254",
    "172.16.0.0/12": "172.31.255.255",
    "192.0.0.0/24": "192.0.0.192",
    "192.0.2.0/24": "192.0.2.1",
    "192.31.196.0/24": "192.31.196.1",
    "192.52.193.0/24": "192.52.193.1",
    "192.88.99.0/24": "192.88.99.1",
    "192.168.0.0/16": "192.168.1.1",
    "192.175.48.0/24": "192.175.48.1",
    "198.18.0.0/15": "198.19.0.1",
    "198.51.100.0/24": "198.51.100.1",
    "203.0.113.0/24": "203.0.113.1",
    "224.0.0.0/4": "239.255.255.250",
    "240.0.0.0/4": "255.255.255.255",
    "2001::/23": "2001::1",
    "2001:db8::/32": "2001:db8::1",
    "2002::/16": "2002:7f00:1::",
    "3fff::/20": "3fff::1",
}


def without(check: str, instead: str) -> ModuleType:
    """Return the guard with one check of it replaced."""
    assert SOURCE.count(check) == 1, f"{check} is not there, or not once"
    twin = ModuleType("guard_twin")
    exec(SOURCE.replace(check, instead), vars(twin))  # noqa: S102  # our own source
    return twin


def leads_to(addresses: Iterable[str]) -> guard.Lookup:
    return lambda _host, _port: addresses


@pytest.mark.parametrize(("check", "instead", "url", "whose"), URL_CHECKS)
def test_a_url_gets_through_only_without_its_check(
    check: str, instead: str, url: str, whose: dict[str, bool]
) -> None:
    with pytest.raises(Invalid):
        guard.check_url(url, **whose)

    without(check, instead).check_url(url, **whose)


@pytest.mark.parametrize(("check", "instead", "target", "addresses"), ADDRESS_CHECKS)
def test_addresses_are_judged_otherwise_without_a_check(
    check: str, instead: str, target: Target, addresses: list[str]
) -> None:
    def judged(by: ModuleType) -> str:
        try:
            by.resolve(target, lookup=leads_to(addresses))
        except (OSError, Invalid) as refusal:
            return type(refusal).__name__
        return "called"

    assert judged(guard) != judged(without(check, instead))


def test_every_network_that_is_refused_has_an_address_here() -> None:
    refused = [*guard._REFUSED_V4, *guard._REFUSED_V6]  # noqa: SLF001  # it is what is proved

    assert {str(network) for network in refused} == INSIDE.keys()


@pytest.mark.parametrize("network", INSIDE)
def test_an_address_is_called_only_without_its_network(
    network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = leads_to([INSIDE[network]])
    with pytest.raises(AddressBlocked):
        guard.resolve(SHOP, lookup=inside)

    for name in ("_REFUSED_V4", "_REFUSED_V6"):
        known: list[IPv4Network | IPv6Network] = getattr(guard, name)
        monkeypatch.setattr(guard, name, [each for each in known if str(each) != network])

    assert [str(address) for address in guard.resolve(SHOP, lookup=inside)] == [INSIDE[network]]
