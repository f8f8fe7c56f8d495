"""The one place that reads the clock. Everybody else gets `now` as a parameter."""

import time
from datetime import UTC, datetime


def now() -> datetime:
    """Return the real time, with its zone: UTC."""
    return datetime.now(UTC)  # noqa: TID251  # this is the place


def monotonic() -> float:
    """Return seconds on a clock that never goes back: for durations and deadlines only."""
    return time.monotonic()
