"""Which limits hold for a merchant, and setting them."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.audit import recording
from app.audit.recording import Actor, Change
from app.core import ids
from app.core.db import merchant_of
from app.core.errors import Invalid
from app.core.ids import PLATFORM
from app.identity import clocks
from app.identity.models import Mode
from app.risk.models import RiskLimit
from app.risk.rules import LIMITS, PLATFORM_WIDE, Rule

HIGHEST = 10**14
"""One million million yuan: no sum of such amounts leaves a bigint."""


class InvalidLimit(Invalid):
    """Not a whole number from 0, or a rule that is not this merchant's to have."""

    code = "invalid_limit"


def limits_of(session: Session) -> dict[Rule, int]:
    """Return every limit of the session's merchant: fen, or times."""
    mode = clocks.get_merchant(session).mode
    return effective(mode, _set_for(session, [PLATFORM, merchant_of(session)]))


def were_set(session: Session) -> dict[Rule, int]:
    """Return the limits that an admin has set for the session's merchant, or the platform."""
    return _set_for(session, [merchant_of(session)])


def effective(mode: Mode, given: Mapping[Rule, int]) -> dict[Rule, int]:
    """Return what holds in `mode` where these are set."""
    return {rule: limit.default(mode) for rule, limit in LIMITS.items()} | dict(given)


def set_limits(
    session: Session, wanted: Mapping[Rule, int | None], *, actor: Actor, now: datetime
) -> None:
    """Set limits of the session's merchant, those of channels in the platform's own session.

    None takes a limit back to what holds where nothing is set. It holds from now on; what is open
    already stays. Raises InvalidLimit with the rule as its path.
    """
    merchant_id = merchant_of(session)
    before = {rule.value: number for rule, number in _set_for(session, [merchant_id]).items()}
    after = dict(before)
    for rule, maximum in wanted.items():
        _check(rule, maximum, is_platform=merchant_id == PLATFORM)
        if maximum is None:
            after.pop(rule.value, None)
            session.execute(delete(RiskLimit).where(*_is(merchant_id, rule)))
        else:
            after[rule.value] = maximum
            row = {"for_merchant_id": merchant_id, "rule": rule, "maximum": maximum}
            written = insert(RiskLimit).values(row)
            keys = [RiskLimit.for_merchant_id, RiskLimit.rule]
            session.execute(
                written.on_conflict_do_update(index_elements=keys, set_={"maximum": maximum})
            )
    recording.record(
        session,
        actor,
        "risk.set_limits",
        subject=ids.show_merchant(merchant_id),
        change=Change(before, after),
        now=now,
    )


def _check(rule: Rule, maximum: int | None, *, is_platform: bool) -> None:
    if rule not in LIMITS or is_platform != (rule in PLATFORM_WIDE):
        raise InvalidLimit(f"{rule} is not set here", path=rule.value)
    if maximum is not None and not 0 <= maximum <= HIGHEST:
        raise InvalidLimit(f"must be from 0 to {HIGHEST}", path=rule.value)


def _set_for(session: Session, merchant_ids: list[int]) -> dict[Rule, int]:
    wanted = select(RiskLimit).where(RiskLimit.for_merchant_id.in_(merchant_ids))
    found = session.scalars(wanted.execution_options(populate_existing=True))
    return {row.rule: row.maximum for row in found}


def _is(merchant_id: int, rule: Rule) -> tuple[ColumnElement[bool], ...]:
    return (RiskLimit.for_merchant_id == merchant_id, RiskLimit.rule == rule)
