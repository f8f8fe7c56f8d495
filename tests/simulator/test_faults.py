"""What is switched on goes wrong: where it is meant, as often as it is meant, and nowhere else."""

from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest

from app.channels.base import (
    Ask,
    BadNotice,
    Channel,
    ChannelUnavailable,
    RefundState,
    TradeState,
)
from app.core.money import Currency, Money
from app.simulator.clock import now
from tests.simulator.inside import Inside, ask_for, refund_of

CHANNELS = pytest.mark.parametrize("name", ["wechat", "alipay"])

Doing = Callable[[Channel, Ask], object]
CALLS: dict[str, Doing] = {
    "query": lambda channel, ask: channel.query(ask.out_trade_no, now=now()),
    "close": lambda channel, ask: channel.close(ask.out_trade_no, now=now()),
    "refund": lambda channel, ask: channel.refund(refund_of(ask, 1), now=now()),
    "query_refund": lambda channel, ask: channel.query_refund(refund_of(ask, 1), now=now()),
}


@CHANNELS
@pytest.mark.parametrize("kind", ["down", "error", "limited"])
def test_a_call_that_is_refused_so_was_not_done(inside: Inside, name: str, kind: str) -> None:
    channel, ask = inside.channels[name], inside.paid(name)
    inside.control("faults", kind=kind, channel=name, count=1)
    refund = refund_of(ask, 100)

    with pytest.raises(ChannelUnavailable):
        channel.refund(refund, now=now())

    assert channel.query_refund(refund, now=now()).state is RefundState.NOT_FOUND


@CHANNELS
@pytest.mark.parametrize("kind", ["no_answer", "broken_answer", "forged_answer"])
def test_a_call_that_is_answered_badly_was_done(inside: Inside, name: str, kind: str) -> None:
    channel, ask = inside.channels[name], inside.paid(name)
    inside.control("faults", kind=kind, operation="refund", count=1)
    refund = refund_of(ask, 100)

    with pytest.raises(ChannelUnavailable):
        channel.refund(refund, now=now())
    inside.control("clock", advanceSeconds=60)

    assert channel.query_refund(refund, now=now()).state is RefundState.SUCCEEDED
    assert channel.refund(refund, now=now()).out_refund_no == refund.out_refund_no
    assert len(inside.order(ask.out_trade_no, name)["refunds"]) == 1


@CHANNELS
@pytest.mark.parametrize("operation", CALLS)
def test_a_fault_bites_the_call_it_is_meant_for(inside: Inside, name: str, operation: str) -> None:
    channel, ask = inside.channels[name], inside.opened(name)
    inside.control("faults", kind="down", operation=operation)

    with pytest.raises(ChannelUnavailable):
        CALLS[operation](channel, ask)
    channel.open(ask, now=now())


def test_a_fault_of_one_channel_leaves_the_other_alone(inside: Inside) -> None:
    inside.control("faults", kind="down", channel="wechat")

    inside.opened("alipay")
    with pytest.raises(ChannelUnavailable):
        inside.opened("wechat")


@CHANNELS
def test_a_fault_of_one_order_leaves_the_others_alone(inside: Inside, name: str) -> None:
    channel, ask = inside.channels[name], inside.paid(name)
    other = inside.paid(name)
    inside.control("faults", kind="down", outTradeNo=ask.out_trade_no)

    assert channel.query(other.out_trade_no, now=now()).state is TradeState.PAID
    for operation in ("query", "close", "refund"):
        with pytest.raises(ChannelUnavailable):
            CALLS[operation](channel, ask)


def test_a_fault_with_a_count_is_off_after_it(inside: Inside) -> None:
    ask = inside.paid("wechat")
    inside.control("faults", kind="error", count=2)

    for _ in range(2):
        with pytest.raises(ChannelUnavailable):
            inside.channels["wechat"].query(ask.out_trade_no, now=now())

    assert inside.http.get("/control/faults").json() == {"data": []}
    inside.channels["wechat"].query(ask.out_trade_no, now=now())


def test_faults_are_seen_and_switched_off(inside: Inside) -> None:
    first = inside.control("faults", kind="slow", seconds=0.5)
    second = inside.control("faults", kind="duplicate", channel="alipay", copies=2)

    assert inside.http.get("/control/faults").json()["data"] == [first, second]
    assert second == {"id": 2, "kind": "duplicate", "channel": "alipay", "copies": 2}
    assert inside.http.delete("/control/faults/1").json() == {"switchedOff": 1}
    assert inside.http.delete("/control/faults/1").status_code == 404
    assert inside.http.delete("/control/faults").json() == {"switchedOff": 1}


def test_a_slow_answer_takes_its_time_and_is_right(inside: Inside) -> None:
    ask = inside.paid("wechat")
    inside.control("faults", kind="slow", seconds=0.2, count=1)
    start = now()

    trade = inside.channels["wechat"].query(ask.out_trade_no, now=now())

    assert now() - start >= timedelta(seconds=0.2)
    assert trade.state is TradeState.PAID


TWISTS = ["bad_signature", "sign_test", "unknown_serial", "tampered", "notice_app"]


