"""Tell the merchant's server what became of customers and contracts."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy.orm import Session

from app.core.ids import Prefix, show
from app.customers.models import Contract, ContractStatus, Customer
from app.webhooks import emitting
from app.webhooks.catalogue import EventType
from app.webhooks.payloads import ContractData, CustomerData


def customer_payload(customer: Customer) -> CustomerData:
    """Return a customer as events tell of it: no name and no address of anybody."""
    rate_id = customer.tax_rate_id
    return CustomerData(
        customer_id=show(Prefix.CUSTOMER, customer.id),
        external_id=customer.external_id,
        status=customer.status.value,
        language=customer.language,
        is_reminded=customer.is_reminded,
        is_tax_exempt=customer.is_tax_exempt,
        tax_rate_id=None if rate_id is None else show(Prefix.TAX_RATE, rate_id),
    )


def contract_payload(contract: Contract) -> ContractData:
    """Return a contract as events tell of it."""
    next_id = contract.next_version_id
    return ContractData(
        contract_id=show(Prefix.CONTRACT, contract.id),
        status=contract.status.value,
        customer_id=show(Prefix.CUSTOMER, contract.customer_id),
        rate_card_version_id=show(Prefix.RATE_CARD_VERSION, contract.rate_card_version_id),
        next_version_id=None if next_id is None else show(Prefix.RATE_CARD_VERSION, next_id),
        next_version_on=contract.next_version_on,
        currency=contract.currency,
        cycle=contract.cycle.value,
        starts_on=contract.starts_on,
        ends_on=contract.ends_on,
    )


def tell_customer(
    session: Session, event_type: EventType, customer: Customer, *, now: datetime
) -> None:
    """Emit what became of a locked customer."""
    emitting.emit_changes(session, event_type, [customer_payload(customer)], now=now)


def tell_changed(session: Session, customer: Customer, *, now: datetime) -> None:
    """Emit that a locked customer is to be changed, if anything of it is."""
    if session.is_modified(customer):
        tell_customer(session, EventType.CUSTOMER_UPDATED, customer, now=now)


def tell_contracts(
    session: Session, event_type: EventType, contracts: Iterable[Contract], *, now: datetime
) -> None:
    """Emit what became of locked contracts, each time anew."""
    told = [contract_payload(contract) for contract in contracts]
    emitting.emit_changes(session, event_type, told, now=now)


def tell_ended(session: Session, contracts: Iterable[Contract], *, now: datetime) -> None:
    """Emit the end of those of these locked contracts that have ended, once for each."""
    ended = [contract for contract in contracts if contract.status is ContractStatus.ENDED]
    told = {show(Prefix.CONTRACT, contract.id): contract_payload(contract) for contract in ended}
    emitting.emit_all(session, EventType.CONTRACT_ENDED, told, now=now)
