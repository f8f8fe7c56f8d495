"""What all of WeChat Pay's doors have in common: who calls, the platform's signature, errors.

A door is a blueprint under /v3. Errors answer unsigned, as the real ones do.
"""

import secrets
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec
from flask import Blueprint, Response, request

from app.simulator import clock, mishaps, refunds, signers, wechat_wire
from app.simulator.faults import Kind, Operation
from app.simulator.mishaps import Call
from app.simulator.orders import Channel, Order
from app.simulator.parts import parts

T = TypeVar("T", bound=msgspec.Struct)
OPERATIONS = {  # by view
    "create_native": Operation.OPEN,
    "create_jsapi": Operation.OPEN,
    "create_h5": Operation.OPEN,
    "show": Operation.QUERY,
    "show_by_transaction": Operation.QUERY,
    "close": Operation.CLOSE,
    "refund": Operation.REFUND,
    "send_elsewhere": Operation.REFUND,
    "show_refund": Operation.QUERY_REFUND,
    "trade_bill": Operation.BILL,
    "fund_flow_bill": Operation.BILL,
    "download": Operation.BILL,
    "certificates": Operation.CERTIFICATES,
}
DOWN_PAGE = "<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>"


class Refused(Exception):
    """The channel's own error answer."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class SaidAmount(msgspec.Struct, frozen=True):
    total: int = 0


class Said(msgspec.Struct, frozen=True):
    """As much of any body as tells which order it is about."""

    out_trade_no: str = ""
    description: str = ""
    reason: str = ""
    amount: SaidAmount = SaidAmount()


def door(name: str) -> Blueprint:
    """Make a blueprint that only our merchant passes, and that signs what it answers."""
    made = Blueprint(name, __name__, url_prefix="/v3")
    made.before_request(receive)
    made.after_request(prove)
    made.register_error_handler(Refused, refuse)
    return made


def receive() -> Response | None:
    """Let mishaps happen, and find out who calls."""
    wrong = mishaps.befall(_call())
    if wrong is Kind.DOWN:
        return Response(DOWN_PAGE, status=503)
    received = wechat_wire.Received(
        method=request.method,
        path=request.path,
        query=request.query_string.decode("latin-1"),
        body=request.get_data(),
        authorization=request.headers.get("Authorization", ""),
    )
    not_ours = wechat_wire.whats_wrong(received, parts().identity.wechat, now=clock.now())
    if not_ours:
        raise Refused(401, "SIGN_ERROR", not_ours)
    if wrong is Kind.ERROR:
        raise Refused(500, "SYSTEM_ERROR", "系统异常, 请用相同参数重新调用")
    if wrong is Kind.LIMITED:
        raise Refused(429, "FREQUENCY_LIMITED", "请求过于频繁")
    return None


def prove(response: Response) -> Response:
    """Sign every success, also an empty one; a file is none of ours to sign."""
    response.headers["Request-ID"] = secrets.token_hex(16).upper()
    is_file = response.status_code == 200 and response.mimetype != "application/json"  # noqa: PLR2004 — a status
    if response.status_code < 300 and not is_file:  # noqa: PLR2004 — the protocol signs 2xx alone
        twist = Kind.BAD_SIGNATURE if mishaps.is_forged() else None
        asked_for = request.headers.get("Wechatpay-Serial", "")
        with parts().book.reading() as db:
            signer = signers.signer(db, parts().identity.wechat, asked_for=asked_for)
        response.headers.extend(
            wechat_wire.answer_headers(response.get_data(), signer, twist=twist, now=clock.now())
        )
    return mishaps.spoil(response)


def refuse(refused: Refused) -> Response:
    return json({"code": refused.code, "message": refused.message}, status=refused.status)


def body(shape: type[T]) -> T:
    try:
        return msgspec.json.decode(request.get_data(), type=shape)
    except msgspec.DecodeError as wrong:
        raise Refused(400, "PARAM_ERROR", str(wrong)) from None


def check_account(mchid: str) -> None:
    if mchid != parts().identity.wechat.mchid:
        raise Refused(400, "PARAM_ERROR", "mchid 与签名的商户号不一致")


def known(order: Order | None) -> Order:
    if order is None:
        raise Refused(404, "ORDER_NOT_EXIST", "订单不存在")
    return order


def is_notifiable(address: str) -> bool:
    # The real channel wants https and a public host; in the sandbox merchants live on loopback.
    try:
        url = urlsplit(address)
    except ValueError:
        return False
    return url.scheme in {"http", "https"} and bool(url.hostname) and not url.query


def json(content: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status=status, mimetype="application/json")


def _call() -> Call:
    view = (request.endpoint or "").rpartition(".")[2]
    try:
        said = msgspec.json.decode(request.get_data(), type=Said)
    except msgspec.DecodeError:
        said = Said()  # the door itself says what is wrong with it
    named = request.view_args or {}
    out_trade_no = named.get("out_trade_no", said.out_trade_no)
    if "out_refund_no" in named:
        with parts().book.reading() as db:
            found = refunds.find(db, Channel.WECHAT, named["out_refund_no"])
        out_trade_no = found.out_trade_no if found else ""
    return Call(
        channel=Channel.WECHAT,
        operation=OPERATIONS.get(view, Operation.QUERY),
        out_trade_no=out_trade_no,
        amount_minor=said.amount.total,
        text=said.description or said.reason,
    )
