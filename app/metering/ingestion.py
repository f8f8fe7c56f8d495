"""Ingestion, the hot path: a batch of usage events becomes rows and roll-ups, each event once.

Locks are taken in one order, each kind sorted, so that batches that overlap wait for each other
and never deadlock: contracts, series, event keys, roll-ups, dead letters.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from app.core.db import Work
from app.core.errors import Invalid
from app.core.periods import local_date
from app.metering import dead_letters, storing
from app.metering.events import (
    InvalidEvent,
    ItemResult,
    Outcome,
    ReceivedEvent,
    Source,
    check_form,
)
from app.metering.matching import (
    IN_FUTURE,
    TOO_OLD,
    Names,
    Target,
    Window,
    fit,
    match,
    unfounded_corrections,
)
from app.metering.series import find_series
from app.metering.storing import Placed

MAX_BATCH = 500
CLOCK_SKEW = timedelta(minutes=5)
"""How far ahead of ours a caller's clock may be."""

_ACCEPTED = ItemResult(Outcome.ACCEPTED)
_LATE = ItemResult(Outcome.LATE)
_DUPLICATE = ItemResult(Outcome.DUPLICATE)
_CONFLICT = ItemResult(
    Outcome.CONFLICT,
    "idempotency_conflict",
    "this key belongs to an event with other content, which stays as it is",
    "idempotency_key",
)
_CORRECTS_UNKNOWN = ItemResult(
    Outcome.INVALID,
    "corrects_unknown",
    "no event of this customer and metric has this key",
    "corrects",
)


class BatchSize(Invalid):
    code = "invalid_batch_size"


@dataclass(frozen=True, slots=True)
class MerchantWindow:
    """What a merchant's settings say about events: his IANA zone, and how late one may come."""

    zone: str
    late_window_days: int


@dataclass(slots=True)
class _Batch:
    """What is known of a request's events so far, by their place in it.

    `events` are right in themselves; each has its source, and a target or a refusal. `past` are
    the contracts that have drafted or invoiced the period of an event; few have any.
    """

    events: dict[int, ReceivedEvent] = field(default_factory=dict)
    sources: dict[int, Source] = field(default_factory=dict)
    targets: dict[int, Target] = field(default_factory=dict)
    past: dict[int, tuple[int, ...]] = field(default_factory=dict)
    refusals: dict[int, ItemResult] = field(default_factory=dict)

    def refuse(self, index: int, answer: ItemResult) -> None:
        """Give up an event."""
        self.refusals[index] = answer
        self.targets.pop(index, None)


def ingest(
    session: Work,
    events: Sequence[ReceivedEvent | InvalidEvent],
    *,
    merchant: MerchantWindow,
    now: datetime,
) -> list[ItemResult]:
    """Take in one request's events: `store` them, keep those that found no place, and tally.

    Raises BatchSize unless 1 to 500 events came.
    """
    results = store(session, events, merchant=merchant, now=now)
    counts = Counter(result.outcome for result in results)
    if counts[Outcome.UNMATCHED]:
        unmatched = [
            (event, result)
            for event, result in zip(events, results, strict=True)
            if result.outcome is Outcome.UNMATCHED and not isinstance(event, InvalidEvent)
        ]
        dead_letters.keep(session, unmatched)
    if counts[Outcome.ACCEPTED] < len(results):
        storing.tally(session, counts)
    return results


def store(
    session: Work,
    events: Sequence[ReceivedEvent | InvalidEvent],
    *,
    merchant: MerchantWindow,
    now: datetime,
) -> list[ItemResult]:
    """Store each event once, add it to its roll-up, and answer for each in the order given.

    An event needs an active customer, an active metric and a contract of the customer that
    covers its instant. One whose period is invoiced already is late: it counts, and is noted on
    its contract for the next invoice. An event stored before is a duplicate whatever has changed
    since. Raises BatchSize unless 1 to 500 events came.
    """
    if not 1 <= len(events) <= MAX_BATCH:
        raise BatchSize(f"must be 1 to {MAX_BATCH} events", path="events")
    batch = _check_forms(events)
    names = storing.find_names(
        session,
        customers={event.customer_external_id for event in batch.events.values()},
        metrics={event.metric for event in batch.events.values()},
        zone=merchant.zone,
    )
    window = Window(now - timedelta(days=merchant.late_window_days), now + CLOCK_SKEW)
    _match(batch, names, window)
    _refuse_unfounded(session, batch)
    first: dict[str, int] = {}
    for index in batch.targets:
        first.setdefault(batch.events[index].idempotency_key, index)
    placed = _place(session, batch, first.values())
    fresh = storing.insert(session, placed, zone=merchant.zone)
    late = [each for each in placed if each.billed_by and each.event.idempotency_key in fresh]
    _note_late(session, late, zone=ZoneInfo(merchant.zone))

    results = [_ACCEPTED] * len(events)
    for each in late:
        results[first[each.event.idempotency_key]] = _LATE
    if len(fresh) < len(events):
        stored = {first[key] for key in fresh}
        rest = {index: event for index, event in batch.events.items() if index not in stored}
        for index, result in (batch.refusals | _answer_for_known(session, rest, names)).items():
            results[index] = result
    return results


