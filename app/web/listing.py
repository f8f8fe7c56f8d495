"""What a list's address asks for, and the addresses around it: filters, pages, the CSV file."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, TypeVar

from flask import request, url_for
from flask_babel import gettext as _

from app.core.errors import Invalid
from app.core.text import clean_name

E = TypeVar("E", bound=StrEnum)

_POSITION = ("cursor", "trail", "format")
_LONGEST_TRAIL = 30
_BETWEEN = "."  # never part of a cursor


def chosen(kind: type[E], name: str) -> E | None:
    """Return the filter `name` as a member of `kind`, or None when it is not set.

    Raises Invalid on anything that is not one of them.
    """
    value = request.args.get(name, "")
    if not value:
        return None
    if value not in {member.value for member in kind}:
        text = _("%(name)s must be one of %(values)s", name=name, values=", ".join(kind))
        raise Invalid(text, path=name)
    return kind(value)


def searched(name: str = "q") -> str:
    """Return the text of the filter `name`, or "" when it is not set. Raises InvalidText."""
    text = request.args.get(name, "").strip()
    return clean_name(text, path=name) if text else ""


def wants_csv() -> bool:
    return request.args.get("format") == "csv"


def cursor() -> str | None:
    return request.args.get("cursor") or None


def address(**changed: str) -> str:
    """Return this list's address with some filters changed, at its first page; "" drops one."""
    return _address(_filters() | {name: [value] for name, value in changed.items()})


def address_of(endpoint: str) -> str:
    """Return another page's address with the filters of this list in it."""
    filters: dict[str, Any] = _filters()
    return url_for(endpoint, **filters)


C = TypeVar("C", int | None, str | None)


def tabs(
    name: str, items: Iterable[tuple[str, str, C]], *, default: str = ""
) -> list[tuple[str, str, C, bool]]:
    """Return the tabs of the filter `name`, as `ui.tabs` takes them, from (value, label, count)."""
    current = request.args.get(name, "") or default
    return [
        (label, address(**{name: value}), count, value == current) for value, label, count in items
    ]


def csv_url() -> str:
    """Return the address of exactly what is listed, as a file."""
    return address(format="csv")


def pager(next_cursor: str | None) -> tuple[str | None, str | None]:
    """Return the addresses of the next and of the previous page.

    A page knows only what follows it. The way back is in the address: the cursors that led here.
    """
    here = cursor() or ""
    trail = [mark for mark in request.args.get("trail", "").split(_BETWEEN) if mark]
    next_url = previous_url = None
    if next_cursor:
        further = _BETWEEN.join([*trail, here][-_LONGEST_TRAIL:] if here else [])
        next_url = _address(_filters() | {"cursor": [next_cursor], "trail": [further]})
    if here:
        back = {"cursor": trail[-1:], "trail": [_BETWEEN.join(trail[:-1])]}
        previous_url = _address(_filters() | back)
    return next_url, previous_url


def _filters() -> dict[str, list[str]]:
    given = request.args.to_dict(flat=False)
    return {name: values for name, values in given.items() if name not in _POSITION}


def _address(filters: dict[str, list[str]]) -> str:
    kept: dict[str, Any] = {
        name: [value for value in values if value] for name, values in filters.items()
    }
    return url_for(str(request.endpoint), **(request.view_args or {}), **kept)
