"""A channel's answers going wrong: late, broken, forged, or none at all."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from flask import Response, g

from app.simulator import faults, triggers
from app.simulator.faults import Fault, Kind, Operation, Stage
from app.simulator.orders import Channel
from app.simulator.parts import parts

LONGEST_HOLD = 60  # seconds: a thread of ours waits as long as the merchant
SLOW_SECONDS = 3
AFTERWARDS = {Kind.NO_ANSWER, Kind.BROKEN_ANSWER, Kind.FORGED_ANSWER}


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a merchant; what it does not say is empty."""

    channel: Channel
    operation: Operation
    out_trade_no: str = ""
    amount_minor: int = 0
    text: str = ""


def befall(call: Call) -> Kind | None:
    """Decide what happens to the call now, and remember what is to happen to its answer.

    A slow answer is waited for here. Return DOWN, ERROR or LIMITED for the door to say.
    """
    g.mishap = fault = _bite(call)
    if fault is None or fault.kind in AFTERWARDS:
        return None
    if fault.kind is Kind.SLOW:
        _hold(fault, SLOW_SECONDS)
        return None
    return fault.kind


def is_forged() -> bool:
    """Say whether this answer is to bear a signature that is not good."""
    fault: Fault | None = g.get("mishap")
    return fault is not None and fault.kind is Kind.FORGED_ANSWER


def spoil(response: Response) -> Response:
    """Let an answer break on its way, when it is to; everything it says is done and stays done."""
    fault: Fault | None = g.get("mishap")
    if fault is None or fault.kind not in {Kind.NO_ANSWER, Kind.BROKEN_ANSWER}:
        return response
    content = response.get_data()
    if not content:
        response.status_code = 200  # a 204 ends with its headers: nothing of it could be missing
    length = len(content) or 1
    kept = b""
    if fault.kind is Kind.NO_ANSWER:
        _hold(fault, 0)
    else:
        kept = content[: length // 2]
    response.response = _cut(kept)
    response.headers["Content-Length"] = str(length)
    return response


def _cut(kept: bytes) -> Iterator[bytes]:
    # Less than the length that was promised: the server breaks the line, and the merchant knows
    # that something is missing. A list it would measure, and correct the promise.
    yield kept


def _bite(call: Call) -> Fault | None:
    book, kinds = parts().book, faults.of_stage(Stage.CALL)
    asks = triggers.meant_by(call.amount_minor, call.text)
    if asks is None:
        with book.reading() as db:
            if not faults.is_any_on(db):
                return None
    with book.transaction() as db:
        return triggers.bite(
            db,
            kinds,
            call.channel,
            out_trade_no=call.out_trade_no,
            amount_minor=call.amount_minor,
            text=call.text,
            operation=call.operation,
        )


def _hold(fault: Fault, default: float) -> None:
    time.sleep(min(default if fault.seconds is None else fault.seconds, LONGEST_HOLD))