@CHANNELS
@pytest.mark.parametrize("kind", [*TWISTS, "notice_account"])
def test_a_notice_that_must_not_be_believed_is_not_and_the_next_is(
    inside: Inside, name: str, kind: str
) -> None:
    inside.control("faults", kind=kind, channel=name, count=1)
    inside.says = [httpx.Response(400)]
    ask = inside.paid(name)

    bad, good = *inside.deliver(), *inside.deliver(later=timedelta(minutes=5))

    with pytest.raises(BadNotice):
        inside.read(name, bad)
    assert inside.read(name, good, at=now() + timedelta(minutes=5)).out_trade_no == ask.out_trade_no
    [notice] = inside.order(ask.out_trade_no, name)["notices"]
    assert [sending["twist"] for sending in notice["sendings"]] == [kind, ""]
    assert notice["acknowledgedAt"]


@pytest.mark.parametrize("kind", ["stale", "notice_currency"])
def test_wechat_s_stale_and_foreign_notices_differ_in_that_alone(inside: Inside, kind: str) -> None:
    inside.control("faults", kind=kind, count=1)
    inside.paid("wechat")
    [told] = inside.deliver()

    if kind == "stale":
        with pytest.raises(BadNotice):
            inside.read("wechat", told)
        assert inside.read("wechat", told, at=now() - timedelta(minutes=10))
    else:
        assert inside.read("wechat", told).trade.paid == Money(29_900, Currency.USD)


@CHANNELS
def test_a_notice_may_say_another_amount_than_the_query(inside: Inside, name: str) -> None:
    inside.control("faults", kind="notice_amount", channel=name, count=1)
    ask = inside.paid(name)
    [told] = inside.deliver()

    assert inside.read(name, told).trade.paid == Money(29_899, Currency.CNY)
    assert inside.channels[name].query(ask.out_trade_no, now=now()).paid == ask.amount


@CHANNELS
def test_a_payer_may_pay_another_amount(inside: Inside, name: str) -> None:
    inside.control("faults", kind="paid_amount", channel=name, amountMinor=1, count=1)
    ask = inside.paid(name)
    [told] = inside.deliver()

    assert inside.read(name, told).trade.paid == Money(1, Currency.CNY)
    assert inside.channels[name].query(ask.out_trade_no, now=now()).paid == Money(1, Currency.CNY)


@CHANNELS
def test_a_bank_may_refuse_and_then_not(inside: Inside, name: str) -> None:
    inside.control("faults", kind="payment_fails", channel=name, count=1)
    ask = inside.paid(name)
    assert inside.channels[name].query(ask.out_trade_no, now=now()).state is TradeState.PENDING

    inside.control("pay", outTradeNo=ask.out_trade_no)

    assert inside.channels[name].query(ask.out_trade_no, now=now()).state is TradeState.PAID


def test_a_payment_on_its_way_comes_although_the_order_was_closed(inside: Inside) -> None:
    wechat, ask = inside.channels["wechat"], inside.opened("wechat")
    wechat.close(ask.out_trade_no, now=now())
    assert wechat.query(ask.out_trade_no, now=now()).state is TradeState.CLOSED

    inside.control("pay", outTradeNo=ask.out_trade_no, late=True)

    [told] = inside.deliver()
    assert inside.read("wechat", told).trade.paid == ask.amount
    assert wechat.query(ask.out_trade_no, now=now()).state is TradeState.PAID
    again = {"outTradeNo": ask.out_trade_no, "late": True}
    assert inside.http.post("/control/pay", json=again).status_code == 409


@CHANNELS
def test_a_lost_notice_is_sent_again_as_the_ladder_says(inside: Inside, name: str) -> None:
    inside.control("faults", kind="drop", channel=name, count=1)
    ask = inside.paid(name)

    assert inside.deliver() == []
    [told] = inside.deliver(later=timedelta(minutes=5))

    assert inside.read(name, told, at=now() + timedelta(minutes=5)).out_trade_no == ask.out_trade_no


@CHANNELS
def test_a_notice_comes_in_copies_of_one_id(inside: Inside, name: str) -> None:
    inside.control("faults", kind="duplicate", channel=name, copies=4)
    inside.paid(name)

    told = inside.deliver()

    assert len(told) == 4
    assert len({inside.read(name, one).notice_id for one in told}) == 1


def test_a_notice_may_come_late(inside: Inside) -> None:
    inside.control("faults", kind="delay", seconds=60, count=1)
    inside.paid("wechat")

    assert inside.deliver() == []
    assert inside.deliver(later=timedelta(seconds=59)) == []
    assert len(inside.deliver(later=timedelta(seconds=61))) == 1


def test_a_notice_may_come_after_the_next_one(inside: Inside) -> None:
    inside.control("faults", kind="reorder", count=1)
    first = inside.paid("wechat")
    assert inside.deliver() == []
    second = inside.paid("wechat")

    told = [inside.read("wechat", one).out_trade_no for one in inside.deliver()]

    assert told == [second.out_trade_no, first.out_trade_no]


