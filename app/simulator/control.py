"""The sandbox's levers, in JSON: pay without a browser, resend a notice, arrange a mishap.

    POST   /control/pay     {"qr" | "outTradeNo", …plan}   pays at once
    POST   /control/next    {"qr" | "outTradeNo", …plan}   keeps the plan for the payer's page
    POST   /control/notify  {"qr" | "outTradeNo", "times", "notify"}   sends the notices again
    GET    /control/orders  ?q=…   the newest orders; /control/orders/<channel>/<outTradeNo>: one,
                            with its refunds, its notices and every sending of them
    GET    /control/faults         what is switched on
    POST   /control/faults  {"kind", "channel", "operation", "outTradeNo", "count", "seconds",
                            "copies", "amountMinor"}   switches a fault on; all but `kind` narrow it
    DELETE /control/faults  /<id>  switches one off, or all of them
    GET    /control/clock          the book's time
    POST   /control/clock   {"advanceSeconds", "pace", "reset"}   moves it
    GET    /control/keys           what WeChat Pay signs with
    POST   /control/keys    {"signsWith", "rotate"}   changes that

A plan is `amountMinor`, `notify` ("ok", "drop", "bad_signature", …), `times`, `delaySeconds`,
and `late`: the payment comes although the order is closed or expired.
"""

import sqlite3
from datetime import timedelta
from typing import Annotated, TypeVar
from urllib.parse import parse_qsl

import msgspec
from flask import Blueprint, Response, request

from app.simulator import (
    alipay,
    alipay_door,
    book_view,
    clock,
    faults,
    notices,
    orders,
    paying,
    signers,
)
from app.simulator.alipay_door import BadCall
from app.simulator.faults import Fault
from app.simulator.orders import Channel, Order, Plan
from app.simulator.parts import parts
from app.simulator.same_origin import forbid_other_origins
from app.simulator.signers import SignsWith

blueprint = Blueprint("control", __name__, url_prefix="/control")

T = TypeVar("T", bound=msgspec.Struct)
LONGEST_ADVANCE = 400 * 86_400  # seconds
FASTEST = 100_000


class Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class Ask(Plan, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Which order, and the plan. A number used at both channels needs the `channel` too."""

    qr: str = ""
    out_trade_no: str = ""
    channel: Channel | None = None


class ClockAsk(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    advance_seconds: Annotated[int, msgspec.Meta(ge=0, le=LONGEST_ADVANCE)] = 0
    pace: Annotated[float, msgspec.Meta(gt=0, le=FASTEST)] | None = None
    reset: bool = False


class KeysAsk(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    signs_with: SignsWith | None = None
    rotate: bool = False


@blueprint.before_request
def guard() -> None:
    forbid_other_origins()


@blueprint.errorhandler(Refused)
def refuse(refused: Refused) -> Response:
    return _json({"error": refused.message}, status=refused.status)


@blueprint.post("/pay")
def pay() -> Response:
    ask = _body(Ask)
    code, now = _code(ask.qr), parts().now()
    try:
        with parts().book.transaction() as db:
            order = _order(db, ask, code)
            paid = paying.pay(db, order, parts().identity, plan=ask, now=now)
    except orders.NotPayable:
        raise Refused(409, "the order can not be paid (any more)") from None
    parts().due.set()
    return _shown(paid)


@blueprint.post("/next")
def arm() -> Response:
    ask = _body(Ask)
    code = _code(ask.qr)
    with parts().book.transaction() as db:
        order = orders.arm(db, _order(db, ask, code), ask)
    return _shown(order)


@blueprint.post("/notify")
def notify() -> Response:
    ask = _body(Ask)
    twist, code = "" if ask.notify == "ok" else ask.notify, _code(ask.qr)
    with parts().book.transaction() as db:
        order = _order(db, ask, code)
        found = notices.resend(db, order, times=ask.times, twist=twist, now=clock.now())
    if not found:
        raise Refused(409, "the order has no notice yet: nobody paid it")
    parts().due.set()
    return _shown(order)


@blueprint.get("/orders")
def list_orders() -> Response:
    with parts().book.reading() as db:
        found = orders.recent(db, containing=request.args.get("q", ""), limit=100)
    return _json({"data": [book_view.order(order, now=parts().now()) for order in found]})


@blueprint.get("/orders/<channel>/<out_trade_no>")
def show_order(channel: str, out_trade_no: str) -> Response:
    with parts().book.reading() as db:
        found = orders.find(db, Channel(channel), out_trade_no) if channel in set(Channel) else None
        if found is None:
            raise Refused(404, "there is no such order")
        return _json(book_view.whole_order(db, found, now=parts().now()))


@blueprint.get("/faults")
def list_faults() -> Response:
    with parts().book.reading() as db:
        found = faults.switched_on(db)
    return _json({"data": [{"id": fault_id, **_said(fault)} for fault_id, fault in found.items()]})


@blueprint.post("/faults")
def switch_on() -> Response:
    fault = _body(Fault)
    with parts().book.transaction() as db:
        fault_id = faults.switch_on(db, fault)
    return _json({"id": fault_id, **_said(fault)}, status=201)


@blueprint.delete("/faults")
@blueprint.delete("/faults/<int:fault_id>")
def switch_off(fault_id: int | None = None) -> Response:
    with parts().book.transaction() as db:
        count = faults.switch_off(db, fault_id)
    if fault_id is not None and not count:
        raise Refused(404, "no such fault is on")
    return _json({"switchedOff": count})


@blueprint.get("/clock")
def show_clock() -> Response:
    book = parts().clock()
    return _json({"now": book.at(clock.now()), "pace": book.pace})


@blueprint.post("/clock")
def move_clock() -> Response:
    ask = _body(ClockAsk)
    with parts().book.transaction() as db:
        if ask.reset:
            clock.reset(db)
        if ask.advance_seconds or ask.pace:
            advance = timedelta(seconds=ask.advance_seconds)
            clock.move(db, advance=advance, pace=ask.pace, now=clock.now())
    parts().due.set()
    return show_clock()


@blueprint.get("/keys")
def show_keys() -> Response:
    with parts().book.reading() as db:
        serials = [certificate.serial for certificate in signers.in_force(db)]
        return _json({"signsWith": signers.signs_with(db), "certificates": serials})


@blueprint.post("/keys")
def change_keys() -> Response:
    ask, now = _body(KeysAsk), clock.now()
    with parts().book.transaction() as db:
        if ask.rotate:
            signers.rotate(db, now=now)
        if ask.signs_with is not None:
            signers.sign_with(db, ask.signs_with, now=now)
    return show_keys()


def _body(shape: type[T]) -> T:
    try:
        return msgspec.json.decode(request.get_data(), type=shape)
    except msgspec.DecodeError as wrong:
        raise Refused(400, str(wrong)) from None


def _code(qr: str) -> str:
    """Return the code an order goes by: as it is, or out of the URL that a browser would open."""
    params = dict(parse_qsl(qr.partition("?")[2]))
    if params.get("method") not in alipay.PAGES:
        return params.get("prepay_id", qr)
    try:
        return alipay.open_page(params).qr
    except (BadCall, alipay_door.Refused) as refused:
        raise Refused(400, f"{refused.sub_code}: {refused.message}") from None


def _order(db: sqlite3.Connection, ask: Ask, code: str) -> Order:
    channels = [ask.channel] if ask.channel else list(Channel)
    named = [orders.find(db, channel, ask.out_trade_no) for channel in channels]
    found = [order for order in (orders.find_by_code(db, code), *named) if order is not None]
    if len(found) != 1:
        raise Refused(404, f"{len(found)} orders go by that code or number")
    return found[0]


def _said(fault: Fault) -> dict[str, object]:
    whole: dict[str, object] = msgspec.to_builtins(fault)
    return {name: value for name, value in whole.items() if value is not None}


def _shown(order: Order) -> Response:
    return _json(book_view.order(order, now=parts().now()))


def _json(content: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status=status, mimetype="application/json")
