"""WeChat Pay v3: refunds and what became of them."""

from typing import Annotated, Literal

import msgspec
from flask import Response

from app.simulator import orders, refunds, wechat_wire
from app.simulator.orders import Channel, Order
from app.simulator.parts import parts
from app.simulator.refunds import Ask, NotRefundable
from app.simulator.wechat_door import Refused, body, door, is_notifiable, json

blueprint = door("wechat_refunds")

REFUSALS: dict[type[NotRefundable], tuple[int, str, str]] = {
    refunds.NotPaid: (400, "INVALID_REQUEST", "订单状态错误, 未支付或已关闭"),
    refunds.TooLate: (400, "INVALID_REQUEST", "订单已超过可退款的最大期限"),
    refunds.TooMuch: (400, "INVALID_REQUEST", "申请退款金额大于订单剩余可退金额"),
    refunds.TooManyParts: (400, "INVALID_REQUEST", "部分退款次数超过限制"),
    refunds.TooSoon: (429, "FREQUENCY_LIMITED", "同一笔订单的部分退款需间隔 1 分钟"),
    refunds.NumberUsed: (400, "INVALID_REQUEST", "订单金额或退款金额与之前请求不一致"),
    refunds.NotEnough: (403, "NOT_ENOUGH", "基本账户余额不足, 请充值后重新发起"),
    refunds.PayerGone: (403, "USER_ACCOUNT_ABNORMAL", "用户账户异常或已注销"),
}


class Amount(msgspec.Struct, frozen=True):
    refund: Annotated[int, msgspec.Meta(ge=1, le=orders.LARGEST_MINOR)]
    total: Annotated[int, msgspec.Meta(ge=1, le=orders.LARGEST_MINOR)]
    currency: Literal["CNY"]


class RefundAsked(msgspec.Struct, frozen=True):
    out_refund_no: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z_|*@-]{1,64}\Z")]
    amount: Amount
    out_trade_no: str = ""
    transaction_id: str = ""
    reason: Annotated[str, msgspec.Meta(max_length=80)] = ""
    notify_url: Annotated[str, msgspec.Meta(max_length=256)] = ""


class AbnormalAsked(msgspec.Struct, frozen=True):
    out_refund_no: str
    type: Literal["USER_BANK_CARD", "MERCHANT_BANK_CARD"]


@blueprint.post("/refund/domestic/refunds")
def refund() -> Response:
    asked, shared = body(RefundAsked), parts()
    if asked.notify_url and not is_notifiable(asked.notify_url):
        raise Refused(400, "PARAM_ERROR", "notify_url 无效")
    ask = Ask(asked.out_refund_no, asked.amount.refund, asked.reason, asked.notify_url)
    order, now = _order(asked), shared.now()
    with shared.book.transaction() as db:
        fault = refunds.foresee(db, order, ask)
    try:
        with shared.book.transaction() as db:
            made, _ = refunds.accept(
                db, order, ask, fault=fault, scale=shared.settings.time_scale, now=now
            )
    except NotRefundable as refusal:
        raise Refused(*REFUSALS[type(refusal)]) from None
    shared.due.set()
    return json(wechat_wire.refund(order, made, now=now))


@blueprint.post("/refund/domestic/refunds/<refund_id>/apply-abnormal-refund")
def send_elsewhere(refund_id: str) -> Response:
    """Pay what the payer's card could not take to another account."""
    asked, shared = body(AbnormalAsked), parts()
    now = shared.now()
    with shared.book.transaction() as db:
        found = refunds.find(db, Channel.WECHAT, asked.out_refund_no)
        order = orders.find(db, Channel.WECHAT, found.out_trade_no) if found else None
        if found is None or order is None or found.refund_id != refund_id:
            raise Refused(404, "RESOURCE_NOT_EXISTS", "退款单不存在")
        try:
            ended = refunds.send_elsewhere(db, found, now=now)
        except NotRefundable:
            raise Refused(400, "INVALID_REQUEST", "退款单状态不是退款异常") from None
    shared.due.set()
    return json(wechat_wire.refund(order, ended, now=now))


@blueprint.get("/refund/domestic/refunds/<out_refund_no>")
def show_refund(out_refund_no: str) -> Response:
    with parts().book.reading() as db:
        found = refunds.find(db, Channel.WECHAT, out_refund_no)
        order = orders.find(db, Channel.WECHAT, found.out_trade_no) if found else None
    if found is None or order is None:
        raise Refused(404, "RESOURCE_NOT_EXISTS", "退款单不存在")
    return json(wechat_wire.refund(order, found, now=parts().now()))


def _order(asked: RefundAsked) -> Order:
    if bool(asked.out_trade_no) == bool(asked.transaction_id):
        raise Refused(400, "PARAM_ERROR", "out_trade_no 与 transaction_id 二选一")
    with parts().book.reading() as db:
        if asked.out_trade_no:
            order = orders.find(db, Channel.WECHAT, asked.out_trade_no)
        else:
            order = orders.find_by_transaction(db, Channel.WECHAT, asked.transaction_id)
        earlier = refunds.find(db, Channel.WECHAT, asked.out_refund_no)
    if order is None:
        raise Refused(404, "RESOURCE_NOT_EXISTS", "订单不存在")
    if earlier is not None and earlier.out_trade_no != order.out_trade_no:
        raise Refused(*REFUSALS[refunds.NumberUsed])
    if order.paid_minor is not None and asked.amount.total != order.paid_minor:
        raise Refused(*REFUSALS[refunds.NumberUsed])
    return order
