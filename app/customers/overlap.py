"""Which metrics the contracts of a customer price, and when: no usage is billed by two of them."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.errors import Conflict
from app.core.money import Currency
from app.customers.models import Contract, Customer
from app.pricing import price_sets
from app.pricing import queries as catalogue


class ContractOverlap(Conflict):
    code = "contract_overlap"


@dataclass(frozen=True, slots=True)
class Holding:
    """The metrics a contract prices: until it has changed its version, those of both."""

    contract: Contract
    metrics: frozenset[str]

    def covers_some(self, starts_on: date, ends_on: date | None) -> bool:
        """Tell whether the contract covers a day from `starts_on` up to, and without, `ends_on`.

        One that was ended before it began covers none.
        """
        first, end = self.contract.starts_on, self.contract.ends_on
        ends_later = end is None or (end > starts_on and end > first)
        return ends_later and (ends_on is None or first < ends_on)

    def taking(self, metrics: Collection[str]) -> "Holding":
        """Return what the contract holds once it is to price these metrics as well."""
        return replace(self, metrics=self.metrics.union(metrics))


def lock_customers(session: Session, customer_ids: Collection[int]) -> None:
    """Let no contract of these customers be made, or change its version, until the end.

    An invoice that is being drafted does not wait for this lock, though its row names the
    customer: it holds the contract, which is locked after the customer.
    """
    session.scalars(
        select(Customer.id)
        .where(Customer.id.in_(customer_ids))
        .order_by(Customer.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).all()


def holdings(session: Session, customer_ids: Collection[int]) -> dict[int, list[Holding]]:
    """Return what the contracts of these customers price, as it is now, by the customer."""
    contracts = session.scalars(
        select(Contract)
        .where(Contract.customer_id.in_(customer_ids))
        .order_by(Contract.id)
        .execution_options(populate_existing=True)
    ).all()
    named = {(number, one.currency) for one in contracts for number in _versions_of(one)}
    metrics = _metrics(session, named)
    found: dict[int, list[Holding]] = defaultdict(list)
    for contract in contracts:
        priced = (metrics[number, contract.currency] for number in _versions_of(contract))
        found[contract.customer_id].append(Holding(contract, frozenset().union(*priced)))
    return found


def refuse_shared(
    others: Iterable[Holding], metrics: Collection[str], *, starts_on: date, ends_on: date | None
) -> None:
    """Refuse days and metrics that one of `others` has in common. Raises ContractOverlap."""
    for other in others:
        shared = other.metrics.intersection(metrics)
        if shared and other.covers_some(starts_on, ends_on):
            raise ContractOverlap(
                f"another contract of this customer prices {', '.join(sorted(shared))} in that time"
            )


def _versions_of(contract: Contract) -> list[int]:
    both = (contract.rate_card_version_id, contract.next_version_id)
    return [version_id for version_id in both if version_id is not None]


def _metrics(
    session: Session, named: Collection[tuple[int, Currency]]
) -> dict[tuple[int, Currency], frozenset[str]]:
    """Return what each version prices in a currency; many contracts have the same one."""
    versions = catalogue.versions_by_id(session, {version_id for version_id, _ in named})
    return {
        (version_id, currency): frozenset(price_sets.prices_of(versions[version_id], currency))
        for version_id, currency in named
    }
