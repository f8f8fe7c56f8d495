"""How merchants stand: what is used today, what holds for them, and what of them is stopped."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from app.core.db import among
from app.core.ids import PLATFORM, find_merchant
from app.core.paging import DEFAULT_LIMIT, Page, newest_first
from app.identity import clocks
from app.identity.models import Merchant
from app.risk import counting, limits
from app.risk.counting import Key
from app.risk.models import RiskCounter, RiskFreeze, RiskHit, RiskLimit, Switch
from app.risk.rules import LIMITS, Rule, Scope, Window, window_at


class State(StrEnum):
    """Which merchants a list has, beside all."""

    FROZEN = "frozen"  # something of them is stopped
    HIT = "hit"  # a rule refused them something today


@dataclass(frozen=True, slots=True)
class Standing:
    """One merchant: fen used of the daily limit, fen it allows, and what is stopped."""

    merchant: Merchant
    used: int
    maximum: int
    frozen: Sequence[Switch]
    hits: int  # today, by the real clock


@dataclass(frozen=True, slots=True)
class Use:
    """One limit of a merchant: what is used in the present window, and what is allowed."""

    rule: Rule
    used: int
    maximum: int


def list_standings(
    reader: Session,
    *,
    q: str = "",
    state: State | None = None,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
    now: datetime,
) -> Page[Standing]:
    """Return one page of merchants over all; `now` is real. Raises Invalid and BadCursor."""
    statement = select(Merchant).where(*_conditions(q, state, now=now))
    found = newest_first(
        reader,
        statement.execution_options(platform=True),
        Merchant.merchant_id,
        cursor=cursor,
        limit=limit,
    )
    merchant_ids = [merchant.merchant_id for merchant in found.rows]
    were_set, used = (
        _limits_by_merchant(reader, merchant_ids),
        _used_by_merchant(reader, found.rows, now=now),
    )
    frozen, hits = (
        _frozen_by_merchant(reader, merchant_ids),
        _hits_by_merchant(reader, merchant_ids, now=now),
    )

    def standing(merchant: Merchant) -> Standing:
        id_ = merchant.merchant_id
        maximum = limits.effective(merchant.mode, were_set[id_])[Rule.DAILY_AMOUNT]
        return Standing(merchant, used.get(id_, 0), maximum, frozen[id_], hits.get(id_, 0))

    return found.map(standing)


def count_states(reader: Session, *, q: str = "", now: datetime) -> dict[State | None, int]:
    """Return how many merchants there are in all, under None, and in each state."""
    counted: dict[State | None, int] = {}
    for state in (None, *State):
        number = select(func.count()).select_from(Merchant).where(*_conditions(q, state, now=now))
        counted[state] = reader.scalar(number.execution_options(platform=True)) or 0
    return counted


def uses(session: Session, *, now: datetime) -> list[Use]:
    """Return each limit that counts the session's merchant as a whole; `now` is real."""
    at = clocks.to_merchant(session, now)
    keys = [
        Key(rule, limit.channel, window_at(limit.window, at))
        for rule, limit in LIMITS.items()
        if limit.window is not Window.EACH and limit.scope not in {Scope.CUSTOMER, Scope.PAYER}
    ]
    used, maxima = counting.read(session, keys), limits.limits_of(session)
    return [Use(key.rule, used[key], maxima[key.rule]) for key in keys]


def _conditions(q: str, state: State | None, *, now: datetime) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if q:
        named = Merchant.name.icontains(q, autoescape=True)
        conditions.append(or_(named, Merchant.merchant_id == find_merchant(q)))
    if state is State.FROZEN:
        stopped = select(RiskFreeze.merchant_id).where(RiskFreeze.frozen_at.is_not(None))
        conditions.append(Merchant.merchant_id.in_(stopped))
    if state is State.HIT:
        today = window_at(Window.DAY, now)
        refused = select(RiskHit.merchant_id).where(RiskHit.at >= today)
        conditions.append(Merchant.merchant_id.in_(refused))
    return conditions


def _limits_by_merchant(
    reader: Session, merchant_ids: Sequence[int]
) -> defaultdict[int, dict[Rule, int]]:
    wanted = select(RiskLimit).where(among(RiskLimit.for_merchant_id, [PLATFORM, *merchant_ids]))
    found: defaultdict[int, dict[Rule, int]] = defaultdict(dict)
    for row in reader.scalars(wanted):
        found[row.for_merchant_id][row.rule] = row.maximum
    return found


def _used_by_merchant(
    reader: Session, merchants: Sequence[Merchant], *, now: datetime
) -> dict[int, int]:
    """Return what is used of each daily limit, on the day that it is for the merchant."""
    days = {
        merchant.merchant_id: window_at(Window.DAY, now + merchant.clock_offset)
        for merchant in merchants
    }
    wanted = select(RiskCounter).where(
        among(RiskCounter.merchant_id, list(days)),
        RiskCounter.rule == Rule.DAILY_AMOUNT,
        RiskCounter.window_at.in_(set(days.values())),
    )
    found = reader.scalars(wanted.execution_options(platform=True))
    return {row.merchant_id: row.used for row in found if row.window_at == days[row.merchant_id]}


def _frozen_by_merchant(
    reader: Session, merchant_ids: Sequence[int]
) -> defaultdict[int, list[Switch]]:
    wanted = select(RiskFreeze).where(
        among(RiskFreeze.merchant_id, merchant_ids), RiskFreeze.frozen_at.is_not(None)
    )
    found: defaultdict[int, list[Switch]] = defaultdict(list)
    for row in reader.scalars(wanted.execution_options(platform=True)):
        found[row.merchant_id].append(row.switch)
    return found


def _hits_by_merchant(
    reader: Session, merchant_ids: Sequence[int], *, now: datetime
) -> dict[int, int]:
    wanted = (
        select(RiskHit.merchant_id, func.count())
        .where(among(RiskHit.merchant_id, merchant_ids), RiskHit.at >= window_at(Window.DAY, now))
        .group_by(RiskHit.merchant_id)
    )
    rows = reader.execute(wanted.execution_options(platform=True))
    return {merchant_id: number for merchant_id, number in rows}  # noqa: C416  # rows are no pairs
