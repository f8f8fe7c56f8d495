"""What can go wrong, by switch: for a channel, for one order, for the next few times.

    call       the channel's answer to a merchant
    notice     what a merchant is told, or is not
    payment    what the payer does
    refund     what becomes of it
    statement  a day's file that does not say what the book says

A fault bites in the order it was switched on. Without `count` it goes on until it is switched off.
"""

import sqlite3
from collections.abc import Collection
from enum import StrEnum
from typing import Annotated

import msgspec

from app.simulator.orders import LARGEST_MINOR, Channel


class Stage(StrEnum):
    CALL = "call"
    NOTICE = "notice"
    PAYMENT = "payment"
    REFUND = "refund"
    STATEMENT = "statement"


class Kind(StrEnum):
    DOWN = "down"  # every call answers 503
    ERROR = "error"  # the channel's own "try again", and nothing was done
    LIMITED = "limited"  # the channel's own "too many", and nothing was done
    SLOW = "slow"  # the answer takes `seconds`
    NO_ANSWER = "no_answer"  # it is done, and the line breaks after `seconds`
    BROKEN_ANSWER = "broken_answer"  # it is done, and half of the answer arrives
    FORGED_ANSWER = "forged_answer"  # it is done, and the answer's signature is not good
    DROP = "drop"  # the notice gets lost
    DUPLICATE = "duplicate"  # and comes `copies` times
    DELAY = "delay"  # and comes after `seconds`
    REORDER = "reorder"  # and comes after the next notice of its channel
    BAD_SIGNATURE = "bad_signature"
    SIGN_TEST = "sign_test"  # WeChat Pay's own test of who verifies
    UNKNOWN_SERIAL = "unknown_serial"  # signed with a key nobody was told of
    STALE = "stale"  # signed ten minutes ago
    TAMPERED = "tampered"  # changed after it was signed
    NOTICE_AMOUNT = "notice_amount"  # well signed, but of `amount_minor`
    NOTICE_APP = "notice_app"  # well signed, but of another application
    NOTICE_ACCOUNT = "notice_account"  # well signed, but of another merchant
    NOTICE_CURRENCY = "notice_currency"  # well signed, but in dollars; WeChat Pay
    PAID_AMOUNT = "paid_amount"  # the payer pays `amount_minor`
    PAYMENT_FAILS = "payment_fails"  # his bank refuses
    REFUND_NOT_ENOUGH = "refund_not_enough"  # refused: the merchant's balance is too low
    REFUND_REFUSED = "refund_refused"  # refused: the payer's account is gone
    REFUND_ABNORMAL = "refund_abnormal"  # accepted, but his card is dead
    REFUND_CLOSED = "refund_closed"  # accepted, and given up for want of balance
    REFUND_SLOW = "refund_slow"  # accepted, and takes `seconds`
    REFUND_NOTICES = "refund_notices"  # Alipay tells of refunds too
    NOT_READY = "not_ready"  # the statement is not made yet
    ROW_MISSING = "row_missing"
    ROW_EXTRA = "row_extra"
    ROW_AMOUNT = "row_amount"
    ROW_FEE = "row_fee"
    WRONG_TOTALS = "wrong_totals"
    TRUNCATED = "truncated"
    WRONG_DAY = "wrong_day"
    WRONG_HASH = "wrong_hash"  # WeChat Pay
    UNKNOWN_COLUMNS = "unknown_columns"

    @property
    def stage(self) -> Stage:
        return _STAGES[self]


_FIRST_OF_STAGE = {
    Kind.DOWN: Stage.CALL,
    Kind.DROP: Stage.NOTICE,
    Kind.PAID_AMOUNT: Stage.PAYMENT,
    Kind.REFUND_NOT_ENOUGH: Stage.REFUND,
    Kind.NOT_READY: Stage.STATEMENT,
}


