"""What was paid goes back once and never more than it, each channel in its own way."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from app.channels.base import (
    ChannelRefused,
    ChannelShort,
    ChannelUnavailable,
    NoticeKind,
    RefundState,
)
from app.core.money import Currency, Money
from app.simulator import orders, refunds
from app.simulator.book import Book
from app.simulator.clock import now
from app.simulator.orders import Channel, Order, Product
from app.simulator.refunds import Outcome
from tests.simulator.inside import Inside, refund_of

CHANNELS = pytest.mark.parametrize("name", ["wechat", "alipay"])
MINUTE = 60


def cny(minor: int) -> Money:
    return Money(minor, Currency.CNY)


@CHANNELS
def test_a_part_goes_back_and_the_query_says_so(inside: Inside, name: str) -> None:
    channel, ask = inside.channels[name], inside.paid(name)
    refund = refund_of(ask, 9_900)

    channel.refund(refund, now=now())
    inside.control("clock", advanceSeconds=MINUTE)

    found = channel.query_refund(refund, now=now())
    assert found.state is RefundState.SUCCEEDED
    assert found.amount == cny(9_900)


@CHANNELS
def test_the_same_refund_twice_goes_back_once(inside: Inside, name: str) -> None:
    channel, ask = inside.channels[name], inside.paid(name)
    refund = refund_of(ask, 9_900)

    first = channel.refund(refund, now=now())
    again = channel.refund(refund, now=now())

    assert first.channel_refund_id == again.channel_refund_id
    [entered] = inside.order(ask.out_trade_no, name)["refunds"]
    assert entered["amountMinor"] == 9_900


@CHANNELS
def test_not_a_fen_more_goes_back_than_was_paid(inside: Inside, name: str) -> None:
    channel, ask = inside.channels[name], inside.paid(name)
    channel.refund(refund_of(ask, 29_899), now=now())
    inside.control("clock", advanceSeconds=MINUTE)

    with pytest.raises(ChannelRefused):
        channel.refund(refund_of(ask, 2), now=now())
    channel.refund(refund_of(ask, 1), now=now())

    made = inside.order(ask.out_trade_no, name)["refunds"]
    assert [refund["amountMinor"] for refund in made] == [29_899, 1]


@CHANNELS
def test_two_parts_at_once_are_too_soon_and_nothing_is_done(inside: Inside, name: str) -> None:
    channel, ask = inside.channels[name], inside.paid(name)
    channel.refund(refund_of(ask, 100), now=now())
    soon = refund_of(ask, 100)

    with pytest.raises(ChannelUnavailable):
        channel.refund(soon, now=now())

    assert channel.query_refund(soon, now=now()).state is RefundState.NOT_FOUND


@CHANNELS
def test_a_number_means_one_amount_for_ever(inside: Inside, name: str) -> None:
    channel, ask = inside.channels[name], inside.paid(name)
    refund = refund_of(ask, 100)
    channel.refund(refund, now=now())

    with pytest.raises((ChannelRefused, ChannelUnavailable)):
        channel.refund(refund_of(ask, 200, out_refund_no=refund.out_refund_no), now=now())

    assert len(inside.order(ask.out_trade_no, name)["refunds"]) == 1


@CHANNELS
def test_a_year_later_nothing_goes_back(inside: Inside, name: str) -> None:
    ask = inside.paid(name)
    inside.control("clock", advanceSeconds=366 * 86_400)

    with pytest.raises(ChannelRefused):
        inside.channels[name].refund(refund_of(ask, 100), now=now())


@CHANNELS
def test_what_was_never_paid_is_not_refunded(inside: Inside, name: str) -> None:
    ask = inside.opened(name)

    with pytest.raises(ChannelRefused):
        inside.channels[name].refund(refund_of(ask, 100), now=now())


@CHANNELS
def test_a_balance_too_low_refuses_once_and_then_not(inside: Inside, name: str) -> None:
    channel, ask = inside.channels[name], inside.paid(name)
    inside.control("faults", kind="refund_not_enough", count=1)
    refund = refund_of(ask, 100)

    with pytest.raises(ChannelShort):
        channel.refund(refund, now=now())

    channel.refund(refund, now=now())


@CHANNELS
def test_a_payer_who_is_gone_is_refused_every_time(inside: Inside, name: str) -> None:
    channel, ask = inside.channels[name], inside.paid(name, minor=9_999_22)

    for _ in range(2):
        with pytest.raises(ChannelRefused):
            channel.refund(refund_of(ask, 100), now=now())


def test_wechat_takes_its_time_and_then_tells(inside: Inside) -> None:
    wechat, ask = inside.channels["wechat"], inside.paid("wechat")
    inside.deliver()
    refund = refund_of(ask, 9_900)

    asked = wechat.refund(refund, now=now())
    assert inside.deliver() == []
    inside.control("clock", advanceSeconds=MINUTE)
    [told] = inside.deliver()

    notice = inside.read("wechat", told)
    assert asked.state is RefundState.PROCESSING
    assert notice.kind is NoticeKind.REFUND
    assert notice.refund == wechat.query_refund(refund, now=now())


@pytest.mark.parametrize(
    ("minor", "days", "state"),
    [(9_999_23, 0, RefundState.ABNORMAL), (9_999_24, 7, RefundState.FAILED)],
)
def test_a_refund_that_ends_badly_says_so(
    inside: Inside, minor: int, days: int, state: RefundState
) -> None:
    wechat, ask = inside.channels["wechat"], inside.paid("wechat", minor=minor)
    inside.deliver()
    refund = refund_of(ask, 100)
    wechat.refund(refund, now=now())

    inside.control("clock", advanceSeconds=days * 86_400 + MINUTE)
    [told] = inside.deliver()

    assert wechat.query_refund(refund, now=now()).state is state
    found = inside.read("wechat", told).refund
    assert found is not None
    assert found.state is state


def test_a_closed_refund_may_be_asked_for_again(inside: Inside) -> None:
    wechat, ask = inside.channels["wechat"], inside.paid("wechat")
    inside.control("faults", kind="refund_closed", count=1)
    wechat.refund(refund_of(ask, 29_900), now=now())
    inside.control("clock", advanceSeconds=8 * 86_400)

    wechat.refund(refund_of(ask, 29_900), now=now())

    states = [refund["state"] for refund in inside.order(ask.out_trade_no)["refunds"]]
    assert states == ["closed", "processing"]


def test_alipay_tells_of_refunds_only_where_it_is_told_to(inside: Inside) -> None:
    alipay, ask = inside.channels["alipay"], inside.paid("alipay")
    inside.deliver()
    alipay.refund(refund_of(ask, 10_000), now=now())
    assert inside.deliver() == []
    inside.control("faults", kind="refund_notices")
    inside.control("clock", advanceSeconds=MINUTE)

    alipay.refund(refund_of(ask, 19_900), now=now())
    [told] = inside.deliver()

    notice = inside.read("alipay", told)
    assert notice.kind is NoticeKind.REFUND
    assert notice.trade.raw_state == "TRADE_CLOSED"
    assert re.search("refund_fee=299.00", told.content.decode())


@CHANNELS
def test_what_was_refunded_was_paid_all_the_same(inside: Inside, name: str) -> None:
    channel, ask = inside.channels[name], inside.paid(name)
    channel.refund(refund_of(ask, 29_900), now=now())

    trade = channel.query(ask.out_trade_no, now=now())

    assert trade.paid == cny(29_900)
    assert trade.raw_state == {"wechat": "REFUND", "alipay": "TRADE_CLOSED"}[name]


@pytest.fixture
def paid_order() -> Order:
    start = now()
    return Order(
        channel=Channel.WECHAT,
        product=Product.NATIVE,
        out_trade_no="T00000001",
        fingerprint="",
        description="Pro",
        amount_minor=10_000,
        notify_url="",
        attach="",
        created_at=start,
        payable_until=start + timedelta(days=7),
        closes_at=None,
    )


def test_fifty_parts_and_no_more(tmp_path: Path, paid_order: Order) -> None:
    start = now()
    with Book(tmp_path / "book.db").transaction() as db:
        placed = orders.place(db, paid_order, now=start)
        paid = orders.pay(db, placed, orders.Plan(), now=start)
        for part in range(50):
            ask = refunds.Ask(f"R{part}", 1, "", "")
            later = start + timedelta(minutes=part)
            refunds.accept(db, paid, ask, fault=None, scale=1, now=later)

        with pytest.raises(refunds.TooManyParts):
            refunds.accept(
                db,
                paid,
                refunds.Ask("R50", 1, "", ""),
                fault=None,
                scale=1,
                now=start + timedelta(minutes=50),
            )


def test_a_refund_that_runs_is_told_of_when_it_ends_and_once(
    tmp_path: Path, paid_order: Order
) -> None:
    start = now()
    with Book(tmp_path / "book.db").transaction() as db:
        placed = orders.place(db, paid_order, now=start)
        paid = orders.pay(db, placed, orders.Plan(), now=start)
        ask = refunds.Ask("R1", 1, "", "")
        made, _ = refunds.accept(db, paid, ask, fault=None, scale=1, now=start)

        assert refunds.end_ripe(db, now=start) == []
        [ended] = refunds.end_ripe(db, now=made.ends_at)
        assert refunds.end_ripe(db, now=made.ends_at) == []

    assert ended.outcome is Outcome.SUCCESS
