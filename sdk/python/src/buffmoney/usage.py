"""Usage events: tracked at once, sent in batches from a thread of their own, each accounted for."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from buffmoney import clock, json_text
from buffmoney.buffering import MAX_EVENT, Batch, Buffer, Limits
from buffmoney.errors import BuffMoneyError, Closed, NoAnswer
from buffmoney.events import (
    COUNTED,
    Dimensions,
    Event,
    Quantity,
    Result,
    Undelivered,
    check_flat,
    check_text,
    check_zone,
    exact,
)
from buffmoney.keys import TimeOrderedKeys
from buffmoney.stats import Stats
from buffmoney.transport import Transport

PATH = "/api/v1/usage-events"

_TALLIES = {"accepted": "accepted", "duplicate": "duplicates", "late": "late"}
_log = logging.getLogger("buffmoney")


@dataclass(frozen=True)
class Reports:
    """Whom to tell. They are called from the sender's thread, or from that which closes."""

    on_result: Callable[[Result], None] | None
    on_error: Callable[[Undelivered], None] | None


class Usage:
    """Tracks usage events. Safe to use from any thread, and after a fork."""

    def __init__(
        self, transport: Transport, limits: Limits, *, block_timeout: float, reports: Reports
    ) -> None:
        self._transport = transport
        self._limits = limits
        self._block_timeout = block_timeout
        self._reports = reports
        self.start_over()

    def track(
        self,
        customer: str,
        metric: str,
        quantity: Quantity,
        *,
        dimensions: Dimensions | None = None,
        occurred_at: datetime | None = None,
        idempotency_key: str | None = None,
        corrects: str | None = None,
    ) -> str:
        """Queue one usage event of `customer`, your own id for it, and return its idempotency key.

        It happened now unless `occurred_at`, with a zone, says when; its key is made here unless
        you give one, so that it counts once however often it is sent.

        Nothing is sent here. Raises QueueFull when there is no room within `block_timeout`,
        Closed, and TypeError or ValueError on an event that can not be written exactly.
        """
        key = self._keys.new() if idempotency_key is None else idempotency_key
        event = Event(
            customer=check_text(customer, "customer"),
            metric=check_text(metric, "metric"),
            quantity=exact(quantity),
            occurred_at=check_zone(clock.now() if occurred_at is None else occurred_at),
            idempotency_key=check_text(key, "idempotency_key"),
            dimensions=check_flat(dimensions or {}),
            corrects=None if corrects is None else check_text(corrects, "corrects"),
        )
        self.resend(event)
        return key

    def resend(self, event: Event) -> None:
        """Queue an event as it is, under the key it has: one that `on_result` or `on_error` gave.

        Raises as `track` does. From a callback it never waits for room.
        """
        raw = event.encode()
        if len(raw) > MAX_EVENT:
            raise ValueError(f"an event has at most {MAX_EVENT} bytes, not {len(raw)}")
        self._ensure_sender()
        is_callback = threading.current_thread() is self._sender
        self._buffer.put(raw, timeout=0.0 if is_callback else self._block_timeout)

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until every event tracked before now is settled and reported; True if it is.

        False after `timeout` seconds; what is left is sent later all the same.
        """
        self._refuse_callbacks()
        return self._buffer.drain(timeout)

    @property
    def stats(self) -> Stats:
        """What became of the events so far."""
        return self._buffer.stats()

    def close(self, timeout: float = 10.0) -> None:
        """Take no more events, send what waits, and give up after `timeout` seconds.

        What is given up goes to `on_error`, also a batch whose answer has not come yet. Closing
        again does nothing.
        """
        self._refuse_callbacks()
        if not self._buffer.close():
            return
        if not self._buffer.drain(timeout):
            for batch in self._buffer.claim_all():
                self._give_up(batch, batch.error or Closed("closed before it was sent"))
        elif self._sender:
            self._sender.join(timeout)

    def start_over(self) -> None:
        """Begin with nothing queued and no thread: at first, and in a forked child.

        What was queued when the process forked is the parent's to send.
        """
        self._buffer = Buffer(self._limits)
        self._keys = TimeOrderedKeys()
        self._starting = threading.Lock()
        self._sender: threading.Thread | None = None

    def _ensure_sender(self) -> None:
        """Start the thread at the first event: before, a server may still fork its workers."""
        if self._sender and self._sender.is_alive():
            return
        with self._starting:
            if not self._sender or not self._sender.is_alive():
                self._sender = threading.Thread(target=self._run, name="buffmoney", daemon=True)
                self._sender.start()

    def _refuse_callbacks(self) -> None:
        if threading.current_thread() is self._sender:
            raise RuntimeError("a callback would wait for itself")

    def _run(self) -> None:
        while batch := self._buffer.take():
            self._deliver(batch)

    def _deliver(self, batch: Batch) -> None:
        batch.key = batch.key or self._keys.new()
        try:
            answer = self._transport.call("POST", PATH, body=batch.body, idempotency_key=batch.key)
            items = read_items(answer, batch.count)
        except BuffMoneyError as error:
            self._fail(batch, error)
        except Exception as error:  # noqa: BLE001  # a fault of ours must not lose events
            _log.exception("usage: %d events could not be sent", batch.count)
            self._fail(batch, NoAnswer(f"{type(error).__name__}: {error}"))
        else:
            if self._buffer.claim(batch):
                self._report(batch, items)

    def _fail(self, batch: Batch, error: BuffMoneyError) -> None:
        if not error.is_transient:
            if self._buffer.claim(batch):
                self._give_up(batch, error)
            return
        held = self._buffer.put_off(batch, error)
        if held is None:
            return  # given up meanwhile
        _log.warning("usage: %d events wait %.1f s: %s", batch.count, held, error)
        for expired in self._buffer.claim_expired():
            self._give_up(expired, expired.error or error)

    def _report(self, batch: Batch, items: Sequence[dict[str, Any]]) -> None:
        counts = Counter(_TALLIES.get(item["status"], "rejected") for item in items)
        try:
            if counts["accepted"] < batch.count:
                for result in _results(batch, items):
                    self._tell_result(result)
        finally:
            self._buffer.release(batch, counts)

    def _tell_result(self, result: Result) -> None:
        if self._reports.on_result:
            _call(self._reports.on_result, result)
        elif result.outcome not in COUNTED:
            key = result.event.idempotency_key
            _log.warning("usage: event %s is %s: %s", key, result.outcome, result.code)

    def _give_up(self, batch: Batch, error: BuffMoneyError) -> None:
        try:
            if self._reports.on_error:
                events = tuple(Event.decode(fields) for fields in _fields(batch))
                _call(self._reports.on_error, Undelivered(events, error))
            else:
                _log.error("usage: %d events were given up: %s", batch.count, error)
        finally:
            self._buffer.release(batch, {"undelivered": batch.count})


def read_items(answer: Any, count: int) -> Sequence[dict[str, Any]]:
    """Return the items of an answer, one for each event. Raises NoAnswer if it has no such form."""
    items = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(items, list) or len(items) != count:
        raise NoAnswer("what came does not answer for the events")
    if not all(isinstance(item, dict) and isinstance(item.get("status"), str) for item in items):
        raise NoAnswer("what came does not answer for each event")
    return items


def _results(batch: Batch, items: Sequence[dict[str, Any]]) -> Iterator[Result]:
    """Yield what became of each event that was not simply accepted."""
    for fields, item in zip(_fields(batch), items):
        if item["status"] != "accepted":
            code, message, path = (str(item.get(name, "")) for name in ("code", "message", "path"))
            yield Result(Event.decode(fields), item["status"], code, message, path)


def _fields(batch: Batch) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = json_text.read(batch.body)["events"]
    return events


def _call(callback: Callable[[Any], None], given: Any) -> None:
    try:
        callback(given)
    except Exception:  # noqa: BLE001  # the caller's code; the events behind it need us
        _log.exception("usage: a callback failed on %r", given)
