"""Prices as people read them: major units beside minor ones, and what a new version changed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext

from app.core.decimals import EXACT, plain
from app.core.money import Currency
from app.documents.formats import decimal
from app.pricing import price_sets
from app.pricing.models import RateCardVersion
from app.pricing.price_sets import PriceSet
from app.pricing.rating import Model, Price

_CENT = Decimal("0.01")
_MILLION = 1_000_000


@dataclass(frozen=True)
class TierText:
    """One tier: its bounds and prices in major units; `bulk` is a million units, where one is tiny.

    Texts that say nothing (no flat fee, no upper bound) are empty.
    """

    above: str
    up_to: str
    minor: str
    unit: str
    bulk: str
    flat_fee: str


@dataclass(frozen=True)
class PriceText:
    """One price in the words of a page."""

    metric: str
    currency: str
    model: str
    free_units: str
    minimum: str
    maximum: str
    tiers: list[TierText]


@dataclass(frozen=True)
class FieldChange:
    """One field of a price before and after; empty where there was or is none."""

    name: str
    tier: int
    before: str
    after: str


@dataclass(frozen=True)
class PriceChange:
    """What happened to the price of one metric in one currency: added, removed or changed."""

    kind: str
    metric: str
    currency: str
    fields: list[FieldChange]


def major(minor: Decimal, currency: Currency) -> str:
    """Write an exact number of minor units in major ones, losing no digit: `0.00015`."""
    with localcontext(EXACT):
        return decimal(minor.scaleb(-currency.exponent))


def describe(metric: str, price: Price, currency: Currency) -> PriceText:
    """Return the texts of one price."""
    return PriceText(
        metric=metric,
        currency=currency.value,
        model=price.model.value,
        free_units=decimal(price.free_units) if price.free_units else "",
        minimum=major(price.minimum_amount, currency) if price.minimum_amount else "",
        maximum="" if price.maximum_amount is None else major(price.maximum_amount, currency),
        tiers=list(_tiers(price, currency)),
    )


def prices_by_currency(version: RateCardVersion) -> dict[str, list[PriceText]]:
    """Return all prices of a version, currency by currency, in its own order."""
    return {
        name: [
            describe(metric, price, Currency(name))
            for metric, price in price_sets.prices_of(version, Currency(name)).items()
        ]
        for name in version.content["currencies"]
    }


def changes(before: RateCardVersion, after: RateCardVersion) -> list[PriceChange]:
    """Return what `after` says differently from `before`, in the order of `after`."""
    names = [*after.content["currencies"], *before.content["currencies"]]
    found: list[PriceChange] = []
    for name in dict.fromkeys(names):
        currency = Currency(name)
        old = price_sets.prices_of(before, currency)
        found += _changes_in(currency, old, price_sets.prices_of(after, currency))
    return found


def _changes_in(currency: Currency, old: PriceSet, new: PriceSet) -> Iterator[PriceChange]:
    for metric in dict.fromkeys([*new, *old]):
        if metric not in old:
            yield PriceChange(
                "added", metric, currency.value, _fields({}, _flat(new[metric], currency))
            )
        elif metric not in new:
            yield PriceChange("removed", metric, currency.value, [])
        elif old[metric] != new[metric]:
            fields = _fields(_flat(old[metric], currency), _flat(new[metric], currency))
            yield PriceChange("changed", metric, currency.value, fields)


def _fields(
    before: Mapping[tuple[str, int], str], after: Mapping[tuple[str, int], str]
) -> list[FieldChange]:
    return [
        FieldChange(name, tier, before.get((name, tier), ""), after.get((name, tier), ""))
        for name, tier in dict.fromkeys([*after, *before])
        if before.get((name, tier)) != after.get((name, tier))
    ]


def _flat(price: Price, currency: Currency) -> dict[tuple[str, int], str]:
    """Write a price as texts by field and tier, tiers counted from 1, a standard one from 0."""
    text = describe("", price, currency)
    flat = {("model", 0): text.model}
    for number, tier in enumerate(text.tiers, start=0 if price.model is Model.STANDARD else 1):
        flat["up_to", number] = tier.up_to
        flat["unit_price", number] = tier.unit
        flat["flat_fee", number] = tier.flat_fee
    flat["free_units", 0] = text.free_units
    flat["minimum_amount", 0], flat["maximum_amount", 0] = text.minimum, text.maximum
    return {key: value for key, value in flat.items() if value}


def _tiers(price: Price, currency: Currency) -> Iterator[TierText]:
    above = Decimal(0)
    for tier in price.tiers:
        with localcontext(EXACT):
            is_tiny = 0 < tier.unit_price.scaleb(-currency.exponent) < _CENT
            million = tier.unit_price * _MILLION
        yield TierText(
            above=decimal(above),
            up_to="" if tier.up_to is None else decimal(tier.up_to),
            minor=plain(tier.unit_price),
            unit=major(tier.unit_price, currency),
            bulk=major(million, currency) if is_tiny else "",
            flat_fee=major(tier.flat_fee, currency) if tier.flat_fee else "",
        )
        above = tier.up_to or above
