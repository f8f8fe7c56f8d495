"""Addresses of our pages, built only as often as they differ.

To build one takes Flask 25 µs, and a page has a hundred: those of its navigation and its style
sheets are the same on every page, those of a list's rows differ in the id alone.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import flask
from flask import request

_ID = "ID"


def url_for(endpoint: str, **values: Any) -> str:
    """Build an address as Flask does; that of a file, or of a page without values, only once."""
    if not values or endpoint == "static":
        return _fixed(request.script_root, endpoint, **values)
    return flask.url_for(endpoint, **values)


def url_of_each(endpoint: str, name: str) -> Callable[[str], str]:
    """Return what builds the address of one row's page from its public id, the value `name`."""
    values: dict[str, Any] = {name: _ID}
    before, after = flask.url_for(endpoint, **values).split(_ID)
    return lambda public_id: f"{before}{public_id}{after}"


@lru_cache(maxsize=512)
def _fixed(_script_root: str, endpoint: str, **values: Any) -> str:
    """Build an address that is always the same below the same root."""
    return flask.url_for(endpoint, **values)
