"""Notices on their way to the merchant: what is to be sent when, on which step of which ladder.

A notice is one fact with one id. A sending is one attempt to tell it: the ladder's own, which
breeds the next one when it fails, or an extra copy, which does not. Sendings are due on the real
clock, whatever the book's says.
"""

import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from app.simulator.orders import Channel, Order, Plan

LEASE = timedelta(seconds=30)  # longer than any attempt may take
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
LADDERS = {
    Channel.WECHAT: (
        *(15 * SECOND, 15 * SECOND, 30 * SECOND),
        *(3 * MINUTE, 10 * MINUTE, 20 * MINUTE, 30 * MINUTE, 30 * MINUTE, 30 * MINUTE, 60 * MINUTE),
        *(3 * HOUR, 3 * HOUR, 3 * HOUR, 6 * HOUR, 6 * HOUR),
    ),
    Channel.ALIPAY: (
        *(4 * MINUTE, 10 * MINUTE, 10 * MINUTE),
        *(1 * HOUR, 2 * HOUR, 6 * HOUR, 15 * HOUR),
    ),
}


@dataclass(frozen=True, slots=True)
class Notice:
    """`content` is what the channel signs (and WeChat encrypts) anew for each sending."""

    id: str
    url: str
    content: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sending:
    """One attempt. `step` is its place on the ladder, None for an extra copy.

    `twist` names what is wrong with it, or that it has waited on purpose and may go now.
    """

    id: int
    channel: Channel
    out_trade_no: str
    notice: Notice
    step: int | None
    twist: str


WAITED, HELD = "waited", "held"


def queue(
    db: sqlite3.Connection, order: Order, notice: Notice, *, plan: Plan, now: datetime
) -> None:
    """Enter the notice and, unless `plan` drops it, its first sendings."""
    db.execute(
        "INSERT INTO notices (id, channel, out_trade_no, url, content, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            notice.id,
            order.channel,
            order.out_trade_no,
            notice.url,
            msgspec.json.encode(notice.content).decode(),
            now,
        ),
    )
    if plan.notify == "drop":
        return
    due_at = now + timedelta(seconds=plan.delay_seconds)
    twist = "" if plan.notify == "ok" else plan.notify
    _enter(db, notice.id, step=0, twist=twist, due_at=due_at)
    copy(db, notice.id, times=plan.times - 1, twist=twist, now=due_at)


def copy(
    db: sqlite3.Connection, notice_id: str, *, times: int, twist: str = "", now: datetime
) -> None:
    """Send `times` extra copies of a notice."""
    for _ in range(times):
        _enter(db, notice_id, step=None, twist=twist, due_at=now)


