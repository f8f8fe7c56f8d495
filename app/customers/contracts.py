"""Contracts: making them without overlap, moving them from period to period, ending them."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.core import db
from app.core.errors import Conflict, Invalid
from app.core.ids import new_id
from app.core.money import Currency
from app.core.periods import (
    Cycle,
    Period,
    local_date,
    local_midnight,
    next_period,
    period_containing,
)
from app.customers import overlap, telling
from app.customers.models import (
    CONTRACT,
    Contract,
    ContractEvent,
    ContractStatus,
    Customer,
    CustomerStatus,
)
from app.identity.models import Merchant
from app.pricing import price_sets, queries, rate_cards
from app.pricing.models import CatalogStatus
from app.webhooks.catalogue import EventType

EARLIEST, LATEST = date(2000, 1, 1), date(2199, 12, 31)
"""The days a contract may start or end on: periods are counted from them, within the calendar."""


class InvalidDates(Invalid):
    code = "invalid_dates"


class CurrencyNotPriced(Invalid):
    code = "currency_not_priced"


class StartsInThePast(Conflict):
    code = "starts_in_the_past"


class CustomerArchived(Conflict):
    code = "customer_archived"


class EndPutOff(Conflict):
    code = "contract_end_put_off"


class PeriodInvoiced(Conflict):
    code = "period_invoiced"


def create_contract(
    session: Session,
    *,
    customer_id: int,
    rate_card_version_id: int,
    currency: Currency,
    cycle: Cycle,
    starts_on: date,
    ends_on: date | None = None,
    now: datetime,
) -> Contract:
    """Bind a customer to a rate card version, from `starts_on` up to, and without, `ends_on`.

    Days are the merchant's. Only a sandbox contract may start in the past. Locks the customer,
    so that of two contracts that would bill the same usage, one is refused.

    Raises NotFound, InvalidDates, StartsInThePast, CurrencyNotPriced, RateCardArchived,
    CustomerArchived and ContractOverlap.
    """
    merchant = _merchant(session)
    _check_dates(merchant, starts_on, ends_on, now=now)
    metrics = _priced_metrics(session, rate_card_version_id, currency)
    customer = _lock_active_customer(session, customer_id)
    held = overlap.holdings(session, [customer.id])[customer.id]
    overlap.refuse_shared(held, metrics, starts_on=starts_on, ends_on=ends_on)
    period = first_period(cycle, starts_on, ends_on, zone=_zone(merchant))
    contract = Contract(
        merchant_id=customer.merchant_id,
        id=new_id(),
        customer_id=customer.id,
        rate_card_version_id=rate_card_version_id,
        currency=currency,
        cycle=cycle,
        starts_on=starts_on,
        ends_on=ends_on,
        anchor_on=starts_on,
        next_period_at=period.start_at,
        due_at=period.end_at,
        status=ContractStatus.ACTIVE,
        created_at=now,
    )
    session.add(contract)
    session.flush()  # the next contract of this transaction has to see it
    telling.tell_contracts(session, EventType.CONTRACT_CREATED, [contract], now=now)
    return contract


def end_contract(session: Session, contract_id: int, *, ends_on: date, now: datetime) -> Contract:
    """Let the contract end where the merchant's day `ends_on` begins; it may be the first day.

    The open period is cut there and falls due then. The status is `ended` once the day has come
    or nothing is left to invoice; until then the end may be brought forward, never put off.
    Ending an ended contract on the same day again changes nothing. Locks the contract.

    Raises NotFound, InvalidDates, EndPutOff, IllegalMove, and PeriodInvoiced when an invoice
    covers later days.
    """
    contract = db.get_locked(session, Contract, contract_id, noun="contract")
    if CONTRACT.is_repeat(contract.status, ContractEvent.END) and contract.ends_on == ends_on:
        return contract
    ended = CONTRACT.after(contract.status, ContractEvent.END)
    if not contract.starts_on <= ends_on <= LATEST:
        raise InvalidDates("must not be before the contract starts", path="ends_on")
    if contract.ends_on is not None and ends_on > contract.ends_on:
        raise EndPutOff(f"the contract ends on {contract.ends_on} already")
    end_at = local_midnight(ends_on, _zone(_merchant(session)))
    period = contract.open_period
    if period is None or end_at < period.start_at:
        raise PeriodInvoiced("an invoice covers days after this end")
    contract.ends_on = ends_on
    if end_at == period.start_at:
        contract.next_period_at = contract.due_at = None
    else:
        contract.due_at = min(period.end_at, end_at)
    if end_at <= now or contract.due_at is None:
        contract.status = ended
        contract.next_version_id = contract.next_version_on = None
        telling.tell_ended(session, [contract], now=now)
    else:
        telling.tell_contracts(session, EventType.CONTRACT_UPDATED, [contract], now=now)
    return contract


def first_period(cycle: Cycle, starts_on: date, ends_on: date | None, *, zone: ZoneInfo) -> Period:
    """Return what the first invoice of such a contract will cover, falling due at its end."""
    start_at = local_midnight(starts_on, zone)
    period = period_containing(cycle, start_at, anchor=starts_on, zone=zone)
    if ends_on is None:
        return period
    return Period(start_at, min(period.end_at, local_midnight(ends_on, zone)))


def advance_period(contract: Contract, *, zone: ZoneInfo) -> None:
    """Open the period after the one just invoiced, or end the contract when there is none.

    Called once per invoice, with the contract locked; `zone` is the merchant's of today, and
    the new period begins where the last one ended whatever it was then. It takes up the version
    that is scheduled for it.
    """
    invoiced = contract.open_period
    if invoiced is None:
        raise ValueError(f"contract {contract.id} has no open period")
    end_at = None if contract.ends_on is None else local_midnight(contract.ends_on, zone)
    if end_at is not None and end_at <= invoiced.end_at:
        contract.next_period_at = contract.due_at = None
        contract.next_version_id = contract.next_version_on = None
        if not CONTRACT.is_repeat(contract.status, ContractEvent.END):
            contract.status = CONTRACT.after(contract.status, ContractEvent.END)
        return
    period = next_period(contract.cycle, invoiced, anchor=contract.anchor_on, zone=zone)
    contract.next_period_at = period.start_at
    contract.due_at = period.end_at if end_at is None else min(period.end_at, end_at)
    take_scheduled_version(contract, zone=zone)


def take_scheduled_version(contract: Contract, *, zone: ZoneInfo) -> None:
    """Put the contract on its next version if the open period starts on the day or later."""
    period, on = contract.open_period, contract.next_version_on
    if period is None or on is None or contract.next_version_id is None:
        return
    if local_date(period.start_at, zone) >= on:
        contract.rate_card_version_id = contract.next_version_id
        contract.next_version_id = contract.next_version_on = None


def _merchant(session: Session) -> Merchant:
    return session.get_one(Merchant, db.merchant_of(session))


def _zone(merchant: Merchant) -> ZoneInfo:
    return ZoneInfo(merchant.time_zone)


def _check_dates(
    merchant: Merchant, starts_on: date, ends_on: date | None, *, now: datetime
) -> None:
    if not EARLIEST <= starts_on <= LATEST:
        raise InvalidDates(f"must be from {EARLIEST} to {LATEST}", path="starts_on")
    if ends_on is not None and not starts_on < ends_on <= LATEST:
        raise InvalidDates(f"must be after the start, up to {LATEST}", path="ends_on")
    if not merchant.is_sandbox and starts_on < local_date(now, _zone(merchant)):
        raise StartsInThePast(f"{starts_on} is over; a contract starts today or later")


def _priced_metrics(session: Session, version_id: int, currency: Currency) -> set[str]:
    version = queries.get_version(session, version_id)
    card = queries.get_rate_card(session, version.rate_card_id)
    if card.status is CatalogStatus.ARCHIVED:
        raise rate_cards.RateCardArchived(f"{card.code} is archived")
    metrics = set(price_sets.prices_of(version, currency))
    if not metrics:
        raise CurrencyNotPriced(
            f"version {version.number} of {card.code} has no prices in {currency}", path="currency"
        )
    return metrics


def _lock_active_customer(session: Session, customer_id: int) -> Customer:
    customer = db.get_locked(session, Customer, customer_id, noun="customer")
    if customer.status is CustomerStatus.ARCHIVED:
        raise CustomerArchived(f"{customer.external_id} is archived")
    return customer
