"""A payer comes back to a page of the merchant's, or to the hosted page, and nowhere else."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.billing import collection
from app.billing.models import Invoice
from app.channels.base import Method
from app.core.db import Transaction
from app.identity.models import Mode
from app.payments import queries
from app.payments.addresses import BadReturnUrl, check_return_url
from tests.make import NOON
from tests.payments.builders import BASE_URL, FakeChannel, issue, opened_at

THERE = "https://lumen.example.com/orders/7?from=pay#done"


@pytest.fixture
def invoice(transaction: Transaction) -> Invoice:
    with transaction() as session:
        return issue(session)


@pytest.mark.parametrize(
    "url",
    [
        THERE,
        "https://shop.example.com",
        "https://shop.example.com:8443/a%20b",
        "https://xn--fiq228c.xn--fiqs8s/",
    ],
)
def test_a_web_page_by_https_is_let_through(url: str) -> None:
    check_return_url(url, Mode.LIVE)


@pytest.mark.parametrize(
    "url", ["http://localhost:3000/done", "http://127.0.0.1/done", "https://[::1]:8443/?a=b"]
)
def test_this_machine_is_let_through_in_the_sandbox_only(url: str) -> None:
    check_return_url(url, Mode.SANDBOX)

    with pytest.raises(BadReturnUrl):
        check_return_url(url, Mode.LIVE)


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example.com/",
        "//evil.example.com",
        "/\\evil.example.com",
        "https:evil.example.com",
        "https:///evil.example.com",
        "javascript:alert(1)",
        "data:text/html,x",
        "\thttps://shop.example.com",
        "https://shop.example.com\n",
        "https://shop.example.com\\@evil.example.com",
        "https://shop.example.com@evil.example.com/",
        "https://shop.example.com /",
        'https://shop.example.com/"onclick',
        "https://shop.example.com/%zz",
        "https://商店.example.com/",
        "https://intranet/",
        "https://10.0.0.1/",
        "https://0x7f.1/",
        "http://localhost.example.com/",
        "https://shop.example.com/" + "a" * 231,
        "",
    ],
)
def test_anything_else_is_refused(url: str) -> None:
    with pytest.raises(BadReturnUrl) as refusal:
        check_return_url(url, Mode.SANDBOX)

    assert refusal.value.path == "returnUrl"


@given(st.text(max_size=40).map("https://shop.example.com".__add__))
def test_what_passes_leads_to_the_host_it_names(url: str) -> None:
    try:
        check_return_url(url, Mode.LIVE)
    except BadReturnUrl:
        return
    found = urlsplit(url)
    assert (found.scheme, found.username, found.password) == ("https", None, None)
    assert found.hostname is not None
    assert found.hostname.startswith("shop.example.com")


def test_without_a_word_of_the_merchant_the_payer_comes_back_to_the_hosted_page(
    watched: Transaction, channel: FakeChannel, invoice: Invoice
) -> None:
    opened_at(watched, channel, invoice.id, method=Method.H5, payer_ip="203.0.113.7", now=NOON)

    hosted = collection.hosted_url(invoice, BASE_URL)
    assert channel.asks[0].return_url == f"{hosted}?way=wechat.h5"
    with watched() as session:
        assert queries.find_return_url(session, invoice.id) == ""


def test_the_last_page_the_merchant_named_is_kept_whatever_the_way(
    watched: Transaction, channel: FakeChannel, invoice: Invoice
) -> None:
    opened_at(watched, channel, invoice.id, now=NOON)
    opened_at(watched, channel, invoice.id, return_url=THERE, now=NOON)
    opened_at(watched, channel, invoice.id, now=NOON)

    assert channel.calls == ["open"]  # a code is the same wherever its payer goes afterwards
    with watched() as session:
        assert queries.find_return_url(session, invoice.id) == THERE


def test_a_bad_page_is_refused_before_anything_is_written(
    watched: Transaction, channel: FakeChannel, invoice: Invoice
) -> None:
    with pytest.raises(BadReturnUrl):
        opened_at(watched, channel, invoice.id, return_url="https:evil", now=NOON)

    with watched() as session:
        assert queries.list_of_invoice(session, invoice.id) == []
    assert channel.calls == []
