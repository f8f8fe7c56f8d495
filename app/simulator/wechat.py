"""The door of WeChat Pay v3: Native orders, queries, closing. Errors answer unsigned."""

import secrets
from datetime import datetime, timedelta
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit

import msgspec
from flask import Blueprint, Response, request

from app.simulator import clock, orders, wechat_wire
from app.simulator.orders import Channel, Order
from app.simulator.parts import parts

blueprint = Blueprint("wechat", __name__, url_prefix="/v3")

T = TypeVar("T", bound=msgspec.Struct)
SHORTEST, LONGEST, DEFAULT = timedelta(minutes=1), timedelta(days=90), timedelta(days=7)


class Refused(Exception):
    """The channel's own error answer."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Amount(msgspec.Struct, frozen=True):
    total: Annotated[int, msgspec.Meta(ge=1, le=orders.LARGEST_MINOR)]
    currency: Literal["CNY"] = "CNY"


class NativeOrder(msgspec.Struct, frozen=True):
    appid: str
    mchid: str
    description: Annotated[str, msgspec.Meta(min_length=1, max_length=127)]
    out_trade_no: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z_|*-]{6,32}\Z")]
    notify_url: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    amount: Amount
    attach: Annotated[str, msgspec.Meta(max_length=128)] = ""
    time_expire: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class Closing(msgspec.Struct, frozen=True):
    mchid: str


@blueprint.before_request
def authenticate() -> None:
    received = wechat_wire.Received(
        method=request.method,
        path=request.path,
        query=request.query_string.decode("latin-1"),
        body=request.get_data(),
        authorization=request.headers.get("Authorization", ""),
    )
    wrong = wechat_wire.whats_wrong(received, parts().identity.wechat, now=clock.now())
    if wrong:
        raise Refused(401, "SIGN_ERROR", wrong)


@blueprint.after_request
def prove(response: Response) -> Response:
    """Sign every success, also an empty one."""
    response.headers["Request-ID"] = secrets.token_hex(16).upper()
    if response.status_code < 300:  # noqa: PLR2004 — the protocol signs 2xx alone
        identity = parts().identity.wechat
        response.headers.extend(
            wechat_wire.answer_headers(response.get_data(), identity, now=clock.now())
        )
    return response


@blueprint.errorhandler(Refused)
def refuse(refused: Refused) -> Response:
    return _json({"code": refused.code, "message": refused.message}, status=refused.status)


@blueprint.post("/pay/transactions/native")
def create() -> Response:
    now, asked = clock.now(), _body(NativeOrder)
    _check_account(asked.mchid)
    if asked.appid != parts().identity.wechat.appid:
        raise Refused(400, "APPID_MCHID_NOT_MATCH", "appid 和 mchid 不匹配")
    if not _is_notifiable(asked.notify_url):
        raise Refused(400, "PARAM_ERROR", "notify_url 无效")
    try:
        with parts().book.transaction() as db:
            order = orders.place(db, _order(asked, now), now=now)
    except orders.AlreadyPaid:
        raise Refused(400, "ORDERPAID", "该订单已支付") from None
    except orders.NumberUsed:
        raise Refused(403, "OUT_TRADE_NO_USED", "商户订单号重复") from None
    except orders.AlreadyClosed:
        raise Refused(400, "ORDER_CLOSED", "该订单已关闭") from None
    return _json({"code_url": order.qr})


@blueprint.get("/pay/transactions/out-trade-no/<out_trade_no>")
def show(out_trade_no: str) -> Response:
    _check_account(request.args.get("mchid", ""))
    with parts().book.transaction() as db:
        order = orders.find(db, Channel.WECHAT, out_trade_no)
    return _shown(order)


@blueprint.get("/pay/transactions/id/<transaction_id>")
def show_by_transaction(transaction_id: str) -> Response:
    _check_account(request.args.get("mchid", ""))
    with parts().book.transaction() as db:
        order = orders.find_by_transaction(db, Channel.WECHAT, transaction_id)
    return _shown(order)


@blueprint.post("/pay/transactions/out-trade-no/<out_trade_no>/close")
def close(out_trade_no: str) -> Response:
    _check_account(_body(Closing).mchid)
    try:
        with parts().book.transaction() as db:
            order = _known(orders.find(db, Channel.WECHAT, out_trade_no))
            orders.close(db, order, now=clock.now())
    except orders.AlreadyPaid:
        raise Refused(400, "ORDERPAID", "该订单已支付") from None
    return Response(status=204)


@blueprint.route("/<path:elsewhere>", methods=["GET", "POST"])
def nothing(elsewhere: str) -> Response:
    """Answer what a merchant in public-key mode hears, also when he asks for certificates."""
    raise Refused(404, "RESOURCE_NOT_EXISTS", f"/v3/{elsewhere} 不存在")


def _order(asked: NativeOrder, now: datetime) -> Order:
    expires = asked.time_expire or now + DEFAULT
    return Order(
        channel=Channel.WECHAT,
        out_trade_no=asked.out_trade_no,
        fingerprint=orders.fingerprint(asked),
        description=asked.description,
        amount_minor=asked.amount.total,
        notify_url=asked.notify_url,
        attach=asked.attach,
        created_at=now,
        payable_until=min(max(expires, now + SHORTEST), now + LONGEST),
        # A moment the merchant named ends paying, but closes nothing; our own default does both.
        closes_at=None if asked.time_expire else now + DEFAULT,
    )


def _is_notifiable(address: str) -> bool:
    # The real channel wants https and a public host; in the sandbox merchants live on loopback.
    try:
        url = urlsplit(address)
    except ValueError:
        return False
    return url.scheme in {"http", "https"} and bool(url.hostname) and not url.query


def _body(shape: type[T]) -> T:
    try:
        return msgspec.json.decode(request.get_data(), type=shape)
    except msgspec.DecodeError as wrong:
        raise Refused(400, "PARAM_ERROR", str(wrong)) from None


def _shown(order: Order | None) -> Response:
    identity = parts().identity.wechat
    return _json(wechat_wire.transaction(_known(order), identity, now=clock.now()))


def _known(order: Order | None) -> Order:
    if order is None:
        raise Refused(404, "ORDER_NOT_EXIST", "订单不存在")
    return order


def _check_account(mchid: str) -> None:
    if mchid != parts().identity.wechat.mchid:
        raise Refused(400, "PARAM_ERROR", "mchid 与签名的商户号不一致")


def _json(content: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status=status, mimetype="application/json")
