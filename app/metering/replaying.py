"""Dead events once more: stored as if they came now, when what they lacked is there.

A replay takes the locks of ingestion first and those of the dead events last, as ingestion does
when it keeps one.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.core import db, outbox
from app.core.errors import Conflict, NotFound
from app.identity import clocks
from app.metering import dead_events, dead_letters, ingestion
from app.metering.dead_events import DeadFilter
from app.metering.events import ItemResult, Outcome
from app.metering.ingestion import MAX_BATCH, MerchantWindow
from app.metering.models import (
    DEAD_EVENT,
    DeadEvent,
    DeadMove,
    DeadReason,
    DeadReplay,
    DeadStatus,
)

JOB = "jobs.dead_events.replay_all"

_TAKEN = {Outcome.ACCEPTED, Outcome.DUPLICATE, Outcome.LATE}
_REASONS = frozenset(reason.value for reason in DeadReason)


class DeadEventChanged(Conflict):
    """Somebody discarded the event while it was replayed: nothing was stored; try again."""

    code = "dead_event_changed"


class ReplayRunning(Conflict):
    code = "replay_running"


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of one event of a replay. It is taken, or waits on for the reason it got."""

    dead_id: int
    result: ItemResult

    @property
    def is_taken(self) -> bool:
        return self.result.outcome in _TAKEN


def replay_one(
    session: Session, dead_id: int, *, merchant: MerchantWindow, now: datetime
) -> Tried | None:
    """Try one event again; None when it was replayed before.

    Raises NotFound, IllegalMove on one that was discarded, and DeadEventChanged.
    """
    row = dead_events.get_dead_event(session, dead_id)
    if DEAD_EVENT.is_repeat(row.status, DeadMove.REPLAY):
        return None
    DEAD_EVENT.after(row.status, DeadMove.REPLAY)
    (tried,) = _try_again(session, [row], merchant=merchant, now=now)
    return tried


def start_replay(
    session: Session,
    wanted: DeadFilter,
    *,
    merchant: MerchantWindow,
    now: datetime,
    real_now: datetime,
) -> DeadReplay:
    """Try every waiting event of `wanted` again: the first 500 at once, the rest in a job.

    What is stored, or was stored meanwhile, is replayed; the rest waits on and says why. One
    replay runs at a time: locks the merchant. Raises ReplayRunning, DeadEventChanged, and
    NotFound when nothing waits.
    """
    clocks.lock_merchant(session)
    last = find_replay(session)
    if last and last.ended_at is None:
        raise ReplayRunning("a replay is under way; wait for its end")
    found = select(func.count(), func.max(DeadEvent.id)).where(*dead_events.waiting(wanted))
    total, up_to_id = session.execute(found).one()
    if not total:
        raise NotFound("no such event waits")
    replay = last or DeadReplay(merchant_id=db.merchant_of(session))
    replay.reason, replay.name = wanted.reason, wanted.name
    replay.after_id, replay.up_to_id = 0, up_to_id
    replay.total, replay.tried, replay.taken = total, 0, 0
    replay.started_at, replay.ended_at = real_now, None
    session.add(replay)
    _try_batch(session, replay, merchant=merchant, now=now, real_now=real_now)
    if replay.ended_at is None:
        outbox.owe(session, JOB, now=real_now)
    return replay


def continue_replay(
    session: Session, *, merchant: MerchantWindow, now: datetime, real_now: datetime
) -> bool:
    """Try the next 500 events of the merchant's replay; return whether it goes on.

    Locks the replay, so that two workers take turns. Raises DeadEventChanged.
    """
    replay = session.scalars(
        select(DeadReplay).with_for_update().execution_options(populate_existing=True)
    ).one_or_none()
    if replay is None or replay.ended_at is not None:
        return False
    _try_batch(session, replay, merchant=merchant, now=now, real_now=real_now)
    return replay.ended_at is None


def find_replay(session: Session) -> DeadReplay | None:
    """Return the merchant's last replay of many events, running or ended."""
    return session.get(DeadReplay, db.merchant_of(session))


def _try_batch(
    session: Session,
    replay: DeadReplay,
    *,
    merchant: MerchantWindow,
    now: datetime,
    real_now: datetime,
) -> None:
    rows = session.scalars(
        select(DeadEvent)
        .where(*dead_events.waiting(DeadFilter(replay.reason, replay.name)))
        .where(DeadEvent.id > replay.after_id, DeadEvent.id <= replay.up_to_id)
        .order_by(DeadEvent.id)
        .limit(MAX_BATCH)
    ).all()
    if rows:
        tried = _try_again(session, rows, merchant=merchant, now=now)
        replay.after_id = rows[-1].id
        replay.tried += len(tried)
        replay.taken += sum(event.is_taken for event in tried)
    if len(rows) < MAX_BATCH:
        replay.ended_at = real_now


def _try_again(
    session: Session, rows: Sequence[DeadEvent], *, merchant: MerchantWindow, now: datetime
) -> list[Tried]:
    events = [dead_letters.read_body(row.body) for row in rows]
    results = ingestion.store(session, events, merchant=merchant, now=now)
    tried = [Tried(row.id, result) for row, result in zip(rows, results, strict=True)]
    _settle(session, tried)
    return tried


def _settle(session: Session, tried: Sequence[Tried]) -> None:
    """Write down what became of the events, those of one result at once.

    Another replay may have been faster, and has stored the same; who discarded one meanwhile did
    not know that it would be counted.
    """
    everyone = select(DeadEvent).where(DeadEvent.id.in_([event.dead_id for event in tried]))
    status = {row.id: row.status for row in session.scalars(dead_events.in_order(everyone))}
    ids: dict[tuple[bool, str], list[int]] = defaultdict(list)
    for event in tried:
        if event.is_taken and status[event.dead_id] is DeadStatus.DISCARDED:
            raise DeadEventChanged("an event was discarded while it was replayed")
        if status[event.dead_id] is DeadStatus.WAITING:
            word = event.result.outcome.value if event.is_taken else event.result.code
            ids[event.is_taken, word].append(event.dead_id)
    for (is_taken, word), same in ids.items():
        values: dict[str, Any] = {"outcome": word}
        if is_taken:
            values["status"] = DEAD_EVENT.after(DeadStatus.WAITING, DeadMove.REPLAY)
            values["resolved_at"] = func.now()
        elif word in _REASONS:
            values["reason"] = DeadReason(word)
        session.execute(update(DeadEvent).where(DeadEvent.id.in_(same)).values(values))
