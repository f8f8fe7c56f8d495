"""Amounts and words that make an order go wrong by themselves, like other products' test cards.

An amount does it alone. A word, `[sim:drop]`, stands in an order's description or in a refund's
reason. What is marked "always" does so every time, the rest once for each order.
"""

import re
import sqlite3
from collections.abc import Collection

from app.simulator import faults
from app.simulator.faults import Fault, Kind, Operation
from app.simulator.orders import Channel

AMOUNTS: dict[int, tuple[Kind, Operation | None]] = {
    9_999_01: (Kind.DROP, None),
    9_999_02: (Kind.DUPLICATE, None),
    9_999_03: (Kind.DELAY, None),
    9_999_04: (Kind.BAD_SIGNATURE, None),
    9_999_05: (Kind.SIGN_TEST, None),
    9_999_06: (Kind.UNKNOWN_SERIAL, None),
    9_999_07: (Kind.NOTICE_AMOUNT, None),
    9_999_08: (Kind.PAID_AMOUNT, None),
    9_999_09: (Kind.PAYMENT_FAILS, None),
    9_999_11: (Kind.ERROR, Operation.OPEN),
    9_999_12: (Kind.NO_ANSWER, Operation.OPEN),
    9_999_21: (Kind.REFUND_NOT_ENOUGH, None),
    9_999_22: (Kind.REFUND_REFUSED, None),
    9_999_23: (Kind.REFUND_ABNORMAL, None),
    9_999_24: (Kind.REFUND_CLOSED, None),
    9_999_25: (Kind.REFUND_SLOW, None),
    9_999_26: (Kind.ERROR, Operation.REFUND),
    9_999_27: (Kind.NO_ANSWER, Operation.REFUND),
    9_999_31: (Kind.ROW_MISSING, None),
    9_999_32: (Kind.ROW_AMOUNT, None),
    9_999_33: (Kind.ROW_FEE, None),
}
ALWAYS = {
    *(Kind.DROP, Kind.REFUND_REFUSED, Kind.REFUND_ABNORMAL, Kind.REFUND_CLOSED),
    *(Kind.REFUND_SLOW, Kind.ROW_MISSING, Kind.ROW_AMOUNT, Kind.ROW_FEE),
}
WORD = re.compile(r"\[sim:([a-z_]+)\]")


def meant_by(amount_minor: int, text: str) -> tuple[Kind, Operation | None] | None:
    """Return the fault an amount or a word stands for."""
    word = WORD.search(text)
    if word and word[1] in set(Kind):
        return Kind(word[1]), None
    return AMOUNTS.get(amount_minor)


def bite(
    db: sqlite3.Connection,
    kinds: Collection[Kind],
    channel: Channel,
    *,
    out_trade_no: str,
    amount_minor: int,
    text: str,
    operation: Operation | None = None,
) -> Fault | None:
    """Return the fault that befalls an order now: one switched on, else the one it asks for."""
    switched = faults.bite(db, kinds, channel, out_trade_no=out_trade_no, operation=operation)
    meant = meant_by(amount_minor, text)
    if switched or meant is None or meant[0] not in kinds or meant[1] not in {None, operation}:
        return switched
    kind = meant[0]
    if kind in ALWAYS:
        return Fault(kind=kind)
    first = db.execute(
        "INSERT OR IGNORE INTO bites (channel, out_trade_no, kind) VALUES (?, ?, ?)",
        (channel, out_trade_no, kind),
    )
    return Fault(kind=kind) if first.rowcount else None
