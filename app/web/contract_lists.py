"""Contracts with what a page says about each: its customer, rate card and version."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.core.ids import Prefix, show
from app.core.paging import DEFAULT_LIMIT, MAX_LIMIT, Page, newest_first
from app.core.text import matches
from app.customers.models import Contract, ContractStatus, Customer
from app.pricing import queries
from app.pricing.models import CatalogStatus, RateCard, RateCardVersion

M = TypeVar("M", Customer, RateCard, RateCardVersion)


@dataclass(frozen=True)
class ContractRow:
    """A contract; `next_version` is the one it takes up later, if any."""

    contract: Contract
    customer: Customer
    version: RateCardVersion
    card: RateCard
    next_version: RateCardVersion | None


@dataclass(frozen=True)
class ContractFilter:
    """Which contracts a list shows; `q` is a part of the customer's external id, name or e-mail."""

    status: ContractStatus | None = None
    q: str = ""
    customer_id: int | None = None
    version_id: int | None = None


def list_contracts(
    session: Session,
    wanted: ContractFilter,
    *,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[ContractRow]:
    """Return one page of contracts, newest first. Raises Invalid."""
    statement = select(Contract)
    if wanted.status:
        statement = statement.where(Contract.status == wanted.status)
    if wanted.customer_id is not None:
        statement = statement.where(Contract.customer_id == wanted.customer_id)
    if wanted.version_id is not None:
        statement = statement.where(Contract.rate_card_version_id == wanted.version_id)
    if wanted.q:
        found = matches(wanted.q, Customer.external_id, Customer.name, Customer.email)
        statement = statement.where(Contract.customer_id.in_(select(Customer.id).where(found)))
    page = newest_first(session, statement, Contract.id, cursor=cursor, limit=limit)
    return Page(rows_of(session, page.rows), page.next_cursor)


def rows_of(session: Session, contracts: Sequence[Contract]) -> list[ContractRow]:
    """Return the contracts with their neighbours, in the same order."""
    customers = _by_id(session, Customer, {row.customer_id for row in contracts})
    ids = {row.rate_card_version_id for row in contracts}
    ids |= {row.next_version_id for row in contracts if row.next_version_id is not None}
    versions = _by_id(session, RateCardVersion, ids)
    cards = _by_id(session, RateCard, {row.rate_card_id for row in versions.values()})
    return [
        ContractRow(
            contract,
            customers[contract.customer_id],
            versions[contract.rate_card_version_id],
            cards[versions[contract.rate_card_version_id].rate_card_id],
            versions.get(contract.next_version_id or 0),
        )
        for contract in contracts
    ]


def versions_on_offer(session: Session, row: ContractRow) -> list[tuple[str, str]]:
    """Return what the contract may change to, as options of a select, the newest first.

    These are the other versions of its card, and the current ones of the product's other cards,
    as far as they have prices in its currency.
    """
    cards = queries.list_rate_cards(
        session, product_id=row.card.product_id, status=CatalogStatus.ACTIVE, limit=MAX_LIMIT
    ).rows
    others = queries.current_versions(session, [card.id for card in cards if card != row.card])
    own = queries.list_versions(session, row.card.id, limit=MAX_LIMIT).rows
    names = {card.id: card.name for card in [row.card, *cards]}
    return [
        (
            show(Prefix.RATE_CARD_VERSION, version.id),
            f"{names[version.rate_card_id]} v{version.number}",
        )
        for version in [*(own if row.card in cards else []), *others.values()]
        if version != row.version and row.contract.currency in version.content["currencies"]
    ]


def active_by_version(session: Session, version_ids: Collection[int]) -> dict[int, int]:
    """Return how many active contracts each of these rate card versions has."""
    return _active_by(session, Contract.rate_card_version_id, version_ids)


def scheduled_by_version(session: Session, version_ids: Collection[int]) -> dict[int, int]:
    """Return how many active contracts will take up each of these rate card versions."""
    return _active_by(session, Contract.next_version_id, version_ids)


def active_by_customer(session: Session, customer_ids: Collection[int]) -> dict[int, int]:
    """Return how many active contracts each of these customers has."""
    return _active_by(session, Contract.customer_id, customer_ids)


def _active_by(
    session: Session, column: InstrumentedAttribute[Any], ids: Collection[int]
) -> dict[int, int]:
    counted = (
        select(column, func.count())
        .where(column.in_(ids), Contract.status == ContractStatus.ACTIVE)
        .group_by(column)
    )
    return dict(session.execute(counted).all())


def _by_id(session: Session, model: type[M], ids: Collection[int]) -> dict[int, M]:
    return {row.id: row for row in session.scalars(select(model).where(model.id.in_(ids)))}
