"""JSON in UTF-8, short and exact."""

from __future__ import annotations

import json
from typing import Any

_write = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def write(value: object) -> bytes:
    """Write a value. Raises TypeError on a Decimal, say; ValueError on NaN, half characters."""
    return _write(value).encode()


def read(raw: bytes) -> Any:
    """Read a value. Raises ValueError on what is not JSON, or nested too deep."""
    try:
        return json.loads(raw)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
