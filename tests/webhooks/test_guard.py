"""No URL a merchant can save makes us call ourselves, our neighbours or a cloud's metadata."""

import socket
from collections.abc import Iterable
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import Invalid
from app.webhooks.guard import AddressBlocked, Lookup, Target, check_url, is_public, resolve

SHOP = Target("https", "hooks.shop.com", 443, "/")


def answering(*addresses: str) -> Lookup:
    def lookup(_host: str, _port: int) -> Iterable[str]:
        return addresses

    return lookup


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://hooks.shop.com", Target("https", "hooks.shop.com", 443, "/")),
        ("https://Hooks.Shop.COM:8443/a/b", Target("https", "hooks.shop.com", 8443, "/a/b")),
        ("https://shop.cn?key=a%20b", Target("https", "shop.cn", 443, "/?key=a%20b")),
        ("https://a-1.shop.io/@me;v=1?x=/?", Target("https", "a-1.shop.io", 443, "/@me;v=1?x=/?")),
    ],
)
def test_an_ordinary_url_is_taken_apart(url: str, target: Target) -> None:
    assert check_url(url, live=True, allow_loopback=True) == target


INTERNAL_HOSTS = [
    "https://127.0.0.1",
    "https://[::1]",
    "https://[::ffff:127.0.0.1]",
    "https://2130706433",
    "https://0x7f.1",
    "https://0177.1",
    "https://127.1",
    "https://localhost",
    "https://localhost.",
    "https://x.localhost",
    "https://169.254.169.254/latest/meta-data",
    "https://metadata.google.internal",
    "https://100.64.0.1",
    "https://10.1.2.3",
    "https://192.168.0.1",
    "https://[fd00::1]",
    "https://[64:ff9b::7f00:1]",
    "https://[2002:7f00:1::]",
    "https://8.8.8.8",
    "https://intranet",
    "https://shop.com.",
    "https://printer.local",
    "https://shop.test",
    "https://1.0.0.127.in-addr.arpa",
]
TRICKS = [
    "https://user@shop.com",
    "https://user:secret@shop.com",
    "https://shop.com\\@127.0.0.1",
    "https://shop.com#@127.0.0.1",
    "https://shop.com/#top",
    "https://sh\top.com",
    "https://shop.com/\n",
    "https://shop.com/\r\nX: 1",
    "https://shop.com/ a",
    " https://shop.com",
    "https://shop.com\0",
    "https://①②⑦.0.0.1",
    "https://\uff11\uff12\uff17.0.0.1",
    "https://127。0。0。1",
    "https://%31%32%37.0.0.1",
    "https://xn--fiqs8s.cn",
    "https://商店.cn",
    "https://ab--c.shop.com",
    "https://shop..com",
    "https://-shop.com",
    "https://shop-.com",
    "https://shop_1.com",
    "https://.com",
    "https://",
    "https:shop.com",
    "https:/shop.com",
    "//shop.com",
    "ftp://shop.com",
    "file:///etc/passwd",
    "gopher://shop.com",
    "javascript:alert(1)",
    "HTTPS://shop.com",
    "https://shop.com/%zz",
    "https://shop.com/" + "a" * 2048,
    "https://" + "a" * 64 + ".com",
    "",
]
PORTS = ["0", "22", "25", "80", "5432", "6379", "65536", "99999", "-1", "", "4430", "443x"]


@pytest.mark.parametrize("url", INTERNAL_HOSTS)
def test_x056_x057_an_internal_host_is_refused_at_save(url: str) -> None:
    with pytest.raises(Invalid) as refusal:
        check_url(url, live=True, allow_loopback=True)

    assert refusal.value.code in {"webhook_host_not_allowed", "webhook_url_malformed"}
    assert refusal.value.path == "url"


@pytest.mark.parametrize("url", TRICKS)
def test_x058_a_url_that_parsers_disagree_about_is_refused(url: str) -> None:
    with pytest.raises(Invalid):
        check_url(url, live=False, allow_loopback=True)


