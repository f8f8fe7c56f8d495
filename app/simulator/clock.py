"""The simulator's clocks. Inside, time is a parameter; only its doors ask here.

Signatures and sendings live on the real clock. The book has its own, which can be moved and can
run faster: a day's statement need not wait for the next morning, nor an expiry for a week.
"""

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

CHINA = timezone(timedelta(hours=8), "Asia/Shanghai")


def now() -> datetime:
    """Return the moment, in UTC."""
    return datetime.now(UTC)  # noqa: TID251 — a stranger may not borrow the clock of app.core


@dataclass(frozen=True, slots=True)
class BookClock:
    """Where the book's time stood when it was last set, and how fast it has run since."""

    real: datetime
    book: datetime
    pace: float

    def at(self, moment: datetime) -> datetime:
        """Return the book's time at a real `moment`, which may lie in the future.

        Merchants speak of moments of the real clock, and mean an order that is paid before them.
        """
        return self.book + (moment - self.real) * self.pace


def read(db: sqlite3.Connection) -> BookClock:
    """Return the book's clock; unless somebody set it, it is the real one."""
    row = db.execute("SELECT real_at, book_at, pace FROM clocks").fetchone()
    if row is None:
        return BookClock(datetime.fromtimestamp(0, UTC), datetime.fromtimestamp(0, UTC), 1.0)
    return BookClock(row["real_at"], row["book_at"], row["pace"])


def move(
    db: sqlite3.Connection, *, advance: timedelta, pace: float | None, now: datetime
) -> BookClock:
    """Set the book's clock on by `advance` and let it run at `pace` from `now` on."""
    before = read(db)
    moved = BookClock(now, before.at(now) + advance, pace or before.pace)
    reset(db)
    db.execute(
        "INSERT INTO clocks (real_at, book_at, pace) VALUES (?, ?, ?)",
        (moved.real, moved.book, moved.pace),
    )
    return moved


def reset(db: sqlite3.Connection) -> None:
    """Let the book's clock be the real one again."""
    db.execute("DELETE FROM clocks")