def test_a_held_notice_comes_by_itself_when_no_other_does(inside: Inside) -> None:
    inside.control("faults", kind="reorder")
    inside.paid("wechat")
    assert inside.deliver() == []

    assert len(inside.deliver(later=timedelta(minutes=1))) == 1


def test_a_notice_can_be_sent_again_in_any_shape(inside: Inside) -> None:
    ask = inside.paid("wechat")
    inside.deliver()

    inside.control("notify", outTradeNo=ask.out_trade_no, notify="unknown_serial", times=2)

    assert len(inside.deliver()) == 2
    with pytest.raises(BadNotice):
        inside.read("wechat", inside.told[-1])


@pytest.mark.parametrize(
    ("minor", "first_sent", "sent_at_last"), [(9_999_01, 0, 0), (9_999_02, 3, 3), (9_999_03, 0, 1)]
)
def test_an_amount_decides_what_becomes_of_the_notice(
    inside: Inside, minor: int, first_sent: int, sent_at_last: int
) -> None:
    inside.paid("wechat", minor=minor)

    assert len(inside.deliver()) == first_sent
    inside.deliver(later=timedelta(seconds=31))
    assert len(inside.told) == sent_at_last


@CHANNELS
@pytest.mark.parametrize("minor", [9_999_04, 9_999_05, 9_999_06])
def test_an_amount_spoils_the_first_notice_and_not_the_next(
    inside: Inside, name: str, minor: int
) -> None:
    inside.says = [httpx.Response(401)]
    inside.paid(name, minor=minor)

    [bad] = inside.deliver()
    [good] = inside.deliver(later=timedelta(minutes=5))

    with pytest.raises(BadNotice):
        inside.read(name, bad)
    assert inside.read(name, good, at=now() + timedelta(minutes=5))


def test_an_amount_is_paid_a_fen_short(inside: Inside) -> None:
    ask = inside.paid("alipay", minor=9_999_08)

    paid = inside.channels["alipay"].query(ask.out_trade_no, now=now()).paid

    assert paid == Money(9_999_07, Currency.CNY)


@CHANNELS
@pytest.mark.parametrize(
    ("minor", "state"),
    [
        (9_999_11, TradeState.NOT_FOUND),
        (9_999_12, TradeState.PENDING),
    ],
)
def test_an_amount_makes_the_first_opening_unknown_and_the_second_good(
    inside: Inside, name: str, minor: int, state: TradeState
) -> None:
    channel, ask = inside.channels[name], ask_for(name, minor)

    with pytest.raises(ChannelUnavailable):
        channel.open(ask, now=now())
    found = channel.query(ask.out_trade_no, now=now()).state

    # Alipay knows no trade before the scan, whatever it did.
    assert found is (TradeState.NOT_FOUND if name == "alipay" else state)
    channel.open(ask, now=now())


@CHANNELS
@pytest.mark.parametrize("minor", [9_999_26, 9_999_27])
def test_an_amount_makes_the_first_refund_unknown_and_the_second_good(
    inside: Inside, name: str, minor: int
) -> None:
    channel, ask = inside.channels[name], inside.paid(name, minor=minor)
    refund = refund_of(ask, 100)

    with pytest.raises(ChannelUnavailable):
        channel.refund(refund, now=now())

    channel.refund(refund, now=now())
    assert len(inside.order(ask.out_trade_no, name)["refunds"]) == 1


def test_a_word_in_the_description_or_the_reason_does_it_too(inside: Inside) -> None:
    ask = inside.paid("wechat", description="Pro [sim:drop]")
    refund = refund_of(ask, 100, reason="[sim:refund_abnormal]")
    inside.channels["wechat"].refund(refund, now=now())
    inside.control("clock", advanceSeconds=60)

    assert inside.channels["wechat"].query_refund(refund, now=now()).state is RefundState.ABNORMAL
    assert inside.deliver() == []


def test_a_word_that_means_nothing_does_nothing(inside: Inside) -> None:
    ask = inside.paid("wechat", description="Pro [sim:earthquake]")

    assert [inside.read("wechat", told).out_trade_no for told in inside.deliver()] == [
        ask.out_trade_no
    ]


@pytest.mark.parametrize(
    "ask",
    [
        {},
        {"kind": "earthquake"},
        {"kind": "drop", "channel": "stripe"},
        {"kind": "drop", "count": 0},
        {"kind": "slow", "seconds": -1},
        {"kind": "duplicate", "copies": 101},
        {"kind": "paid_amount", "amountMinor": 0},
        {"kind": "drop", "where": "here"},
    ],
)
def test_a_fault_that_is_none_is_refused(inside: Inside, ask: dict[str, object]) -> None:
    answer = inside.http.post("/control/faults", json=ask)

    assert answer.status_code == 400
    assert answer.json()["error"]
    assert inside.http.get("/control/faults").json() == {"data": []}


def test_another_page_can_not_switch_anything(inside: Inside) -> None:
    headers = {"Origin": "https://evil.example"}

    assert inside.http.post("/control/faults", json={}, headers=headers).status_code == 403
    assert inside.http.delete("/control/faults", headers=headers).status_code == 403