def resend(
    db: sqlite3.Connection, order: Order, *, times: int, twist: str = "", now: datetime
) -> int:
    """Send `times` extra copies of the order's notices; return how many notices there are."""
    found = of_order(db, order)
    for known in found:
        copy(db, known.id, times=times, twist=twist, now=now)
    return len(found)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A sending as its past tells it; `done_at` and `answer` are None before it was made."""

    step: int | None
    twist: str
    due_at: datetime
    done_at: datetime | None
    answer: str | None


@dataclass(frozen=True, slots=True)
class Told:
    """A notice with all its sendings, the oldest first."""

    id: str
    url: str
    content: dict[str, Any]
    created_at: datetime
    acknowledged_at: datetime | None
    attempts: list[Attempt]


def of_order(db: sqlite3.Connection, order: Order) -> list[Told]:
    """Return what the merchant was told of an order, the oldest first."""
    rows = db.execute(
        "SELECT * FROM notices WHERE channel = ? AND out_trade_no = ? ORDER BY created_at",
        (order.channel, order.out_trade_no),
    ).fetchall()
    return [
        Told(
            row["id"],
            row["url"],
            msgspec.json.decode(row["content"]),
            row["created_at"],
            row["acknowledged_at"],
            [
                Attempt(
                    made["step"], made["twist"], made["due_at"], made["done_at"], made["answer"]
                )
                for made in db.execute(
                    "SELECT * FROM sendings WHERE notice_id = ? ORDER BY id", (row["id"],)
                )
            ],
        )
        for row in rows
    ]


def next_due(db: sqlite3.Connection) -> datetime | None:
    row = db.execute(
        "SELECT due_at FROM sendings WHERE done_at IS NULL ORDER BY due_at LIMIT 1"
    ).fetchone()
    return row["due_at"] if row else None


def claim(db: sqlite3.Connection, *, now: datetime) -> Sending | None:
    """Take the sending that is due longest; it is due again when the lease ends.

    So a courier killed in the middle loses nothing: a merchant may hear of a payment twice,
    never not at all.
    """
    row = db.execute(
        """
        SELECT sendings.id, channel, out_trade_no, notices.id AS notice_id, url, content, step,
            twist
        FROM sendings JOIN notices ON notices.id = notice_id
        WHERE done_at IS NULL AND due_at <= ? ORDER BY due_at, sendings.id LIMIT 1
        """,
        (now,),
    ).fetchone()
    if row is None:
        return None
    db.execute("UPDATE sendings SET due_at = ? WHERE id = ?", (now + LEASE, row["id"]))
    return Sending(
        id=row["id"],
        channel=Channel(row["channel"]),
        out_trade_no=row["out_trade_no"],
        notice=Notice(row["notice_id"], row["url"], msgspec.json.decode(row["content"])),
        step=row["step"],
        twist=WAITED if row["twist"] == HELD else row["twist"],
    )


def put_off(
    db: sqlite3.Connection, sending: Sending, *, until: datetime, is_held: bool = False
) -> None:
    """Make the attempt later; a held one as soon as another notice of its channel was sent."""
    db.execute(
        "UPDATE sendings SET due_at = ?, twist = ? WHERE id = ?",
        (until, HELD if is_held else WAITED, sending.id),
    )


def note(db: sqlite3.Connection, sending: Sending, twist: str) -> None:
    """Write down what was wrong with this one attempt."""
    db.execute("UPDATE sendings SET twist = ? WHERE id = ?", (twist, sending.id))


def settle(
    db: sqlite3.Connection,
    sending: Sending,
    answer: str,
    *,
    heard: bool,
    scale: float,
    now: datetime,
) -> None:
    """Note the merchant's answer: `heard` ends the ladder, otherwise the next step is entered.

    `scale` divides the ladder's gaps.
    """
    db.execute(
        "UPDATE sendings SET done_at = ?, answer = ? WHERE id = ?", (now, answer, sending.id)
    )
    db.execute(
        "UPDATE sendings SET due_at = ?, twist = ? WHERE done_at IS NULL AND twist = ?"
        " AND notice_id IN (SELECT id FROM notices WHERE channel = ? AND id <> ?)",
        (now, WAITED, HELD, sending.channel, sending.notice.id),
    )
    ladder = LADDERS[sending.channel]
    if heard:
        db.execute(
            "UPDATE notices SET acknowledged_at = coalesce(acknowledged_at, ?) WHERE id = ?",
            (now, sending.notice.id),
        )
        db.execute(
            "DELETE FROM sendings WHERE notice_id = ? AND step IS NOT NULL AND done_at IS NULL",
            (sending.notice.id,),
        )
    elif sending.step is not None and sending.step < len(ladder):
        due_at = now + ladder[sending.step] / scale
        twist = "" if sending.twist == WAITED else sending.twist
        _enter(db, sending.notice.id, step=sending.step + 1, twist=twist, due_at=due_at)


def _enter(
    db: sqlite3.Connection, notice_id: str, *, step: int | None, twist: str, due_at: datetime
) -> None:
    db.execute(
        "INSERT INTO sendings (notice_id, step, twist, due_at) VALUES (?, ?, ?, ?)",
        (notice_id, step, twist, due_at),
    )
