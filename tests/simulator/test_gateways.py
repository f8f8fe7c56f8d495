"""The product's own gateways speak to the simulator as they speak to the channels, over HTTP."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import httpx
import pytest

from app.channels import wire
from app.channels.alipay import Alipay, AlipaySettings
from app.channels.base import (
    Ask,
    BadNotice,
    Channel,
    ChannelUnavailable,
    Method,
    NoticeKind,
    RefundAsk,
    RefundState,
    TradeState,
)
from app.channels.wechat import Wechat, WechatSettings
from app.core.money import Currency, Money
from app.simulator.clock import CHINA, now
from tests.simulator.conftest import Received, Simulator, Sink
from tests.simulator.merchant import new_number

Channels = dict[str, Channel]


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with wire.new_client() as client:
        yield client


@pytest.fixture
def channels(simulator: Simulator, client: httpx.Client) -> Channels:
    keys = simulator.keys
    return {
        "wechat": Wechat(WechatSettings(**keys["wechat"]), client=client),
        "alipay": Alipay(AlipaySettings(**keys["alipay"]), client=client),
    }


def ask_for(sink: Sink, path: str, name: str) -> Ask:
    return Ask(
        out_trade_no=new_number(),
        amount=Money(29_900, Currency.CNY),
        description="Lumen AI · Pro 月度订阅 / 11月",
        expires_at=now() + timedelta(minutes=15),
        notify_url=sink.url(path),
        attach="merchant 7",
        method=Method.NATIVE if name == "wechat" else Method.PRECREATE,
    )


def lower(notice: Received) -> dict[str, str]:
    return {name.lower(): value for name, value in notice.headers.items()}


@pytest.mark.parametrize("name", ["wechat", "alipay"])
def test_an_order_is_opened_paid_heard_of_and_found(
    simulator: Simulator, sink: Sink, channels: Channels, *, name: str
) -> None:
    channel, path = channels[name], f"/gateway/{name}"
    ask = ask_for(sink, path, name)

    opened = channel.open(ask, now=now())
    assert channel.open(ask, now=now()) == opened
    simulator.control("pay", qr=opened.payload)
    [received] = sink.wait(path)
    notice = channel.read_notice(lower(received), received.body, now=now())
    found = channel.query(ask.out_trade_no, now=now())

    assert notice.kind is NoticeKind.PAYMENT
    assert notice.trade.attach == "merchant 7"
    for trade in (notice.trade, found):
        assert trade.state is TradeState.PAID
        assert trade.paid == Money(29_900, Currency.CNY)
    assert notice.trade.channel_txn_id == found.channel_txn_id


@pytest.mark.parametrize("name", ["wechat", "alipay"])
def test_a_forged_notice_is_a_bad_one(
    simulator: Simulator, sink: Sink, channels: Channels, *, name: str
) -> None:
    channel, path = channels[name], f"/forged/{name}"
    opened = channel.open(ask_for(sink, path, name), now=now())
    simulator.control("pay", qr=opened.payload, notify="bad_signature")

    received = sink.wait(path)[0]

    with pytest.raises(BadNotice):
        channel.read_notice(lower(received), received.body, now=now())


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("wechat", TradeState.PENDING, TradeState.CLOSED),
        ("alipay", TradeState.NOT_FOUND, TradeState.NOT_FOUND),
    ],
)
def test_closing_ends_an_order_unless_nobody_knows_it_yet(
    sink: Sink, channels: Channels, *, name: str, before: TradeState, after: TradeState
) -> None:
    channel, ask = channels[name], ask_for(sink, "/closed", name)
    channel.open(ask, now=now())
    assert channel.query(ask.out_trade_no, now=now()).state is before

    channel.close(ask.out_trade_no, now=now())

    assert channel.query(ask.out_trade_no, now=now()).state is after


@pytest.mark.parametrize("name", ["wechat", "alipay"])
def test_a_scanned_order_can_be_closed(
    simulator: Simulator, sink: Sink, channels: Channels, *, name: str
) -> None:
    channel, ask = channels[name], ask_for(sink, "/closed", name)
    simulator.look(channel.open(ask, now=now()).payload)
    assert channel.query(ask.out_trade_no, now=now()).state is TradeState.PENDING

    channel.close(ask.out_trade_no, now=now())

    assert channel.query(ask.out_trade_no, now=now()).state is TradeState.CLOSED


@pytest.mark.parametrize("name", ["wechat", "alipay"])
@pytest.mark.parametrize("kind", ["no_answer", "broken_answer"])
def test_a_line_that_breaks_leaves_an_order_that_is_there(
    simulator: Simulator, sink: Sink, channels: Channels, *, name: str, kind: str
) -> None:
    channel, ask = channels[name], ask_for(sink, "/broken", name)
    simulator.control("faults", kind=kind, outTradeNo=ask.out_trade_no, count=1)

    with pytest.raises(ChannelUnavailable):
        channel.open(ask, now=now())
    simulator.control("pay", outTradeNo=ask.out_trade_no)

    assert channel.query(ask.out_trade_no, now=now()).state is TradeState.PAID


@pytest.mark.parametrize("name", ["wechat", "alipay"])
def test_what_was_paid_goes_back_and_stands_in_the_statement(
    simulator: Simulator, sink: Sink, channels: Channels, *, name: str
) -> None:
    channel, ask = channels[name], ask_for(sink, f"/refunded/{name}", name)
    channel.open(ask, now=now())
    paid = simulator.control("pay", outTradeNo=ask.out_trade_no).json()
    day = datetime.fromisoformat(paid["paidAt"]).astimezone(CHINA).date()
    refund = RefundAsk(
        out_refund_no=new_number(),
        out_trade_no=ask.out_trade_no,
        amount=Money(9_900, Currency.CNY),
        total=ask.amount,
        reason="as agreed",
        notify_url=sink.url(f"/refunded/{name}"),
    )

    channel.refund(refund, now=now())
    if name == "wechat":
        heard = sink.wait(f"/refunded/{name}", 2)[-1]
        notice = channel.read_notice(lower(heard), heard.body, now=now())
        assert notice.refund == channel.query_refund(refund, now=now())
    simulator.control("clock", advanceSeconds=2 * 86_400)
    rows = channel.fetch_statement(day, now=now()).rows
    simulator.control("clock", reset=True)

    assert channel.query_refund(refund, now=now()).state is RefundState.SUCCEEDED
    mine = [row for row in rows if row.out_trade_no == ask.out_trade_no]
    assert [row.kind for row in mine] == ["payment", "refund"]
