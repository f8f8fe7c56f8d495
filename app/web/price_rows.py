"""The rows of the price editor as typed, to and from the documents that a version keeps."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from app.pricing.charges import Model
from app.pricing.filters import ANY

NO_PRICE = ""
"""The model of a default that is not there: what no filter takes is not priced."""

_TIER_PRICES = {
    Model.GRADUATED: "unit_price",
    Model.VOLUME: "unit_price",
    Model.GRADUATED_PERCENTAGE: "rate",
}
_NEEDED = {
    Model.STANDARD: ("unit_price",),
    Model.PACKAGE: ("package_size", "package_price"),
    Model.PERCENTAGE: ("rate",),
}
_OPTIONAL = {
    Model.PACKAGE: ("package_rounding",),
    Model.PERCENTAGE: ("fixed_fee", "free_amount", "per_event_minimum", "per_event_maximum"),
}
_AROUND = ("free_units", "discount_percent", "minimum_amount", "maximum_amount")


@dataclass(frozen=True)
class TierRow:
    """One tier as typed; the last one's `up_to` is not asked for. `price` may be a rate."""

    up_to: str = ""
    price: str = ""
    flat_fee: str = ""


@dataclass(frozen=True)
class ChargeRow:
    """One charge as typed. It keeps the texts of all models, so that changing one loses none."""

    model: str = Model.STANDARD.value
    unit_price: str = ""
    tiers: tuple[TierRow, ...] = (TierRow(),)
    package_size: str = ""
    package_price: str = ""
    package_rounding: str = ""
    rate: str = ""
    fixed_fee: str = ""
    free_events: str = ""
    free_amount: str = ""
    per_event_minimum: str = ""
    per_event_maximum: str = ""
    free_units: str = ""
    discount_percent: str = ""
    minimum_amount: str = ""
    maximum_amount: str = ""
    operation: str = ""
    factor: str = ""
    transform_rounding: str = ""

    @property
    def is_adjusted(self) -> bool:
        """Whether something is typed besides the terms of the model."""
        return any(getattr(self, name) for name in (*_AROUND, "operation", "factor"))


@dataclass(frozen=True)
class FilterRow:
    """A charge for usage that has one of these values in each dimension that has some typed."""

    match: dict[str, str]
    charge: ChargeRow = ChargeRow()


@dataclass(frozen=True)
class PriceRow:
    """The price of one metric in one currency, as typed."""

    currency: str = "USD"
    metric: str = ""
    charge: ChargeRow = ChargeRow()
    filters: tuple[FilterRow, ...] = ()
    group_by: tuple[str, ...] = ()
    share_tiers: bool = False


def lean(value: Any) -> Any:
    """Return rows as JSON without what is as it would be anyway: an empty field takes no room."""
    if isinstance(value, tuple):
        return [lean(each) for each in value]
    if not is_dataclass(value):
        return value
    return {
        each.name: lean(getattr(value, each.name))
        for each in fields(value)
        if getattr(value, each.name) != each.default
    }


def price_document(row: PriceRow) -> dict[str, Any]:
    """Return what one row says, as a rate card version keeps it."""
    document: dict[str, Any] = {"metric": row.metric}
    if row.charge.model != NO_PRICE:
        document |= charge_document(row.charge)
    if row.filters:
        document["filters"] = [
            {"match": match_document(each)} | charge_document(each.charge) for each in row.filters
        ]
    if row.group_by:
        document["group_by"] = list(row.group_by)
    if row.share_tiers:
        document["share_tiers"] = True
    return document


def charge_document(charge: ChargeRow) -> dict[str, Any]:
    """Return what one charge says, only with the fields of its model."""
    document: dict[str, Any] = {"model": charge.model}
    model = Model(charge.model) if charge.model in set(Model) else None
    for name in _NEEDED.get(model, ()) if model else ():
        document[name] = getattr(charge, name)
    for name in (*(_OPTIONAL.get(model, ()) if model else ()), *_AROUND):
        if getattr(charge, name):
            document[name] = getattr(charge, name)
    if model is Model.PERCENTAGE and charge.free_events:
        text = charge.free_events
        document["free_events"] = int(text) if text.isascii() and text.isdecimal() else text
    if model in _TIER_PRICES:
        last = len(charge.tiers) - 1
        document["tiers"] = [
            {
                "up_to": None if number == last else tier.up_to,
                _TIER_PRICES[model]: tier.price,
                "flat_fee": tier.flat_fee or "0",
            }
            for number, tier in enumerate(charge.tiers)
        ]
    if charge.operation:
        document["transform"] = {
            "operation": charge.operation,
            "factor": charge.factor,
            "rounding": charge.transform_rounding or "none",
        }
    return document


def match_document(row: FilterRow) -> dict[str, Any]:
    """Return the values of a filter by dimension: texts between commas, `*` for any declared."""
    return {
        name: ANY if text == ANY else next(csv.reader([text], skipinitialspace=True))
        for name, text in row.match.items()
        if text
    }


def from_document(currency: str, price: Mapping[str, Any]) -> PriceRow:
    """Return the row that says what a metric's price of a version says."""
    filters = tuple(
        FilterRow({name: _values(values) for name, values in each["match"].items()}, _charge(each))
        for each in price.get("filters", ())
    )
    return PriceRow(
        currency=currency,
        metric=price["metric"],
        charge=_charge(price),
        filters=filters,
        group_by=tuple(price.get("group_by", ())),
        share_tiers=price.get("share_tiers", False),
    )


def _charge(document: Mapping[str, Any]) -> ChargeRow:
    if "model" not in document:
        return ChargeRow(model=NO_PRICE)
    transform = document.get("transform", {})
    texts = {
        name: str(value)
        for name, value in document.items()
        if name in ChargeRow.__dataclass_fields__ and name != "tiers"
    }
    tiers = tuple(
        TierRow(
            up_to=tier.get("up_to") or "",
            price=tier.get("unit_price") or tier.get("rate", ""),
            flat_fee="" if tier.get("flat_fee", "0") == "0" else tier["flat_fee"],
        )
        for tier in document.get("tiers", ())
    )
    return ChargeRow(
        tiers=tiers or (TierRow(),),
        operation=transform.get("operation", ""),
        factor=transform.get("factor", ""),
        transform_rounding=transform.get("rounding", ""),
        **texts,
    )


def _values(values: str | list[str]) -> str:
    if isinstance(values, str):
        return values
    quoted = (
        f'"{text.replace(chr(34), chr(34) * 2)}"' if _needs_quotes(text) else text
        for text in values
    )
    return ", ".join(quoted)


def _needs_quotes(text: str) -> bool:
    return text == ANY or text != text.strip() or any(mark in text for mark in ',"')
