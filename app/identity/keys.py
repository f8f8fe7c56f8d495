"""API keys: `bm_sandbox_AbCd1234.<secret>`, shown once, found by prefix, proved by hash.

The secret opens with the merchant's id, so that a key finds its own shard. That id is routing
and a claim: what proves it is the hash of the whole key, looked up under that merchant's own
row security. Keys are read from the database at every request, so a revoked one is refused on
the very next.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core import db
from app.core.crypto import digest, same
from app.core.db import Work, merchant_of, run_sql
from app.core.errors import Conflict, Invalid, Refusal
from app.core.ids import MERCHANT_WIDTH, find_merchant, random_base62, show_merchant
from app.identity.models import ApiKey, Merchant, Mode, Scope

MAX_KEYS = 50
_PREFIX_LENGTH = 8
_SECRET_LENGTH = 32
_NAME_LENGTH = 100
_USED_EVERY = timedelta(minutes=1)
_FORM = re.compile(
    rf"bm_(?P<mode>sandbox|live)_(?P<prefix>[0-9A-Za-z]{{{_PREFIX_LENGTH}}})"
    rf"\.(?P<merchant>[0-9a-z]{{{MERCHANT_WIDTH}}})[0-9A-Za-z]{{{_SECRET_LENGTH}}}",
    re.ASCII,
)


_PROVE = """
SELECT key.id, secret_hash, revoked_at, last_used_at,
       scopes, time_zone, late_window_days, clock_offset
  FROM api_keys AS key JOIN merchants AS merchant USING (merchant_id)
 WHERE merchant_id = %(merchant)s AND prefix = %(prefix)s
"""
_NO_KEY = (0, bytes(32), None, None)
# Unless another call is just doing that: a long one holds up nobody.
_NOTE_USE = """
UPDATE api_keys SET last_used_at = %(now)s
 WHERE merchant_id = %(merchant)s AND id = (
   SELECT id FROM api_keys
    WHERE merchant_id = %(merchant)s AND id = %(key)s FOR NO KEY UPDATE SKIP LOCKED)
"""


class UnknownKey(Refusal):
    """There is no such key, or it was revoked: nobody is told which."""

    code = "invalid_api_key"


class TooManyKeys(Conflict):
    code = "too_many_api_keys"


@dataclass(frozen=True)
class Claim:
    """What a key says of itself, before anything is proved."""

    mode: Mode
    prefix: str
    merchant_id: int
    text: str

    def __repr__(self) -> str:
        return f"Claim({self.prefix})"


class Holder(NamedTuple):
    """Whose a proven key is, and what every call needs to know of him."""

    merchant_id: int
    scopes: Sequence[str]
    time_zone: str
    late_window_days: int
    clock_offset: timedelta


def read_claim(text: str) -> Claim:
    """Take a key apart. Raises UnknownKey on any text that can not be one."""
    found = _FORM.fullmatch(text)
    merchant_id = find_merchant(found["merchant"]) if found else None
    if found is None or merchant_id is None:
        raise UnknownKey("this API key is not valid")
    return Claim(Mode(found["mode"]), found["prefix"], merchant_id, text)


def authenticate(
    session: Session, claim: Claim, *, pepper: bytes, now: datetime
) -> tuple[ApiKey, Merchant]:
    """Return the key that `claim` proves to be, and its merchant, whose session this is.

    Raises UnknownKey. Writes down its last use, at most once a minute.
    """
    # The merchant comes with its key in one question: every call needs both.
    found = session.execute(
        select(ApiKey, Merchant)
        .join(Merchant, Merchant.merchant_id == ApiKey.merchant_id)
        .where(ApiKey.prefix == claim.prefix)
    ).one_or_none()
    proof = digest(pepper, claim.text)
    expected = found[0].secret_hash if found else b"\0" * len(proof)
    if not same(proof, expected) or found is None or found[0].revoked_at is not None:
        raise UnknownKey("this API key is not valid")
    key, merchant = found
    if key.last_used_at is None or now >= key.last_used_at + _USED_EVERY:
        _note_use(session, key, now=now)
    return key, merchant


def prove(session: Work, claim: Claim, *, pepper: bytes, now: datetime) -> Holder:
    """Return who holds the key that `claim` proves to be: as `authenticate`, without any model.

    Raises UnknownKey. Writes down its last use, at most once a minute.
    """
    parameters = {"merchant": merchant_of(session), "prefix": claim.prefix, "now": now}
    found = run_sql(session, _PROVE, parameters)
    proof = digest(pepper, claim.text)
    key_id, expected, revoked_at, last_used_at, *holder = found[0] if found else _NO_KEY
    if not same(proof, bytes(expected)) or not found or revoked_at is not None:
        raise UnknownKey("this API key is not valid")
    if last_used_at is None or now >= last_used_at + _USED_EVERY:
        run_sql(session, _NOTE_USE, parameters | {"key": key_id})
    return Holder(claim.merchant_id, *holder)


def _note_use(session: Session, key: ApiKey, *, now: datetime) -> None:
    """Write down the use, unless another call is just doing that: a long one holds up nobody."""
    free = (
        select(ApiKey.id)
        .where(ApiKey.id == key.id)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    if session.scalar(free) is not None:
        key.last_used_at = now


def create_key(
    session: Session, name: str, *, scopes: Collection[Scope], pepper: bytes, now: datetime
) -> tuple[ApiKey, str]:
    """Add a key and return it with its whole text, which nobody will see again.

    Raises Invalid without a name or a scope, TooManyKeys beyond the limit.
    """
    label = " ".join(name.split())
    if not 1 <= len(label) <= _NAME_LENGTH or not label.isprintable():
        raise Invalid(f"a key's name has 1 to {_NAME_LENGTH} characters", path="name")
    if not scopes:
        raise Invalid("choose at least one scope", path="scopes")
    if len([key for key in list_keys(session) if key.revoked_at is None]) >= MAX_KEYS:
        raise TooManyKeys(f"a merchant has at most {MAX_KEYS} keys; revoke one first")
    merchant = session.get_one(Merchant, db.merchant_of(session))
    prefix = random_base62(_PREFIX_LENGTH)
    secret = show_merchant(merchant.merchant_id) + random_base62(_SECRET_LENGTH)
    text = f"bm_{merchant.mode}_{prefix}.{secret}"
    key = ApiKey(
        merchant_id=merchant.merchant_id,
        name=label,
        prefix=prefix,
        secret_hash=digest(pepper, text),
        scopes=sorted(scopes),
        created_at=now,
    )
    session.add(key)
    session.flush()  # doors show the id
    return key, text


def revoke_key(session: Session, key_id: int, *, now: datetime) -> ApiKey:
    """Refuse the key from the next request on; revoking it again changes nothing."""
    key = db.get_locked(session, ApiKey, key_id, noun="API key")
    key.revoked_at = key.revoked_at or now
    return key


def list_keys(session: Session) -> Sequence[ApiKey]:
    """Return all keys of the merchant, the newest first."""
    return session.scalars(select(ApiKey).order_by(ApiKey.id.desc())).all()
