"""What the rules did not let through, kept even though its own transaction was refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from app.core.db import Transaction, merchant_of
from app.core.paging import DEFAULT_LIMIT, Page, newest_first
from app.risk.models import RiskHit
from app.risk.refusals import Hit, RiskRefused
from app.risk.rules import OF_PAYERS, Rule

ADDRESSES_KEPT = timedelta(days=90)
"""How long a hit names the address of a payer: long enough to look into what he did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HitFilter:
    """Which hits a list has; what is not given does not narrow it. Times are half-open."""

    merchant_id: int | None = None
    rule: Rule | None = None
    from_at: datetime | None = None
    until_at: datetime | None = None


@contextmanager
def kept(transaction: Transaction) -> Iterator[None]:
    """Run a flow; what a rule refuses in it is written down in a transaction of its own.

    The refusal goes on to the caller. Put it around whole transactions: what they held is rolled
    back by then.
    """
    try:
        yield
    except RiskRefused as refusal:
        with transaction() as session:
            record(session, refusal.hit)
        raise


def record(session: Session, hit: Hit) -> None:
    """Write a hit down."""
    session.add(
        RiskHit(
            merchant_id=merchant_of(session),
            rule=hit.rule,
            subject=hit.subject,
            amount_minor=hit.amount_minor,
            maximum=hit.maximum,
            at=hit.at,
        )
    )


def forget_payers(session: Session, *, now: datetime) -> None:
    """Take the addresses of payers out of old hits, which stay; `now` is real."""
    named = RiskHit.rule.in_(OF_PAYERS), RiskHit.subject != ""
    session.execute(
        update(RiskHit).where(*named, RiskHit.at < now - ADDRESSES_KEPT).values(subject="")
    )


def list_all(
    reader: Session, wanted: HitFilter, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Page[RiskHit]:
    """Return one page of hits over all merchants, newest first. Raises Invalid and BadCursor."""
    statement = select(RiskHit).where(*_conditions(wanted)).execution_options(platform=True)
    return newest_first(reader, statement, RiskHit.id, cursor=cursor, limit=limit)


def _conditions(wanted: HitFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.merchant_id is not None:
        conditions.append(RiskHit.merchant_id == wanted.merchant_id)
    if wanted.rule is not None:
        conditions.append(RiskHit.rule == wanted.rule)
    if wanted.from_at is not None:
        conditions.append(RiskHit.at >= wanted.from_at)
    if wanted.until_at is not None:
        conditions.append(RiskHit.at < wanted.until_at)
    return conditions
