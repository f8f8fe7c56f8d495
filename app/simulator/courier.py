"""The courier: one thread that carries due notices to merchants, and never forgets one."""

import logging
import sqlite3
from datetime import datetime, timedelta
from threading import Thread

import httpx

from app.simulator import clock, notices, refunds, telling
from app.simulator.parts import Parts
from app.simulator.telling import Delivery

log = logging.getLogger(__name__)

IDLE = timedelta(seconds=1)  # the longest sleep: somebody else may have written to the book
TIMEOUT_SECONDS = 5
LONGEST_ANSWER = 1024  # bytes; nothing longer can mean yes


def start(parts: Parts) -> Thread:
    """Start carrying in the background; what was under way when a process died goes again."""
    thread = Thread(target=_carry_for_ever, args=(parts,), name="courier", daemon=True)
    thread.start()
    return thread


def carry_next(parts: Parts, client: httpx.Client, *, now: datetime) -> bool:
    """Make the attempt that is due longest. Return whether there was one."""
    scale = parts.settings.time_scale
    with parts.book.transaction() as db:
        telling.end_refunds(db, parts.identity, book_now=clock.read(db).at(now), now=now)
        taken = telling.take(db, parts.identity, scale=scale, now=now)
    if not isinstance(taken, Delivery):
        return taken is not None
    answer, heard = _deliver(taken, parts, client, now=now)
    log.info("notice %s: %s", taken.sending.notice.id, answer)
    with parts.book.transaction() as db:
        notices.settle(db, taken.sending, answer, heard=heard, scale=scale, now=clock.now())
    return True


def _carry_for_ever(parts: Parts) -> None:
    # No proxy of this machine comes between a channel and its merchant; and no connection is kept,
    # for one the merchant has closed meanwhile would cost a step of the ladder.
    limits = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(trust_env=False, timeout=TIMEOUT_SECONDS, limits=limits) as client:
        while True:
            parts.due.clear()
            try:
                while carry_next(parts, client, now=clock.now()):
                    pass
                wait = _until_next(parts, now=clock.now())
            except sqlite3.Error:
                # A full disk passes; a courier that died of it would not come back.
                log.exception("the book can not be used; trying again")
                wait = IDLE
            parts.due.wait(wait.total_seconds())


def _until_next(parts: Parts, *, now: datetime) -> timedelta:
    with parts.book.reading() as db:
        due_at, ends_at, book_now = (
            notices.next_due(db),
            refunds.next_end(db),
            clock.read(db).at(now),
        )
    waits = [IDLE]
    if due_at is not None:
        waits.append(due_at - now)
    if ends_at is not None:
        waits.append(ends_at - book_now)
    return max(min(waits), timedelta(0))


def _deliver(
    delivery: Delivery, parts: Parts, client: httpx.Client, *, now: datetime
) -> tuple[str, bool]:
    sending = delivery.sending
    headers, body = telling.request_for(delivery, parts.identity, now=now)
    try:
        with client.stream("POST", sending.notice.url, headers=headers, content=body) as response:
            start = next(response.iter_bytes(LONGEST_ANSWER), b"")
    # ValueError: a host whose name is none ("a..b") fails in the resolver, not in httpx.
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as failure:
        return f"{type(failure).__name__}: {failure}", False
    heard = telling.is_heard(sending, response.status_code, start)
    return f"{response.status_code} {start[:200]!r}", heard
