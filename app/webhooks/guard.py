"""Which addresses we dare to call: a merchant's URL must not make us knock at our own doors.

Two gates. `check_url` judges the text by a grammar of its own, much stricter than RFC 3986:
forgiving parsers disagree with each other about what a URL names, and that is where attacks
live. `resolve` judges every address the name stands for, at every attempt, and the caller then
connects to those addresses, never to the name again (a second look-up could answer otherwise).
"""

import re
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from app.core.errors import Invalid

Address = IPv4Address | IPv6Address
Lookup = Callable[[str, int], Iterable[str]]

MAX_URL_LENGTH = 2048
PORTS = frozenset({443, 8443})
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost"})

_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>[A-Za-z0-9.-]{1,253})"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?)"
    r"(?P<query>(?:\?(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?)"
)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_TOP_LEVEL = re.compile(r"[a-z]{2,63}")  # letters only, so no spelling of an IPv4 address fits
_RESERVED_TOP_LEVELS = re.compile(
    # RFC 2606, 6761, 6762, 7686, 8375, 9476, ICANN's `internal`, and what routers like to invent.
    "alt|arpa|corp|domain|example|home|internal|intranet|invalid|lan|local|localdomain|localhost"
    "|mail|onion|private|test|workgroup"
)
_REFUSED_V4 = [
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier NAT; Alibaba Cloud's metadata service
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's host agent, public by number only
        "169.254.0.0/16",  # link-local; most clouds' metadata services
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",  # documentation, as 198.51.100 and 203.0.113 below
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
]
_GLOBAL_V6 = IPv6Network("2000::/3")
_REFUSED_V6 = [
    IPv6Network(network)
    for network in (
        "2001::/23",  # Teredo and other protocol assignments
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address in disguise
        "3fff::/20",  # documentation
    )
]


class MalformedUrl(Invalid):
    code = "webhook_url_malformed"


class InsecureUrl(Invalid):
    code = "webhook_url_not_https"


class HostNotAllowed(Invalid):
    code = "webhook_host_not_allowed"


class PortNotAllowed(Invalid):
    code = "webhook_port_not_allowed"


class AddressBlocked(Invalid):
    code = "webhook_address_blocked"


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that passed the first gate, in the parts a sender needs. `path` holds the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def is_loopback(self) -> bool:
        return self.host in LOOPBACK_HOSTS

    @property
    def authority(self) -> str:
        """The value of the Host header: the port only where it is not the scheme's own."""
        usual = 443 if self.scheme == "https" else 80
        return self.host if self.port == usual else f"{self.host}:{self.port}"


def check_url(url: str, *, live: bool, allow_loopback: bool) -> Target:
    """Judge the text of an endpoint's URL; nothing is looked up.

    A URL is https at port 443 or 8443 of a public DNS name. Only where `allow_loopback` is set,
    and never in live mode, `localhost` and `127.0.0.1` may be called at any port and by http.
    Raises MalformedUrl, InsecureUrl, HostNotAllowed and PortNotAllowed.
    """
    parts = _URL.fullmatch(url) if len(url) <= MAX_URL_LENGTH else None
    if parts is None:
        raise MalformedUrl("the URL must read https://host[:port][/path][?query]", path="url")
    scheme, host = parts["scheme"], parts["host"].lower()
    port = int(parts["port"] or (443 if scheme == "https" else 80))
    target = Target(scheme, host, port, (parts["path"] or "/") + parts["query"])

    if target.is_loopback and allow_loopback and not live:
        if not 1 <= port <= 65535:  # noqa: PLR2004  # TCP's own limits
            raise PortNotAllowed("a port is a number from 1 to 65535", path="url")
        return target
    if not _is_public_name(host):
        raise HostNotAllowed("the host must be a public domain name", path="url")
    if scheme != "https":
        raise InsecureUrl("the URL must start with https://", path="url")
    if port not in PORTS:
        raise PortNotAllowed("the port must be 443 or 8443", path="url")
    return target


def look_up(host: str, port: int) -> list[str]:
    """Ask the system's resolver for all addresses of `host`. Raises OSError."""
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in answers]


def resolve(target: Target, *, lookup: Lookup = look_up) -> list[Address]:
    """Look the host up once and return its addresses, in the resolver's order.

    All of them must be public: one bad answer among good ones is an attack or a mistake, and
    both are refused with AddressBlocked. A loopback target must be loopback in every answer.
    Raises OSError when the name does not resolve.
    """
    addresses = [ip_address(answer) for answer in lookup(target.host, target.port)]
    if not addresses:
        raise socket.gaierror(socket.EAI_NONAME, f"{target.host} has no address")
    is_fit = _is_loopback if target.is_loopback else is_public
    if not all(is_fit(address) for address in addresses):
        raise AddressBlocked(f"{target.host} does not resolve to public addresses", path="url")
    return addresses


def is_public(address: Address) -> bool:
    """Tell whether `address` belongs to the open internet, by our list and nobody else's.

    `ipaddress.is_global` lets NAT64, 6to4 and multicast through and changes with Python.
    """
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _REFUSED_V4)
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    return address in _GLOBAL_V6 and not any(address in network for network in _REFUSED_V6)


def _is_loopback(address: Address) -> bool:
    return address.is_loopback


def _is_public_name(host: str) -> bool:
    labels = host.split(".")
    return (
        len(labels) > 1
        and all(_LABEL.fullmatch(label) for label in labels)
        # `xn--` and its kin look like one name to people and like another to the resolver.
        and not any(label[2:4] == "--" for label in labels)
        and _TOP_LEVEL.fullmatch(labels[-1]) is not None
        and not _RESERVED_TOP_LEVELS.fullmatch(labels[-1])
    )
