"""Each device pays by what works in it, over real HTTP to the channel and back."""

import html
import json
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.core.db import Transaction
from app.payments import queries
from app.payments.models import PaymentOrder, PaymentStatus
from tests.checkout.conftest import Due, Simulator
from tests.checkout.payer import PARTIAL, Payer
from tests.checkout.test_device import ALIPAY, IPHONE, WECHAT
from tests.conftest import Databases
from tests.loopback import NO_TLS
from tests.payments.doors import open_doors

MOBILE = f"{IPHONE} Version/18.1 Mobile/15E148 Safari/604.1"
_LEAVE = re.compile(r'class="cta leave"\s+href="([^"]+)"')
_INVOCATION = re.compile(r'data-invocation="([^"]+)"')


def newest(transaction: Transaction, due: Due) -> PaymentOrder:
    with transaction() as session:
        order = queries.find_newest(session, due.invoice.id)
    assert order
    return order


def leave_url(payer: Payer) -> str:
    found = _LEAVE.search(payer.text)
    assert found, payer.text
    return html.unescape(found[1])


def visit(url: str) -> httpx.Response:
    headers = {"Referer": "http://127.0.0.1/"}
    return httpx.get(url, headers=headers, follow_redirects=True, trust_env=False, verify=NO_TLS)


@pytest.mark.parametrize(
    ("user_agent", "ways"),
    [
        ("", ["wechat.native", "alipay.precreate"]),
        (MOBILE, ["wechat.h5", "alipay.wap"]),
        (ALIPAY, ["wechat.native", "alipay.wap"]),
        (WECHAT, ["alipay.precreate"]),
    ],
)
def test_a_device_is_offered_what_works_there(
    app: Flask, due: Due, *, user_agent: str, ways: list[str]
) -> None:
    payer = Payer(app, due.path, user_agent=user_agent)
    payer.look()

    assert re.findall(r'name="way"\s+value="([^"]+)"', payer.text) == ways
    assert (f'href="{due.path}/wechat"' in payer.text) == (user_agent == WECHAT)


@pytest.mark.parametrize("way", ["wechat.h5", "alipay.wap", "alipay.page"])
def test_a_browser_leaves_pays_and_is_shown_what_the_channel_says(
    app: Flask, simulator: Simulator, transaction: Transaction, *, due: Due, way: str
) -> None:
    payer = Payer(app, due.path, user_agent=MOBILE)
    payer.look()
    assert payer.choose_way(way) == "open"
    left = leave_url(payer)
    visit(left)

    order = newest(transaction, due)
    simulator.control("pay", outTradeNo=order.out_trade_no, notify="drop")
    told = parse_qs(urlsplit(left).query)
    back = urlsplit(told["redirect_url" if way == "wechat.h5" else "return_url"][0])

    assert (back.path, back.query) == (due.path, f"way={way}")
    payer.look(f"?{back.query}")
    payer.wait_for("paid", seconds=10)


def test_h5_tells_the_channel_the_payers_address_and_forgets_it(
    app: Flask, transaction: Transaction, due: Due
) -> None:
    payer = Payer(app, due.path, user_agent=MOBILE)
    payer.look()
    payer.choose("wechat")
    assert newest(transaction, due).payer_ip == "127.0.0.1"

    payer.choose("alipay")

    with transaction() as session:
        first = queries.list_of_invoice(session, due.invoice.id)[0]
    assert (first.status, first.payer_ip) == (PaymentStatus.CLOSED, "")


def sign_in(payer: Payer) -> TestResponse:
    """Go to WeChat's sign-in and return with what it says, up to our own door."""
    sent = payer.client.get(f"{payer.path}/wechat")
    assert sent.status_code == 302
    came = httpx.get(sent.location, trust_env=False, verify=NO_TLS)
    back = urlsplit(came.headers["Location"])
    return payer.client.get(f"{back.path}?{back.query}")


def test_wechat_says_who_pays_and_is_invoked_for_him(
    app: Flask, simulator: Simulator, transaction: Transaction, *, due: Due
) -> None:
    payer = Payer(app, due.path, user_agent=WECHAT)
    payer.look()

    arrived = sign_in(payer)

    assert arrived.location == f"{due.path}?way=wechat.jsapi#pay"
    assert payer.look("?way=wechat.jsapi") == "open"
    found = _INVOCATION.search(payer.text)
    assert found
    invocation = json.loads(html.unescape(found[1]))
    assert set(invocation) == {"appId", "timeStamp", "nonceStr", "package", "signType", "paySign"}
    order = newest(transaction, due)
    assert (invocation["package"], bool(order.openid)) == (f"prepay_id={order.payload}", True)
    simulator.control("pay", qr=order.payload)
    payer.wait_for("paid")
    assert newest(transaction, due).openid == ""


def test_inside_wechat_a_code_is_offered_where_nobody_says_who_pays(
    databases: Databases, tmp_path: Path, simulator: Simulator, due: Due
) -> None:
    keys = json.loads((simulator.instance / "simulator.json").read_text())
    del keys["wechat_login"]
    (tmp_path / "simulator.json").write_text(json.dumps(keys))
    with open_doors(databases, tmp_path) as app:
        payer = Payer(app, due.path, user_agent=WECHAT)
        payer.look()

    assert re.findall(r'name="way"\s+value="([^"]+)"', payer.text) == [
        "wechat.native",
        "alipay.precreate",
    ]
    assert f'href="{due.path}/wechat"' not in payer.text


def test_another_browsers_return_from_wechat_opens_nothing(
    app: Flask, transaction: Transaction, due: Due
) -> None:
    hers, his = Payer(app, due.path, user_agent=WECHAT), Payer(app, due.path, user_agent=WECHAT)
    sent = hers.client.get(f"{due.path}/wechat")
    came = httpx.get(sent.location, trust_env=False, verify=NO_TLS)
    back = urlsplit(came.headers["Location"])

    for client, query in (
        (his.client, back.query),
        (hers.client, f"{back.query[:-1]}{'0' if back.query[-1] != '0' else '1'}"),
        (hers.client, back.query),  # the first return has used it up
    ):
        assert client.get(f"{back.path}?{query}").location == due.path

    with transaction() as session:
        assert queries.list_of_invoice(session, due.invoice.id) == []
    assert len(parse_qs(back.query)["state"][0]) <= 128
    assert parse_qs(back.query)["state"][0].isalnum()


def test_a_code_wechat_does_not_know_says_that_the_channel_is_down(app: Flask, due: Due) -> None:
    payer = Payer(app, due.path, user_agent=WECHAT)
    sent = payer.client.get(f"{due.path}/wechat")
    state = parse_qs(urlsplit(sent.location).query)["state"][0]

    payer.client.get(f"{due.path}/wechat/openid?code=forged&state={state}")

    assert payer.look("?way=wechat.jsapi") == "down"


def test_a_choice_by_the_page_itself_is_answered_with_its_content(app: Flask, due: Due) -> None:
    payer = Payer(app, due.path, user_agent=MOBILE)
    payer.look()
    token = re.search(r'name="csrf_token"\s+value="([^"]+)"', payer.text)
    assert token

    form = {"csrf_token": token[1], "way": "wechat.h5"}
    answer = payer.client.post(f"{due.path}/way", data=form, headers=PARTIAL)

    assert answer.text.lstrip().startswith('<main id="checkout"')
    assert "data-leave" in answer.text
