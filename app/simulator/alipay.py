"""The door of Alipay's gateway: precreate, query, close.

Business refusals (40004) are signed like successes. What fails before the application is known
to be itself (40002) answers without a signature, as the real gateway does.
"""

import re
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, TypeVar

import msgspec
from flask import Blueprint, Response, request

from app.simulator import alipay_wire, clock, orders
from app.simulator.clock import CHINA
from app.simulator.orders import Channel, Order
from app.simulator.parts import parts
from app.simulator.signing import is_signed

blueprint = Blueprint("alipay", __name__)

T = TypeVar("T", bound=msgspec.Struct)
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


class Precreate(msgspec.Struct, frozen=True):
    out_trade_no: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z_-]{1,64}\Z")]
    total_amount: str
    subject: Annotated[str, msgspec.Meta(pattern=r"^[^/=&]{1,256}\Z")]
    seller_id: str = ""
    passback_params: Annotated[str, msgspec.Meta(max_length=512)] = ""
    timeout_express: str = ""
    time_expire: str = ""


class TradeRef(msgspec.Struct, frozen=True):
    out_trade_no: str = ""
    trade_no: str = ""


@blueprint.route("/gateway.do", methods=["GET", "POST"])
def gateway() -> Response:
    params = dict(request.values.items())
    method, identity = params.get("method", ""), parts().identity.alipay
    try:
        handle = _identify(params)
        answer = {"code": "10000", "msg": "Success", **handle(params, now=clock.now())}
    except BadCall as bad:
        explained = {"sub_code": bad.sub_code, "sub_msg": bad.message}
        content = {"code": bad.code, "msg": "Invalid Arguments", **explained}
        return _text(alipay_wire.answer(method or "error", content, None))
    except Refused as refused:
        explained = {"sub_code": refused.sub_code, "sub_msg": refused.message}
        answer = {"code": "40004", "msg": "Business Failed", **explained}
    return _text(alipay_wire.answer(method, answer, identity))


def precreate(params: dict[str, str], *, now: datetime) -> dict[str, object]:
    asked = _content(params, Precreate)
    minor = alipay_wire.to_minor(asked.total_amount)
    if minor is None or asked.seller_id not in {"", parts().identity.alipay.seller_id}:
        raise Refused("ACQ.INVALID_PARAMETER", "参数无效")
    until = _timeout(asked, now)
    order = Order(
        channel=Channel.ALIPAY,
        out_trade_no=asked.out_trade_no,
        fingerprint=orders.fingerprint(asked),
        description=asked.subject,
        amount_minor=minor,
        notify_url=params.get("notify_url", ""),
        attach=asked.passback_params,
        created_at=now,
        payable_until=until,
        closes_at=until,
    )
    try:
        with parts().book.transaction() as db:
            placed = orders.place(db, order, now=now)
    except orders.AlreadyPaid:
        raise Refused("ACQ.TRADE_HAS_SUCCESS", "交易已被支付") from None
    except orders.NumberUsed:
        raise Refused("ACQ.CONTEXT_INCONSISTENT", "交易信息被篡改") from None
    except orders.AlreadyClosed:
        raise Refused("ACQ.TRADE_HAS_CLOSE", "交易已经关闭") from None
    return {"out_trade_no": placed.out_trade_no, "qr_code": placed.qr}


def query(params: dict[str, str], *, now: datetime) -> dict[str, object]:
    with parts().book.transaction() as db:
        order = _scanned(db, params)
    return alipay_wire.trade(order, now=now)


def close(params: dict[str, str], *, now: datetime) -> dict[str, object]:
    with parts().book.transaction() as db:
        order = _scanned(db, params)
        if order.state_at(now) is not orders.State.OPEN:
            raise Refused("ACQ.TRADE_STATUS_ERROR", "交易状态不合法")
        orders.close(db, order, now=now)
    return {"out_trade_no": order.out_trade_no, "trade_no": order.transaction_id}


METHODS: dict[str, Callable[..., dict[str, object]]] = {
    "alipay.trade.precreate": precreate,
    "alipay.trade.query": query,
    "alipay.trade.close": close,
}


def _identify(params: dict[str, str]) -> Callable[..., dict[str, object]]:
    identity = parts().identity.alipay
    if params.get("app_id") != identity.app_id:
        raise BadCall("40002", "isv.invalid-app-id", "无效的AppID参数")
    if params.get("charset", "").lower() != "utf-8":
        raise BadCall("40002", "isv.invalid-charset", "无效的charset参数")
    if params.get("sign_type") != "RSA2":
        raise BadCall("40002", "isv.invalid-signature-type", "无效的签名类型")
    text = alipay_wire.canonical(params, without=frozenset({"sign"}))
    if not is_signed(identity.app_key, text, params.get("sign", "")):
        raise BadCall("40002", "isv.invalid-signature", "验签出错")
    if _china_time(params.get("timestamp", "")) is None:
        raise BadCall("40002", "isv.invalid-timestamp", "无效的时间戳参数")
    if params.get("method", "") not in METHODS:
        raise BadCall("40002", "isv.invalid-method", "不存在的方法名")
    return METHODS[params["method"]]


def _scanned(db: sqlite3.Connection, params: dict[str, str]) -> Order:
    # Before somebody scans the code there is no trade to speak of, only a promise of one.
    wanted = _content(params, TradeRef)
    if wanted.trade_no:
        order = orders.find_by_transaction(db, Channel.ALIPAY, wanted.trade_no)
    else:
        order = orders.find(db, Channel.ALIPAY, wanted.out_trade_no)
    if order is None or order.scanned_at is None:
        raise Refused("ACQ.TRADE_NOT_EXIST", "交易不存在")
    return order


def _timeout(asked: Precreate, now: datetime) -> datetime:
    latest = now + DEFAULT_TIMEOUT
    if asked.time_expire:
        until = _china_time(asked.time_expire)
    elif asked.timeout_express:
        amount = TIMEOUT.fullmatch(asked.timeout_express)
        until = now + int(amount[1]) * UNITS[amount[2]] if amount else None
    else:
        until = latest
    if until is None or not now < until <= latest:
        raise Refused("ACQ.INVALID_PARAMETER", "超时时间无效")
    return until


def _china_time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=CHINA)
    except ValueError:
        return None


def _content(params: dict[str, str], shape: type[T]) -> T:
    try:
        return msgspec.json.decode(params.get("biz_content", ""), type=shape)
    except msgspec.DecodeError as wrong:
        raise Refused("ACQ.INVALID_PARAMETER", f"参数无效: {wrong}") from None


def _text(body: bytes) -> Response:
    return Response(body, content_type="text/html;charset=utf-8")
