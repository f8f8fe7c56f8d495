"""Replay before publish: a past period's real usage at prices that are not published yet.

Each contract on the rate card is rated twice, at its own version and at the draft, and gets a
row. A transaction does a chunk of contracts under the replay's lock, so a worker that was killed
leaves whole chunks, and whoever goes on begins after the last row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Select, cast, func, or_, select, tuple_
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from app.audit.recording import Actor
from app.billing import replay_rating
from app.billing.replay_models import REPLAY, PriceReplay, PriceReplayRow, ReplayEvent
from app.core import db, outbox
from app.core.db import Transaction
from app.core.errors import Invalid, Refusal
from app.core.ids import Prefix, show
from app.core.money import Money
from app.core.paging import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    BadCursor,
    Page,
    decode_cursor,
    encode_cursor,
    newest_first,
)
from app.core.periods import local_date
from app.customers.models import Contract
from app.identity import clocks
from app.pricing import price_sets
from app.pricing import queries as catalogue
from app.pricing.models import RateCardVersion

CHUNK = 200
"""How many contracts one transaction rates."""

CHUNKS_A_JOB = 20
"""How many chunks a job does before it owes the next one, so that none outlives its lease."""

MAX_DAYS = 92
TASK = "jobs.billing.replay_prices"


class InvalidReplayDays(Invalid):
    code = "invalid_replay_days"


class Days(NamedTuple):
    """Local days of the merchant, the end exclusive."""

    first: date
    end: date


@dataclass(frozen=True, slots=True)
class ReplayTotal:
    """The contracts of one currency: what they come to now, and at the draft."""

    contracts: int
    problems: int
    current: Money
    draft: Money
    crossing: int

    @property
    def delta(self) -> Money:
        return self.draft - self.current


def start(
    session: Session,
    rate_card_id: int,
    *,
    content: object,
    days: Days | None = None,
    actor: Actor,
    now: datetime,
) -> PriceReplay:
    """Begin to replay `days`, or the last closed calendar month, at the prices of `content`.

    A job does the work. Raises NotFound, InvalidReplayDays, and Invalid for a wrong content.
    """
    card = catalogue.get_rate_card(session, rate_card_id)
    merchant = clocks.get_merchant(session)
    metrics = catalogue.priceable_metrics(session)
    written = price_sets.dump_content(price_sets.parse_content(content, metrics=metrics))
    first, end = days or last_month(local_date(now, ZoneInfo(merchant.time_zone)))
    if not 1 <= (end - first).days <= MAX_DAYS:
        raise InvalidReplayDays(f"must be 1 to {MAX_DAYS} days", path="period_to")
    replay = PriceReplay(
        merchant_id=card.merchant_id,
        rate_card_id=card.id,
        content=written,
        sha256=price_sets.content_sha256(written),
        period_from=first,
        period_to=end,
        created_by=actor.name,
        created_at=now,
    )
    session.add(replay)
    session.flush()  # the count asks for the days of the row
    counted = select(func.count()).select_from(_contracts_of(replay).subquery())
    replay.total = session.scalar(counted) or 0
    _owe(session, replay.id, now=now)
    return replay


def run(transaction: Transaction, replay_id: int, *, now: datetime) -> None:
    """Go on with a replay, and owe the next job if there is more than one job's work.

    Running it twice, also at once, rates each contract once. A refusal ends the replay as
    failed; whatever else goes wrong is the job's, which comes again. `now` is the merchant's time.
    """
    for _ in range(CHUNKS_A_JOB):
        try:
            with transaction() as session:
                has_more = rate_chunk(session, replay_id, now=now)
        except Refusal as refusal:
            with transaction() as session:
                _fail(session, replay_id, f"{refusal.code}: {refusal}", now=now)
            return
        if not has_more:
            return
    with transaction() as session:
        _owe(session, replay_id, now=now)


def rate_chunk(session: Session, replay_id: int, *, now: datetime) -> bool:
    """Rate the next CHUNK contracts and tell whether there may be more. Locks the replay."""
    replay = db.get_locked(session, PriceReplay, replay_id, noun="price replay")
    if replay.ended_at is not None:
        return False
    if not REPLAY.is_repeat(replay.status, ReplayEvent.START):
        replay.status = REPLAY.after(replay.status, ReplayEvent.START)
    contracts = _next_contracts(session, replay)
    rows = replay_rating.rate(session, replay, contracts)
    session.add_all(rows)
    replay.done += len(rows)
    replay.events += sum(row.events for row in rows)
    if len(contracts) == CHUNK:
        return True
    replay.status, replay.ended_at = REPLAY.after(replay.status, ReplayEvent.FINISH), now
    return False


def get_replay(session: Session, replay_id: int) -> PriceReplay:
    """Return the replay. Raises NotFound."""
    return db.get(session, PriceReplay, replay_id, noun="price replay")


def list_replays(
    session: Session,
    *,
    rate_card_id: int | None = None,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[PriceReplay]:
    """Return replays, newest first. Raises Invalid."""
    statement = select(PriceReplay)
    if rate_card_id is not None:
        statement = statement.where(PriceReplay.rate_card_id == rate_card_id)
    return newest_first(session, statement, PriceReplay.id, cursor=cursor, limit=limit)


def list_rows(
    session: Session, replay_id: int, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Page[PriceReplayRow]:
    """Return the contracts of a replay, those that change most first. Raises Invalid."""
    if not 1 <= limit <= MAX_LIMIT:
        raise Invalid(f"limit must be from 1 to {MAX_LIMIT}", path="limit")
    row = PriceReplayRow
    change = func.abs(row.draft_minor - row.current_minor)
    statement = select(row).where(row.replay_id == replay_id)
    if cursor:
        last = decode_cursor(cursor, size=2)
        if not all(isinstance(key, int) for key in last):
            raise BadCursor("this cursor is not one of ours", path="cursor")
        statement = statement.where(tuple_(change, row.contract_id) < tuple_(*last))
    page = statement.order_by(change.desc(), row.contract_id.desc()).limit(limit + 1)
    rows = session.scalars(page).all()
    if len(rows) <= limit:
        return Page(rows, None)
    end = rows[limit - 1]
    return Page(rows[:limit], encode_cursor(abs(end.delta.minor), end.contract_id))


def totals(session: Session, replay_id: int) -> list[ReplayTotal]:
    """Return what the contracts of a replay come to in each currency.

    A contract with a problem is counted, and is in no amount.
    """
    row = PriceReplayRow
    has_no_problem = row.problem.is_(None)
    statement = (
        select(
            row.currency,
            func.count(),
            func.count(row.problem),
            func.coalesce(func.sum(row.current_minor).filter(has_no_problem), 0),
            func.coalesce(func.sum(row.draft_minor).filter(has_no_problem), 0),
            func.count().filter(row.crossings != cast([], JSONB)),
        )
        .where(row.replay_id == replay_id)
        .group_by(row.currency)
        .order_by(row.currency)
    )
    return [
        ReplayTotal(
            contracts,
            problems,
            Money(int(current), currency),
            Money(int(draft), currency),
            crossing,
        )
        for currency, contracts, problems, current, draft, crossing in session.execute(statement)
    ]


def last_month(today: date) -> Days:
    """Return the calendar month before that of `today`."""
    end = today.replace(day=1)
    return Days((end - timedelta(days=1)).replace(day=1), end)


def _contracts_of(replay: PriceReplay) -> Select[Contract]:
    """Select the contracts on any version of the card that cover a day of the replay."""
    return (
        select(Contract)
        .join(
            RateCardVersion,
            (RateCardVersion.merchant_id == Contract.merchant_id)
            & (RateCardVersion.id == Contract.rate_card_version_id),
        )
        .where(
            RateCardVersion.rate_card_id == replay.rate_card_id,
            Contract.starts_on < replay.period_to,
            or_(
                Contract.ends_on.is_(None),
                (Contract.ends_on > replay.period_from) & (Contract.ends_on > Contract.starts_on),
            ),
        )
    )


def _next_contracts(session: Session, replay: PriceReplay) -> Sequence[Contract]:
    rated = select(func.max(PriceReplayRow.contract_id))
    last = session.scalar(rated.where(PriceReplayRow.replay_id == replay.id)) or 0
    page = _contracts_of(replay).where(Contract.id > last).order_by(Contract.id).limit(CHUNK)
    return session.scalars(page).all()


def _owe(session: Session, replay_id: int, *, now: datetime) -> None:
    real_now = clocks.to_real(session, now)
    outbox.owe(session, TASK, now=real_now, replay=show(Prefix.PRICE_REPLAY, replay_id))


def _fail(session: Session, replay_id: int, error: str, *, now: datetime) -> None:
    replay = db.get_locked(session, PriceReplay, replay_id, noun="price replay")
    if replay.ended_at is None:
        replay.status = REPLAY.after(replay.status, ReplayEvent.FAIL)
        replay.error, replay.ended_at = error, now
