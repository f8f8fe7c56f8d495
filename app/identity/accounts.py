"""Signing up, signing in, and the web sessions that follow."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.core.crypto import digest
from app.core.errors import Conflict, Invalid, Refusal
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


class EmailTaken(Conflict):
    code = "email_taken"


class WrongCredentials(Refusal):
    """The address is unknown or the password is wrong; nobody is told which."""

    code = "wrong_credentials"


@dataclass(frozen=True)
class SignedIn:
    """Who sits at the browser, and for which merchant."""

    user_id: int
    email: str
    is_operator: bool
    merchant_id: int | None


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


def find_session(session: Session, token: str, *, pepper: bytes, now: datetime) -> SignedIn | None:
    """Return who holds this secret, or None when the session ended, idled out or never was."""
    row = session.execute(
        select(WebSession, User.email, User.is_operator)
        .join(User, User.id == WebSession.user_id)
        .where(WebSession.token_hash == digest(pepper, token))
    ).one_or_none()
    if row is None:
        return None
    found, email, is_operator = row
    if now >= found.expires_at or now >= found.seen_at + IDLE_LIMIT:
        return None
    if now >= found.seen_at + _SEEN_EVERY:
        found.seen_at = now
    return SignedIn(found.user_id, email, is_operator, found.merchant_id)


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


def _invoice_prefix(name: str) -> str:
    letters = re.sub(r"[^A-Z]", "", name.upper())
    return letters[:3] if len(letters) >= len("AAA") else "INV"
