"""The simulator's book tells what became of an order: its refunds, its notices, each sending."""

import httpx

from app.simulator.clock import now
from tests.simulator.inside import Inside, refund_of
from tests.simulator.merchant import new_number


def test_the_book_tells_an_order_with_all_that_came_of_it(inside: Inside) -> None:
    inside.says = [httpx.Response(500, text="busy")]
    ask = inside.paid("wechat")
    inside.deliver()
    refund = refund_of(ask, 100)
    inside.channels["wechat"].refund(refund, now=now())

    told = inside.order(ask.out_trade_no)

    assert told["state"] == "paid"
    assert told["refunds"][0]["outRefundNo"] == refund.out_refund_no
    [notice] = told["notices"]
    assert notice["kind"] == "TRANSACTION.SUCCESS"
    assert notice["acknowledgedAt"] is None
    assert [sending["answer"] for sending in notice["sendings"]] == ["500 b'busy'", None]
    listed = inside.http.get("/control/orders", params={"q": ask.out_trade_no}).json()
    assert [order["outTradeNo"] for order in listed["data"]] == [ask.out_trade_no]
    assert inside.http.get(f"/control/orders/wechat/{new_number()}").status_code == 404
