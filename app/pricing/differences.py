"""What two contents of a rate card say differently, in the words of the document.

Prices are told apart by currency and metric, filters by what they match, and tiers by their bound
where their number changed: one that was put in between does not make all behind it look new.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NOTHING: Mapping[str, Any] = {"currencies": {}}
"""The content before the first version."""

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that is not the same; None stands where there was none, or is none any more.

    `match` is what the filter takes that the field is of; without it the field is of the price
    itself. `field` is the path inside, such as `tiers[1].unit_price`, and empty when a price or a
    filter came or went whole. Without a metric it is about the currency: its `commitment`, or the
    `order` of its metrics.
    """

    currency: str
    metric: str | None
    match: Document | None
    field: str
    before: Any
    after: Any

    @property
    def path(self) -> str:
        """The place in one readable text: `USD.images[model=dall-e-3].tiers[1].unit_price`."""
        filtered = "" if self.match is None else f"[{_written(self.match)}]"
        price = "" if self.metric is None else f".{self.metric}{filtered}"
        return f"{self.currency}{price}{'.' if self.field else ''}{self.field}"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in a content a charge stands."""

    currency: str
    metric: str | None = None
    match: Document | None = None

    def differs(self, field: str, before: Any, after: Any) -> Difference:
        return Difference(self.currency, self.metric, self.match, field, before, after)


def differences(before: Document, after: Document) -> list[Difference]:
    """Return what `after` says differently from `before`, in its order; what went comes last.

    Empty exactly when both say the same.
    """
    found: list[Difference] = []
    for currency in _either(after["currencies"], before["currencies"]):
        place = _Place(currency)
        found += _price_sets(
            place, before["currencies"].get(currency, []), after["currencies"].get(currency, [])
        )
        old, new = (some.get("commitments", {}).get(currency) for some in (before, after))
        if old != new:
            found.append(place.differs("commitment", old, new))
    return found


def _price_sets(
    place: _Place, before: Sequence[Document], after: Sequence[Document]
) -> Iterator[Difference]:
    old = {price["metric"]: _without(price, "metric") for price in before}
    new = {price["metric"]: _without(price, "metric") for price in after}
    for metric in _either(new, old):
        of_metric = _Place(place.currency, metric)
        if metric in old and metric in new:
            yield from _prices(of_metric, old[metric], new[metric])
        else:
            yield of_metric.differs("", old.get(metric), new.get(metric))
    shared = [name for name in old if name in new]
    yield from _order(place, "order", before=shared, after=[name for name in new if name in old])


def _prices(place: _Place, before: Document, after: Document) -> Iterator[Difference]:
    yield from _charges(place, _without(before, "filters"), _without(after, "filters"))
    old, new = (_by_match(price.get("filters", [])) for price in (before, after))
    for key in _either(new, old):
        of_filter = _Place(place.currency, place.metric, (new.get(key) or old[key])["match"])
        if key in old and key in new:
            yield from _charges(of_filter, old[key], new[key])
        else:
            yield of_filter.differs("", *(_charge_of(some.get(key)) for some in (old, new)))
    # The first of two filters that match equally well takes the usage.
    shared = [old[key]["match"] for key in old if key in new]
    now = [new[key]["match"] for key in new if key in old]
    yield from _order(place, "filters", before=shared, after=now)


def _charges(place: _Place, before: Document, after: Document) -> Iterator[Difference]:
    for field, old, new in _fields(before, after):
        yield place.differs(field, old, new)


def _fields(before: Document, after: Document) -> Iterator[tuple[str, Any, Any]]:
    for name in _either(after, before):
        old, new = before.get(name), after.get(name)
        if name == "tiers" and old and new:
            yield from _tiers(old, new)
        elif isinstance(old, Mapping) and isinstance(new, Mapping) and name != "match":
            yield from ((f"{name}.{field}", *values) for field, *values in _fields(old, new))
        elif old != new:
            yield name, old, new


def _tiers(before: Sequence[Document], after: Sequence[Document]) -> Iterator[tuple[str, Any, Any]]:
    if len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from _tier(index, old, new)
        return
    known = {tier["up_to"]: tier for tier in before}
    for index, tier in enumerate(after):
        if tier["up_to"] in known:
            yield from _tier(index, known.pop(tier["up_to"]), tier)
        else:
            yield f"tiers[{index}]", None, tier
    for index, tier in enumerate(before):
        if tier["up_to"] in known:
            yield f"tiers[{index}]", tier, None


def _tier(index: int, before: Document, after: Document) -> Iterator[tuple[str, Any, Any]]:
    return ((f"tiers[{index}].{name}", *values) for name, *values in _fields(before, after))


def _order(
    place: _Place, field: str, *, before: Sequence[Any], after: Sequence[Any]
) -> Iterator[Difference]:
    """Yield the order of what is in both, where it is another one."""
    if before != after:
        yield place.differs(field, before, after)


def _by_match(filters: Sequence[Document]) -> dict[tuple[str, int], Document]:
    """Return filters by what they match, and by a count where several match the same."""
    found: dict[tuple[str, int], Document] = {}
    for one in filters:
        key = json.dumps(one["match"], sort_keys=True)
        found[key, sum(known == key for known, _ in found)] = one
    return found


def _charge_of(some: Document | None) -> Document | None:
    return None if some is None else _without(some, "match")


def _without(document: Document, name: str) -> dict[str, Any]:
    return {field: value for field, value in document.items() if field != name}


def _either(first: Iterable[Any], second: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys([*first, *second]))


def _written(match: Document) -> str:
    return ", ".join(
        f"{name}={values if isinstance(values, str) else '|'.join(values)}"
        for name, values in match.items()
    )
