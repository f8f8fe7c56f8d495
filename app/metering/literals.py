"""Columns as PostgreSQL array literals: one text each, which the server unpacks.

Twice as fast as a driver that binds lists, and a batch of 500 is what ingestion is about
(`docs/decisions/0004-event-keys.md`).
"""

from collections.abc import Iterable


def texts(values: Iterable[str]) -> str:
    """Write texts as an array literal. None may hold NUL, which joins them here."""
    joined = "\0".join(values).replace("\\", "\\\\").replace('"', '\\"')
    return '{"' + joined.replace("\0", '","') + '"}'


def plain(values: Iterable[str]) -> str:
    """Write numbers, instants or NULLs as an array literal."""
    return "{" + ",".join(values) + "}"
