"""Notices on their way to the merchant: what is to be sent when, on which step of which ladder.

A notice is one fact with one id. A sending is one attempt to tell it: the ladder's own, which
breeds the next one when it fails, or an extra copy, which does not.
"""

import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta

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
    content: dict[str, object]


@dataclass(frozen=True, slots=True)
class Sending:
    """One attempt. `step` is its place on the ladder, None for an extra copy."""

    id: int
    channel: Channel
    notice: Notice
    step: int | None
    forged: bool


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
    forged = plan.notify == "bad_signature"
    _enter(db, notice.id, step=0, forged=forged, due_at=due_at)
    for _ in range(plan.times - 1):
        _enter(db, notice.id, step=None, forged=forged, due_at=due_at)


def resend(db: sqlite3.Connection, order: Order, *, times: int, forged: bool, now: datetime) -> int:
    """Send `times` extra copies of the order's notices; return how many notices there are."""
    ids = db.execute(
        "SELECT id FROM notices WHERE channel = ? AND out_trade_no = ?",
        (order.channel, order.out_trade_no),
    ).fetchall()
    for (notice_id,) in ids:
        for _ in range(times):
            _enter(db, notice_id, step=None, forged=forged, due_at=now)
    return len(ids)


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
        SELECT sendings.id, channel, notices.id AS notice_id, url, content, step, forged
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
        notice=Notice(row["notice_id"], row["url"], msgspec.json.decode(row["content"])),
        step=row["step"],
        forged=bool(row["forged"]),
    )


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
        _enter(db, sending.notice.id, step=sending.step + 1, forged=sending.forged, due_at=due_at)


def _enter(
    db: sqlite3.Connection, notice_id: str, *, step: int | None, forged: bool, due_at: datetime
) -> None:
    db.execute(
        "INSERT INTO sendings (notice_id, step, forged, due_at) VALUES (?, ?, ?, ?)",
        (notice_id, step, forged, due_at),
    )
