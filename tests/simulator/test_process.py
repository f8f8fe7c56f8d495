"""The simulator as a process: keys once made stay, a kill loses nothing it answered."""

import contextlib
import os
import signal
import stat
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from app.simulator import notices, orders
from app.simulator.book import Book
from app.simulator.clock import now
from app.simulator.orders import Channel, Product
from app.simulator.settings import BadSetting, Settings
from tests.simulator.conftest import PATIENCE_SECONDS, Simulator, Sink, free_port
from tests.simulator.merchant import new_number


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Simulator]:
    running = Simulator(tmp_path, free_port())
    try:
        running.start()
        yield running
    finally:
        running.kill()


def until_silent(simulator: Simulator) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while simulator.answers():
        assert time.monotonic() < deadline, "somebody still listens on the port"
        time.sleep(0.1)


def test_its_secrets_are_readable_by_us_alone(own: Simulator) -> None:
    for name in ("simulator.json", "simulator/keys.json"):
        assert stat.S_IMODE((own.instance_dir / name).stat().st_mode) == 0o600


def test_what_it_hands_over_is_all_a_gateway_needs(own: Simulator) -> None:
    keys = own.keys

    assert keys["payer_url"] == f"{own.url}/pay"
    assert set(keys["wechat"]) == {
        "base_url",
        "mchid",
        "appid",
        "merchant_serial",
        "merchant_private_key_pem",
        "api_v3_key",
        "platform_public_key_id",
        "platform_public_key_pem",
    }
    assert set(keys["alipay"]) == {
        "gateway_url",
        "app_id",
        "seller_id",
        "app_private_key_pem",
        "alipay_public_key_pem",
    }
    assert set(keys["wechat_login"]) == {"authorize_url", "token_url", "appid", "app_secret"}
    assert set(keys["alipay_certificates"]) == {
        "app_cert_pem",
        "alipay_cert_pem",
        "alipay_root_cert_pem",
    }
    assert len(keys["wechat"]["api_v3_key"]) == 32
    assert keys["wechat"]["platform_public_key_id"].startswith("PUB_KEY_ID_")


def test_a_restart_keeps_the_keys_and_follows_the_port(own: Simulator) -> None:
    before = own.keys
    assert own.stop() == 0
    own.port = free_port()

    own.start()

    assert own.keys["wechat"].pop("base_url") == own.url
    before["wechat"]["base_url"] = own.url
    before["alipay"]["gateway_url"] = f"{own.url}/gateway.do"
    before["payer_url"] = f"{own.url}/pay"
    before["wechat_login"]["authorize_url"] = f"{own.url}/connect/oauth2/authorize"
    before["wechat_login"]["token_url"] = f"{own.url}/sns/oauth2/access_token"
    assert own.keys == before


def test_an_order_and_a_notice_survive_a_kill(own: Simulator, sink: Sink) -> None:
    out_trade_no = new_number()
    path = f"/{out_trade_no}"
    own.wechat.order(out_trade_no, notify_url=sink.url(path))
    own.control("pay", outTradeNo=out_trade_no, delaySeconds=2)
    before = own.wechat.query(out_trade_no).json()

    own.kill()
    own.start()

    assert own.wechat.query(out_trade_no).json() == before
    [notice] = sink.wait(path)
    own.wechat.check(notice.headers, notice.body)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_it_is_asked_to(own: Simulator, how: signal.Signals) -> None:
    assert own.process is not None
    own.process.send_signal(how)

    assert own.process.wait(PATIENCE_SECONDS) == 0
    assert not own.answers()


def test_no_orphan_keeps_the_port(own: Simulator) -> None:
    assert own.process is not None
    os.kill(own.process.pid, signal.SIGKILL)

    until_silent(own)


def test_a_courier_killed_in_the_middle_goes_again(tmp_path: Path) -> None:
    book = Book(tmp_path / "book.db")
    start = now()
    with book.transaction() as db:
        order = orders.place(db, open_order(start), now=start)
        notice = notices.Notice("EV-1", "http://127.0.0.1/n", {"paid": True})
        notices.queue(db, order, notice, plan=orders.Plan(), now=start)

    with book.transaction() as db:
        first = notices.claim(db, now=start)
        meanwhile = notices.claim(db, now=start + notices.LEASE / 2)
        again = notices.claim(db, now=start + notices.LEASE)

    assert first is not None
    assert meanwhile is None
    assert again == first


@pytest.mark.parametrize(
    ("channel", "attempts", "seconds"),
    [(Channel.WECHAT, 16, 86_640), (Channel.ALIPAY, 8, 87_840)],
)
def test_the_ladder_is_the_channels_own(
    tmp_path: Path, *, channel: Channel, attempts: int, seconds: int
) -> None:
    book = Book(tmp_path / "book.db")
    start = moment = now()
    with book.transaction() as db:
        order = orders.place(db, open_order(start, channel), now=start)
        notice = notices.Notice("EV-1", "http://127.0.0.1/n", {})
        notices.queue(db, order, notice, plan=orders.Plan(), now=start)
        made = 0
        while (due_at := notices.next_due(db)) is not None:
            moment = due_at
            sending = notices.claim(db, now=moment)
            assert sending is not None
            notices.settle(db, sending, "500", heard=False, scale=1, now=moment)
            made += 1

    assert made == attempts
    assert (moment - start).total_seconds() == seconds


def test_half_a_transaction_is_none(tmp_path: Path) -> None:
    book = Book(tmp_path / "book.db")

    with contextlib.suppress(ZeroDivisionError), book.transaction() as db:
        orders.place(db, open_order(now()), now=now())
        1 / 0  # noqa: B018 — any failure will do

    with book.transaction() as db:
        assert orders.find(db, Channel.WECHAT, "T00000001") is None


@pytest.mark.parametrize(
    "environ",
    [
        {"SIMULATOR_PORT": "many"},
        {"SIMULATOR_TIME_SCALE": "0"},
        {"SIMULATOR_TIME_SCALE": "nan"},
        {"SIMULATOR_TIME_SCALE": "fast"},
    ],
)
def test_a_wrong_setting_is_refused(environ: dict[str, str]) -> None:
    with pytest.raises(BadSetting):
        Settings.read(environ)


def test_an_address_that_means_all_is_named_by_one_that_can_be_reached() -> None:
    assert Settings.read({"HOST": "0.0.0.0"}).base_url == "http://127.0.0.1:8001"  # noqa: S104
    assert Settings.read({"HOST": "::1"}).base_url == "http://[::1]:8001"


def open_order(created_at: datetime, channel: Channel = Channel.WECHAT) -> orders.Order:
    return orders.Order(
        channel=channel,
        product=Product.NATIVE if channel is Channel.WECHAT else Product.PRECREATE,
        out_trade_no="T00000001",
        fingerprint="",
        description="Pro",
        amount_minor=29_900,
        notify_url="http://127.0.0.1/n",
        attach="",
        created_at=created_at,
        payable_until=created_at + timedelta(days=7),
        closes_at=None,
    )
