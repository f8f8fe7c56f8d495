"""WeChat Pay v3: orders of all three products, queries, closing, and what it signs with."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal
from urllib.parse import urlencode

import msgspec
from flask import Response, request

from app.simulator import clock, orders, refunds, signers, wechat_wire
from app.simulator.orders import Channel, Order, Product
from app.simulator.parts import parts
from app.simulator.wechat_door import Refused, body, check_account, door, is_notifiable, json, known

blueprint = door("wechat")

SHORTEST, LONGEST, DEFAULT = timedelta(minutes=1), timedelta(days=90), timedelta(days=7)
OPENID = r"^o[0-9A-Za-z_-]{27}\Z"


class Amount(msgspec.Struct, frozen=True):
    total: Annotated[int, msgspec.Meta(ge=1, le=orders.LARGEST_MINOR)]
    currency: Literal["CNY"] = "CNY"


class NativeOrder(msgspec.Struct, frozen=True, kw_only=True):
    appid: str
    mchid: str
    description: Annotated[str, msgspec.Meta(min_length=1, max_length=127)]
    out_trade_no: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z_|*-]{6,32}\Z")]
    notify_url: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    amount: Amount
    attach: Annotated[str, msgspec.Meta(max_length=128)] = ""
    time_expire: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class Payer(msgspec.Struct, frozen=True):
    openid: Annotated[str, msgspec.Meta(pattern=OPENID)]


class JsapiOrder(NativeOrder, frozen=True, kw_only=True):
    payer: Payer


class H5Info(msgspec.Struct, frozen=True):
    type: Literal["Wap", "iOS", "Android"]


class Scene(msgspec.Struct, frozen=True):
    payer_client_ip: Annotated[str, msgspec.Meta(min_length=3, max_length=45)]
    h5_info: H5Info


class H5Order(NativeOrder, frozen=True, kw_only=True):
    scene_info: Scene


class Closing(msgspec.Struct, frozen=True):
    mchid: str


@blueprint.post("/pay/transactions/native")
def create_native() -> Response:
    return json({"code_url": _place(body(NativeOrder), Product.NATIVE).qr})


@blueprint.post("/pay/transactions/jsapi")
def create_jsapi() -> Response:
    asked = body(JsapiOrder)
    return json({"prepay_id": _place(asked, Product.JSAPI, openid=asked.payer.openid).qr})


@blueprint.post("/pay/transactions/h5")
def create_h5() -> Response:
    code = _place(body(H5Order), Product.H5).qr
    query = urlencode({"prepay_id": code, "package": int.from_bytes(code[-4:].encode(), "big")})
    page = f"{parts().settings.base_url}/cgi-bin/mmpayweb-bin/checkmweb?{query}"
    return json({"h5_url": page})


@blueprint.get("/pay/transactions/out-trade-no/<out_trade_no>")
def show(out_trade_no: str) -> Response:
    check_account(request.args.get("mchid", ""))
    with parts().book.reading() as db:
        order = known(orders.find(db, Channel.WECHAT, out_trade_no))
        refunded = refunds.of_order(db, order)
    return _shown(order, refunded)


@blueprint.get("/pay/transactions/id/<transaction_id>")
def show_by_transaction(transaction_id: str) -> Response:
    check_account(request.args.get("mchid", ""))
    with parts().book.reading() as db:
        order = known(orders.find_by_transaction(db, Channel.WECHAT, transaction_id))
        refunded = refunds.of_order(db, order)
    return _shown(order, refunded)


@blueprint.post("/pay/transactions/out-trade-no/<out_trade_no>/close")
def close(out_trade_no: str) -> Response:
    check_account(body(Closing).mchid)
    now = parts().now()
    try:
        with parts().book.transaction() as db:
            order = known(orders.find(db, Channel.WECHAT, out_trade_no))
            orders.close(db, order, now=now)
    except orders.AlreadyPaid:
        raise Refused(400, "ORDERPAID", "该订单已支付") from None
    return Response(status=204)


@blueprint.get("/certificates")
def certificates() -> Response:
    """Hand out the platform certificates, to a merchant who has any."""
    identity = parts().identity.wechat
    with parts().book.reading() as db:
        found = signers.in_force(db)
        is_public = signers.signs_with(db) is signers.SignsWith.PUBLIC_KEY
    if is_public or not found:
        raise Refused(404, "RESOURCE_NOT_EXISTS", "无可用的平台证书, 请使用微信支付公钥")
    return json(
        {
            "data": [
                {
                    "serial_no": certificate.serial,
                    "effective_time": wechat_wire.china_time(certificate.made_at),
                    "expire_time": wechat_wire.china_time(certificate.expires_at),
                    "encrypt_certificate": wechat_wire.sealed(
                        certificate.pem.encode(), "certificate", identity
                    ),
                }
                for certificate in found
            ]
        }
    )


@blueprint.route("/<path:elsewhere>", methods=["GET", "POST"])
def nothing(elsewhere: str) -> Response:
    raise Refused(404, "RESOURCE_NOT_EXISTS", f"/v3/{elsewhere} 不存在")


def _place(asked: NativeOrder, product: Product, *, openid: str = "") -> Order:
    check_account(asked.mchid)
    if asked.appid != parts().identity.wechat.appid:
        raise Refused(400, "APPID_MCHID_NOT_MATCH", "appid 和 mchid 不匹配")
    if not is_notifiable(asked.notify_url):
        raise Refused(400, "PARAM_ERROR", "notify_url 无效")
    times = _times(asked.time_expire)
    order = Order(
        channel=Channel.WECHAT,
        product=product,
        out_trade_no=asked.out_trade_no,
        fingerprint=orders.fingerprint([product, asked]),
        description=asked.description,
        amount_minor=asked.amount.total,
        notify_url=asked.notify_url,
        attach=asked.attach,
        created_at=times.now,
        payable_until=times.payable_until,
        closes_at=times.closes_at,
        openid=openid,
    )
    try:
        with parts().book.transaction() as db:
            return orders.place(db, order, now=times.now)
    except orders.AlreadyPaid:
        raise Refused(400, "ORDERPAID", "该订单已支付") from None
    except orders.NumberUsed:
        raise Refused(403, "OUT_TRADE_NO_USED", "商户订单号重复") from None
    except orders.AlreadyClosed:
        raise Refused(400, "ORDER_CLOSED", "该订单已关闭") from None


@dataclass(frozen=True, slots=True)
class Times:
    now: datetime
    payable_until: datetime
    closes_at: datetime | None


def _times(time_expire: datetime | None) -> Times:
    book = parts().clock()
    now = book.at(clock.now())
    expires = book.at(time_expire) if time_expire else now + DEFAULT
    return Times(
        now,
        payable_until=min(max(expires, now + SHORTEST), now + LONGEST),
        # A moment the merchant named ends paying, but closes nothing; our own default does both.
        closes_at=None if time_expire else now + DEFAULT,
    )


def _shown(order: Order, refunded: list[refunds.Refund]) -> Response:
    identity = parts().identity.wechat
    return json(wechat_wire.transaction(order, refunded, identity, now=parts().now()))
