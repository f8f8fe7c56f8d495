"""A period's usage becomes lines: one for each part of a price, each rounded once."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from itertools import chain
from typing import Any

from sqlalchemy.orm import Session

from app.billing import measuring, proration
from app.billing.amounts import sum_lines
from app.billing.desk import Desk
from app.billing.models import LineKind
from app.billing.scopes import Scope
from app.billing.working import Row, missing_to, working
from app.core.decimals import plain
from app.core.errors import Conflict
from app.core.money import Money
from app.customers import queries as customers
from app.customers.models import Contract
from app.metering.usage import NO_USAGE, SeriesUsage, Usage
from app.pricing import parts, price_sets
from app.pricing import queries as catalogue
from app.pricing.charges import Graduated, GraduatedPercentage, Volume
from app.pricing.metric_prices import MetricPrice
from app.pricing.models import Metric
from app.pricing.parts import Part, RatedPart
from app.pricing.rating import Price, Rated

MAX_LINE = 10**13
"""Minor units: what a line may come to. More is a slip in a price, and must not be collected."""

_VALUES_SHOWN = 3
"""How many values of a filter a description names."""

Key = tuple[int | None, str]
"""What tells the lines of one period apart: the metric and the part, None for the commitment."""


class LineTooLarge(Conflict):
    code = "line_too_large"


@dataclass(frozen=True, slots=True)
class Line:
    """One part of a metric's price on a bill, or what is missing to a commitment.

    `tiers` is its working as JSON. The usage is that of the days from `first_day` to `end_day`,
    exclusive. Usage that no part takes is a line of zero that is not priced. `tier` is the number
    of the tier that the quantity ends in.
    """

    kind: LineKind
    metric: Metric | None
    part: Mapping[str, Any]
    description: str
    usage: Usage
    amount: Money
    tiers: Sequence[Row]
    first_day: date
    end_day: date
    is_priced: bool = True
    tier: int = 1

    @property
    def key(self) -> Key:
        return line_key(None if self.metric is None else self.metric.id, self.part)


def line_key(metric_id: int | None, part: Mapping[str, Any]) -> Key:
    """Return what is the same for all lines about one part of a metric in one period."""
    return metric_id, json.dumps(part, sort_keys=True)


def rate_period(desk: Desk, scope: Scope) -> list[Line]:
    """Rate all usage of the scope: in the order the rate card has its prices, the commitment last.

    A metric that was not used has no line unless it costs something all the same. Usage that no
    contract of the customer prices is there as lines of zero. Raises LineTooLarge.
    """
    session, metrics, usage = desk.session, desk.metrics, desk.usage_of(scope)
    lines = rate_usage(session, scope, metrics, usage=usage)
    priced = scope.terms.prices.keys()
    strays = [metric for code, metric in metrics.items() if code not in priced]
    used = [metric for metric in strays if metric.id in usage]
    return [*lines, *_unpriced_lines(session, scope, used, usage=usage), *commitment(scope, lines)]


def rate_usage(
    session: Session,
    scope: Scope,
    metrics: Mapping[str, Metric],
    *,
    usage: Mapping[int, Sequence[SeriesUsage]],
) -> list[Line]:
    """Rate what the scope has prices for; `usage` is by metric. Raises LineTooLarge."""
    return [
        line
        for code, price in scope.terms.prices.items()
        for line in rate_metric(session, scope, metrics[code], price=price, usage=usage)
    ]


def rate_metric(
    session: Session,
    scope: Scope,
    metric: Metric,
    *,
    price: MetricPrice,
    usage: Mapping[int, Sequence[SeriesUsage]],
) -> Iterator[Line]:
    """Yield a line for each part of the metric that was used or costs something all the same.

    What no part takes comes last, as a line of zero. Raises LineTooLarge.
    """
    series = usage.get(metric.id, ())
    measured = measuring.measure(session, scope, metric, price=price, series=series)
    for each in parts.rate_parts(price, measured.to_rate):
        used = measured.usage.get(each.part, NO_USAGE)
        line = _line(scope, metric, price, each=each, usage=used)
        if used.events or used.quantity or line.amount:
            yield line
    if measured.unpriced.events:
        yield _unpriced_line(scope, metric, measured.unpriced)


def commitment(scope: Scope, lines: Iterable[Line]) -> Iterator[Line]:
    """Yield what the lines miss to the commitment of the scope, if they miss anything."""
    if scope.terms.commitment is None:
        return
    used = sum_lines((line.amount for line in lines), scope.currency)
    share = Fraction(scope.days, scope.whole_days)
    committed = Money.rounded(Fraction(scope.terms.commitment) * share, scope.currency)
    missing = proration.true_up(committed, used)
    if missing:
        yield Line(
            kind=LineKind.COMMITMENT,
            metric=None,
            part={},
            description="Minimum commitment",
            usage=NO_USAGE,
            amount=missing,
            tiers=missing_to(committed, used),
            first_day=scope.first_day,
            end_day=scope.end_day,
        )


def _line(
    scope: Scope, metric: Metric, price: MetricPrice, *, each: RatedPart, usage: Usage
) -> Line:
    if each.rated.amount > MAX_LINE:
        raise LineTooLarge(f"{metric.code}: {plain(usage.quantity)} come to more than we bill")
    return Line(
        kind=LineKind.USAGE,
        metric=metric,
        part=each.part.document,
        description=_describe(metric, price, each.part),
        usage=usage,
        amount=Money.rounded(each.rated.amount, scope.currency),
        tiers=working(each.price, each.rated),
        first_day=scope.first_day,
        end_day=scope.end_day,
        tier=_tier_reached(each.price, each.rated),
    )


def _tier_reached(price: Price, rated: Rated) -> int:
    match price.charge:
        case Graduated() | Volume() | GraduatedPercentage() if rated.tiers:
            bounds = [tier.up_to for tier in price.charge.tiers]
            return bounds.index(rated.tiers[-1].up_to) + 1
        case _:
            return 1


def _describe(metric: Metric, price: MetricPrice, part: Part) -> str:
    """Name the metric, and in words which part of its usage the line is about."""
    match = {} if part.filter is None else price.filters[part.filter].match
    words = {name: _shortened(values) for name, values in match.items()} | dict(part.group)
    said = "; ".join(f"{name} = {value}" for name, value in words.items())
    return f"{metric.name} ({said})" if said else metric.name


def _shortened(values: Sequence[str]) -> str:
    shown = ", ".join(values[:_VALUES_SHOWN])
    return shown if len(values) <= _VALUES_SHOWN else f"{shown}, …"


def _unpriced_lines(
    session: Session,
    scope: Scope,
    metrics: Sequence[Metric],
    *,
    usage: Mapping[int, Sequence[SeriesUsage]],
) -> Iterator[Line]:
    elsewhere = _priced_elsewhere(session, scope) if metrics else set()
    for metric in metrics:
        if metric.code not in elsewhere:
            used = measuring.total(session, scope, metric, series=usage[metric.id])
            yield _unpriced_line(scope, metric, used)


def _unpriced_line(scope: Scope, metric: Metric, usage: Usage) -> Line:
    return Line(
        kind=LineKind.USAGE,
        metric=metric,
        part={},
        description=metric.name,
        usage=usage,
        amount=Money.zero(scope.currency),
        tiers=[],
        first_day=scope.first_day,
        end_day=scope.end_day,
        is_priced=False,
    )


def _priced_elsewhere(session: Session, scope: Scope) -> set[str]:
    """Return the metrics that other contracts of the customer price on some day of the scope."""
    contracts = customers.contracts_of(session, [scope.customer_id])
    return set(
        chain.from_iterable(
            price_sets.prices_of(
                catalogue.get_version(session, contract.rate_card_version_id), contract.currency
            )
            for contract in contracts
            if contract.id != scope.contract_id and _overlaps(contract, scope)
        )
    )


def _overlaps(contract: Contract, scope: Scope) -> bool:
    has_begun = contract.starts_on < scope.end_day
    return has_begun and (contract.ends_on is None or scope.first_day < contract.ends_on)
