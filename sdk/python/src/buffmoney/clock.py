"""The two clocks: what time it is, and how long something takes."""

from __future__ import annotations

import time
from datetime import datetime, timezone


def now() -> datetime:
    """Return the real time, with its zone: UTC."""
    return datetime.now(timezone.utc)  # noqa: TID251  # this is the place


def milliseconds() -> int:
    """Return the real time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def monotonic() -> float:
    """Return seconds on a clock that never goes back: for pauses and deadlines only."""
    return time.monotonic()
