"""Keyset paging: a page is what comes after the last row seen, never an offset."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.core.errors import Invalid

DEFAULT_LIMIT = 50
MAX_LIMIT = 100

T = TypeVar("T")


class BadCursor(Invalid):
    code = "invalid_cursor"


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some rows, newest first, and the cursor of the next page (None on the last)."""

    rows: Sequence[T]
    next_cursor: str | None

    def map(self, change: "Callable[[T], Any]") -> "Page[Any]":
        return Page([change(row) for row in self.rows], self.next_cursor)


def encode_cursor(*keys: int | str) -> str:
    """Write the keys of the last row seen as an opaque text."""
    return base64.urlsafe_b64encode(json.dumps(keys).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, *, size: int) -> list[int | str]:
    """Read what `encode_cursor` wrote for `size` keys. Raises BadCursor."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        keys = json.loads(raw)
    except (binascii.Error, ValueError, RecursionError) as error:
        raise BadCursor("this cursor is not one of ours", path="cursor") from error
    if not isinstance(keys, list) or len(keys) != size or not all(_is_key(key) for key in keys):
        raise BadCursor("this cursor is not one of ours", path="cursor")
    return keys


def newest_first(
    session: Session,
    statement: Select[T],
    column: InstrumentedAttribute[int],
    *,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[T]:
    """Read one page of `statement`, ordered by the time-ordered id `column`, newest first.

    One row more than the page is read to know whether another page follows. Raises Invalid
    on a limit outside 1…100 and BadCursor on a cursor that is not ours.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise Invalid(f"limit must be from 1 to {MAX_LIMIT}", path="limit")
    if cursor:
        (last,) = decode_cursor(cursor, size=1)
        if not isinstance(last, int):
            raise BadCursor("this cursor is not one of ours", path="cursor")
        statement = statement.where(tuple_(column) < tuple_(last))
    rows = session.scalars(statement.order_by(column.desc()).limit(limit + 1)).all()
    more = len(rows) > limit
    rows = rows[:limit]
    last_id = getattr(rows[-1], column.key) if more else None
    return Page(rows, encode_cursor(last_id) if last_id is not None else None)


def _is_key(key: object) -> bool:
    if isinstance(key, int) and not isinstance(key, bool):
        return -(1 << 63) <= key < 1 << 63  # what a bigint holds
    return isinstance(key, str)