@pytest.mark.parametrize("port", PORTS)
def test_x059_only_the_ports_of_https_are_called(port: str) -> None:
    with pytest.raises(Invalid) as refusal:
        check_url(f"https://shop.com:{port}", live=False, allow_loopback=True)

    assert refusal.value.code in {"webhook_port_not_allowed", "webhook_url_malformed"}


@pytest.mark.parametrize("live", [True, False])
def test_x056_plain_http_is_refused(live: bool) -> None:  # noqa: FBT001  # pytest passes by name
    with pytest.raises(Invalid) as refusal:
        check_url("http://shop.com", live=live, allow_loopback=True)

    assert refusal.value.code == "webhook_url_not_https"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9000/hook", "http://localhost", "https://localhost:1"]
)
def test_a_sandbox_may_call_this_machine_where_that_is_allowed(url: str) -> None:
    assert check_url(url, live=False, allow_loopback=True).is_loopback


@pytest.mark.parametrize(("live", "allow"), [(True, True), (True, False), (False, False)])
def test_nobody_else_may_call_this_machine(live: bool, allow: bool) -> None:  # noqa: FBT001  # by name
    with pytest.raises(Invalid) as refusal:
        check_url("http://127.0.0.1:9000/hook", live=live, allow_loopback=allow)

    assert refusal.value.code == "webhook_host_not_allowed"


@pytest.mark.parametrize("port", ["0", "65536"])
def test_a_loopback_port_exists(port: str) -> None:
    with pytest.raises(Invalid) as refusal:
        check_url(f"http://127.0.0.1:{port}", live=False, allow_loopback=True)

    assert refusal.value.code == "webhook_port_not_allowed"


@given(url=st.text(max_size=60) | st.from_regex(r"https?://[ -~]{0,40}", fullmatch=True))
def test_whatever_passes_names_a_public_host_in_plain_ascii(url: str) -> None:
    try:
        target = check_url(url, live=True, allow_loopback=True)
    except Invalid:
        return
    assert target.scheme == "https"
    assert target.port in {443, 8443}
    assert "." in target.host
    assert target.host[-1].isalpha()
    assert f"{target.authority}{target.path}".isascii()
    assert not set(target.path) & set("# \\\r\n\t")


INTERNAL_ADDRESSES = [
    "0.0.0.0",  # noqa: S104  # an address to refuse, nothing binds to it
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", INTERNAL_ADDRESSES)
def test_x057_a_name_that_leads_inside_is_blocked(address: str) -> None:
    with pytest.raises(AddressBlocked):
        resolve(SHOP, lookup=answering(address))


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "114.114.114.114", "172.32.0.1", "::ffff:8.8.8.8", "2400:3200::1", "2606:4700::1"],
)
def test_a_public_address_is_called(address: str) -> None:
    assert is_public(ip_address(address))
    assert resolve(SHOP, lookup=answering(address)) == [ip_address(address)]


def test_one_bad_answer_among_good_ones_blocks_all() -> None:
    with pytest.raises(AddressBlocked):
        resolve(SHOP, lookup=answering("8.8.8.8", "127.0.0.1", "1.1.1.1"))


def test_a_loopback_name_must_stay_on_this_machine() -> None:
    local = Target("http", "localhost", 9000, "/")

    assert resolve(local, lookup=answering("::1", "127.0.0.1")) == [
        ip_address("::1"),
        ip_address("127.0.0.1"),
    ]
    with pytest.raises(AddressBlocked):
        resolve(local, lookup=answering("192.168.0.1"))


def test_a_name_without_any_address_does_not_resolve() -> None:
    with pytest.raises(socket.gaierror):
        resolve(SHOP, lookup=answering())


def test_the_system_resolver_knows_this_machine() -> None:
    assert resolve(Target("http", "127.0.0.1", 80, "/")) == [ip_address("127.0.0.1")]