def _stages() -> dict[Kind, Stage]:
    found, stage = {}, Stage.CALL
    for kind in Kind:
        stage = _FIRST_OF_STAGE.get(kind, stage)
        found[kind] = stage
    return found


_STAGES = _stages()


class Operation(StrEnum):
    """A call, whatever the channel names it."""

    OPEN = "open"
    QUERY = "query"
    CLOSE = "close"
    REFUND = "refund"
    QUERY_REFUND = "query_refund"
    BILL = "bill"
    CERTIFICATES = "certificates"


class Fault(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """One switch. What is not said does not narrow it."""

    kind: Kind
    channel: Channel | None = None
    operation: Operation | None = None
    out_trade_no: str | None = None
    count: Annotated[int, msgspec.Meta(ge=1, le=1000)] | None = None
    seconds: Annotated[float, msgspec.Meta(ge=0, le=86_400)] | None = None
    copies: Annotated[int, msgspec.Meta(ge=1, le=100)] | None = None
    amount_minor: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_MINOR)] | None = None

    def amount_instead_of(self, minor: int) -> int:
        """Return the wrong amount: the one asked for, or a fen less, or two where that is none."""
        return self.amount_minor or (minor - 1 or minor + 1)


def switch_on(db: sqlite3.Connection, fault: Fault) -> int:
    """Return the number by which the fault is switched off."""
    row = msgspec.structs.asdict(fault)
    columns, values = ", ".join(row), ", ".join(f":{name}" for name in row)
    cursor = db.execute(f"INSERT INTO faults ({columns}) VALUES ({values})", row)  # noqa: S608 — our own field names
    return cursor.lastrowid or 0


def switch_off(db: sqlite3.Connection, fault_id: int | None) -> int:
    """Switch one fault off, or all of them; return how many were on."""
    return db.execute("DELETE FROM faults WHERE id = ? OR ? IS NULL", (fault_id, fault_id)).rowcount


def switched_on(db: sqlite3.Connection) -> dict[int, Fault]:
    return {row["id"]: _fault(row) for row in db.execute("SELECT * FROM faults ORDER BY id")}


def is_any_on(db: sqlite3.Connection) -> bool:
    return db.execute("SELECT 1 FROM faults LIMIT 1").fetchone() is not None


def bite(
    db: sqlite3.Connection,
    kinds: Collection[Kind],
    channel: Channel,
    *,
    out_trade_no: str = "",
    operation: Operation | None = None,
) -> Fault | None:
    """Return the oldest fault of these `kinds` that is meant, once less to come of it."""
    marks = ", ".join("?" * len(kinds))
    row = db.execute(
        f"SELECT * FROM faults WHERE kind IN ({marks}) AND (channel IS NULL OR channel = ?)"  # noqa: S608 — question marks
        " AND (operation IS NULL OR operation = ?) AND (out_trade_no IS NULL OR out_trade_no = ?)"
        " ORDER BY id LIMIT 1",
        (*kinds, channel, operation, out_trade_no),
    ).fetchone()
    if row is None:
        return None
    use(db, row["id"])
    return _fault(row)


def use(db: sqlite3.Connection, fault_id: int) -> None:
    """Count that a fault bit; after the last time it is off."""
    db.execute("UPDATE faults SET count = count - 1 WHERE id = ?", (fault_id,))
    db.execute("DELETE FROM faults WHERE count = 0")


def of_stage(stage: Stage) -> tuple[Kind, ...]:
    return tuple(kind for kind in Kind if kind.stage is stage)


def _fault(row: sqlite3.Row) -> Fault:
    return msgspec.convert(
        {"outTradeNo": row["out_trade_no"], "amountMinor": row["amount_minor"]}
        | {name: row[name] for name in row.keys() if name in _PLAIN},  # noqa: SIM118 — a Row is no mapping
        type=Fault,
    )


_PLAIN = {"kind", "channel", "operation", "count", "seconds", "copies"}
