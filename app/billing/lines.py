"""A period's usage becomes lines: one per metric, each rounded once, with its working shown."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import chain
from typing import Any

from sqlalchemy.orm import Session

from app.core.decimals import plain
from app.core.errors import Conflict
from app.core.money import Currency, Money
from app.customers import queries as customers
from app.customers.models import Contract
from app.metering.queries import NO_USAGE, Usage, period_usage
from app.pricing import price_sets, rating
from app.pricing import queries as catalogue
from app.pricing.models import Metric
from app.pricing.rating import Price, RatedTier

MAX_LINE = 10**13
"""Minor units: what a line may come to. More is a slip in a price, and must not be collected."""


class LineTooLarge(Conflict):
    code = "line_too_large"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a bill is about: whose usage on which local days, at which prices.

    `end_day` is exclusive. The prices are those of the pinned version in `currency`.
    """

    customer_id: int
    rate_card_version_id: int
    currency: Currency
    first_day: date
    end_day: date


@dataclass(frozen=True, slots=True)
class Line:
    """One metric's part of a bill. The tiers are JSON: texts of exact minor units."""

    metric: Metric
    usage: Usage
    amount: Money
    tiers: list[dict[str, Any]]
    is_priced: bool = True


def rate_usage(session: Session, scope: Scope) -> list[Line]:
    """Rate the usage of the scope, in the order the rate card has its prices.

    A metric that was not used has no line unless it costs something all the same. Usage that no
    contract of the customer prices comes last, as lines of zero. Raises LineTooLarge.
    """
    usage = _usage_by_metric(session, scope)
    version = catalogue.get_version(session, scope.rate_card_version_id)
    prices = price_sets.prices_of(version, scope.currency)
    metrics = catalogue.metrics_by_code(session, prices)
    priced = [
        _line(metrics[code], usage.get(metrics[code].id, NO_USAGE), price, currency=scope.currency)
        for code, price in prices.items()
    ]
    unpriced = usage.keys() - {metric.id for metric in metrics.values()}
    return [
        *(line for line in priced if line.usage.events or line.amount),
        *_unpriced_lines(session, scope, {metric_id: usage[metric_id] for metric_id in unpriced}),
    ]


def _usage_by_metric(session: Session, scope: Scope) -> dict[int, Usage]:
    found = period_usage(
        session, [scope.customer_id], first_day=scope.first_day, end_day=scope.end_day
    )
    return {metric_id: usage for (_, metric_id), usage in found.items()}


def _line(metric: Metric, usage: Usage, price: Price, *, currency: Currency) -> Line:
    rated = rating.rate(price, usage.quantity)
    if rated.amount > MAX_LINE:
        raise LineTooLarge(f"{metric.code}: {plain(usage.quantity)} come to more than we bill")
    amount = Money.rounded(rated.amount, currency)
    return Line(metric, usage, amount, list(_working(price, usage.quantity, rated.tiers)))


def _working(
    price: Price, quantity: Decimal, tiers: Iterable[RatedTier]
) -> Iterable[dict[str, Any]]:
    """Write the tiers a quantity went through, the free units before all as a tier of price 0."""
    free, floor = price.free_units, rating.ZERO
    if free:
        taken = min(max(quantity, rating.ZERO), free)
        yield _tier(floor, free, RatedTier(taken, rating.ZERO, rating.ZERO, rating.ZERO))
        floor = free
    for bounds, rated in zip(price.tiers, tiers, strict=False):  # only the tiers it entered
        up_to = None if bounds.up_to is None else free + bounds.up_to
        yield _tier(floor, up_to, rated)
        floor = up_to or floor


def _tier(above: Decimal, up_to: Decimal | None, rated: RatedTier) -> dict[str, Any]:
    return {
        "above": plain(above),
        "up_to": None if up_to is None else plain(up_to),
        "quantity": plain(rated.quantity),
        "unit_price": plain(rated.unit_price),
        "flat_fee": plain(rated.flat_fee),
        "amount": plain(rated.amount),
    }


def _unpriced_lines(session: Session, scope: Scope, usage: Mapping[int, Usage]) -> list[Line]:
    if not usage:
        return []
    metrics = (catalogue.get_metric(session, metric_id) for metric_id in usage)
    elsewhere = _priced_elsewhere(session, scope)
    return [
        Line(metric, usage[metric.id], Money.zero(scope.currency), [], is_priced=False)
        for metric in sorted(metrics, key=lambda metric: metric.code)
        if metric.code not in elsewhere
    ]


def _priced_elsewhere(session: Session, scope: Scope) -> set[str]:
    """Return the metrics that other contracts of the customer price on some day of the scope."""
    contracts = customers.contracts_of(session, [scope.customer_id])
    return set(
        chain.from_iterable(
            price_sets.prices_of(
                catalogue.get_version(session, contract.rate_card_version_id), contract.currency
            )
            for contract in contracts
            if _overlaps(contract, scope)
        )
    )


def _overlaps(contract: Contract, scope: Scope) -> bool:
    has_begun = contract.starts_on < scope.end_day
    return has_begun and (contract.ends_on is None or scope.first_day < contract.ends_on)
