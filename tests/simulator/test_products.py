"""A payer comes by each product's own door, pays, and goes back to where he came from."""

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

from app.channels.base import Ask, ChannelRefused, Method, TradeState
from app.channels.wechat import Wechat
from app.channels.wechat_login import WechatLogin, WechatLoginSettings
from app.simulator import alipay_wire
from app.simulator.clock import now
from app.simulator.signing import is_signed
from tests.simulator.inside import Inside, ask_for, identity

OPENID = "oSimulatedPayer0000000000000"
BACK = "http://merchant.example/back"
LOGIN_BACK = "http://merchant.example/login"


def h5(inside: Inside) -> tuple[Ask, str]:
    changes = {"method": Method.H5, "payer_ip": "203.0.113.7", "return_url": BACK}
    ask = replace(ask_for("wechat"), **changes)  # type: ignore[arg-type]  # mixed fields
    return ask, inside.channels["wechat"].open(ask, now=now()).payload


def jsapi(inside: Inside) -> tuple[Ask, dict[str, str]]:
    """Open a JSAPI order; return with it what the merchant's page hands to WeixinJSBridge."""
    wechat = inside.channels["wechat"]
    assert isinstance(wechat, Wechat)
    ask = replace(ask_for("wechat"), method=Method.JSAPI, openid=OPENID)
    prepay_id = wechat.open(ask, now=now()).payload
    return ask, wechat.invocation(prepay_id, now=now())


def alipay_page(inside: Inside, method: Method) -> tuple[Ask, str]:
    ask = replace(ask_for("alipay"), method=method, return_url=f"{BACK}?order=7")
    return ask, inside.channels["alipay"].open(ask, now=now()).payload


def state_of(inside: Inside, ask: Ask, name: str) -> TradeState:
    return inside.channels[name].query(ask.out_trade_no, now=now()).state


def test_an_h5_payer_pays_and_goes_back(inside: Inside) -> None:
    ask, url = h5(inside)

    page = inside.visit(url)
    paid = inside.press("pay", page)

    assert "¥299.00" in page.text
    assert paid.headers["Refresh"] == f"3; url={BACK}"
    assert f'href="{BACK}"' in paid.text
    assert state_of(inside, ask, "wechat") is TradeState.PAID


def test_an_h5_payer_goes_back_without_paying_too(inside: Inside) -> None:
    ask, url = h5(inside)

    left = inside.press("leave", inside.visit(url))

    assert left.headers["Refresh"] == f"3; url={BACK}"
    assert state_of(inside, ask, "wechat") is TradeState.PENDING


def test_an_h5_url_that_no_site_leads_to_is_refused(inside: Inside) -> None:
    _, url = h5(inside)

    refused = inside.http.get(url)

    assert refused.status_code == 400
    assert "没有 Referer" in refused.text


def test_an_h5_url_lives_five_minutes_and_the_order_gets_another(inside: Inside) -> None:
    ask, url = h5(inside)
    inside.control("clock", advanceSeconds=301)

    assert "二维码已过期" in inside.visit(url).text
    again = inside.channels["wechat"].open(ask, now=now()).payload
    assert again != url
    inside.press("pay", inside.visit(again))
    assert state_of(inside, ask, "wechat") is TradeState.PAID


def test_an_h5_url_can_be_paid_without_a_browser(inside: Inside) -> None:
    ask, url = h5(inside)

    inside.control("pay", qr=url)

    assert state_of(inside, ask, "wechat") is TradeState.PAID


def test_a_payer_inside_wechat_pays_by_what_the_merchant_signed(inside: Inside) -> None:
    ask, params = jsapi(inside)

    page = inside.http.get(
        "/wechat/jsapi", params=params | {"redirect_url": BACK}, follow_redirects=True
    )
    paid = inside.press("pay", page)

    assert paid.headers["Refresh"] == f"3; url={BACK}"
    assert state_of(inside, ask, "wechat") is TradeState.PAID
    assert inside.order(ask.out_trade_no)["product"] == "jsapi"


@pytest.mark.parametrize(
    "change",
    [
        {"timeStamp": "1"},
        {"nonceStr": "another"},
        {"paySign": "AAAA"},
        {"appId": "wx0000000000000000"},
        {"signType": "MD5"},
        {"package": "prepay_id=wx00"},
    ],
)
def test_parameters_nobody_signed_open_nothing(inside: Inside, change: dict[str, str]) -> None:
    _, params = jsapi(inside)

    page = inside.http.get("/wechat/jsapi", params=params | change, follow_redirects=True)

    assert page.status_code == 400
    assert "付款</button>" not in page.text


@pytest.mark.parametrize(
    ("button", "outcome"), [("pay", "ok"), ("fail", "fail"), ("leave", "cancel")]
)
def test_the_page_that_waits_hears_the_outcome(inside: Inside, button: str, outcome: str) -> None:
    _, params = jsapi(inside)
    page = inside.http.get("/wechat/jsapi", params=params | {"bridge": "1"}, follow_redirects=True)
    assert "outcome.js" not in page.text

    pressed = inside.press(button, page)

    assert f'data-outcome="{outcome}"' in pressed.text
    assert pressed.headers["Cross-Origin-Opener-Policy"] == "unsafe-none"


def test_the_bridge_is_served_and_shown(inside: Inside) -> None:
    assert "WeixinJSBridge" in inside.http.get("/static/jsbridge.js").text
    assert "/static/jsbridge.js" in inside.http.get("/wechat/jsapi").text


