"""Files that a channel lets a merchant fetch for a short while, at an address nobody can guess."""

import secrets
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class File:
    name: str
    content: bytes


def keep(db: sqlite3.Connection, file: File, *, lifetime: timedelta, now: datetime) -> str:
    """Keep the file for `lifetime`; return its token. What has outlived its own goes."""
    db.execute("DELETE FROM files WHERE dies_at <= ?", (now,))
    token = secrets.token_urlsafe(24)
    db.execute(
        "INSERT INTO files (token, name, content, dies_at) VALUES (?, ?, ?, ?)",
        (token, file.name, file.content, now + lifetime),
    )
    return token


def find(db: sqlite3.Connection, token: str, *, now: datetime) -> File | None:
    row = db.execute(
        "SELECT name, content FROM files WHERE token = ? AND dies_at > ?", (token, now)
    ).fetchone()
    return File(row["name"], row["content"]) if row else None
