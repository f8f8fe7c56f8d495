"""A notice goes out at once, signed as the channel signs, and again until the merchant says yes."""

import json

import pytest
from cryptography.exceptions import InvalidSignature

from tests.simulator.conftest import Simulator, Sink
from tests.simulator.merchant import new_number

BUSY = (500, b'{"code":"FAIL"}')


def order(simulator: Simulator, sink: Sink, channel: str) -> tuple[str, str]:
    """Order at `channel`; return the number, and the path where its notices go."""
    out_trade_no = new_number()
    path = f"/{channel}/{out_trade_no}"
    if channel == "wechat":
        simulator.wechat.order(out_trade_no, notify_url=sink.url(path), attach="merchant 7")
    else:
        passback = {"passback_params": "merchant%3D7"}
        simulator.alipay.order(out_trade_no, sink.url(path), **passback)
    return out_trade_no, path


def quiet(simulator: Simulator, sink: Sink, channel: str) -> None:
    """Wait until a later notice came through: nothing earlier is on its way any more."""
    marker, path = order(simulator, sink, channel)
    simulator.control("pay", outTradeNo=marker)
    sink.wait(path)


def test_wechat_tells_of_a_payment_encrypted_and_signed(simulator: Simulator, sink: Sink) -> None:
    out_trade_no, path = order(simulator, sink, "wechat")
    simulator.control("pay", outTradeNo=out_trade_no)

    [notice] = sink.wait(path)

    simulator.wechat.check(notice.headers, notice.body)
    envelope = json.loads(notice.body)
    assert envelope["event_type"] == "TRANSACTION.SUCCESS"
    assert envelope["resource_type"] == "encrypt-resource"
    assert simulator.wechat.open(notice.body) == simulator.wechat.query(out_trade_no).json()
    assert simulator.wechat.open(notice.body)["attach"] == "merchant 7"


def test_alipay_tells_of_a_payment_in_a_signed_form(simulator: Simulator, sink: Sink) -> None:
    out_trade_no, path = order(simulator, sink, "alipay")
    simulator.control("pay", outTradeNo=out_trade_no)

    [notice] = sink.wait(path)

    form = simulator.alipay.open(notice.body)
    assert form["sign_type"] == "RSA2"
    assert form["app_id"] == simulator.keys["alipay"]["app_id"]
    assert form["seller_id"] == simulator.keys["alipay"]["seller_id"]
    assert form["out_trade_no"] == out_trade_no
    assert form["trade_status"] == "TRADE_SUCCESS"
    assert form["total_amount"] == "149.00"
    assert form["passback_params"] == "merchant%3D7"
    assert form["gmt_payment"][:2] == "20"


@pytest.mark.parametrize("channel", ["wechat", "alipay"])
def test_a_refused_notice_comes_again_with_the_same_id_until_it_is_heard(
    simulator: Simulator, sink: Sink, channel: str
) -> None:
    out_trade_no, path = order(simulator, sink, channel)
    sink.answers[path] = [BUSY]
    simulator.control("pay", outTradeNo=out_trade_no)

    first, second = sink.wait(path, 2)
    quiet(simulator, sink, channel)

    if channel == "wechat":
        simulator.wechat.check(second.headers, second.body)
        assert json.loads(first.body)["id"] == json.loads(second.body)["id"]
        assert first.headers["Wechatpay-Nonce"] != second.headers["Wechatpay-Nonce"]
    else:
        again = simulator.alipay.open(second.body)
        assert simulator.alipay.open(first.body)["notify_id"] == again["notify_id"]
    assert len(sink.at(path)) == 2


@pytest.mark.parametrize(
    ("channel", "yes", "no"),
    [
        ("wechat", (204, b""), (202, b"success")),
        ("wechat", (200, b'{"code":"SUCCESS"}'), (301, b"")),
        ("alipay", (200, b"success"), (200, b"success\n")),
        ("alipay", (200, b"success"), (204, b"")),
    ],
)
def test_each_channel_has_its_own_idea_of_yes(
    simulator: Simulator, sink: Sink, *, channel: str, yes: tuple[int, bytes], no: tuple[int, bytes]
) -> None:
    out_trade_no, path = order(simulator, sink, channel)
    sink.answers[path] = [no, yes, BUSY]
    simulator.control("pay", outTradeNo=out_trade_no)

    sink.wait(path, 2)
    quiet(simulator, sink, channel)

    assert sink.answers[path] == [BUSY]


