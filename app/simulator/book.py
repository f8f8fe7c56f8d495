"""The simulator's own book: one SQLite file, so that a kill at any moment loses nothing answered.

A stranger keeps his own accounts. Every answer that promises something is given after the commit,
which reaches the disk (`synchronous=FULL`); writers queue behind `BEGIN IMMEDIATE`.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    channel TEXT NOT NULL,
    out_trade_no TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    description TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    notify_url TEXT NOT NULL,
    attach TEXT NOT NULL,
    created_at MOMENT NOT NULL,
    payable_until MOMENT NOT NULL,
    closes_at MOMENT,
    qr TEXT NOT NULL UNIQUE,
    qr_dies_at MOMENT NOT NULL,
    state TEXT NOT NULL,
    scanned_at MOMENT,
    failures INTEGER NOT NULL,
    transaction_id TEXT UNIQUE,
    paid_minor INTEGER,
    paid_at MOMENT,
    next_pay TEXT NOT NULL,
    PRIMARY KEY (channel, out_trade_no)
);

CREATE TABLE IF NOT EXISTS notices (
    id TEXT PRIMARY KEY,
    channel TEXT NOT NULL,
    out_trade_no TEXT NOT NULL,
    url TEXT NOT NULL,
    content TEXT NOT NULL,
    created_at MOMENT NOT NULL,
    acknowledged_at MOMENT,
    FOREIGN KEY (channel, out_trade_no) REFERENCES orders
);
CREATE INDEX IF NOT EXISTS notices_order ON notices (channel, out_trade_no);

CREATE TABLE IF NOT EXISTS sendings (
    id INTEGER PRIMARY KEY,
    notice_id TEXT NOT NULL REFERENCES notices,
    step INTEGER,
    forged INTEGER NOT NULL,
    due_at MOMENT NOT NULL,
    done_at MOMENT,
    answer TEXT
);
CREATE INDEX IF NOT EXISTS sendings_due ON sendings (due_at) WHERE done_at IS NULL;
"""


def _stored(moment: datetime) -> str:
    # Text of one width in one zone, so that the order of the text is the order of time.
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _read(stored: bytes) -> datetime:
    return datetime.fromisoformat(stored.decode())


sqlite3.register_adapter(datetime, _stored)
sqlite3.register_converter("MOMENT", _read)


class Book:
    """Opens the file at `path`, with its tables, and hands out transactions on it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with closing(self._connect()) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection that is alone in writing: commits at the end, or not at all."""
        with closing(self._connect()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path,
            timeout=10,  # seconds to queue behind another writer
            isolation_level=None,  # transactions begin where we say so
            detect_types=sqlite3.PARSE_DECLTYPES,
        )
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        return connection
