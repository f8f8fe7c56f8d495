"""Lists as CSV files: streamed page by page, and harmless in a spreadsheet."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import TypeVar

from flask import Response, stream_with_context

from app.core.paging import Page

T = TypeVar("T")

_MARK = "\ufeff"  # without it Excel reads UTF-8 as the local code page, and Chinese as noise
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?", re.ASCII)


def answer(
    name: str,
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    has_mark: bool = True,
) -> Response:
    """Answer `rows` as the file `name`.csv, each written when the one before it was sent.

    The first row is read before the answer begins, so that a refusal is still an error page.
    """
    reading = iter(rows)
    first = list(next(([row] for row in reading), []))
    lines = _lines(chain([header], first, reading), has_mark=has_mark)
    response = Response(stream_with_context(lines), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    response.headers["Cache-Control"] = "no-store"
    return response


def all_rows(read: Callable[[str | None], Page[T]]) -> Iterator[T]:
    """Yield the rows of every page; `read` returns the page after a cursor, None for the first."""
    cursor = None
    while True:
        page = read(cursor)
        yield from page.rows
        cursor = page.next_cursor
        if cursor is None:
            return


def moment(at: datetime | None) -> str:
    """Write an instant to the second; one that has not come is an empty cell."""
    return at.isoformat(timespec="seconds") if at else ""


def guarded(cell: object) -> str:
    """Return what a spreadsheet shows as text: what it would take for a formula gets a quote."""
    text = "" if cell is None else str(cell)
    if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def _lines(rows: Iterable[Sequence[object]], *, has_mark: bool) -> Iterator[str]:
    if has_mark:
        yield _MARK
    for row in rows:
        line = io.StringIO()
        csv.writer(line).writerow([guarded(cell) for cell in row])
        yield line.getvalue()
