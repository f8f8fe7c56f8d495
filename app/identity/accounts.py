"""Signing up, signing in, and the web sessions that follow."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.core.crypto import digest
from app.core.db import Work, run_sql
from app.core.errors import Conflict, Invalid, Refusal
from app.core.language import Language
from app.core.money import Currency
from app.identity import passwords
from app.identity.models import (
    Company,
    DirectoryEntry,
    DirectoryKind,
    Merchant,
    Mode,
    Role,
    User,
    UserMerchant,
    WebSession,
)

SESSION_LIFETIME = timedelta(hours=12)
IDLE_LIMIT = timedelta(hours=8)
_SEEN_EVERY = timedelta(minutes=1)
_AGENT_LENGTH = 200
_NAME_LENGTH = 200
_SANDBOX_LATE_DAYS = 400
_GRACE_HOURS = 24

# Asked before every page, and so without any model: that takes a fifth of the time.
_FIND_SESSION = """
SELECT who.id, email, is_operator, seen_at, expires_at,
       mode, merchant.name, time_zone, settlement_currency, invoice_prefix,
       late_window_days, grace_hours, clock_offset
  FROM web_sessions AS browser
  JOIN users AS who ON who.id = browser.user_id
  LEFT JOIN merchants AS merchant ON merchant.merchant_id = %(merchant_id)s
 WHERE token_hash = %(token_hash)s
   AND browser.merchant_id IS NOT DISTINCT FROM %(merchant_id)s
"""
_NOTE_SEEN = "UPDATE web_sessions SET seen_at = %(now)s WHERE token_hash = %(token_hash)s"


class EmailTaken(Conflict):
    code = "email_taken"


class WrongCredentials(Refusal):
    """The address is unknown or the password is wrong; nobody is told which."""

    code = "wrong_credentials"


class Workplace(NamedTuple):
    """What every page needs to know of the merchant that somebody works for."""

    merchant_id: int
    mode: Mode
    name: str
    time_zone: str
    settlement_currency: Currency
    invoice_prefix: str
    late_window_days: int
    grace_hours: int
    clock_offset: timedelta

    @property
    def is_sandbox(self) -> bool:
        return self.mode is Mode.SANDBOX


class Owner(NamedTuple):
    """Who owns a merchant: where he is written to, and in which language."""

    email: str
    language: Language


@dataclass(frozen=True)
class SignedIn:
    """Who sits at the browser, and for which merchant."""

    user_id: int
    email: str
    is_operator: bool
    merchant: Workplace | None = None


def register_user(
    session: Session, email: str, password: str, *, is_operator: bool = False, now: datetime
) -> User:
    """Add a user under a new e-mail address. Raises Invalid, WeakPassword and EmailTaken."""
    address = normal_email(email)
    passwords.check_policy(password, own_words=(address.partition("@")[0],))
    user = User(
        email=address,
        password_hash=passwords.hash_password(password),
        is_operator=is_operator,
        created_at=now,
    )
    session.add(user)
    session.flush()  # the directory entry names the user's id
    taken = session.execute(
        insert(DirectoryEntry)
        .values(kind=DirectoryKind.EMAIL, key=address, target_id=user.id)
        .on_conflict_do_nothing()
        .returning(DirectoryEntry.key)
    ).first()
    if taken is None:
        raise EmailTaken("there is an account of this address; sign in instead", path="email")
    return user


def open_sandbox(
    session: Session, user: User, company: str, *, merchant_id: int, now: datetime
) -> Merchant:
    """Add a company with its sandbox merchant and make the user its owner.

    The session must be bound to `merchant_id`, the new merchant's own id. Raises Invalid.
    """
    name = " ".join(company.split())
    if not 1 <= len(name) <= _NAME_LENGTH or not name.isprintable():
        raise Invalid(f"a company's name has 1 to {_NAME_LENGTH} characters", path="company")
    legal = Company(name=name, created_at=now)
    session.add(legal)
    session.flush()  # the merchant names the company's id
    merchant = Merchant(
        merchant_id=merchant_id,
        company_id=legal.id,
        mode=Mode.SANDBOX,
        name=name,
        invoice_prefix=_invoice_prefix(name),
        late_window_days=_SANDBOX_LATE_DAYS,
        grace_hours=_GRACE_HOURS,
        clock_offset=timedelta(0),
        created_at=now,
    )
    session.add(merchant)
    session.add(UserMerchant(user_id=user.id, merchant_id=merchant_id, role=Role.OWNER))
    return merchant


def check_credentials(session: Session, email: str, password: str) -> User:
    """Return the user of these credentials. Raises WrongCredentials, always as slowly."""
    entry = session.get(DirectoryEntry, (DirectoryKind.EMAIL, email.strip().lower()))
    user = session.get(User, entry.target_id) if entry else None
    if not passwords.matches(user.password_hash if user else None, password) or user is None:
        raise WrongCredentials("the e-mail address or the password is wrong")
    return user


def merchants_of(session: Session, user_id: int) -> Sequence[int]:
    """Return the ids of the merchants the user works for."""
    return session.scalars(
        select(UserMerchant.merchant_id)
        .where(UserMerchant.user_id == user_id)
        .order_by(UserMerchant.merchant_id)
    ).all()


def owners_of(session: Session, merchant_id: int) -> Sequence[Owner]:
    """Return where the merchant's owners are written to, and in which language."""
    found = session.execute(
        select(User.email, User.language)
        .join(UserMerchant, UserMerchant.user_id == User.id)
        .where(UserMerchant.merchant_id == merchant_id, UserMerchant.role == Role.OWNER)
        .order_by(User.id)
    )
    return [Owner(email, language) for email, language in found]


