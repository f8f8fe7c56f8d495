"""A channel that does not answer is left alone for a while, so that nobody waits for it."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from app.channels.base import ChannelUnavailable

T = TypeVar("T")

FAILURES = 5
PAUSE = timedelta(seconds=15)


class Breaker:
    """Counts the unknown results of one channel; to be shared between threads.

    After FAILURES in a row it opens: for a PAUSE every call is answered at once, with the reason.
    Then one call is let through, and what becomes of it decides for all. A refusal is an answer:
    the channel is there.
    """

    def __init__(self, channel: str) -> None:
        self._channel = channel
        self._lock = threading.Lock()
        self._failures = 0
        self._closed_again_at: datetime | None = None
        self._reason = ""

    def run(self, call: Callable[[], T], *, now: datetime) -> T:
        """Make `call`, or raise ChannelUnavailable without making it."""
        self._enter(now)
        try:
            answer = call()
        except ChannelUnavailable as unknown:
            self._failed(str(unknown), now)
            raise
        except BaseException:
            self._answered()  # refused; or a fault of ours, which says nothing about the channel
            raise
        self._answered()
        return answer

    def check(self, *, now: datetime) -> None:
        """Raise ChannelUnavailable while the channel is left alone; let nobody through."""
        with self._lock:
            if self._closed_again_at is not None and now < self._closed_again_at:
                raise self._unavailable()

    def _enter(self, now: datetime) -> None:
        with self._lock:
            if self._closed_again_at is None:
                return
            if now < self._closed_again_at:
                raise self._unavailable()
            self._closed_again_at = now + PAUSE  # whoever comes after this one waits for its end

    def _failed(self, reason: str, now: datetime) -> None:
        with self._lock:
            self._failures += 1
            self._reason = reason
            if self._failures >= FAILURES:
                self._closed_again_at = now + PAUSE

    def _answered(self) -> None:
        with self._lock:
            self._failures, self._closed_again_at, self._reason = 0, None, ""

    def _unavailable(self) -> ChannelUnavailable:
        return ChannelUnavailable(
            f"{self._channel} is left alone after {self._failures} calls"
            f" without a usable answer; the last one: {self._reason}"
        )