@pytest.mark.parametrize("channel", ["wechat", "alipay"])
def test_a_dropped_notice_comes_only_when_it_is_asked_for(
    simulator: Simulator, sink: Sink, channel: str
) -> None:
    out_trade_no, path = order(simulator, sink, channel)
    simulator.control("pay", outTradeNo=out_trade_no, notify="drop")
    quiet(simulator, sink, channel)
    assert sink.at(path) == []

    simulator.control("notify", outTradeNo=out_trade_no, times=3)

    assert len(sink.wait(path, 3)) == 3


def test_a_notice_can_be_sent_in_several_copies(simulator: Simulator, sink: Sink) -> None:
    out_trade_no, path = order(simulator, sink, "wechat")
    simulator.control("pay", outTradeNo=out_trade_no, times=5)

    ids = {json.loads(notice.body)["id"] for notice in sink.wait(path, 5)}

    assert len(ids) == 1


def test_a_sign_test_of_wechat_says_what_it_is_and_does_not_verify(
    simulator: Simulator, sink: Sink
) -> None:
    out_trade_no, path = order(simulator, sink, "wechat")
    simulator.control("pay", outTradeNo=out_trade_no, notify="sign_test")

    [notice] = sink.wait(path)

    assert notice.headers["Wechatpay-Signature"].startswith("WECHATPAY/SIGNTEST/")
    with pytest.raises(InvalidSignature):
        simulator.wechat.check(notice.headers, notice.body)


def test_a_forged_alipay_notice_does_not_verify(simulator: Simulator, sink: Sink) -> None:
    out_trade_no, path = order(simulator, sink, "alipay")
    simulator.control("pay", outTradeNo=out_trade_no, notify="bad_signature")

    [notice] = sink.wait(path)

    with pytest.raises(InvalidSignature):
        simulator.alipay.open(notice.body)


@pytest.mark.parametrize("channel", ["wechat", "alipay"])
def test_another_amount_is_what_notice_and_query_say(
    simulator: Simulator, sink: Sink, channel: str
) -> None:
    out_trade_no, path = order(simulator, sink, channel)
    simulator.control("pay", outTradeNo=out_trade_no, amountMinor=1)

    [notice] = sink.wait(path)

    if channel == "wechat":
        assert simulator.wechat.open(notice.body)["amount"]["total"] == 1
        assert simulator.wechat.query(out_trade_no).json()["amount"]["total"] == 1
    else:
        assert simulator.alipay.open(notice.body)["total_amount"] == "0.01"
        assert simulator.alipay.query(out_trade_no)["total_amount"] == "0.01"


def test_an_address_where_nobody_listens_stops_no_other_notice(
    simulator: Simulator, sink: Sink
) -> None:
    unreachable = ["http://127.0.0.1:1/x", "http://[::bad/x", "http://a..b/x", "ftp://x/", "\t"]
    for address in unreachable:
        code = simulator.alipay.order(new_number(), address)["qr_code"]
        assert simulator.control("pay", qr=code).is_success

    quiet(simulator, sink, "wechat")


def test_a_payment_is_taken_once(simulator: Simulator, sink: Sink) -> None:
    out_trade_no, path = order(simulator, sink, "wechat")
    simulator.control("pay", outTradeNo=out_trade_no)

    assert simulator.control("pay", outTradeNo=out_trade_no).status_code == 409
    quiet(simulator, sink, "wechat")
    assert len(sink.wait(path)) == 1


@pytest.mark.parametrize(
    ("verb", "ask", "status"),
    [
        ("pay", {"outTradeNo": "nobodys-order"}, 404),
        ("pay", {"qr": "weixin://wxpay/bizpayurl?pr=nothing"}, 404),
        ("pay", {"qr": "http://[::bad?x=%zz"}, 404),
        ("pay", {"outTradeNo": "x", "amountMinor": -1}, 400),
        ("pay", {"outTradeNo": "x", "amountMinor": "1"}, 400),
        ("pay", {"outTradeNo": "x", "notify": "loudly"}, 400),
        ("pay", {"outTradeNo": "x", "times": 101}, 400),
        ("pay", {"outTradeNo": "x", "unknown": 1}, 400),
        ("notify", {}, 404),
    ],
)
def test_a_lever_pulled_wrongly_says_so(
    simulator: Simulator, *, verb: str, ask: dict[str, object], status: int
) -> None:
    assert simulator.control(verb, **ask).status_code == status
