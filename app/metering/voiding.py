"""Voiding: usage that never was is taken back, as long as no invoice has billed it."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from sqlalchemy import Text, any_, literal, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Session

from app.audit.recording import Actor, Change, record
from app.core.errors import Invalid
from app.core.ids import Prefix, show
from app.core.periods import local_date
from app.customers.models import Contract
from app.metering import days, rollups
from app.metering.days import MetricDay
from app.metering.events import is_storable
from app.metering.models import UsageEvent, UsageVoid
from app.metering.readings import is_counted

MAX_BATCH = 500
REASON_LENGTH = 500


class VoidOutcome(StrEnum):
    VOIDED = "voided"  # it counts no longer
    REPEATED = "repeated"  # it was voided before; nothing changed
    UNKNOWN = "unknown"  # no event has this key
    INVOICED = "invoiced"  # its period's invoice is out: correct it instead
    CORRECTED = "corrected"  # another event corrects it, and would be left without what it corrects


class InvalidReason(Invalid):
    code = "invalid_reason"


class VoidBatchSize(Invalid):
    code = "invalid_batch_size"


def void_events(
    session: Session,
    keys: Sequence[str],
    *,
    reason: str,
    actor: Actor,
    zone: ZoneInfo,
    now: datetime,
) -> list[VoidOutcome]:
    """Take back the events of these idempotency keys, and answer for each in the order given.

    The events stay, and their keys stay taken; roll-ups and days of charts are counted again
    without them. Locks the contracts of their customers against an invoice being finalised, then
    the roll-ups. Raises InvalidReason, and VoidBatchSize unless 1 to 500 keys came.
    """
    if not 1 <= len(keys) <= MAX_BATCH:
        raise VoidBatchSize(f"must be 1 to {MAX_BATCH} keys", path="idempotency_keys")
    if not 1 <= len(reason) <= REASON_LENGTH or not is_storable(reason):
        raise InvalidReason(f"must be 1 to {REASON_LENGTH} characters", path="reason")
    events = _events_of(session, keys)
    contracts = _lock_contracts(session, {event.customer_id for event in events.values()})
    voided = _voided(session, events.values())
    open_ = {
        key
        for key, event in events.items()
        if event.id not in voided
        and not any(_has_billed(contract, event, zone) for contract in contracts)
    }
    kept = _without_corrected(session, open_)
    fresh = _insert(session, [events[key] for key in kept], reason=reason, actor=actor, now=now)
    _recount(session, [event for event in events.values() if event.id in fresh], zone=zone)

    def outcome(key: str) -> VoidOutcome:
        if key not in events:
            return VoidOutcome.UNKNOWN
        if events[key].id in fresh:
            return VoidOutcome.VOIDED
        if key in open_ - kept:
            return VoidOutcome.CORRECTED
        # What was free to be voided and is not fresh was voided by somebody in this moment.
        is_void = key in open_ or events[key].id in voided
        return VoidOutcome.REPEATED if is_void else VoidOutcome.INVOICED

    return [outcome(key) for key in keys]


def _events_of(session: Session, keys: Iterable[str]) -> dict[str, UsageEvent]:
    wanted = literal(list(filter(is_storable, keys)), ARRAY(Text()))
    events = select(UsageEvent).where(UsageEvent.idempotency_key == any_(wanted))
    return {event.idempotency_key: event for event in session.scalars(events)}


def _lock_contracts(session: Session, customer_ids: Collection[int]) -> Sequence[Contract]:
    """Keep the invoices of these customers from being finalised until the transaction ends."""
    return session.scalars(
        select(Contract)
        .where(Contract.customer_id.in_(customer_ids))
        .order_by(Contract.id)
        .with_for_update(read=True)
        .execution_options(populate_existing=True)
    ).all()


def _has_billed(contract: Contract, event: UsageEvent, zone: ZoneInfo) -> bool:
    """Tell whether an invoice of the contract that is out covers the event."""
    if contract.billed_to is None or contract.customer_id != event.customer_id:
        return False
    day = local_date(event.occurred_at, zone)
    covers = contract.starts_on <= day and (contract.ends_on is None or day < contract.ends_on)
    return covers and event.occurred_at < contract.billed_to


def _voided(session: Session, events: Iterable[UsageEvent]) -> set[int]:
    wanted = [(event.occurred_at, event.id) for event in events]
    voids = select(UsageVoid.event_id).where(
        tuple_(UsageVoid.occurred_at, UsageVoid.event_id).in_(wanted)
    )
    return set(session.scalars(voids))


def _without_corrected(session: Session, keys: Collection[str]) -> set[str]:
    """Leave out what is corrected by an event that stays, and what that one corrects in turn."""
    wanted = literal(list(keys), ARRAY(Text()))
    corrections = session.execute(
        select(UsageEvent.idempotency_key, UsageEvent.corrects).where(
            UsageEvent.corrects == any_(wanted), is_counted()
        )
    ).all()
    kept = set(keys)
    while True:
        stay = {target for key, target in corrections if target in kept and key not in kept}
        if not stay:
            return kept
        kept -= stay


def _insert(
    session: Session, events: Iterable[UsageEvent], *, reason: str, actor: Actor, now: datetime
) -> set[int]:
    """Void the events, write down who did it, and return those that nobody had voided before."""
    rows = [
        {
            "merchant_id": event.merchant_id,
            "occurred_at": event.occurred_at,
            "event_id": event.id,
            "customer_id": event.customer_id,
            "metric_id": event.metric_id,
            "idempotency_key": event.idempotency_key,
            "reason": reason,
            "voided_at": now,
            "actor": actor.name,
        }
        for event in sorted(events, key=lambda event: (event.occurred_at, event.id))
    ]
    if not rows:
        return set()
    statement = insert(UsageVoid).on_conflict_do_nothing().returning(UsageVoid.event_id)
    fresh = set(session.scalars(statement, rows))
    change = Change({"voided": False}, {"voided": True, "reason": reason})
    for event_id in sorted(fresh):
        subject = show(Prefix.USAGE_EVENT, event_id)
        record(session, actor, "usage_event.voided", subject=subject, change=change, now=now)
    return fresh


def _recount(session: Session, events: Collection[UsageEvent], *, zone: ZoneInfo) -> None:
    keys = {rollups.rollup_of(event, zone) for event in events}
    rollups.recount(session, keys, zone=zone)
    days.recount_days(session, {MetricDay(key.metric_id, key.day) for key in keys})
