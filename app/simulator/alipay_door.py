"""What all of Alipay's calls have in common: their shapes, their refusals, whose trade it is."""

import re
import sqlite3
from datetime import datetime, timedelta
from typing import Annotated, TypeVar

import msgspec

from app.simulator import alipay_wire, clock, orders
from app.simulator.clock import CHINA
from app.simulator.orders import Channel, Order, Product
from app.simulator.parts import parts

T = TypeVar("T", bound=msgspec.Struct)
Params = dict[str, str]
Answer = dict[str, object]

DEFAULT_TIMEOUT = timedelta(days=15)
TIMEOUT = re.compile(r"([0-9]{1,5})([mhd])")
UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


class BadCall(Exception):
    """The gateway can not tell who calls or what is wanted: code, sub_code and sub_msg."""

    def __init__(self, code: str, sub_code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.sub_code, self.message = code, sub_code, message


class Refused(Exception):
    """A business refusal: sub_code and sub_msg."""

    def __init__(self, sub_code: str, message: str) -> None:
        super().__init__(message)
        self.sub_code, self.message = sub_code, message


class TradeAsked(msgspec.Struct, frozen=True, kw_only=True):
    """What every way of ordering says; each wants its own `product_code`."""

    out_trade_no: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z_-]{1,64}\Z")]
    total_amount: str
    subject: Annotated[str, msgspec.Meta(pattern=r"^[^/=&]{1,256}\Z")]
    product_code: str = ""
    seller_id: str = ""
    passback_params: Annotated[str, msgspec.Meta(max_length=512)] = ""
    timeout_express: str = ""
    time_expire: str = ""


class TradeRef(msgspec.Struct, frozen=True, kw_only=True):
    out_trade_no: str = ""
    trade_no: str = ""


def place(params: Params, product: Product) -> Order:
    """Enter the order that `params` ask for, or find it again. Raises Refused."""
    asked = content(params, TradeAsked)
    minor = alipay_wire.to_minor(asked.total_amount)
    if minor is None or asked.seller_id not in {"", parts().identity.alipay.seller_id}:
        raise Refused("ACQ.INVALID_PARAMETER", "参数无效")
    book, real = parts().clock(), clock.now()
    now, until = book.at(real), book.at(_timeout(asked, real))
    order = Order(
        channel=Channel.ALIPAY,
        product=product,
        out_trade_no=asked.out_trade_no,
        fingerprint=orders.fingerprint([product, asked]),
        description=asked.subject,
        amount_minor=minor,
        notify_url=params.get("notify_url", ""),
        attach=asked.passback_params,
        created_at=now,
        payable_until=until,
        closes_at=until,
        return_url=params.get("return_url", ""),
    )
    try:
        with parts().book.transaction() as db:
            return orders.place(db, order, now=now)
    except orders.AlreadyPaid:
        raise Refused("ACQ.TRADE_HAS_SUCCESS", "交易已被支付") from None
    except orders.NumberUsed:
        raise Refused("ACQ.CONTEXT_INCONSISTENT", "交易信息被篡改") from None
    except orders.AlreadyClosed:
        raise Refused("ACQ.TRADE_HAS_CLOSE", "交易已经关闭") from None


def scanned(db: sqlite3.Connection, wanted: TradeRef) -> Order:
    """Find a trade. Before somebody scans its code there is none, only a promise of one."""
    if wanted.trade_no:
        order = orders.find_by_transaction(db, Channel.ALIPAY, wanted.trade_no)
    else:
        order = orders.find(db, Channel.ALIPAY, wanted.out_trade_no)
    if order is None or order.scanned_at is None:
        raise Refused("ACQ.TRADE_NOT_EXIST", "交易不存在")
    return order


def content(params: Params, shape: type[T]) -> T:
    """Read `biz_content`. Raises Refused."""
    try:
        return msgspec.json.decode(params.get("biz_content", ""), type=shape)
    except msgspec.DecodeError as wrong:
        raise Refused("ACQ.INVALID_PARAMETER", f"参数无效: {wrong}") from None


def china_time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=CHINA)
    except ValueError:
        return None


def _timeout(asked: TradeAsked, now: datetime) -> datetime:
    """Return until when the order is to be payable, on the merchant's clock."""
    latest = now + DEFAULT_TIMEOUT
    if asked.time_expire:
        until = china_time(asked.time_expire)
    elif asked.timeout_express:
        amount = TIMEOUT.fullmatch(asked.timeout_express)
        until = now + int(amount[1]) * UNITS[amount[2]] if amount else None
    else:
        until = latest
    if until is None or not now < until <= latest:
        raise Refused("ACQ.INVALID_PARAMETER", "超时时间无效")
    return until
