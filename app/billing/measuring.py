"""Measuring: what there is to rate, part by part: from roll-ups, or where they can not say, events.

A filter or a group asks for usage by some dimensions. Roll-ups know those that the metric
declared when the usage came; a price with terms per event, a unique count and a weighted sum ask
for the events themselves.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy.orm import Session

from app.billing.scopes import Scope
from app.metering import usage as metering
from app.metering.usage import FROM_EVENTS, NO_USAGE, SeriesUsage, Usage
from app.pricing import parts, rating
from app.pricing.metric_prices import MetricPrice
from app.pricing.models import Metric
from app.pricing.parts import Part


@dataclass(frozen=True, slots=True)
class Measured:
    """The usage of a metric by part, in the order of its price, and what no part takes.

    `to_rate` is the same usage as rating wants it: a quantity, or the amounts of the events.
    """

    usage: Mapping[Part, Usage]
    to_rate: Mapping[Part, rating.Usage]
    unpriced: Usage


def measure(
    session: Session,
    scope: Scope,
    metric: Metric,
    *,
    price: MetricPrice,
    series: Sequence[SeriesUsage],
) -> Measured:
    """Part the usage of a metric as its price does; `series` is what roll-ups know of it."""
    by_part: dict[Part | None, list[SeriesUsage]] = defaultdict(list)
    needed = price.needed_dimensions
    for each in _known_by(session, scope, metric, needed=needed, series=series):
        by_part[parts.part_of(price, each.dimensions, metric.dimensions)].append(each)
    strays = by_part.pop(None, [])
    unpriced = metering.combine(metric.aggregation, strays) if strays else NO_USAGE
    usage = {
        part: metering.combine(metric.aggregation, by_part[part])
        for part in sorted(filter(None, by_part), key=lambda part: part.rank)
    }
    to_rate: dict[Part, rating.Usage] = {part: each.quantity for part, each in usage.items()}
    if price.needs_events:
        to_rate |= _amounts(session, scope, metric, price=price, used=usage)
    return Measured(usage, to_rate, unpriced)


def total(
    session: Session, scope: Scope, metric: Metric, *, series: Sequence[SeriesUsage]
) -> Usage:
    """Return all the usage of a metric in one quantity."""
    known = _known_by(session, scope, metric, needed=frozenset(), series=series)
    return metering.combine(metric.aggregation, known)


def _known_by(
    session: Session,
    scope: Scope,
    metric: Metric,
    *,
    needed: frozenset[str],
    series: Sequence[SeriesUsage],
) -> Sequence[SeriesUsage]:
    """Return usage that knows the needed dimensions, from events where roll-ups do not."""
    if metric.aggregation not in FROM_EVENTS and metering.can_answer(series, needed):
        return series
    return metering.event_usage(
        session,
        scope.customer_id,
        metric,
        start_at=scope.period.start_at,
        end_at=scope.period.end_at,
        dimensions=needed,
    )


def _amounts(
    session: Session,
    scope: Scope,
    metric: Metric,
    *,
    price: MetricPrice,
    used: Mapping[Part, Usage],
) -> dict[Part, list[Decimal]]:
    """Return the amounts of the events, as they happened, of the parts whose price needs them."""
    amounts: dict[Part, list[Decimal]] = {
        part: [] for part in used if rating.needs_events(price.price_at(part.filter))
    }
    events = metering.event_amounts(
        session,
        scope.customer_id,
        metric,
        start_at=scope.period.start_at,
        end_at=scope.period.end_at,
        dimensions=price.needed_dimensions,
    )
    for dimensions, amount in events:
        part = parts.part_of(price, dimensions, metric.dimensions)
        if part in amounts:
            amounts[part].append(amount)
    return amounts
