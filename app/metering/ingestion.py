"""Ingestion, the hot path: a batch of usage events becomes rows and roll-ups, each event once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.core.errors import Invalid
from app.metering import storing
from app.metering.events import (
    InvalidEvent,
    ItemResult,
    Outcome,
    ReceivedEvent,
    check_form,
)

MAX_BATCH = 500
CLOCK_SKEW = timedelta(minutes=5)
"""How far ahead of ours a caller's clock may be."""

_ACCEPTED = ItemResult(Outcome.ACCEPTED)
_DUPLICATE = ItemResult(Outcome.DUPLICATE)
_CONFLICT = ItemResult(
    Outcome.CONFLICT,
    "idempotency_conflict",
    "this key belongs to an event with other content, which stays as it is",
    "idempotency_key",
)
_UNKNOWN_CUSTOMER = ItemResult(
    Outcome.UNMATCHED, "unknown_customer", "there is no such customer", "customer_external_id"
)
_UNKNOWN_METRIC = ItemResult(
    Outcome.UNMATCHED, "unknown_metric", "there is no such metric", "metric"
)
_TOO_OLD = ItemResult(
    Outcome.LATE, "event_too_old", "happened before the late window", "occurred_at"
)
_IN_FUTURE = ItemResult(
    Outcome.INVALID, "event_in_future", "happens more than 5 minutes from now", "occurred_at"
)


class BatchSize(Invalid):
    code = "invalid_batch_size"


@dataclass(frozen=True, slots=True)
class MerchantWindow:
    """What a merchant's settings say about events: his IANA zone, and how late one may come."""

    zone: str
    late_window_days: int


def ingest(
    session: Session,
    events: Sequence[ReceivedEvent | InvalidEvent],
    *,
    merchant: MerchantWindow,
    now: datetime,
) -> list[ItemResult]:
    """Store each event once, add it to its roll-up, and answer for each in the order given.

    An event needs an active customer and metric, but no contract: usage is metered before terms
    are agreed, and billed by the contract that covers its day. An event stored before is a
    duplicate even when it has become too old since, or its customer was archived.

    Locks the keys, then the roll-ups, both sorted, so that batches that overlap wait for each
    other and never deadlock. Raises BatchSize unless 1 to 500 events came.
    """
    if not 1 <= len(events) <= MAX_BATCH:
        raise BatchSize(f"must be 1 to {MAX_BATCH} events", path="events")
    formed, refusals = _check_forms(events)
    names = storing.find_names(
        session,
        customers={event.customer_external_id for event in formed.values()},
        metrics={event.metric for event in formed.values()},
    )
    oldest, newest = now - timedelta(days=merchant.late_window_days), now + CLOCK_SKEW
    first: dict[str, int] = {}
    for index, event in formed.items():
        if not oldest <= event.occurred_at <= newest:
            refusals[index] = _TOO_OLD if event.occurred_at < oldest else _IN_FUTURE
        elif event.customer_external_id not in names.active_customers:
            refusals[index] = _UNKNOWN_CUSTOMER
        elif event.metric not in names.active_metrics:
            refusals[index] = _UNKNOWN_METRIC
        else:
            first.setdefault(event.idempotency_key, index)

    wanted = [formed[index] for index in first.values()]
    fresh = storing.insert(session, wanted, names, zone=merchant.zone)
    results = [_ACCEPTED] * len(events)
    if len(fresh) < len(events):
        accepted = {first[key] for key in fresh}
        rest = {index: event for index, event in formed.items() if index not in accepted}
        for index, result in (refusals | _answer_for_known(session, rest, names)).items():
            results[index] = result
    return results


def _check_forms(
    events: Sequence[ReceivedEvent | InvalidEvent],
) -> tuple[dict[int, ReceivedEvent], dict[int, ItemResult]]:
    """Part the events that are right in themselves from the answers to the others."""
    formed: dict[int, ReceivedEvent] = {}
    refusals: dict[int, ItemResult] = {}
    seen: set[tuple[str, str | int]] = set()
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


def _answer_for_known(
    session: Session, events: Mapping[int, ReceivedEvent], names: storing.Names
) -> dict[int, ItemResult]:
    """Answer for the events whose key is taken, by an earlier request or earlier in this one."""
    known = storing.compare(session, events.values(), names)
    return {
        index: _DUPLICATE if known[position] else _CONFLICT
        for position, index in enumerate(events)
        if position in known
    }
