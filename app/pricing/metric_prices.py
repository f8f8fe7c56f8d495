"""The price of a metric: one for all usage, others for usage of certain dimensions, and groups.

    {"model": "standard", "unit_price": "0.015",
     "filters": [{"match": {"model": ["gpt-5"], "region": "*"},
                  "model": "standard", "unit_price": "0.12"}],
     "group_by": ["region"], "share_tiers": true}

The first fields are the default price; without them only what a filter takes is priced.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from app.core.money import Currency
from app.core.text import is_clean
from app.pricing.fields import InvalidPrice
from app.pricing.filters import ANY, Declared, PriceFilter
from app.pricing.models import Aggregation
from app.pricing.price_documents import dump_price, parse_price
from app.pricing.rating import Price, needs_events

MAX_FILTERS = 50
MAX_VALUES = 100
MAX_GROUP_BY = 3


@dataclass(frozen=True, slots=True)
class Priceable:
    """What a price may look at in a metric: its dimensions, and single events only of a sum."""

    dimensions: Declared
    aggregation: Aggregation = Aggregation.SUM


@dataclass(frozen=True)
class MetricPrice:
    """What a metric costs: the price of the filter that takes the usage, else the default.

    Usage is split by the values it has in `group_by`, too. Each filter and group is rated by
    itself, with tiers and an allowance of its own; with `share_tiers`, those of equal prices
    share them.
    """

    default: Price | None
    filters: tuple[PriceFilter, ...] = ()
    group_by: tuple[str, ...] = ()
    share_tiers: bool = False

    @cached_property
    def prices(self) -> dict[int | None, Price]:
        """All prices by the position of their filter; the default comes last, at None."""
        prices: dict[int | None, Price] = dict(enumerate(each.price for each in self.filters))
        return prices if self.default is None else prices | {None: self.default}

    @cached_property
    def needed_dimensions(self) -> frozenset[str]:
        """The dimensions by which usage has to be told apart to be rated."""
        return frozenset(self.group_by).union(*(each.match for each in self.filters))

    @cached_property
    def needs_events(self) -> bool:
        """Whether some price has terms per event."""
        return any(needs_events(price) for price in self.prices.values())

    def price_at(self, position: int | None) -> Price:
        """Return the price of a filter, or with None the default, which must be there."""
        if position is not None:
            return self.filters[position].price
        if self.default is None:
            raise ValueError("there is no price for what no filter takes")
        return self.default


def parse_metric_price(
    document: Mapping[str, Any], currency: Currency, *, path: str
) -> MetricPrice:
    """Read what `dump_metric_price` writes. Raises InvalidPrice and InvalidDecimal."""
    own = {name: document.get(name) for name in ("filters", "group_by", "share_tiers")}
    charge = {name: value for name, value in document.items() if name not in own}
    filters = _parse_filters(own["filters"], currency, f"{path}.filters")
    has_default = bool(charge) or not filters
    return MetricPrice(
        default=parse_price(charge, currency, path=path) if has_default else None,
        filters=filters,
        group_by=_parse_group_by(own["group_by"], f"{path}.group_by"),
        share_tiers=_parse_flag(own["share_tiers"], f"{path}.share_tiers"),
    )


def dump_metric_price(price: MetricPrice) -> dict[str, Any]:
    """Write the price of a metric as JSON; equal prices give equal documents."""
    document = {} if price.default is None else dump_price(price.default)
    if price.filters:
        document["filters"] = [_dump_filter(each) for each in price.filters]
    if price.group_by:
        document["group_by"] = list(price.group_by)
    if price.share_tiers:
        document["share_tiers"] = True
    return document


def refuse_unfit(price: MetricPrice, metric: Priceable, *, path: str) -> None:
    """Raise InvalidPrice when the price looks at what the metric does not have."""
    _refuse_undeclared(price, metric.dimensions, path)
    if metric.aggregation is not Aggregation.SUM:
        _refuse_event_terms(price, path)


def _refuse_event_terms(price: MetricPrice, path: str) -> None:
    for position, each in price.prices.items():
        if needs_events(each):
            at = path if position is None else f"{path}.filters[{position}]"
            raise InvalidPrice("has terms per event: the metric must be a sum", path=f"{at}.model")


def _refuse_undeclared(price: MetricPrice, declared: Declared, path: str) -> None:
    for number, each in enumerate(price.filters):
        for name, values in each.match.items():
            at = f"{path}.filters[{number}].match.{name}"
            if name not in declared:
                raise InvalidPrice("is no dimension of the metric", path=at)
            known = declared[name]
            for index, value in enumerate(values):
                if value != ANY and known is not None and value not in known:
                    raise InvalidPrice("is no declared value", path=f"{at}[{index}]")
    for index, name in enumerate(price.group_by):
        if name not in declared:
            raise InvalidPrice("is no dimension of the metric", path=f"{path}.group_by[{index}]")


def _parse_filters(document: object, currency: Currency, path: str) -> tuple[PriceFilter, ...]:
    if document is None or document == []:
        return ()
    if not isinstance(document, list) or len(document) > MAX_FILTERS:
        raise InvalidPrice(f"must be a list of up to {MAX_FILTERS} filters", path=path)
    filters: list[PriceFilter] = []
    for number, entry in enumerate(document):
        at = f"{path}[{number}]"
        if not isinstance(entry, Mapping):
            raise InvalidPrice("must be an object", path=at)
        match = _parse_match(entry.get("match"), f"{at}.match")
        charge = {name: value for name, value in entry.items() if name != "match"}
        if any(_same(match, each.match) for each in filters):
            raise InvalidPrice("is what a filter before it says", path=f"{at}.match")
        filters.append(PriceFilter(match, parse_price(charge, currency, path=at)))
    return tuple(filters)


def _parse_match(document: object, path: str) -> dict[str, tuple[str, ...]]:
    if not isinstance(document, Mapping) or not document:
        raise InvalidPrice("must be an object of values by dimension", path=path)
    return {name: _parse_values(values, f"{path}.{name}") for name, values in document.items()}


def _parse_values(document: object, path: str) -> tuple[str, ...]:
    if document == ANY:
        return (ANY,)
    if not isinstance(document, list) or not 1 <= len(document) <= MAX_VALUES:
        raise InvalidPrice(f"must be “{ANY}” or a list of 1 to {MAX_VALUES} values", path=path)
    for index, value in enumerate(document):
        if not isinstance(value, str) or not value or value == ANY or not is_clean(value):
            raise InvalidPrice("must be the text of a value", path=f"{path}[{index}]")
        if value in document[:index]:
            raise InvalidPrice("is listed twice", path=f"{path}[{index}]")
    return tuple(document)


def _parse_group_by(document: object, path: str) -> tuple[str, ...]:
    if document is None:
        return ()
    if not isinstance(document, list) or len(document) > MAX_GROUP_BY:
        raise InvalidPrice(f"must be a list of up to {MAX_GROUP_BY} dimensions", path=path)
    for index, name in enumerate(document):
        if not isinstance(name, str) or name in document[:index]:
            raise InvalidPrice("must be another dimension", path=f"{path}[{index}]")
    return tuple(document)


def _parse_flag(document: object, path: str) -> bool:
    if document is None:
        return False
    if not isinstance(document, bool):
        raise InvalidPrice("must be true or false", path=path)
    return document


def _same(match: Mapping[str, tuple[str, ...]], other: Mapping[str, tuple[str, ...]]) -> bool:
    return match.keys() == other.keys() and all(
        set(values) == set(other[name]) for name, values in match.items()
    )


def _dump_filter(each: PriceFilter) -> dict[str, Any]:
    match = {name: ANY if values == (ANY,) else list(values) for name, values in each.match.items()}
    return {"match": match} | dump_price(each.price)
