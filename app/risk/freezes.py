"""Stopping a merchant by hand, and letting him go on: checkout, payouts and refunds by switch."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.audit import recording
from app.audit.recording import Actor, Change
from app.core import db, ids
from app.core.text import clean_name
from app.risk.models import RiskFreeze, Switch
from app.risk.refusals import Hit, MerchantFrozen
from app.risk.rules import Rule

REASON_LENGTH = 200


def freeze(
    session: Session, switch: Switch, *, reason: str, actor: Actor, now: datetime
) -> RiskFreeze:
    """Stop this of the session's merchant; `now` is real. What is stopped gets the new reason.

    Waits for payments that are being opened, so that none is once this is committed. Raises
    InvalidText.
    """
    reason = clean_name(reason, path="reason", max_length=REASON_LENGTH)
    row = _lock(session, switch)
    before = _shown(row)
    row.frozen_at = row.frozen_at or now
    row.frozen_by, row.reason = actor.name, reason
    _record(session, row, "risk.freeze", before=before, actor=actor, now=now)
    return row


def unfreeze(session: Session, switch: Switch, *, actor: Actor, now: datetime) -> RiskFreeze:
    """Let this of the session's merchant go on; what goes on already is left alone."""
    row = _lock(session, switch)
    before = _shown(row)
    row.frozen_at, row.frozen_by, row.reason = None, "", ""
    _record(session, row, "risk.unfreeze", before=before, actor=actor, now=now)
    return row


def hold(session: Session, switch: Switch) -> RiskFreeze:
    """Return whether this is stopped, and keep it so until the transaction ends; many may."""
    wanted = select(RiskFreeze).where(RiskFreeze.switch == switch)
    held = wanted.with_for_update(read=True).execution_options(populate_existing=True)
    row = session.scalars(held).one_or_none()
    if row is None:
        _write(session, switch)
        row = session.scalars(held).one()
    return row


def find(session: Session, switch: Switch) -> RiskFreeze | None:
    """Return what stops this of the session's merchant, without a lock; None when nothing does."""
    return session.scalars(
        select(RiskFreeze).where(RiskFreeze.switch == switch, RiskFreeze.frozen_at.is_not(None))
    ).one_or_none()


def list_frozen(session: Session) -> Sequence[RiskFreeze]:
    """Return what is stopped of the session's merchant."""
    return session.scalars(
        select(RiskFreeze).where(RiskFreeze.frozen_at.is_not(None)).order_by(RiskFreeze.switch)
    ).all()


def check_payouts(session: Session, *, amount_minor: int, now: datetime) -> None:
    """Raise MerchantFrozen when nothing is to be paid out to the merchant; `now` is real."""
    if hold(session, Switch.PAYOUTS).frozen_at is not None:
        raise refusal(Switch.PAYOUTS, amount_minor=amount_minor, now=now)


def refusal(switch: Switch, *, amount_minor: int, now: datetime) -> MerchantFrozen:
    """Return the refusal of something that is stopped."""
    hit = Hit(Rule.FROZEN, switch.value, amount_minor, None, now)
    return MerchantFrozen("the platform has paused this for now", hit=hit)


def _lock(session: Session, switch: Switch) -> RiskFreeze:
    _write(session, switch)
    return session.scalars(
        select(RiskFreeze)
        .where(RiskFreeze.switch == switch)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()


def _write(session: Session, switch: Switch) -> None:
    """Write the row down that is locked; whoever is first."""
    row = {"merchant_id": db.merchant_of(session), "switch": switch}
    session.execute(insert(RiskFreeze).values(row).on_conflict_do_nothing())


def _shown(row: RiskFreeze) -> dict[str, str]:
    return {"switch": row.switch.value, "reason": row.reason} if row.frozen_at else {}


def _record(
    session: Session,
    row: RiskFreeze,
    action: str,
    *,
    before: dict[str, str],
    actor: Actor,
    now: datetime,
) -> None:
    recording.record(
        session,
        actor,
        action,
        subject=ids.show_merchant(row.merchant_id),
        change=Change(before, _shown(row)),
        now=now,
    )
