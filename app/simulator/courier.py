"""The courier: one thread that carries due notices to merchants, and never forgets one."""

import logging
import sqlite3
from datetime import datetime, timedelta
from threading import Thread

import httpx

from app.simulator import clock, notices, paying
from app.simulator.notices import Sending
from app.simulator.parts import Parts

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
    with parts.book.transaction() as db:
        sending = notices.claim(db, now=now)
    if sending is None:
        return False
    answer, heard = _deliver(sending, parts, client, now=now)
    log.info("notice %s: %s", sending.notice.id, answer)
    with parts.book.transaction() as db:
        notices.settle(
            db, sending, answer, heard=heard, scale=parts.settings.time_scale, now=clock.now()
        )
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
    with parts.book.transaction() as db:
        due_at = notices.next_due(db)
    return IDLE if due_at is None else min(max(due_at - now, timedelta(0)), IDLE)


def _deliver(
    sending: Sending, parts: Parts, client: httpx.Client, *, now: datetime
) -> tuple[str, bool]:
    headers, body = paying.request_for(sending, parts.identity, now=now)
    try:
        with client.stream("POST", sending.notice.url, headers=headers, content=body) as response:
            start = next(response.iter_bytes(LONGEST_ANSWER), b"")
    # ValueError: a host whose name is none ("a..b") fails in the resolver, not in httpx.
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as failure:
        return f"{type(failure).__name__}: {failure}", False
    heard = paying.is_heard(sending, response.status_code, start)
    return f"{response.status_code} {start[:200]!r}", heard
