"""A trial: what usage would come to at given prices, part by part, with nothing stored.

It is rated as an invoice of a whole period is; only the usage is made up.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from app.core.decimals import EXACT
from app.core.errors import Invalid
from app.core.money import Money
from app.pricing import parts, rating
from app.pricing.charges import ZERO
from app.pricing.metric_prices import MetricPrice
from app.pricing.models import Aggregation, Metric
from app.pricing.parts import Part, RatedPart
from app.pricing.price_sets import Terms


class InvalidTrial(Invalid):
    code = "invalid_trial"


@dataclass(frozen=True, slots=True)
class TriedUsage:
    """What the events of these dimensions came to, or of a sum their amounts one by one."""

    metric: str
    usage: rating.Usage
    dimensions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TriedLine:
    """One part of a metric's price; `rated` is None for usage that nothing prices.

    `match` is what the filter takes that the part is of, `{}` where none does.
    """

    metric: Metric
    quantity: Decimal
    amount: Money
    rated: RatedPart | None = None
    match: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trial:
    """The lines, in the order of the prices, and what they miss to the commitment."""

    lines: Sequence[TriedLine]
    missing: Money

    @property
    def total(self) -> Money:
        return sum((line.amount for line in self.lines), self.missing)


def price_usage(
    terms: Terms, usages: Sequence[TriedUsage], *, metrics: Mapping[str, Metric]
) -> Trial:
    """Rate made-up usage; `metrics` are all there are, by code.

    Raises InvalidTrial with the path of the usage that can not be rated, such as
    `usage[2].metric`.
    """
    _refuse_unfit(usages, metrics)
    by_metric: dict[str, dict[Part | None, list[rating.Usage]]] = defaultdict(dict)
    for position, each in enumerate(usages):
        price = terms.prices.get(each.metric)
        part = _part(price, each, metrics[each.metric], at=f"usage[{position}]")
        by_metric[each.metric].setdefault(part, []).append(each.usage)
    lines = [
        line
        for code in dict.fromkeys([*terms.prices, *by_metric])
        for line in _lines(metrics[code], terms, by_metric[code])
    ]
    billed = sum((line.amount for line in lines), Money.zero(terms.currency))
    committed = Money.rounded(terms.commitment or ZERO, terms.currency)
    return Trial(lines, max(committed - billed, Money.zero(terms.currency)))


def _refuse_unfit(usages: Sequence[TriedUsage], metrics: Mapping[str, Metric]) -> None:
    for position, each in enumerate(usages):
        if each.metric not in metrics:
            raise InvalidTrial("is no metric", path=f"usage[{position}].metric")
        is_sum = metrics[each.metric].aggregation is Aggregation.SUM
        if not isinstance(each.usage, Decimal) and not is_sum:
            raise InvalidTrial("are for a sum only", path=f"usage[{position}].amounts")


def _part(price: MetricPrice | None, each: TriedUsage, metric: Metric, *, at: str) -> Part | None:
    """Return the part the usage falls in, None when nothing prices it.

    Refuses a quantity where the price looks at one event after the other.
    """
    if price is None:
        return None
    part = parts.part_of(price, each.dimensions, metric.dimensions)
    is_by_event = part is not None and rating.needs_events(price.price_at(part.filter))
    if is_by_event and isinstance(each.usage, Decimal):
        raise InvalidTrial("are needed: the price has terms per event", path=f"{at}.amounts")
    return part


def _lines(
    metric: Metric, terms: Terms, usages: Mapping[Part | None, Sequence[rating.Usage]]
) -> Iterator[TriedLine]:
    """Yield a line for each part that was used or costs something all the same."""
    quantities = {part: _combine(metric, some) for part, some in usages.items()}
    price = terms.prices.get(metric.code)
    if price is not None:
        used = sorted(filter(None, usages), key=lambda part: part.rank)
        to_rate = {
            part: _to_rate(price, part, usages[part], quantity=quantities[part]) for part in used
        }
        for rated in parts.rate_parts(price, to_rate):
            amount = Money.rounded(rated.rated.amount, terms.currency)
            position = rated.part.filter
            match = {} if position is None else price.filters[position].match
            if rated.part in quantities or amount:
                quantity = quantities.get(rated.part, ZERO)
                yield TriedLine(metric, quantity, amount, rated=rated, match=match)
    if None in quantities:
        yield TriedLine(metric, quantities[None], Money.zero(terms.currency))


def _to_rate(
    price: MetricPrice, part: Part, usages: Iterable[rating.Usage], *, quantity: Decimal
) -> rating.Usage:
    if not rating.needs_events(price.price_at(part.filter)):
        return quantity
    return [amount for usage in usages if not isinstance(usage, Decimal) for amount in usage]


def _combine(metric: Metric, usages: Iterable[rating.Usage]) -> Decimal:
    """Return what usages of one part come to together."""
    quantities = [usage if isinstance(usage, Decimal) else _sum(usage) for usage in usages]
    match metric.aggregation:
        case Aggregation.MAX:
            return max(quantities)
        case Aggregation.LAST:
            return quantities[-1]
        case _:
            return _sum(quantities)


def _sum(values: Iterable[Decimal]) -> Decimal:
    total = ZERO
    for value in values:
        total = EXACT.add(total, value)
    return total
