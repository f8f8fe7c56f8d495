"""Ingestion, the hot path: a batch of usage events becomes rows and roll-ups, each event once.

Locks are taken in one order, each kind sorted, so that batches that overlap wait for each other
and never deadlock: contracts, series, event keys, roll-ups, dead letters.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
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
    are_plain,
    check_form,
    source_of,
)
from app.metering.matching import (
    IN_FUTURE,
    TOO_OLD,
    Names,
    Target,
    Window,
    fit,
    fit_all,
    match,
    unfounded_corrections,
)
from app.metering.series import find_series
from app.metering.storing import Home

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

    `events` are right in themselves; each has its source, and a target or a refusal. `samples`
    has one event of each source. `past` are the contracts that have drafted or invoiced the
    period of an event; few events have any.

    A step looks at all events as a whole first, and at each only when something is special: most
    batches are plain, and then a step costs next to nothing.
    """

    events: dict[int, ReceivedEvent]
    sources: dict[int, Source]
    samples: dict[Source, ReceivedEvent]
    refusals: dict[int, ItemResult]
    is_plain: bool = False
    targets: dict[int, Target] = field(default_factory=dict)
    past: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def refuse(self, place: int, answer: ItemResult) -> None:
        """Give up an event."""
        self.refusals[place] = answer
        self.targets.pop(place, None)


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
    if results.count(_ACCEPTED) == len(results):
        return results
    counts = Counter([result.outcome for result in results])
    if counts[Outcome.UNMATCHED]:
        unmatched = [
            (event, result)
            for event, result in zip(events, results, strict=True)
            if result.outcome is Outcome.UNMATCHED and not isinstance(event, InvalidEvent)
        ]
        dead_letters.keep(session, unmatched)
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
    batch = _open(events)
    _check_forms(batch)
    names = storing.find_names(
        session,
        customers={customer for customer, _, _ in batch.samples},
        metrics={metric for _, metric, _ in batch.samples},
        zone=merchant.zone,
    )
    window = Window(now - timedelta(days=merchant.late_window_days), now + CLOCK_SKEW)
    _match(batch, names, window)
    _refuse_unfounded(session, batch)
    billed_by = _find_billed(session, batch)
    # Of events with one key, the first.
    first = {batch.events[place].idempotency_key: place for place in reversed(batch.targets)}
    fresh = _insert(session, batch, first.values(), late=billed_by, zone=merchant.zone)
    late = {first[key]: billed_by[first[key]] for key in fresh if first[key] in billed_by}
    _note_late(session, batch.events, late, zone=ZoneInfo(merchant.zone))

    results = [_ACCEPTED] * len(events)
    for place in late:
        results[place] = _LATE
    if len(fresh) < len(events):
        stored = {first[key] for key in fresh}
        rest = {place: event for place, event in batch.events.items() if place not in stored}
        for place, result in (batch.refusals | _answer_for_known(session, rest, names)).items():
            results[place] = result
    return results


def _open(events: Sequence[ReceivedEvent | InvalidEvent]) -> _Batch:
    """Part the events from what a door could not decode, and tell their sources apart."""
    refusals = {
        place: ItemResult(Outcome.INVALID, event.code, event.message, event.path)
        for place, event in enumerate(events)
        if isinstance(event, InvalidEvent)
    }
    decoded = {
        place: event for place, event in enumerate(events) if not isinstance(event, InvalidEvent)
    }
    sources = {place: source_of(event) for place, event in decoded.items()}
    samples = dict(zip(sources.values(), decoded.values(), strict=True))
    return _Batch(decoded, sources, samples, refusals)


def _check_forms(batch: _Batch) -> None:
    """Give up the events that are wrong in themselves."""
    batch.is_plain = bool(batch.events) and are_plain(batch.events.values(), batch.samples.values())
    if batch.is_plain:
        return
    for place, event in list(batch.events.items()):
        try:
            check_form(event)
        except Invalid as wrong:
            batch.refuse(place, ItemResult(Outcome.INVALID, wrong.code, str(wrong), wrong.path))
            del batch.events[place]
    batch.samples = {batch.sources[place]: event for place, event in batch.events.items()}


