"""What changed between two contents of a rate card, grouped by price, in words and major units."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask_babel import gettext as _

from app.core.money import Currency
from app.pricing.differences import NOTHING, Difference, differences
from app.web import price_words
from app.web.price_words import Document, part_label

_TIER = re.compile(r"tiers\[(\d+)\]\.?(.*)")


@dataclass(frozen=True)
class FieldChange:
    """One field before and after; empty where there was or is none."""

    label: str
    before: str
    after: str


@dataclass
class PriceChange:
    """What changed of a price, or without a metric of what a whole currency says.

    `kind` is added, removed or changed.
    """

    currency: str
    metric: str
    part: str
    kind: str = "changed"
    fields: list[FieldChange] = field(default_factory=list)


def changes(before: Document | None, after: Document) -> list[PriceChange]:
    """Return what `after` says differently, price by price, in its order."""
    grouped: dict[tuple[str, str, str], PriceChange] = {}
    for found in differences(before or NOTHING, after):
        key = (found.currency, found.metric or "", part_label(found.match or {}))
        change = grouped.setdefault(key, PriceChange(*key))
        if not found.field:
            change.kind = "added" if found.before is None else "removed"
        change.fields.append(_field(found))
    return list(grouped.values())


def _field(found: Difference) -> FieldChange:
    currency = Currency(found.currency)
    tier = _TIER.fullmatch(found.field)
    name = tier[2] if tier else found.field
    label = _labels().get(name, name)
    if tier:
        number = _("Tier %(number)s", number=int(tier[1]) + 1)
        label = f"{number} · {label}" if name else number
    return FieldChange(
        label, _value(name, found.before, currency), _value(name, found.after, currency)
    )


def _value(name: str, value: Any, currency: Currency) -> str:
    if value is None:
        return "∞" if name == "up_to" else ""
    if isinstance(value, Mapping):
        return _document(name, value, currency)
    if isinstance(value, list) and name == "tiers":
        return "; ".join(_document(name, tier, currency) for tier in value)
    if isinstance(value, list):
        return ", ".join(part_label(v) if isinstance(v, Mapping) else str(v) for v in value)
    return price_words.text_of(name.removeprefix("transform."), value, currency)


def _document(name: str, document: Document, currency: Currency) -> str:
    """Return a price, a filter, a tier or a transform that came or went whole, in a few words."""
    if name == "transform":
        return price_words.transform_text(document)
    if "up_to" in document:
        price = "unit_price" if "unit_price" in document else "rate"
        bound = price_words.text_of("up_to", document["up_to"], currency)
        return f"≤ {bound}: {price_words.text_of(price, document[price], currency)}"
    told = [
        price_words.describe("", charge, currency, part=part)
        for part, charge in price_words.parts({"metric": "", **document})
    ]
    names = price_words.models()
    return "; ".join(
        " ".join(
            text
            for text in (each.part, names[each.model], " / ".join(t.unit for t in each.tiers))
            if text
        )
        for each in told
    )


def _labels() -> dict[str, str]:
    return {
        "": _("Price"),
        "model": _("Model"),
        "unit_price": _("Price per unit"),
        "rate": _("Rate"),
        "tiers": _("Tiers"),
        "up_to": _("Up to"),
        "flat_fee": _("Flat fee"),
        "package_size": _("Package size"),
        "package_price": _("Package price"),
        "package_rounding": _("A package that was begun"),
        "fixed_fee": _("Fee per event"),
        "free_events": _("Free events"),
        "free_amount": _("Free amount"),
        "per_event_minimum": _("Minimum per event"),
        "per_event_maximum": _("Maximum per event"),
        "free_units": _("Free units"),
        "discount_percent": _("Discount"),
        "minimum_amount": _("Minimum"),
        "maximum_amount": _("Maximum"),
        "transform": _("Transform"),
        "transform.operation": _("Transform"),
        "transform.factor": _("Factor"),
        "transform.rounding": _("Rounding"),
        "group_by": _("Split by"),
        "share_tiers": _("Shared tiers"),
        "commitment": _("Minimum of an invoice"),
        "order": _("Order of the prices"),
        "filters": _("Order of the filters"),
    }
