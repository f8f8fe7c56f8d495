"""Parts: a metric's usage split by the filters and groups of its price, each rated by itself."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from app.pricing import filters, rating
from app.pricing.filters import Declared
from app.pricing.metric_prices import MetricPrice
from app.pricing.rating import Price, Rated, Usage


@dataclass(frozen=True, slots=True)
class Part:
    """The usage that becomes one line: under which filter, or None, and of which group.

    A group is names and values in the order the price has the names; a name that the usage does
    not have is left out.
    """

    filter: int | None = None
    group: tuple[tuple[str, str], ...] = ()

    @property
    def document(self) -> dict[str, Any]:
        """The part as JSON: `{"filter": 0, "group": {"model": "gpt-5"}}`, `{}` for the default."""
        document: dict[str, Any] = {}
        if self.filter is not None:
            document["filter"] = self.filter
        if self.group:
            document["group"] = dict(self.group)
        return document

    @property
    def rank(self) -> tuple[bool, int, tuple[tuple[str, str], ...]]:
        """Sorts parts as the price has them: filter by filter, the default last."""
        return self.filter is None, self.filter or 0, self.group


@dataclass(frozen=True, slots=True)
class RatedPart:
    part: Part
    price: Price
    rated: Rated


def part_of(
    metric_price: MetricPrice, dimensions: Mapping[str, str], declared: Declared
) -> Part | None:
    """Return the part that usage of these dimensions belongs to, None when nothing prices it."""
    position = filters.match(metric_price.filters, dimensions, declared)
    if position is None and metric_price.default is None:
        return None
    names = (name for name in metric_price.group_by if name in dimensions)
    return Part(position, tuple((name, dimensions[name]) for name in names))


def rate_parts(
    metric_price: MetricPrice, usages: Mapping[Part, Usage], *, closes_period: bool = True
) -> list[RatedPart]:
    """Rate the usage of each part, in the order given; prices of which none was used come last.

    Those are there only if they cost something all the same: a minimum, or the flat fee of a
    first tier. With `share_tiers` parts of equal prices go through them in turn, in this order;
    else each has tiers and an allowance of its own. Raises ValueError where a price needs the
    amounts of events and is given a quantity.
    """
    if metric_price.share_tiers:
        rated = _rate_in_turn(metric_price, usages, closes_period=closes_period)
    else:
        rated = {
            part: _rate(metric_price.price_at(part.filter), usage, closes_period=closes_period)
            for part, usage in usages.items()
        }
    used = [RatedPart(part, metric_price.price_at(part.filter), rated[part]) for part in usages]
    return used + list(_rate_unused(metric_price, used, closes_period=closes_period))


def _rate(price: Price, usage: Usage, *, closes_period: bool) -> Rated:
    if isinstance(usage, Decimal):
        return rating.rate(price, usage, closes_period=closes_period)
    return rating.rate_events(price, usage, closes_period=closes_period)


def _rate_in_turn(
    metric_price: MetricPrice, usages: Mapping[Part, Usage], *, closes_period: bool
) -> dict[Part, Rated]:
    turns: dict[Price, list[Part]] = {}
    for part in usages:
        turns.setdefault(metric_price.price_at(part.filter), []).append(part)
    rated: dict[Part, Rated] = {}
    for price, turn in turns.items():
        in_turn = [usages[part] for part in turn]
        shares = rating.rate_in_turn(price, in_turn, closes_period=closes_period)
        rated.update(zip(turn, shares, strict=True))
    return rated


def _rate_unused(
    metric_price: MetricPrice, used: Iterable[RatedPart], *, closes_period: bool
) -> Iterator[RatedPart]:
    shares = metric_price.share_tiers
    known: set[object] = {each.price if shares else each.part.filter for each in used}
    for position, price in metric_price.prices.items():
        key = price if shares else position
        if key not in known:
            known.add(key)
            rated = rating.rate_events(price, [], closes_period=closes_period)
            if rated.amount:
                yield RatedPart(Part(position), price, rated)
