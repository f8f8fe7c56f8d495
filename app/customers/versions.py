"""Another version of the prices for a contract: scheduled for a day, taken up with a period.

A period that was begun ends at the prices it began with. `contracts.advance_period` takes the
version up when it opens the first period that starts on or after the day.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from app.audit import recording
from app.audit.recording import Actor, Change
from app.core import db, outbox
from app.core.errors import Conflict, Refusal
from app.core.ids import Prefix, show
from app.core.money import Currency
from app.core.periods import local_date, local_midnight, period_containing
from app.customers import contracts, overlap, queries, telling
from app.customers.contracts import EARLIEST, LATEST, CurrencyNotPriced, InvalidDates
from app.customers.models import Contract, ContractStatus
from app.customers.overlap import Holding
from app.identity import clocks
from app.pricing import price_sets
from app.pricing import queries as catalogue
from app.pricing.models import CatalogStatus, RateCardVersion
from app.pricing.rate_cards import RateCardArchived
from app.webhooks.catalogue import EventType

AT_ONCE = 1_000
"""How many contracts one transaction changes; where there are more, a job does it in chunks."""

SCHEDULED, CANCELLED = "contract.version_scheduled", "contract.version_cancelled"
ALL_SCHEDULED = "rate_card_version.contracts_scheduled"
"""The deeds, as audit entries name them."""


class OtherProduct(Conflict):
    code = "version_of_another_product"


class AlreadyOnVersion(Conflict):
    code = "contract_on_this_version"


class ContractEnded(Conflict):
    code = "contract_ended"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to happen: `version` from the first period that starts on or after `on`.

    `metrics` is what the version prices, by currency.
    """

    version: RateCardVersion
    metrics: Mapping[Currency, Collection[str]]
    on: date
    zone: ZoneInfo
    actor: Actor
    now: datetime


@dataclass(frozen=True, slots=True)
class Scheduling:
    """What became of the contracts of a version: how many will change, and why others will not.

    `last_id` is the contract that a chunk ended with, None at the end. Where there are too many
    for one transaction, `is_queued` says that a job does it.
    """

    scheduled: int = 0
    refused: Mapping[int, Refusal] = field(default_factory=dict)
    last_id: int | None = None
    is_queued: bool = False


def schedule_version(
    session: Session, contract_id: int, *, version_id: int, on: date, actor: Actor, now: datetime
) -> Contract:
    """Let the contract take up another version with its first period from `on` on.

    The version is one of any rate card of the same product, on sale, with prices in the
    contract's currency. It takes the place of one that was scheduled before. A period that has
    not begun yet takes it up at once. Locks the customer, then the contract.

    Raises NotFound, InvalidDates, RateCardArchived, OtherProduct, CurrencyNotPriced,
    AlreadyOnVersion, ContractEnded and ContractOverlap.
    """
    customer_id = queries.get_contract(session, contract_id).customer_id
    overlap.lock_customers(session, [customer_id])
    contract = db.get_locked(session, Contract, contract_id, noun="contract")
    plan = _plan(session, contract.rate_card_version_id, version_id, on=on, actor=actor, now=now)
    _judge(contract, plan, overlap.holdings(session, [customer_id])[customer_id])
    if _apply(session, contract, plan):
        telling.tell_contracts(session, EventType.CONTRACT_UPDATED, [contract], now=now)
    return contract


def cancel_scheduled_version(
    session: Session, contract_id: int, *, actor: Actor, now: datetime
) -> Contract:
    """Let the contract keep its version; when none is scheduled, nothing changes.

    Locks the contract. Raises NotFound.
    """
    contract = db.get_locked(session, Contract, contract_id, noun="contract")
    before = _shown(contract)
    if contract.next_version_id is not None:
        contract.next_version_id = contract.next_version_on = None
        _record(session, contract, CANCELLED, before=before, actor=actor, now=now)
        telling.tell_contracts(session, EventType.CONTRACT_UPDATED, [contract], now=now)
    return contract


