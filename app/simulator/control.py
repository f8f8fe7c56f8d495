"""The sandbox's levers, in JSON: pay without a browser, resend a notice, arrange a mishap.

    POST /control/pay     {"qr" | "outTradeNo", …plan}   pays at once
    POST /control/next    {"qr" | "outTradeNo", …plan}   keeps the plan for the payer's page
    POST /control/notify  {"qr" | "outTradeNo", "times", "notify"}   sends the notice again

A plan is `amountMinor`, `notify` ("ok", "drop", "bad_signature"), `times`, `delaySeconds`.
"""

import sqlite3

import msgspec
from flask import Blueprint, Response, request

from app.simulator import clock, notices, orders, paying
from app.simulator.orders import Channel, Order, Plan
from app.simulator.parts import parts
from app.simulator.same_origin import forbid_other_origins

blueprint = Blueprint("control", __name__, url_prefix="/control")


class Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class Ask(Plan, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Which order, and the plan. A number used at both channels needs the `channel` too."""

    qr: str = ""
    out_trade_no: str = ""
    channel: Channel | None = None


@blueprint.before_request
def guard() -> None:
    forbid_other_origins()


@blueprint.errorhandler(Refused)
def refuse(refused: Refused) -> Response:
    return _json({"error": refused.message}, status=refused.status)


@blueprint.post("/pay")
def pay() -> Response:
    ask = _ask()
    try:
        with parts().book.transaction() as db:
            order = _order(db, ask)
            paid = paying.pay(db, order, parts().identity, plan=ask, now=clock.now())
    except orders.NotPayable:
        raise Refused(409, "the order can not be paid (any more)") from None
    parts().due.set()
    return _shown(paid)


@blueprint.post("/next")
def arm() -> Response:
    ask = _ask()
    with parts().book.transaction() as db:
        order = orders.arm(db, _order(db, ask), ask)
    return _shown(order)


@blueprint.post("/notify")
def notify() -> Response:
    ask = _ask()
    forged = ask.notify == "bad_signature"
    with parts().book.transaction() as db:
        order = _order(db, ask)
        found = notices.resend(db, order, times=ask.times, forged=forged, now=clock.now())
    if not found:
        raise Refused(409, "the order has no notice yet: nobody paid it")
    parts().due.set()
    return _shown(order)


def _ask() -> Ask:
    try:
        return msgspec.json.decode(request.get_data(), type=Ask)
    except msgspec.DecodeError as wrong:
        raise Refused(400, str(wrong)) from None


def _order(db: sqlite3.Connection, ask: Ask) -> Order:
    channels = [ask.channel] if ask.channel else list(Channel)
    named = [orders.find(db, channel, ask.out_trade_no) for channel in channels]
    found = [order for order in (orders.find_by_code(db, ask.qr), *named) if order is not None]
    if len(found) != 1:
        raise Refused(404, f"{len(found)} orders go by that code or number")
    return found[0]


def _shown(order: Order) -> Response:
    return _json(
        {
            "channel": order.channel,
            "outTradeNo": order.out_trade_no,
            "state": order.state_at(clock.now()),
            "transactionId": order.transaction_id,
            "paidMinor": order.paid_minor,
        }
    )


def _json(content: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status=status, mimetype="application/json")
