"""The same request again: one row per key, and the unique index is the lock.

The record and the effect commit together, so a crash leaves neither; a retry then runs as if it
were the first. A twin that still runs holds the row: the second waits 50 ms and is told to wait.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
from sqlalchemy import Text, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core.db import Base, Tenant, Work, merchant_of, run_sql
from app.core.errors import Conflict, Invalid

LIFETIME = timedelta(hours=24)
_LOCK_NOT_AVAILABLE = "55P03"

_TAKE = """
INSERT INTO idempotency_records AS record (merchant_id, key, fingerprint, created_at)
VALUES (%(merchant)s, %(key)s, %(fingerprint)s, %(now)s)
ON CONFLICT (merchant_id, key) DO UPDATE
   SET fingerprint = excluded.fingerprint, created_at = excluded.created_at,
       status = NULL, content_type = NULL, body = NULL
 WHERE record.created_at <= %(forgotten)s
RETURNING key
"""
_KEEP_LAST = """
INSERT INTO idempotency_records AS record
  (merchant_id, key, fingerprint, status, content_type, body, created_at)
VALUES (%(merchant)s, %(key)s, %(fingerprint)s, 200, '', %(body)s, %(now)s)
ON CONFLICT (merchant_id, key) DO UPDATE
   SET fingerprint = excluded.fingerprint, status = excluded.status,
       content_type = excluded.content_type, body = excluded.body, created_at = excluded.created_at
 WHERE record.created_at <= %(forgotten)s
RETURNING key
"""
_READ_KEPT = """
SELECT fingerprint, body FROM idempotency_records
 WHERE merchant_id = %(merchant)s AND key = %(key)s AND created_at > %(forgotten)s
"""
_FINISH = """
UPDATE idempotency_records SET status = %(status)s, content_type = %(type)s, body = %(body)s
 WHERE merchant_id = %(merchant)s AND key = %(key)s
"""


class KeyReused(Invalid):
    """The key came before with another request."""

    code = "idempotency_key_reused"


class StillRunning(Conflict):
    """The first request with this key has not ended yet."""

    code = "idempotency_key_in_use"


class IdempotencyRecord(Tenant, Base):
    """A request by its key, and the answer that was given to it."""

    __tablename__ = "idempotency_records"
    __table_args__ = ({"info": {"scale": "tenant"}},)

    key: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    fingerprint: Mapped[bytes]
    status: Mapped[int | None]
    content_type: Mapped[str | None]
    body: Mapped[bytes | None]
    created_at: Mapped[datetime]


@dataclass(frozen=True)
class Answer:
    """What was answered the first time, to the byte."""

    status: int
    content_type: str
    body: bytes


def fingerprint(method: str, path: str, body: bytes) -> bytes:
    """Hash what makes two requests the same: method, path with query, and the raw body."""
    return hashlib.sha256(b"\n".join([method.encode(), path.encode(), body])).digest()


def begin(session: Session, key: str, print_: bytes, *, now: datetime) -> Answer | None:
    """Take `key` for this transaction, or return the answer given to the same request before.

    Raises KeyReused when the key came with another request and StillRunning when the first one
    has not committed. A record older than 24 hours is forgotten.
    """
    run = session.connection().exec_driver_sql  # this stands before every write of the API
    run("SET LOCAL lock_timeout = '50ms'")
    try:
        taken = run(
            _TAKE,
            {
                "merchant": merchant_of(session),
                "key": key,
                "fingerprint": print_,
                "now": now,
                "forgotten": now - LIFETIME,
            },
        ).first()
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
            raise StillRunning("the first request with this Idempotency-Key still runs") from error
        raise
    run("SET LOCAL lock_timeout = '3s'")
    if taken:
        return None
    known = find(session, key, print_, now=now)
    if known is None:
        raise StillRunning("the first request with this Idempotency-Key still runs")
    return known


def find(session: Session, key: str, print_: bytes, *, now: datetime) -> Answer | None:
    """Return the answer given to the same request before, or None. Raises KeyReused.

    For requests that ask a channel and so can not be one transaction: their effect is safe to
    repeat by itself, and `keep` stores the answer when there is one.
    """
    record = session.scalars(
        select(IdempotencyRecord)
        .where(IdempotencyRecord.key == key, IdempotencyRecord.created_at > now - LIFETIME)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if record is None:
        return None
    if record.fingerprint != print_:
        raise KeyReused("this Idempotency-Key was used for another request", path="Idempotency-Key")
    if record.status is None or record.content_type is None or record.body is None:
        return None
    return Answer(record.status, record.content_type, record.body)


def keep(session: Session, key: str, print_: bytes, *, answer: Answer, now: datetime) -> None:
    """Store the answer of a request that could not be one transaction; the first one stays."""
    session.execute(
        insert(IdempotencyRecord)
        .values(
            merchant_id=merchant_of(session),
            key=key,
            fingerprint=print_,
            status=answer.status,
            content_type=answer.content_type,
            body=answer.body,
            created_at=now,
        )
        .on_conflict_do_nothing()
    )


def finish(session: Session, key: str, answer: Answer) -> None:
    """Store the answer beside the effect, in the same transaction."""
    session.connection().exec_driver_sql(
        _FINISH,
        {
            "merchant": merchant_of(session),
            "key": key,
            "status": answer.status,
            "type": answer.content_type,
            "body": answer.body,
        },
    )


def keep_last(session: Work, key: str, print_: bytes, *, body: bytes, now: datetime) -> bool:
    """Store what an operation came to behind its effect; return False when the key is taken.

    For operations that undo their effect then: twins that run at once both work, and the one
    that comes here second waits for the first. Raises StillRunning when that takes too long.
    """
    try:
        taken = run_sql(
            session,
            _KEEP_LAST,
            {
                "merchant": merchant_of(session),
                "key": key,
                "fingerprint": print_,
                "body": body,
                "now": now,
                "forgotten": now - LIFETIME,
            },
        )
    except psycopg.errors.LockNotAvailable as error:
        raise StillRunning("the first request with this Idempotency-Key still runs") from error
    return bool(taken)


def read_kept(session: Work, key: str, print_: bytes, *, now: datetime) -> bytes:
    """Return what `keep_last` stored for the same request. Raises KeyReused and StillRunning."""
    parameters = {"merchant": merchant_of(session), "key": key, "forgotten": now - LIFETIME}
    rows = run_sql(session, _READ_KEPT, parameters)
    if not rows or rows[0][1] is None:
        raise StillRunning("the first request with this Idempotency-Key still runs")
    ((known_print, body),) = rows
    if bytes(known_print) != print_:
        raise KeyReused("this Idempotency-Key was used for another request", path="Idempotency-Key")
    return bytes(body)


def purge(session: Session, *, now: datetime) -> int:
    """Delete the merchant's records that are older than 24 hours; return how many."""
    gone = session.execute(
        delete(IdempotencyRecord)
        .where(IdempotencyRecord.created_at <= now - LIFETIME)
        .returning(IdempotencyRecord.key)
    )
    return len(gone.all())