def schedule_for_version(
    session: Session, version_id: int, *, to_version_id: int, on: date, actor: Actor, now: datetime
) -> Scheduling:
    """Let all active contracts on a version take up another one, as `schedule_version` does.

    A contract that can not is left as it is, with the reason. Where there are AT_ONCE or more,
    a job is owed that does it. Raises NotFound, InvalidDates, RateCardArchived and OtherProduct.
    """
    _plan(session, version_id, to_version_id, on=on, actor=actor, now=now)
    on_version = select(func.count()).where(*_active_on(version_id))
    if session.scalars(on_version).one() < AT_ONCE:
        return schedule_batch(
            session, version_id, to_version_id=to_version_id, on=on, actor=actor, now=now
        )
    real_now = clocks.to_real(session, now)
    outbox.owe(
        session,
        "jobs.contracts.schedule_for_version",
        now=real_now,
        version=show(Prefix.RATE_CARD_VERSION, version_id),
        to_version=show(Prefix.RATE_CARD_VERSION, to_version_id),
        on=on.isoformat(),
        **actor.dump(),
    )
    return Scheduling(is_queued=True)


def schedule_batch(
    session: Session,
    version_id: int,
    *,
    to_version_id: int,
    on: date,
    after: int = 0,
    actor: Actor,
    now: datetime,
) -> Scheduling:
    """Do what `schedule_for_version` says for the first AT_ONCE contracts after `after`.

    Doing it twice changes nothing. Locks the customers, then the contracts.
    """
    plan = _plan(session, version_id, to_version_id, on=on, actor=actor, now=now)
    of_version = select(Contract.id).where(*_active_on(version_id), Contract.id > after)
    ids = session.scalars(of_version.order_by(Contract.id).limit(AT_ONCE)).all()
    batch = _lock_batch(session, ids, version_id=version_id)
    held = overlap.holdings(session, {contract.customer_id for contract in batch})
    refused: dict[int, Refusal] = {}
    changed = []
    for contract in batch:
        of_customer = held[contract.customer_id]
        try:
            _judge(contract, plan, of_customer)
        except Refusal as refusal:
            refused[contract.id] = refusal
        else:
            if _apply(session, contract, plan):
                changed.append(contract)
            held[contract.customer_id] = _with_plan(of_customer, contract, plan)
    last_id = ids[-1] if len(ids) == AT_ONCE else None
    done = Scheduling(len(batch) - len(refused), refused, last_id)
    telling.tell_contracts(session, EventType.CONTRACT_UPDATED, changed, now=now)
    if batch:
        _record_batch(session, version_id, plan=plan, done=done)
    return done


def begins_on(contract: Contract, on: date, *, zone: ZoneInfo, now: datetime) -> date | None:
    """Return the first day of a version that is taken up with a period from `on` on.

    None when the contract ends before such a period begins.
    """
    period = contract.open_period
    if period is None:
        return None
    wanted = local_midnight(on, zone)
    inside = period_containing(contract.cycle, wanted, anchor=contract.anchor_on, zone=zone)
    start_at = wanted if inside.start_at == wanted else inside.end_at
    begun = period.start_at <= now
    first = local_date(max(start_at, period.end_at if begun else period.start_at), zone)
    return first if contract.ends_on is None or first < contract.ends_on else None


def _plan(
    session: Session, from_id: int, to_id: int, *, on: date, actor: Actor, now: datetime
) -> Plan:
    if not EARLIEST <= on <= LATEST:
        raise InvalidDates(f"must be from {EARLIEST} to {LATEST}", path="on")
    version = catalogue.get_version(session, to_id)
    card = catalogue.get_rate_card(session, version.rate_card_id)
    if card.status is CatalogStatus.ARCHIVED:
        raise RateCardArchived(f"{card.code} is archived")
    old = catalogue.get_version(session, from_id)
    if catalogue.get_rate_card(session, old.rate_card_id).product_id != card.product_id:
        raise OtherProduct(f"{card.code} is a rate card of another product")
    zone = ZoneInfo(clocks.get_merchant(session).time_zone)
    metrics = {
        Currency(name): price_sets.prices_of(version, Currency(name))
        for name in version.content["currencies"]
    }
    return Plan(version, metrics, on, zone, actor, now)


