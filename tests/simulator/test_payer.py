"""The payer's page: it shows what is to be paid, and only its own buttons move money."""

from urllib.parse import urlencode

import pytest

from tests.simulator.conftest import Simulator, Sink
from tests.simulator.merchant import new_number


def code_of(simulator: Simulator, out_trade_no: str, **changes: object) -> str:
    code: str = simulator.wechat.order(out_trade_no, **changes).json()["code_url"]
    return code


def press(simulator: Simulator, code: str, button: str) -> str:
    """Press a button as a browser would; return the page it leads to."""
    form = urlencode({"qr": code, "button": button}).encode()
    answer = simulator.post("/pay", form, Origin=simulator.url)
    assert answer.status_code == 303
    return simulator.get(answer.headers["Location"]).text


def test_the_page_shows_what_is_paid_for_and_how_much(simulator: Simulator) -> None:
    page = simulator.look(code_of(simulator, new_number(), description="Pro <b> & more"))

    assert page.status_code == 200
    assert '<span class="sign">¥</span>299<span class="fen">.00</span>' in page.text
    assert "Pro &lt;b&gt; &amp; more" in page.text
    assert 'lang="zh-CN"' in page.text
    assert "微信支付" in page.text


def test_the_page_speaks_english_to_who_asks_for_it(simulator: Simulator) -> None:
    code = simulator.alipay.order(new_number())["qr_code"]

    page = simulator.look(code, language="en-GB,en;q=0.9")

    assert 'lang="en"' in page.text
    assert "Alipay" in page.text
    assert page.headers["Vary"] == "Accept-Language"


def test_nothing_inline_and_nobodys_frame(simulator: Simulator) -> None:
    page = simulator.look(code_of(simulator, new_number()))

    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "<script" not in page.text
    assert "style=" not in page.text


def test_paying_pays_and_tells_the_merchant(simulator: Simulator, sink: Sink) -> None:
    out_trade_no = new_number()
    code = code_of(simulator, out_trade_no, notify_url=sink.url(f"/{out_trade_no}"))

    page = press(simulator, code, "pay")

    assert "支付成功" in page
    assert simulator.wechat.query(out_trade_no).json()["trade_state"] == "SUCCESS"
    sink.wait(f"/{out_trade_no}")


def test_a_failed_payment_leaves_the_order_payable(simulator: Simulator) -> None:
    out_trade_no = new_number()
    code = code_of(simulator, out_trade_no)

    page = press(simulator, code, "fail")

    assert 'role="alert"' in page
    assert simulator.wechat.query(out_trade_no).json()["trade_state"] == "NOTPAY"
    assert "支付成功" in press(simulator, code, "pay")


def test_leaving_changes_nothing(simulator: Simulator) -> None:
    out_trade_no = new_number()
    code = code_of(simulator, out_trade_no)
    before = simulator.wechat.query(out_trade_no).json()

    assert "您已离开" in press(simulator, code, "leave")

    assert simulator.wechat.query(out_trade_no).json() == before


def test_a_paid_order_is_not_paid_again(simulator: Simulator) -> None:
    out_trade_no = new_number()
    code = code_of(simulator, out_trade_no)
    press(simulator, code, "pay")
    paid = simulator.wechat.query(out_trade_no).json()

    assert "支付成功" in press(simulator, code, "pay")
    assert simulator.wechat.query(out_trade_no).json() == paid


def test_a_closed_order_says_so(simulator: Simulator) -> None:
    out_trade_no = new_number()
    code = code_of(simulator, out_trade_no)
    simulator.wechat.close(out_trade_no)

    assert "订单已关闭" in simulator.look(code).text
    assert "订单已关闭" in press(simulator, code, "pay")


def test_the_scan_makes_an_alipay_trade(simulator: Simulator) -> None:
    out_trade_no = new_number()
    code = simulator.alipay.order(out_trade_no)["qr_code"]

    simulator.look(code)

    trade = simulator.alipay.query(out_trade_no)
    assert trade["trade_status"] == "WAIT_BUYER_PAY"
    assert len(trade["trade_no"]) == 28


def test_a_plan_made_before_is_what_the_button_does(simulator: Simulator) -> None:
    out_trade_no = new_number()
    code = code_of(simulator, out_trade_no)
    simulator.control("next", outTradeNo=out_trade_no, amountMinor=29_899, notify="drop")

    press(simulator, code, "pay")

    assert simulator.wechat.query(out_trade_no).json()["amount"]["total"] == 29_899


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
    ],
)
def test_another_page_can_not_press_our_buttons(
    simulator: Simulator, headers: dict[str, str]
) -> None:
    out_trade_no = new_number()
    code = code_of(simulator, out_trade_no)

    form = urlencode({"qr": code, "button": "pay"}).encode()
    answer = simulator.post("/pay", form, **headers)

    assert answer.status_code == 403
    assert simulator.wechat.query(out_trade_no).json()["trade_state"] == "NOTPAY"


def test_another_page_can_not_pull_our_levers(simulator: Simulator) -> None:
    answer = simulator.post("/control/pay", b"{}", Origin="https://evil.example")

    assert answer.status_code == 403


def test_an_unknown_code_is_404_and_asks_for_another(simulator: Simulator) -> None:
    assert simulator.look("https://qr.alipay.com/<nothing>").status_code == 404
    assert "&lt;nothing&gt;" in simulator.look("https://qr.alipay.com/<nothing>").text
    assert simulator.get("/pay").status_code == 200
