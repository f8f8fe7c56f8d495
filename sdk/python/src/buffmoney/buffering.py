"""What waits to be sent: events, and batches that failed; bounded, and all under one lock.

An event goes one way: fresh, then in a batch that is sent, perhaps put off and sent again, then
claimed by whoever reports what became of it, and gone. Until then it takes room.
"""

from __future__ import annotations

import math
import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from buffmoney import clock
from buffmoney.errors import BuffMoneyError, Closed, QueueFull
from buffmoney.retries import pause
from buffmoney.stats import Stats

MAX_BATCH = 500
MAX_BODY = 1_000_000
"""Bytes of one request."""

_HEAD, _COMMA, _TAIL = b'{"events":[', b",", b"]}"
MAX_EVENT = MAX_BODY - len(_HEAD) - len(_TAIL)


@dataclass(frozen=True)
class Limits:
    """How much waits, and how many seconds."""

    events: int
    size: int  # bytes
    linger: float
    max_age: float


@dataclass(frozen=True)
class Line:
    """An encoded event. `number` counts the events of this process."""

    number: int
    raw: bytes
    tracked_at: float


@dataclass(eq=False)
class Batch:
    """Events that are sent together, by the same bytes and under the same key at every try."""

    first: Line
    count: int
    size: int
    body: bytes
    key: str = ""
    failures: int = 0
    due: float = 0.0
    error: BuffMoneyError | None = None

    @classmethod
    def of(cls, lines: Sequence[Line]) -> Batch:
        body = _HEAD + _COMMA.join(line.raw for line in lines) + _TAIL
        return cls(lines[0], len(lines), sum(len(line.raw) for line in lines), body)


def cut(fresh: deque[Line]) -> Batch:
    """Take as many lines from the left as one request may carry, at least one."""
    taken = [fresh.popleft()]
    room = MAX_EVENT - len(taken[0].raw)
    while fresh and len(taken) < MAX_BATCH and len(_COMMA) + len(fresh[0].raw) <= room:
        taken.append(fresh.popleft())
        room -= len(_COMMA) + len(taken[-1].raw)
    return Batch.of(taken)