def _match(batch: _Batch, names: Names, window: Window) -> None:
    """Find what each event is for; what holds for a source is looked up once."""
    known = {source: match(event, names) for source, event in batch.samples.items()}
    targets = {source: found for source, found in known.items() if isinstance(found, Target)}
    times = [event.occurred_at for event in batch.events.values()]
    is_known = batch.is_plain and len(targets) == len(known)
    if is_known and fit_all(times, targets.values(), window):
        batch.targets = {place: targets[source] for place, source in batch.sources.items()}
        return
    for place, event in batch.events.items():
        if not window.oldest <= event.occurred_at <= window.newest:
            is_old = event.occurred_at < window.oldest
            batch.refuse(place, TOO_OLD if is_old else IN_FUTURE)
            continue
        target = known[batch.sources[place]]
        if isinstance(target, ItemResult):
            batch.refuse(place, target)
            continue
        past = fit(event, target)
        if isinstance(past, ItemResult):
            batch.refuse(place, past)
            continue
        batch.targets[place] = target
        if past:
            batch.past[place] = past


def _refuse_unfounded(session: Work, batch: _Batch) -> None:
    """Turn down the corrections of events that are not there."""
    if batch.is_plain:
        return
    named = (batch.events[place].corrects for place in batch.targets)
    corrected = {key for key in named if key is not None}
    if corrected:
        owners = storing.find_owners(session, corrected)
        for place in unfounded_corrections(batch.events, batch.targets, owners):
            batch.refuse(place, _CORRECTS_UNKNOWN)


def _find_billed(session: Work, batch: _Batch) -> dict[int, tuple[int, ...]]:
    """Find the contracts that have invoiced an event's time already, for those that have any.

    The contracts of past periods are locked and read again: what none of them has invoiced by
    now is in time for the invoice that is being finalised.
    """
    doubtful = {contract_id for past in batch.past.values() for contract_id in past}
    if not doubtful:
        return {}
    billed_to = storing.lock_contracts(session, doubtful)
    billed_by = {
        place: tuple([id_ for id_ in past if _is_billed(batch.events[place], billed_to[id_])])
        for place, past in batch.past.items()
    }
    return {place: contracts for place, contracts in billed_by.items() if contracts}


def _insert(
    session: Work, batch: _Batch, wanted: Collection[int], *, late: Collection[int], zone: str
) -> set[str]:
    """Find the series of the wanted events and store them; return the keys that were not there."""
    targets = {batch.sources[place]: batch.targets[place] for place in wanted}
    series = find_series(session, {target.combination for target in targets.values()})
    homes = {
        source: Home.of(target, series[target.combination]) for source, target in targets.items()
    }
    return storing.insert(
        session,
        [batch.events[place] for place in wanted],
        [homes[batch.sources[place]] for place in wanted],
        late=[place in late for place in wanted],
        zone=zone,
    )


def _is_billed(event: ReceivedEvent, billed_to: datetime | None) -> bool:
    return billed_to is not None and event.occurred_at < billed_to


def _note_late(
    session: Work,
    events: Mapping[int, ReceivedEvent],
    late: Mapping[int, tuple[int, ...]],
    *,
    zone: ZoneInfo,
) -> None:
    """Note on each contract the first day of usage that its invoices lack."""
    days: dict[int, date] = {}
    for place, billed_by in late.items():
        day = local_date(events[place].occurred_at, zone)
        for contract_id in billed_by:
            days[contract_id] = min(day, days.get(contract_id, day))
    if days:
        storing.note_late(session, days)


def _answer_for_known(
    session: Work, events: Mapping[int, ReceivedEvent], names: Names
) -> dict[int, ItemResult]:
    """Answer for the events whose key is taken, by an earlier request or earlier in this one."""
    known = storing.compare(session, events.values(), names)
    return {
        place: _DUPLICATE if known[position] else _CONFLICT
        for position, place in enumerate(events)
        if position in known
    }
