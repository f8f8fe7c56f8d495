"""The operator's pages: they show what is on and what happened, and only they press buttons."""

import pytest

from app.channels.base import TradeState
from app.simulator.clock import now
from app.simulator.faults import Kind, Operation, Stage
from app.simulator.pages import WORDS
from app.simulator.triggers import AMOUNTS
from tests.simulator.inside import Inside, refund_of


def press(inside: Inside, path: str, **form: object) -> str:
    """Press a button of a page; return the page it leads to."""
    headers = {"Origin": inside.parts.settings.base_url}
    answer = inside.http.post(path, data=form, headers=headers, follow_redirects=True)
    assert answer.status_code == 200
    return answer.text


def look(inside: Inside, path: str, language: str = "en") -> str:
    answer = inside.http.get(path, headers={"Accept-Language": language})
    assert answer.status_code == 200
    return answer.text


def test_both_languages_have_a_word_for_everything() -> None:
    assert WORDS["zh"].keys() == WORDS["en"].keys()
    wanted = {f"kind_{kind}" for kind in Kind} | {f"op_{operation}" for operation in Operation}
    wanted |= {f"stage_{stage}" for stage in Stage}
    assert wanted <= WORDS["en"].keys()


def test_every_amount_asks_for_a_fault_of_its_own() -> None:
    assert len(set(AMOUNTS.values())) == len(AMOUNTS)


def test_a_fault_is_switched_on_seen_and_switched_off(inside: Inside) -> None:
    shown = press(inside, "/sim/faults", kind="drop", channel="alipay", count="3", seconds="")

    assert "通知丢失" in shown
    assert "支付宝" in shown
    assert inside.http.get("/control/faults").json()["data"] == [
        {"id": 1, "kind": "drop", "channel": "alipay", "count": 3}
    ]
    assert "没有开启任何故障" in press(inside, "/sim/faults/off", id="1")


def test_everything_is_switched_off_at_once(inside: Inside) -> None:
    inside.control("faults", kind="drop")
    inside.control("faults", kind="down")

    press(inside, "/sim/faults/off")

    assert inside.http.get("/control/faults").json()["data"] == []


def test_a_value_that_is_none_switches_nothing_on(inside: Inside) -> None:
    assert 'role="alert"' in press(inside, "/sim/faults", kind="drop", count="many")
    assert inside.http.get("/control/faults").json()["data"] == []


def test_the_clock_is_moved_and_put_back(inside: Inside) -> None:
    before = inside.parts.now()

    assert "恢复真实时间" in press(inside, "/sim/clock", jump="day")
    assert (inside.parts.now() - before).days == 1
    assert "与真实时间一致" in press(inside, "/sim/clock", jump="")


def test_what_wechat_signs_with_is_chosen(inside: Inside) -> None:
    shown = press(inside, "/sim/keys", signsWith="certificate")

    assert 'value="certificate"' in shown
    [serial] = inside.http.get("/control/keys").json()["certificates"]
    assert serial in shown
    press(inside, "/sim/keys", signsWith="")
    assert len(inside.http.get("/control/keys").json()["certificates"]) == 2


def test_the_book_shows_an_order_its_refunds_and_its_notices(inside: Inside) -> None:
    ask = inside.paid("wechat")
    inside.deliver()
    refund = refund_of(ask, 100)
    inside.channels["wechat"].refund(refund, now=now())

    listed = look(inside, "/sim/orders")
    shown = look(inside, f"/sim/orders/wechat/{ask.out_trade_no}")

    assert ask.out_trade_no in listed
    assert "¥299.00" in listed
    assert refund.out_refund_no in shown
    assert "TRANSACTION.SUCCESS" in shown
    assert "200 b&#39;success&#39;" in shown


def test_an_order_is_found_by_a_part_of_its_number(inside: Inside) -> None:
    ask, other = inside.opened("wechat"), inside.opened("alipay")

    found = look(inside, f"/sim/orders?q={ask.out_trade_no[3:15]}")

    assert ask.out_trade_no in found
    assert other.out_trade_no not in found
    assert "No orders." in look(inside, "/sim/orders?q=%25")


def test_an_order_is_paid_and_told_of_again_from_its_page(inside: Inside) -> None:
    ask = inside.opened("alipay")
    path = f"/sim/orders/alipay/{ask.out_trade_no}"

    press(inside, f"{path}/pay")
    assert len(inside.deliver()) == 1
    press(inside, f"{path}/resend", twist="tampered")
    press(inside, f"{path}/pay")

    assert len(inside.deliver()) == 1
    state = inside.channels["alipay"].query(ask.out_trade_no, now=now()).state
    assert state is TradeState.PAID


@pytest.mark.parametrize(
    "path", ["/sim/orders/wechat/T0000001", "/sim/orders/stripe/T0000001", "/sim/orders/wechat/"]
)
def test_what_is_not_there_is_404(inside: Inside, path: str) -> None:
    assert inside.http.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/sim/faults", "/sim/faults/off", "/sim/clock", "/sim/keys"])
@pytest.mark.parametrize("headers", [{}, {"Origin": "https://evil.example"}])
def test_another_page_presses_nothing(inside: Inside, path: str, headers: dict[str, str]) -> None:
    inside.control("faults", kind="drop")

    assert inside.http.post(path, data={"kind": "down"}, headers=headers).status_code == 403
    assert len(inside.http.get("/control/faults").json()["data"]) == 1


def test_no_text_of_a_merchant_becomes_markup(inside: Inside) -> None:
    ask = inside.opened("wechat", description="<b>Pro</b>")

    assert "<b>Pro" not in look(inside, f"/sim/orders/wechat/{ask.out_trade_no}")