class Buffer:
    """The events of one process. Any thread puts; one takes, sends, and settles."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._changed = threading.Condition()
        self._fresh: deque[Line] = deque()
        self._fresh_size = 0
        self._put_off: list[Batch] = []
        self._sending: Batch | None = None
        self._claimed: list[Batch] = []
        self._queued = self._queued_size = 0
        self._tally: Counter[str] = Counter()
        self._urgent = 0  # the number of the last event that shall not linger
        self._failures = 0
        self._paused_until = 0.0
        self._is_closed = False

    def put(self, raw: bytes, *, timeout: float) -> None:
        """Add an event; wait so many seconds for room. Raises QueueFull and Closed."""
        deadline = clock.monotonic() + timeout
        with self._changed:
            while not self._is_closed and not self._has_room(len(raw)):
                left = deadline - clock.monotonic()
                if left <= 0:
                    raise QueueFull(f"{self._queued} events wait to be sent")
                self._changed.wait(min(left, threading.TIMEOUT_MAX))
            if self._is_closed:
                raise Closed("the client was closed")
            was_full = self._is_batch_full()
            self._tally["tracked"] += 1
            self._fresh.append(Line(self._tally["tracked"], raw, clock.monotonic()))
            self._fresh_size += len(raw)
            self._queued += 1
            self._queued_size += len(raw)
            if len(self._fresh) == 1 or (self._is_batch_full() and not was_full):
                self._changed.notify_all()

    def take(self) -> Batch | None:
        """Wait until a batch is due and return it; None once the buffer is closed and empty."""
        with self._changed:
            while True:
                now = clock.monotonic()
                due, batch = self._next()
                if max(due, self._paused_until) <= now:
                    if batch:
                        self._put_off.remove(batch)
                    self._sending = batch or self._cut()
                    return self._sending
                if self._is_closed and not self._fresh and not self._put_off:
                    return None
                wait = max(due, self._paused_until) - now
                self._changed.wait(min(wait, threading.TIMEOUT_MAX))

    def put_off(self, batch: Batch, error: BuffMoneyError) -> float | None:
        """Keep a batch that failed for another try; None if it was given up before.

        Returns the seconds that nothing is sent. The batch itself waits for a time of its own,
        longer with each failure: one that the server always chokes on holds up no others.
        """
        with self._changed:
            if self._sending is not batch:
                return None
            self._sending = None
            self._failures += 1
            batch.failures += 1
            batch.error = error
            held = max(pause(self._failures), error.retry_after)
            now = clock.monotonic()
            self._paused_until = now + held
            batch.due = now + pause(batch.failures)
            self._put_off.append(batch)
            self._tally["retries"] += 1
            return held

    def claim(self, batch: Batch) -> bool:
        """Take over what became of a batch that was answered; False if it was given up before."""
        with self._changed:
            if self._sending is not batch:
                return False
            self._sending = None
            self._failures = 0
            self._claimed.append(batch)
            return True

    def claim_expired(self) -> list[Batch]:
        """Take over all that has waited for longer than `max_age`."""
        oldest = clock.monotonic() - self._limits.max_age
        with self._changed:
            expired = [batch for batch in self._put_off if batch.first.tracked_at < oldest]
            self._put_off = [batch for batch in self._put_off if batch not in expired]
            while self._fresh and self._fresh[0].tracked_at < oldest:
                expired.append(self._cut())
            self._claimed += expired
            return expired

    def claim_all(self) -> list[Batch]:
        """Take over whatever is left, also the batch that is being sent."""
        with self._changed:
            left = [*self._put_off, *([self._sending] if self._sending else [])]
            self._put_off, self._sending = [], None
            while self._fresh:
                left.append(self._cut())
            self._claimed += left
            return left

    def release(self, batch: Batch, outcomes: Mapping[str, int]) -> None:
        """Let go of a claimed batch, once what became of its events was reported."""
        with self._changed:
            self._claimed.remove(batch)
            self._queued -= batch.count
            self._queued_size -= batch.size
            self._tally.update(outcomes)
            self._changed.notify_all()

    def drain(self, timeout: float | None) -> bool:
        """Send without lingering, and wait until all that was put before now is gone."""
        with self._changed:
            last = self._tally["tracked"]
            self._urgent = max(self._urgent, last)
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._oldest() > last, timeout)

    def close(self) -> bool:
        """Take no event any more, and try what was put off once more at once; False if it was."""
        with self._changed:
            if self._is_closed:
                return False
            self._is_closed = True
            self._paused_until = 0.0
            for batch in self._put_off:
                batch.due = 0.0
            self._changed.notify_all()
            return True

    def stats(self) -> Stats:
        """Return the counts as they are together at this moment."""
        with self._changed:
            return Stats(queued=self._queued, **self._tally)

    def _has_room(self, size: int) -> bool:
        limits = self._limits
        return self._queued < limits.events and self._queued_size + size <= limits.size

    def _is_batch_full(self) -> bool:
        return len(self._fresh) >= MAX_BATCH or self._fresh_size >= MAX_EVENT

    def _next(self) -> tuple[float, Batch | None]:
        """Return what is due first and when: a batch that was put off, or None for a new one."""
        due, first = self._fresh_due(), None
        for batch in self._put_off:
            if batch.due < due:
                due, first = batch.due, batch
        return due, first

    def _fresh_due(self) -> float:
        if not self._fresh:
            return math.inf
        head = self._fresh[0]
        if self._is_closed or self._is_batch_full() or head.number <= self._urgent:
            return head.tracked_at
        return head.tracked_at + self._limits.linger

    def _cut(self) -> Batch:
        batch = cut(self._fresh)
        self._fresh_size -= batch.size
        return batch

    def _oldest(self) -> float:
        return min((line.number for line in self._heads()), default=math.inf)

    def _heads(self) -> Iterator[Line]:
        """Yield the first event of everything that is not gone: numbers grow within each."""
        yield from (batch.first for batch in (*self._put_off, *self._claimed))
        if self._sending:
            yield self._sending.first
        if self._fresh:
            yield self._fresh[0]