def note_language(session: Session, user_id: int, language: Language) -> None:
    """Remember which language somebody reads: mails to him are in it."""
    session.execute(
        update(User).where(User.id == user_id, User.language != language).values(language=language)
    )


def begin_session(
    session: Session,
    user: User,
    *,
    merchant_id: int | None,
    agent: str,
    pepper: bytes,
    now: datetime,
) -> str:
    """Start a web session and return its secret, which only the browser will hold."""
    token = secrets.token_urlsafe(32)
    session.add(
        WebSession(
            token_hash=digest(pepper, token),
            user_id=user.id,
            merchant_id=merchant_id,
            created_at=now,
            seen_at=now,
            expires_at=now + SESSION_LIFETIME,
            user_agent=agent[:_AGENT_LENGTH],
        )
    )
    return token


def find_session(
    session: Work, token: str, *, merchant_id: int | None, pepper: bytes, now: datetime
) -> SignedIn | None:
    """Return who holds this secret, or None when the session ended, idled out or never was.

    It has to be a session of the merchant `merchant_id`, whose transaction this is, or, with
    None, of no merchant.
    """
    token_hash = digest(pepper, token)
    asked = {"token_hash": token_hash, "merchant_id": merchant_id}
    found = run_sql(session, _FIND_SESSION, asked)
    if not found:
        return None
    user_id, email, is_operator, seen_at, expires_at, *known = found[0]
    if now >= expires_at or now >= seen_at + IDLE_LIMIT:
        return None
    if now >= seen_at + _SEEN_EVERY:
        run_sql(session, _NOTE_SEEN, {"token_hash": token_hash, "now": now})
    workplace = None if merchant_id is None else _workplace(merchant_id, *known)
    return SignedIn(user_id, email, is_operator, workplace)


def end_session(session: Session, token: str, *, pepper: bytes) -> None:
    """End the web session of this secret: a copy of the cookie is worth nothing from now on."""
    session.execute(delete(WebSession).where(WebSession.token_hash == digest(pepper, token)))


def normal_email(email: str) -> str:
    """Return the address in its one stored form, lower case. Raises Invalid."""
    try:
        checked = validate_email(email.strip(), check_deliverability=False)
    except EmailNotValidError as error:
        raise Invalid("this is not an e-mail address", path="email") from error
    return checked.normalized.lower()


def _workplace(merchant_id: int, mode: str, name: str, *known: Any) -> Workplace:
    time_zone, currency, *rest = known
    return Workplace(merchant_id, Mode(mode), name, time_zone, Currency(currency), *rest)


def _invoice_prefix(name: str) -> str:
    letters = re.sub(r"[^A-Z]", "", name.upper())
    return letters[:3] if len(letters) >= len("AAA") else "INV"
