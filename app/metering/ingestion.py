"""Ingestion, the hot path: a batch of usage events becomes rows and roll-ups, each event once.

Locks are taken in one order, each kind sorted, so that batches that overlap wait for each other
and never deadlock: contracts, series, event keys, roll-ups, dead letters.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    Seen,
    check_form,
)
from app.metering.matching import Names, Place, Window, match, unfounded_corrections
from app.metering.models import OTHER_SERIES
from app.metering.series import combination, find_series
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
    formed, refusals = _check_forms(events)
    names = storing.find_names(
        session,
        customers={event.customer_external_id for event in formed.values()},
        metrics={event.metric for event in formed.values()},
        zone=merchant.zone,
    )
    window = Window(now - timedelta(days=merchant.late_window_days), now + CLOCK_SKEW)
    places, unplaced = _match(session, formed, names, window=window)
    refusals |= unplaced
    first: dict[str, int] = {}
    for index in places:
        first.setdefault(formed[index].idempotency_key, index)
    placed = _place(session, [(formed[index], places[index]) for index in first.values()])
    fresh = storing.insert(session, placed, zone=merchant.zone)
    late = [each for each in placed if each.billed_by and each.event.idempotency_key in fresh]
    _note_late(session, late, zone=ZoneInfo(merchant.zone))

    results = [_ACCEPTED] * len(events)
    for each in late:
        results[first[each.event.idempotency_key]] = _LATE
    if len(fresh) < len(events):
        stored = {first[key] for key in fresh}
        rest = {index: event for index, event in formed.items() if index not in stored}
        for index, result in (refusals | _answer_for_known(session, rest, names)).items():
            results[index] = result
    return results


def _check_forms(
    events: Sequence[ReceivedEvent | InvalidEvent],
) -> tuple[dict[int, ReceivedEvent], dict[int, ItemResult]]:
    """Part the events that are right in themselves from the answers to the others."""
    formed: dict[int, ReceivedEvent] = {}
    refusals: dict[int, ItemResult] = {}
    seen = Seen()
    for index, event in enumerate(events):
        if isinstance(event, InvalidEvent):
            refusals[index] = ItemResult(Outcome.INVALID, event.code, event.message, event.path)
            continue
        try:
            check_form(event, seen)
        except Invalid as wrong:
            refusals[index] = ItemResult(Outcome.INVALID, wrong.code, str(wrong), wrong.path)
        else:
            formed[index] = event
    return formed, refusals


def _match(
    session: Work, formed: Mapping[int, ReceivedEvent], names: Names, *, window: Window
) -> tuple[dict[int, Place], dict[int, ItemResult]]:
    """Part the events that find their place from the answers to those that do not."""
    places: dict[int, Place] = {}
    refusals: dict[int, ItemResult] = {}
    targets: set[str] = set()
    for index, event in formed.items():
        found = match(event, names, window)
        if isinstance(found, ItemResult):
            refusals[index] = found
            continue
        places[index] = found
        if event.corrects is not None:
            targets.add(event.corrects)
    if targets:
        owners = storing.find_owners(session, targets)
        for index in unfounded_corrections(formed, places, owners):
            del places[index]
            refusals[index] = _CORRECTS_UNKNOWN
    return places, refusals


def _place(session: Work, wanted: Sequence[tuple[ReceivedEvent, Place]]) -> list[Placed]:
    """Find the series of each event, and the contracts that have invoiced its time already.

    The contracts of past periods are locked and read again: what none of them has invoiced by
    now is in time for the invoice that is being finalised.
    """
    doubtful = {contract_id for _, place in wanted for contract_id in place.past}
    billed = storing.lock_contracts(session, doubtful) if doubtful else {}
    combinations = [combination(place.metric, event.dimensions) for event, place in wanted]
    series = find_series(session, {each for each in combinations if each is not None})
    return [
        Placed(
            event,
            place,
            OTHER_SERIES if each is None else series[each],
            tuple([id_ for id_ in place.past if _is_billed(event, billed[id_])]),
        )
        for (event, place), each in zip(wanted, combinations, strict=True)
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