@pytest.mark.parametrize("method", [Method.PAGE, Method.WAP])
def test_alipay_s_page_is_paid_and_sends_back_signed(inside: Inside, method: Method) -> None:
    ask, url = alipay_page(inside, method)
    assert state_of(inside, ask, "alipay") is TradeState.NOT_FOUND

    page = inside.visit(url)
    assert state_of(inside, ask, "alipay") is TradeState.PENDING
    paid = inside.press("pay", page)

    back = urlsplit(paid.headers["Refresh"].removeprefix("3; url="))
    said = dict(parse_qsl(back.query))
    assert said.pop("order") == "7"
    assert said["out_trade_no"] == ask.out_trade_no
    assert said["total_amount"] == "299.00"
    assert said["method"] == f"alipay.trade.{method}.pay.return"
    text = alipay_wire.canonical(said, without=frozenset({"sign", "sign_type"}))
    assert is_signed(identity().alipay.alipay_key.public_key(), text, said["sign"])
    assert state_of(inside, ask, "alipay") is TradeState.PAID


@pytest.mark.parametrize("method", [Method.PAGE, Method.WAP])
def test_alipay_s_page_can_be_paid_without_a_browser(inside: Inside, method: Method) -> None:
    ask, url = alipay_page(inside, method)

    inside.control("pay", qr=url)

    assert state_of(inside, ask, "alipay") is TradeState.PAID
    tampered = {"qr": url.replace("299.00", "0.01")}
    assert inside.http.post("/control/pay", json=tampered).status_code == 400


def test_alipay_s_page_opens_by_a_form_too(inside: Inside) -> None:
    ask, url = alipay_page(inside, Method.PAGE)
    params = dict(parse_qsl(urlsplit(url).query))
    content = {"biz_content": params.pop("biz_content")}

    page = inside.http.post(f"/gateway.do?{urlencode(params)}", data=content, follow_redirects=True)

    assert "¥299.00" in page.text
    assert state_of(inside, ask, "alipay") is TradeState.PENDING


def test_whoever_has_not_paid_is_not_sent_back_by_alipay(inside: Inside) -> None:
    _, url = alipay_page(inside, Method.PAGE)

    left = inside.press("leave", inside.visit(url))

    assert "Refresh" not in left.headers


def test_a_page_nobody_signed_is_an_error_in_gbk(inside: Inside) -> None:
    _, url = alipay_page(inside, Method.WAP)

    page = inside.visit(url.replace("299.00", "0.01"))

    assert page.headers["Content-Type"] == "text/html;charset=GBK"
    assert "isv.invalid-signature: 验签出错" in page.content.decode("gbk")


@pytest.fixture
def login(inside: Inside) -> WechatLogin:
    base = inside.parts.settings.base_url
    settings = WechatLoginSettings(
        authorize_url=f"{base}/connect/oauth2/authorize",
        token_url=f"{base}/sns/oauth2/access_token",
        appid=identity().wechat.appid,
        app_secret=identity().wechat.app_secret,
    )
    return WechatLogin(settings, client=inside.http)


def come_back(inside: Inside, login: WechatLogin) -> dict[str, Any]:
    url = login.authorize_url(LOGIN_BACK, state="mine")
    sent: httpx.Response = inside.http.get(url.partition("#")[0])
    assert sent.status_code == 302
    assert sent.headers["Location"].startswith(LOGIN_BACK)
    return dict(parse_qsl(urlsplit(sent.headers["Location"]).query))


def test_a_payer_s_openid_is_learnt_by_a_code(inside: Inside, login: WechatLogin) -> None:
    came = come_back(inside, login)

    assert came["state"] == "mine"
    assert login.fetch_openid(came["code"]) == OPENID


def test_a_code_is_good_once(inside: Inside, login: WechatLogin) -> None:
    code = come_back(inside, login)["code"]
    login.fetch_openid(code)

    with pytest.raises(ChannelRefused, match="40163"):
        login.fetch_openid(code)


def test_a_code_nobody_gave_is_none(login: WechatLogin) -> None:
    with pytest.raises(ChannelRefused, match="40029"):
        login.fetch_openid("guessed")


@pytest.mark.parametrize(
    ("change", "code"),
    [({"appid": "wx00"}, 40013), ({"secret": "guessed"}, 40125), ({"grant_type": "x"}, 40002)],
)
def test_only_the_merchant_changes_codes(inside: Inside, change: dict[str, str], code: int) -> None:
    asked = {
        "appid": identity().wechat.appid,
        "secret": identity().wechat.app_secret,
        "code": "any",
        "grant_type": "authorization_code",
    }

    answer = inside.http.get("/sns/oauth2/access_token", params=asked | change).json()

    assert answer["errcode"] == code


@pytest.mark.parametrize("target", ["", "javascript:alert(1)", "//evil.example"])
def test_a_login_goes_back_to_a_web_address_only(inside: Inside, target: str) -> None:
    asked = {"appid": identity().wechat.appid, "redirect_uri": target, "response_type": "code"}

    assert inside.http.get("/connect/oauth2/authorize", params=asked).status_code == 400


def test_a_back_that_is_no_web_address_is_forgotten(inside: Inside) -> None:
    _, url = h5(inside)

    paid = inside.press("pay", inside.visit(f"{url}&redirect_url=javascript%3Aalert(1)"))

    assert "javascript" not in paid.text.replace("outcome.js", "")
