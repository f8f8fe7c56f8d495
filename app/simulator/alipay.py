"""The door of Alipay's gateway: who calls, what for, and the signature under the answer.

Business refusals (40004) are signed like successes. What fails before the application is known
to be itself (40002) answers without a signature, as the real gateway does. Orders of a page are
opened by the payer's own browser: to him the gateway shows a page, or in GBK what is wrong.
"""

from collections.abc import Callable
from urllib.parse import urlencode

import msgspec
from flask import Blueprint, Response, redirect, request
from markupsafe import escape
from werkzeug.wrappers import Response as Redirect

from app.simulator import alipay_bills, alipay_refunds, alipay_wire, mishaps, orders, refunds
from app.simulator.alipay_door import (
    Answer,
    BadCall,
    Params,
    Refused,
    TradeRef,
    china_time,
    content,
    place,
    scanned,
)
from app.simulator.faults import Kind, Operation
from app.simulator.mishaps import Call
from app.simulator.orders import Channel, Order, Product, State
from app.simulator.parts import parts
from app.simulator.signing import is_signed

blueprint = Blueprint("alipay", __name__)

PAGES = {
    "alipay.trade.page.pay": (Product.PAGE, "FAST_INSTANT_TRADE_PAY"),
    "alipay.trade.wap.pay": (Product.WAP, "QUICK_WAP_WAY"),
}


@blueprint.route("/gateway.do", methods=["GET", "POST"])
def gateway() -> Response | Redirect:
    params = dict(request.values.items())
    method, identity = params.get("method", ""), parts().identity.alipay
    if method in PAGES:
        return _show_cashier(params)
    wrong = mishaps.befall(_call(params))
    if wrong is Kind.DOWN:
        return Response("503 Service Unavailable", status=503)
    try:
        handle, _ = _identify(params)
        done = {"code": "10000", "msg": "Success"}
        answer: Answer = _unavailable(wrong) if wrong else {**done, **handle(params)}
    except BadCall as bad:
        explained = {"sub_code": bad.sub_code, "sub_msg": bad.message}
        said = {"code": bad.code, "msg": "Invalid Arguments", **explained}
        return _text(alipay_wire.answer(method or "error", said, None))
    except Refused as refused:
        explained = {"sub_code": refused.sub_code, "sub_msg": refused.message}
        answer = {"code": "40004", "msg": "Business Failed", **explained}
    is_certified = bool(params.get("app_cert_sn"))
    encoded = alipay_wire.answer(
        method, answer, identity, is_certified=is_certified, is_forged=mishaps.is_forged()
    )
    return mishaps.spoil(_text(encoded))


def precreate(params: Params) -> Answer:
    placed = place(params, Product.PRECREATE)
    return {"out_trade_no": placed.out_trade_no, "qr_code": placed.qr}


def query(params: Params) -> Answer:
    with parts().book.reading() as db:
        order = scanned(db, content(params, TradeRef))
        refunded = refunds.of_order(db, order)
    return alipay_wire.trade(order, refunded, now=parts().now())


def close(params: Params) -> Answer:
    now = parts().now()
    with parts().book.transaction() as db:
        order = scanned(db, content(params, TradeRef))
        if order.state_at(now) is not State.OPEN:
            raise Refused("ACQ.TRADE_STATUS_ERROR", "交易状态不合法")
        orders.close(db, order, now=now)
    return {"out_trade_no": order.out_trade_no, "trade_no": order.transaction_id}


METHODS: dict[str, tuple[Callable[[Params], Answer], Operation]] = {
    "alipay.trade.precreate": (precreate, Operation.OPEN),
    "alipay.trade.query": (query, Operation.QUERY),
    "alipay.trade.close": (close, Operation.CLOSE),
    "alipay.trade.refund": (alipay_refunds.refund, Operation.REFUND),
    "alipay.trade.fastpay.refund.query": (alipay_refunds.query, Operation.QUERY_REFUND),
    "alipay.data.dataservice.bill.downloadurl.query": (alipay_bills.address, Operation.BILL),
}


