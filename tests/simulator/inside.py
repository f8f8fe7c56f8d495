"""A simulator inside the test's own process: its doors over WSGI, its courier step by step."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import msgspec
from flask import Flask

from app.channels.alipay import Alipay, AlipaySettings
from app.channels.base import Ask, Channel, Method, Notice, RefundAsk
from app.channels.wechat import Wechat, WechatSettings
from app.core.money import Currency, Money
from app.simulator import clock, courier, keys
from app.simulator.book import Book
from app.simulator.clock import now
from app.simulator.keys import Identity
from app.simulator.parts import Parts
from app.simulator.settings import Settings
from app.simulator.web import create_app
from tests.simulator.merchant import new_number

SCALE = 1  # what takes time waits for the clock to be moved
NOTIFY_URL = "http://merchant.example/notify"


@cache
def identity() -> Identity:
    """Make the keys once for all tests: they are the slow part of a simulator."""
    return keys.make()


@cache
def doors() -> Flask:
    """Make the doors once; each simulator puts its own parts behind them."""
    return create_app()


@dataclass
class Inside:
    """`told` is what the merchant was told; `says` is what he answers, unless it is used up."""

    parts: Parts
    http: httpx.Client
    channels: dict[str, Channel]
    told: list[httpx.Request] = field(default_factory=list)
    says: list[httpx.Response] = field(default_factory=list)

    def control(self, verb: str, **ask: object) -> Any:
        """Pull a lever, and return what it says."""
        answer = self.http.post(f"/control/{verb}", json=ask)
        assert answer.is_success, answer.text
        return answer.json()

    def order(self, out_trade_no: str, channel: str = "wechat") -> Any:
        return self.http.get(f"/control/orders/{channel}/{out_trade_no}").json()

    def deliver(self, *, later: timedelta = timedelta(0)) -> list[httpx.Request]:
        """Let the courier go until nothing is due `later`; return what he carried."""
        before = len(self.told)
        with httpx.Client(transport=httpx.MockTransport(self._hear)) as client:
            while courier.carry_next(self.parts, client, now=now() + later):
                pass
        return self.told[before:]

    def read(self, name: str, told: httpx.Request, *, at: datetime | None = None) -> Notice:
        """Read a notice as the merchant's gateway does."""
        headers = {key.lower(): value for key, value in told.headers.items()}
        return self.channels[name].read_notice(headers, told.content, now=at or now())

    def opened(self, name: str, *, minor: int = 29_900, **changes: Any) -> Ask:
        """Open an order that can be paid, and return what was asked for."""
        ask = replace(ask_for(name, minor), **changes)
        payload = self.channels[name].open(ask, now=now()).payload
        if ask.method in {Method.PAGE, Method.WAP}:
            self.visit(payload)
        return ask

    def paid(self, name: str, *, minor: int = 29_900, **changes: Any) -> Ask:
        """Open an order and pay it."""
        ask = self.opened(name, minor=minor, **changes)
        self.control("pay", outTradeNo=ask.out_trade_no)
        return ask

    def visit(self, url: str) -> httpx.Response:
        """Open a page as the payer's browser does from a shop, where it is sent on too."""
        headers = {"Referer": "https://merchant.example/"}
        return self.http.get(url, headers=headers, follow_redirects=True)

    def press(self, button: str, page: httpx.Response) -> httpx.Response:
        """Press a button of the payer's page; return the page it leads to."""
        form = dict(parse_qsl(urlsplit(str(page.url)).query))
        headers = {"Origin": self.parts.settings.base_url}
        return self.http.post(
            "/pay", data=form | {"button": button}, headers=headers, follow_redirects=True
        )

    def _hear(self, request: httpx.Request) -> httpx.Response:
        self.told.append(request)
        return self.says.pop(0) if self.says else httpx.Response(200, text="success")


@contextmanager
def running(folder: Path) -> Iterator[Inside]:
    """Run a simulator in `folder`, with a merchant's gateways at its doors."""
    settings = Settings(instance_dir=folder, time_scale=SCALE)
    settings.folder.mkdir()
    keys.hand_over(settings, identity())
    handed_over = msgspec.json.decode((folder / "simulator.json").read_bytes())
    parts = Parts(settings, identity(), Book(settings.folder / "book.db"))
    app = doors()
    app.extensions["simulator"] = parts
    transport = httpx.WSGITransport(app=app)
    with httpx.Client(transport=transport, base_url=settings.base_url) as http:
        wechat = Wechat(WechatSettings(**handed_over["wechat"]), client=http)
        alipay = Alipay(AlipaySettings(**handed_over["alipay"]), client=http)
        yield Inside(parts, http, {"wechat": wechat, "alipay": alipay})


def ask_for(name: str, minor: int = 29_900) -> Ask:
    return Ask(
        out_trade_no=new_number(),
        amount=Money(minor, Currency.CNY),
        description="Lumen AI",
        expires_at=clock.now() + timedelta(minutes=15),
        notify_url=NOTIFY_URL,
        attach="merchant 7",
        method=Method.NATIVE if name == "wechat" else Method.PRECREATE,
    )


def refund_of(ask: Ask, minor: int, **changes: Any) -> RefundAsk:
    refund = RefundAsk(
        out_refund_no=new_number(),
        out_trade_no=ask.out_trade_no,
        amount=Money(minor, Currency.CNY),
        total=ask.amount,
        reason="as agreed",
        notify_url=NOTIFY_URL,
    )
    return replace(refund, **changes)
