"""Idempotency keys that grow with time: UUIDs of version 7 (RFC 9562).

The server keeps every key for ever in one ordered index. Keys that grow are added at its end,
which costs the same whatever its size; random ones would each touch another page.
"""

from __future__ import annotations

import secrets
import threading

from buffmoney import clock

_TAIL_BITS = 74
_LOW_BITS = 62
_LOW_MASK = (1 << _LOW_BITS) - 1
_VERSION = 7 << 76
_VARIANT = 0b10 << 62


class TimeOrderedKeys:
    """Makes keys, each greater than the one before it, from any thread.

    Keys of two processes sort by the millisecond they were made in.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._millisecond = 0
        self._tail = 0

    def new(self) -> str:
        """Return a key that nobody else has."""
        with self._lock:
            self._step(clock.milliseconds())
            high, low = self._tail >> _LOW_BITS, self._tail & _LOW_MASK
            value = self._millisecond << 80 | _VERSION | high << 64 | _VARIANT | low
        text = f"{value:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def _step(self, millisecond: int) -> None:
        """Move on, also when the clock stands still or was set back."""
        if millisecond <= self._millisecond:
            self._tail += 1 + secrets.randbits(32)
            if self._tail >> _TAIL_BITS == 0:
                return
            millisecond = self._millisecond + 1
        self._millisecond = millisecond
        self._tail = secrets.randbits(_TAIL_BITS - 1)  # the first bit is room to count up
