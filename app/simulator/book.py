"""The simulator's own book: one SQLite file, so that a kill at any moment loses nothing answered.

A stranger keeps his own accounts. Every answer that promises something is given after the commit,
which reaches the disk (`synchronous=FULL`); writers queue behind `BEGIN IMMEDIATE`.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

EDITIONS = (
    """
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
""",
    """
ALTER TABLE orders ADD COLUMN product TEXT NOT NULL DEFAULT '';
ALTER TABLE orders ADD COLUMN return_url TEXT NOT NULL DEFAULT '';
ALTER TABLE orders ADD COLUMN openid TEXT NOT NULL DEFAULT '';
UPDATE orders SET product = CASE channel WHEN 'wechat' THEN 'native' ELSE 'precreate' END;

CREATE TABLE refunds (
    channel TEXT NOT NULL,
    out_trade_no TEXT NOT NULL,
    out_refund_no TEXT NOT NULL,
    refund_id TEXT NOT NULL UNIQUE,
    amount_minor INTEGER NOT NULL,
    reason TEXT NOT NULL,
    notify_url TEXT NOT NULL,
    created_at MOMENT NOT NULL,
    ends_at MOMENT NOT NULL,
    outcome TEXT NOT NULL,
    ended_at MOMENT,
    PRIMARY KEY (channel, out_trade_no, out_refund_no),
    FOREIGN KEY (channel, out_trade_no) REFERENCES orders
);
CREATE INDEX refunds_number ON refunds (channel, out_refund_no);
CREATE INDEX refunds_running ON refunds (ends_at) WHERE ended_at IS NULL;
CREATE INDEX orders_recent ON orders (created_at);

ALTER TABLE sendings ADD COLUMN twist TEXT NOT NULL DEFAULT '';
UPDATE sendings SET twist = 'bad_signature' WHERE forged;
ALTER TABLE sendings DROP COLUMN forged;

UPDATE notices SET content = json_object(
    'create_time', json_extract(content, '$.create_time'),
    'event_type', 'TRANSACTION.SUCCESS',
    'summary', '支付成功',
    'original_type', 'transaction',
    'resource', json_extract(content, '$.transaction')
) WHERE channel = 'wechat';

CREATE TABLE faults (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    channel TEXT,
    operation TEXT,
    out_trade_no TEXT,
    count INTEGER,
    seconds REAL,
    copies INTEGER,
    amount_minor INTEGER
);
CREATE TABLE bites (
    channel TEXT NOT NULL,
    out_trade_no TEXT NOT NULL,
    kind TEXT NOT NULL,
    PRIMARY KEY (channel, out_trade_no, kind)
);

CREATE TABLE clocks (real_at MOMENT NOT NULL, book_at MOMENT NOT NULL, pace REAL NOT NULL);

CREATE TABLE signers (signs_with TEXT NOT NULL);
CREATE TABLE certificates (
    serial TEXT PRIMARY KEY,
    certificate_pem TEXT NOT NULL,
    private_key_pem TEXT NOT NULL,
    made_at MOMENT NOT NULL,
    expires_at MOMENT NOT NULL
);

CREATE TABLE logins (
    code TEXT PRIMARY KEY,
    openid TEXT NOT NULL,
    dies_at MOMENT NOT NULL,
    used INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE files (
    token TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    content BLOB NOT NULL,
    dies_at MOMENT NOT NULL
);
""",
)


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
            edition = connection.execute("PRAGMA user_version").fetchone()[0]
            for number, script in enumerate(EDITIONS[edition:], start=edition + 1):
                # Whole or not at all, and a book of before is brought up to date.
                connection.executescript(
                    f"BEGIN IMMEDIATE; {script} PRAGMA user_version = {number}; COMMIT;"
                )

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection that only looks: it waits for nobody and nobody waits for it."""
        with closing(self._connect()) as connection:
            yield connection

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
