"""Reading customers and contracts."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import any_, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.types import BigInteger, Text

from app.core import db
from app.core.db import Work, merchant_of, run_sql
from app.core.paging import DEFAULT_LIMIT, Page, newest_first
from app.core.periods import local_date
from app.core.text import is_clean, matches
from app.customers.models import Contract, ContractStatus, Customer, CustomerStatus


class CustomerName(NamedTuple):
    """What lists say of a customer."""

    id: int
    external_id: str
    name: str


_NAMES = """
SELECT id, external_id, name FROM customers
 WHERE merchant_id = %(merchant_id)s AND id = ANY (%(ids)s)
"""


def get_customer(session: Session, customer_id: int) -> Customer:
    """Return the customer. Raises NotFound."""
    return db.get(session, Customer, customer_id, noun="customer")


def customers_by_external_id(
    session: Session, external_ids: Collection[str]
) -> dict[str, Customer]:
    """Return the customers of these ids, active or archived; an id nobody has is left out."""
    wanted = literal([text for text in external_ids if is_clean(text)], ARRAY(Text()))
    customers = session.scalars(select(Customer).where(Customer.external_id == any_(wanted)))
    return {customer.external_id: customer for customer in customers}


def customers_by_id(session: Session, customer_ids: Collection[int]) -> dict[int, Customer]:
    """Return the customers of these ids, for a list that names them; unknown ids are left out."""
    wanted = literal(list(customer_ids), ARRAY(BigInteger))
    customers = session.scalars(select(Customer).where(Customer.id == any_(wanted)))
    return {customer.id: customer for customer in customers}


def customer_names(session: Work, customer_ids: Collection[int]) -> dict[int, CustomerName]:
    """Return the names of these customers, for a list; unknown ids are left out."""
    asked = {"merchant_id": merchant_of(session), "ids": list(customer_ids)}
    named = [CustomerName(*row) for row in run_sql(session, _NAMES, asked)]
    return {customer.id: customer for customer in named}


def list_customers(
    session: Session,
    *,
    status: CustomerStatus | None = None,
    q: str = "",
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Customer]:
    """Return customers, newest first. Raises Invalid.

    `q` is a part of the external id, the name or the e-mail address.
    """
    statement = select(Customer)
    if status:
        statement = statement.where(Customer.status == status)
    if q:
        found = matches(q, Customer.external_id, Customer.name, Customer.email)
        statement = statement.where(found)
    return newest_first(session, statement, Customer.id, cursor=cursor, limit=limit)


def get_contract(session: Session, contract_id: int) -> Contract:
    """Return the contract. Raises NotFound."""
    return db.get(session, Contract, contract_id, noun="contract")


def contracts_of(session: Session, customer_ids: Collection[int]) -> Sequence[Contract]:
    """Return all contracts of these customers, also the ended ones, by their first day."""
    statement = select(Contract).where(Contract.customer_id.in_(customer_ids))
    return session.scalars(statement.order_by(Contract.starts_on, Contract.id)).all()


def list_contracts(
    session: Session,
    *,
    customer_id: int | None = None,
    version_id: int | None = None,
    status: ContractStatus | None = None,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Contract]:
    """Return contracts, newest first. Raises Invalid.

    Those of a rate card version are on it, or will take it up.
    """
    statement = select(Contract)
    if customer_id is not None:
        statement = statement.where(Contract.customer_id == customer_id)
    if version_id is not None:
        either = or_(
            Contract.rate_card_version_id == version_id, Contract.next_version_id == version_id
        )
        statement = statement.where(either)
    if status:
        statement = statement.where(Contract.status == status)
    return newest_first(session, statement, Contract.id, cursor=cursor, limit=limit)


def contracts_on(
    contracts: Iterable[Contract], instant: datetime, *, zone: ZoneInfo
) -> list[Contract]:
    """Return those of `contracts` that cover the local day of `instant`.

    Of one customer's, at most one prices a given metric: `create_contract` sees to it.
    """
    day = local_date(instant, zone)
    return [
        contract
        for contract in contracts
        if contract.starts_on <= day and (contract.ends_on is None or day < contract.ends_on)
    ]