def _identify(params: Params) -> tuple[Callable[[Params], Answer], Operation]:
    """Return what is called and as what. Raises BadCall unless our application signed it."""
    _check_sender(params)
    if params.get("method", "") not in METHODS:
        raise BadCall("40002", "isv.invalid-method", "不存在的方法名")
    return METHODS[params["method"]]


def _check_sender(params: Params) -> None:
    identity = parts().identity.alipay
    if params.get("app_id") != identity.app_id:
        raise BadCall("40002", "isv.invalid-app-id", "无效的AppID参数")
    if params.get("charset", "").lower() != "utf-8":
        raise BadCall("40002", "isv.invalid-charset", "无效的charset参数")
    if params.get("sign_type") != "RSA2":
        raise BadCall("40002", "isv.invalid-signature-type", "无效的签名类型")
    if "app_cert_sn" in params or "alipay_root_cert_sn" in params:
        chain = identity.certificates
        if params.get("app_cert_sn") != chain.app_serial:
            raise BadCall("40002", "isv.invalid-app-cert-sn", "应用公钥证书序列号错误")
        if params.get("alipay_root_cert_sn") != chain.root_serial:
            raise BadCall("40002", "isv.invalid-root-cert-sn", "支付宝根证书序列号错误")
    text = alipay_wire.canonical(params, without=frozenset({"sign"}))
    if not is_signed(identity.app_key, text, params.get("sign", "")):
        raise BadCall("40002", "isv.invalid-signature", "验签出错")
    if china_time(params.get("timestamp", "")) is None:
        raise BadCall("40002", "isv.invalid-timestamp", "无效的时间戳参数")


def _show_cashier(params: Params) -> Response | Redirect:
    if mishaps.befall(_call(params)) is not None:
        return Response("503 Service Unavailable", status=503)
    try:
        order = open_page(params)
    except BadCall as bad:
        return _for_a_browser(f"{bad.sub_code}: {bad.message}")
    except Refused as refused:
        return _for_a_browser(f"{refused.sub_code}: {refused.message}")
    return redirect(f"/pay?{urlencode({'qr': order.qr})}")


def open_page(params: Params) -> Order:
    """Enter the order of a page that is opened, or find it. Raises BadCall and Refused."""
    product, product_code = PAGES[params["method"]]
    _check_sender(params)
    if content(params, ProductAsked).product_code != product_code:
        raise Refused("ACQ.INVALID_PARAMETER", "product_code 无效")
    return place(params, product)


class ProductAsked(msgspec.Struct, frozen=True):
    product_code: str = ""


class Said(TradeRef, frozen=True, kw_only=True):
    """As much of any content as tells which order it is about."""

    total_amount: str = ""
    subject: str = ""
    refund_reason: str = ""


def _call(params: Params) -> Call:
    try:
        said = msgspec.json.decode(params.get("biz_content", ""), type=Said)
    except msgspec.DecodeError:
        said = Said()  # the gateway itself says what is wrong with it
    amount = alipay_wire.to_minor(said.total_amount) or 0
    operation = METHODS.get(params.get("method", ""), (None, Operation.OPEN))[1]
    if operation is Operation.REFUND:
        with parts().book.reading() as db:
            order = orders.find(db, Channel.ALIPAY, said.out_trade_no)
        amount = order.amount_minor if order else 0
    return Call(
        channel=Channel.ALIPAY,
        operation=operation,
        out_trade_no=said.out_trade_no,
        amount_minor=amount,
        text=said.subject or said.refund_reason,
    )


def _unavailable(wrong: Kind) -> Answer:
    if wrong is Kind.LIMITED:
        raise Refused("ACQ.SYSTEM_ERROR", "请求过于频繁")
    explained = {"sub_code": "isp.unknow-error", "sub_msg": "系统繁忙"}
    return {"code": "20000", "msg": "Service Currently Unavailable", **explained}


def _text(body: bytes) -> Response:
    return Response(body, content_type="text/html;charset=utf-8")


def _for_a_browser(message: str) -> Response:
    page = f"<!DOCTYPE html><html lang=zh><title>错误</title><body><p>{escape(message)}</p></html>"
    return Response(page.encode("gbk", "replace"), content_type="text/html;charset=GBK")