def _judge(contract: Contract, plan: Plan, held: Iterable[Holding]) -> None:
    if contract.status is ContractStatus.ENDED:
        raise ContractEnded("the contract has ended")
    if contract.rate_card_version_id == plan.version.id:
        raise AlreadyOnVersion(f"the contract is on version {plan.version.number} already")
    metrics = plan.metrics.get(contract.currency)
    if not metrics:
        raise CurrencyNotPriced(f"the version has no prices in {contract.currency}")
    starts_on = begins_on(contract, plan.on, zone=plan.zone, now=plan.now)
    if starts_on is None:
        raise InvalidDates("no period of the contract starts on this day or later", path="on")
    others = (one for one in held if one.contract is not contract)
    overlap.refuse_shared(others, metrics, starts_on=starts_on, ends_on=contract.ends_on)


def _with_plan(held: Iterable[Holding], contract: Contract, plan: Plan) -> list[Holding]:
    """Return what a customer's contracts hold once this one follows the plan."""
    metrics = plan.metrics[contract.currency]
    return [one.taking(metrics) if one.contract is contract else one for one in held]


def _apply(session: Session, contract: Contract, plan: Plan) -> bool:
    """Put the plan on the contract, and return whether that changed it."""
    before = _shown(contract)
    contract.next_version_id, contract.next_version_on = plan.version.id, plan.on
    period = contract.open_period
    if period is not None and period.start_at > plan.now:
        contracts.take_scheduled_version(contract, zone=plan.zone)
    is_changed = _shown(contract) != before
    if is_changed:
        _record(session, contract, SCHEDULED, before=before, actor=plan.actor, now=plan.now)
    return is_changed


def _lock_batch(
    session: Session, contract_ids: Collection[int], *, version_id: int
) -> Sequence[Contract]:
    """Lock the customers, then those of the contracts that are still active on the version."""
    named = select(Contract).where(Contract.id.in_(contract_ids))
    overlap.lock_customers(session, {one.customer_id for one in session.scalars(named)})
    return session.scalars(
        named.where(*_active_on(version_id))
        .order_by(Contract.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()


def _active_on(version_id: int) -> tuple[ColumnElement[bool], ...]:
    return (
        Contract.rate_card_version_id == version_id,
        Contract.status == ContractStatus.ACTIVE,
    )


def _record(
    session: Session,
    contract: Contract,
    action: str,
    *,
    before: Mapping[str, Any],
    actor: Actor,
    now: datetime,
) -> None:
    recording.record(
        session,
        actor,
        action,
        subject=show(Prefix.CONTRACT, contract.id),
        change=Change(before, _shown(contract)),
        now=now,
    )


def _shown(contract: Contract) -> dict[str, Any]:
    """Return which versions a contract has, in the words of an audit entry."""
    version_id, on = contract.next_version_id, contract.next_version_on
    return {
        "version": show(Prefix.RATE_CARD_VERSION, contract.rate_card_version_id),
        "next_version": None if version_id is None else show(Prefix.RATE_CARD_VERSION, version_id),
        "next_version_on": None if on is None else on.isoformat(),
    }


def _record_batch(session: Session, version_id: int, *, plan: Plan, done: Scheduling) -> None:
    refused = {show(Prefix.CONTRACT, number): why.code for number, why in done.refused.items()}
    recording.record(
        session,
        plan.actor,
        ALL_SCHEDULED,
        subject=show(Prefix.RATE_CARD_VERSION, version_id),
        change=Change(
            before={},
            after={
                "version": show(Prefix.RATE_CARD_VERSION, plan.version.id),
                "on": plan.on.isoformat(),
                "scheduled": done.scheduled,
                "refused": refused,
            },
        ),
        now=plan.now,
    )
