"""Time as a merchant lives it: real, or for a sandbox merchant as far ahead as it was moved.

Everything a bill shows runs on this clock: periods, the event window, issue, due, paid. What
guards the door runs on the real one: signatures, sessions, keys, leases, attempts.
"""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core import clock, db
from app.core.errors import Conflict, Invalid
from app.identity.models import Merchant

MAX_AHEAD = timedelta(days=3660)


class ClockIsReal(Conflict):
    code = "clock_is_real"


class ClockOnlyForward(Conflict):
    code = "clock_only_forward"


def now(session: Session) -> datetime:
    """Return the time of the session's merchant; ask once and pass it on."""
    offset = session.scalar(
        select(Merchant.clock_offset).where(Merchant.merchant_id == db.merchant_of(session))
    )
    return clock.now() + (offset or timedelta(0))


def to_real(session: Session, now: datetime) -> datetime:
    """Return the real time at which it is `now` for the merchant, whose sandbox may run ahead.

    Jobs, mails and deliveries are done in real time all the same.
    """
    return now - get_merchant(session).clock_offset


def to_merchant(session: Session, real_now: datetime) -> datetime:
    """Return the time it is for the merchant when it is really `real_now`."""
    return real_now + get_merchant(session).clock_offset


def move(session: Session, to: datetime, *, real_now: datetime) -> Merchant:
    """Move a sandbox merchant's clock to `to`; it runs on from there.

    Free until its first finalised invoice, then only forward, because what was billed stays
    billed. Locks the merchant. Raises ClockIsReal, ClockOnlyForward and Invalid.
    """
    merchant = lock_merchant(session)
    if not merchant.is_sandbox:
        raise ClockIsReal("only a sandbox merchant has a clock of its own")
    if abs(to - real_now) > MAX_AHEAD:
        raise Invalid(f"stay within {MAX_AHEAD.days} days of today", path="now")
    if merchant.first_invoice_at is not None and to < real_now + merchant.clock_offset:
        raise ClockOnlyForward("after the first invoice the clock only moves forward")
    merchant.clock_offset = to - real_now
    return merchant


def hold_merchant(session: Session) -> Merchant:
    """Keep the session's merchant, and his clock, as he is; others may hold him too.

    As `lock_merchant`, the first lock of any. Until his first invoice it is that one: who makes
    that writes it down.
    """
    merchant = get_merchant(session)
    if merchant.first_invoice_at is None:
        return lock_merchant(session)
    return session.scalars(
        select(Merchant)
        .where(Merchant.merchant_id == db.merchant_of(session))
        .with_for_update(read=True)
        .execution_options(populate_existing=True)
    ).one()


def lock_merchant(session: Session) -> Merchant:
    """Lock the session's merchant: the first lock of any that are taken."""
    return session.scalars(
        select(Merchant)
        .where(Merchant.merchant_id == db.merchant_of(session))
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()


def get_merchant(session: Session) -> Merchant:
    """Return the session's merchant."""
    return session.get_one(Merchant, db.merchant_of(session))
