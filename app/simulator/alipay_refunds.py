"""Alipay's refunds: done at once, told by the sum of them all."""

from typing import Annotated

import msgspec

from app.simulator import alipay_wire, refunds
from app.simulator.alipay_door import Answer, Params, Refused, TradeRef, content, scanned
from app.simulator.orders import Order, State
from app.simulator.parts import parts
from app.simulator.refunds import Ask, NotRefundable, Outcome

REFUSALS: dict[type[NotRefundable], tuple[str, str]] = {
    refunds.NotPaid: ("ACQ.TRADE_STATUS_ERROR", "交易状态不合法"),
    refunds.TooLate: ("ACQ.TRADE_HAS_FINISHED", "交易已经完结"),
    refunds.TooMuch: ("ACQ.REASON_TRADE_REFUND_FEE_ERR", "退款金额无效"),
    refunds.TooManyParts: ("ACQ.TRADE_NOT_ALLOW_REFUND", "当前交易不允许退款"),
    # Nothing was done and nothing is decided: try again with the same number.
    refunds.TooSoon: ("ACQ.SYSTEM_ERROR", "系统错误"),
    refunds.NumberUsed: ("ACQ.DISCORDANT_REPEAT_REQUEST", "重复的退款请求参数不一致"),
    refunds.NotEnough: ("ACQ.SELLER_BALANCE_NOT_ENOUGH", "卖家余额不足"),
    refunds.PayerGone: ("ACQ.TRADE_NOT_ALLOW_REFUND", "当前交易不允许退款"),
}


class RefundAsked(TradeRef, frozen=True, kw_only=True):
    refund_amount: str
    out_request_no: Annotated[str, msgspec.Meta(max_length=64)] = ""
    refund_reason: Annotated[str, msgspec.Meta(max_length=256)] = ""


class RefundRef(TradeRef, frozen=True, kw_only=True):
    out_request_no: str


def refund(params: Params) -> Answer:
    """Pay back at once, unless something is to go wrong; `fund_change` says whether it was now."""
    asked, shared = content(params, RefundAsked), parts()
    minor, now = alipay_wire.to_minor(asked.refund_amount), shared.now()
    with shared.book.reading() as db:
        order = scanned(db, asked)
        earlier = refunds.of_order(db, order)
    number = asked.out_request_no or order.out_trade_no
    if minor is None or (not asked.out_request_no and minor != order.paid_minor):
        raise Refused("ACQ.INVALID_PARAMETER", "参数无效")
    is_new = all(other.out_refund_no != number for other in earlier)
    if is_new and _is_refunded_whole(order, earlier):
        raise Refused("ACQ.TRADE_HAS_CLOSE", "交易已经关闭")
    ask = Ask(number, minor, asked.refund_reason, "")
    with shared.book.transaction() as db:
        fault = refunds.foresee(db, order, ask)
    try:
        with shared.book.transaction() as db:
            made, is_new = refunds.accept(
                db, order, ask, fault=fault, scale=shared.settings.time_scale, now=now
            )
            so_far = refunds.of_order(db, order)
    except NotRefundable as refusal:
        raise Refused(*REFUSALS[type(refusal)]) from None
    shared.due.set()
    is_done = made.outcome_at(now) is Outcome.SUCCESS
    return {
        "buyer_logon_id": alipay_wire.BUYER_LOGON_ID,
        "buyer_user_id": alipay_wire.BUYER_ID,
        "fund_change": "Y" if is_new and is_done else "N",
        "gmt_refund_pay": alipay_wire.china_time(made.ends_at),
        "out_trade_no": order.out_trade_no,
        "refund_fee": alipay_wire.to_yuan(_paid_back(so_far)),
        "trade_no": order.transaction_id,
    }


def query(params: Params) -> Answer:
    """Say whether a refund was done; of one that was not, nothing is said at all."""
    asked, now = content(params, RefundRef), parts().now()
    with parts().book.reading() as db:
        order = scanned(db, asked)
        made = refunds.of_order(db, order)
    answer: Answer = {"out_trade_no": order.out_trade_no, "trade_no": order.transaction_id}
    found = next((other for other in made if other.out_refund_no == asked.out_request_no), None)
    if found is None or found.outcome_at(now) is not Outcome.SUCCESS:
        return answer
    return answer | {
        "gmt_refund_pay": alipay_wire.china_time(found.ends_at),
        "out_request_no": found.out_refund_no,
        "refund_amount": alipay_wire.to_yuan(found.amount_minor),
        "refund_status": "REFUND_SUCCESS",
        "total_amount": alipay_wire.to_yuan(order.paid_minor or order.amount_minor),
    }


def _is_refunded_whole(order: Order, made: list[refunds.Refund]) -> bool:
    back = refunds.held(made, now=parts().now())
    return order.state is State.PAID and back == order.paid_minor


def _paid_back(made: list[refunds.Refund]) -> int:
    """Return how much went back so far: what runs or failed has not."""
    now = parts().now()
    return sum(other.amount_minor for other in made if other.outcome_at(now) is Outcome.SUCCESS)