def _check_forms(events: Sequence[ReceivedEvent | InvalidEvent]) -> _Batch:
    """Part the events that are right in themselves from the answers to the others."""
    batch = _Batch()
    seen: set[Source] = set()
    for index, event in enumerate(events):
        if isinstance(event, InvalidEvent):
            answer = ItemResult(Outcome.INVALID, event.code, event.message, event.path)
            batch.refuse(index, answer)
            continue
        try:
            batch.sources[index] = check_form(event, seen)
        except Invalid as wrong:
            batch.refuse(index, ItemResult(Outcome.INVALID, wrong.code, str(wrong), wrong.path))
        else:
            batch.events[index] = event
    return batch


def _match(batch: _Batch, names: Names, window: Window) -> None:
    """Find what each event is for; what holds for a source is looked up once."""
    known: dict[Source, Target | ItemResult] = {}
    for index, event in batch.events.items():
        if not window.oldest <= event.occurred_at <= window.newest:
            is_old = event.occurred_at < window.oldest
            batch.refuse(index, TOO_OLD if is_old else IN_FUTURE)
            continue
        source = batch.sources[index]
        target = known.get(source)
        if target is None:
            target = known[source] = match(event, names)
        if isinstance(target, ItemResult):
            batch.refuse(index, target)
            continue
        past = fit(event, target)
        if isinstance(past, ItemResult):
            batch.refuse(index, past)
            continue
        batch.targets[index] = target
        if past:
            batch.past[index] = past


def _refuse_unfounded(session: Work, batch: _Batch) -> None:
    """Turn down the corrections of events that are not there."""
    named = (batch.events[index].corrects for index in batch.targets)
    corrected = {key for key in named if key is not None}
    if corrected:
        owners = storing.find_owners(session, corrected)
        for index in unfounded_corrections(batch.events, batch.targets, owners):
            batch.refuse(index, _CORRECTS_UNKNOWN)


def _place(session: Work, batch: _Batch, wanted: Iterable[int]) -> list[Placed]:
    """Find the series of each event, and the contracts that have invoiced its time already.

    The contracts of past periods are locked and read again: what none of them has invoiced by
    now is in time for the invoice that is being finalised.
    """
    doubtful = {contract_id for past in batch.past.values() for contract_id in past}
    billed_to = storing.lock_contracts(session, doubtful) if doubtful else {}
    billed_by = {
        index: tuple([id_ for id_ in past if _is_billed(batch.events[index], billed_to[id_])])
        for index, past in batch.past.items()
    }
    series = find_series(session, {target.combination for target in batch.targets.values()})
    return [
        Placed(batch.events[index], target, series[target.combination], billed_by.get(index, ()))
        for index, target in ((index, batch.targets[index]) for index in wanted)
    ]


def _is_billed(event: ReceivedEvent, billed_to: datetime | None) -> bool:
    return billed_to is not None and event.occurred_at < billed_to


def _note_late(session: Work, late: Sequence[Placed], *, zone: ZoneInfo) -> None:
    """Note on each contract the first day of usage that its invoices lack."""
    days: dict[int, date] = {}
    for each in late:
        day = local_date(each.event.occurred_at, zone)
        for contract_id in each.billed_by:
            days[contract_id] = min(day, days.get(contract_id, day))
    if days:
        storing.note_late(session, days)


def _answer_for_known(
    session: Work, events: Mapping[int, ReceivedEvent], names: Names
) -> dict[int, ItemResult]:
    """Answer for the events whose key is taken, by an earlier request or earlier in this one."""
    known = storing.compare(session, events.values(), names)
    return {
        index: _DUPLICATE if known[position] else _CONFLICT
        for position, index in enumerate(events)
        if position in known
    }
