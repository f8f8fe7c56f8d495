"""Columns as PostgreSQL array literals: one text each, which the server unpacks.

Twice as fast as a driver that binds lists, and a batch of 500 is what ingestion is about
(`docs/decisions/0004-event-keys.md`).
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime

import msgspec


def texts(values: Iterable[str]) -> str:
    """Write texts as an array literal. None may hold NUL, which joins them here."""
    joined = "\0".join(values).replace("\\", "\\\\").replace('"', '\\"')
    return '{"' + joined.replace("\0", '","') + '"}'


def texts_or_null(values: Sequence[str | None]) -> str:
    """Write texts, of which some are not there, as an array literal."""
    if not any(values):
        return plain(["NULL"] * len(values))
    return plain(["NULL" if value is None else texts([value])[1:-1] for value in values])


def instants(values: Collection[datetime]) -> str:
    """Write instants as an array literal; those in UTC, which most are, without a call for each."""
    written = [value if value.tzinfo is UTC else value.isoformat() for value in values]
    return "{" + msgspec.json.encode(written).decode()[1:-1] + "}"


def plain(values: Iterable[str]) -> str:
    """Write numbers, or what else needs no quotes, as an array literal."""
    return "{" + ",".join(values) + "}"
