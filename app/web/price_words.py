"""Prices as people read them: major units beside minor ones, charge by charge.

Everything is read from a version's content, the documents of `price_documents`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any

from flask_babel import gettext as _

from app.core.decimals import EXACT, plain
from app.core.money import Currency
from app.documents.formats import decimal
from app.pricing.charges import Model
from app.pricing.filters import ANY

_CENT = Decimal("0.01")
_MILLION = 1_000_000
_OF_METRIC = ("filters", "group_by", "share_tiers")
_MINOR = {
    "unit_price",
    "flat_fee",
    "package_price",
    "fixed_fee",
    "free_amount",
    "per_event_minimum",
    "per_event_maximum",
    "minimum_amount",
    "maximum_amount",
    "commitment",
}
_PERCENT = {"rate", "discount_percent"}
_COUNTS = {"up_to", "free_units", "free_events", "package_size"}

Document = Mapping[str, Any]


@dataclass(frozen=True)
class TierText:
    """One tier: its bounds, and what a unit costs in minor and in major units.

    `bulk` is a million units, where one is tiny; `size` is how many units a price is for, where
    they are sold by the package. Texts that say nothing (no flat fee, no bound) are empty.
    """

    above: str = "0"
    up_to: str = ""
    minor: str = ""
    unit: str = ""
    bulk: str = ""
    flat_fee: str = ""
    size: str = ""


@dataclass(frozen=True)
class PriceText:
    """One price in the words of a page; `part` says which usage of the metric it is for."""

    metric: str
    currency: str
    part: str
    model: str
    notes: list[str]
    tiers: list[TierText]

    @property
    def is_share(self) -> bool:
        """Whether the units are money, of which a percentage is taken."""
        return self.model in {Model.PERCENTAGE, Model.GRADUATED_PERCENTAGE}


def major(minor: Decimal, currency: Currency) -> str:
    """Write an exact number of minor units in major ones, losing no digit: `0.00015`."""
    with localcontext(EXACT):
        return decimal(minor.scaleb(-currency.exponent))


def models() -> dict[str, str]:
    """Return what each charge model is called."""
    return {
        Model.STANDARD.value: _("Per unit"),
        Model.GRADUATED.value: _("Graduated"),
        Model.VOLUME.value: _("Volume"),
        Model.PACKAGE.value: _("Package"),
        Model.PERCENTAGE.value: _("Percentage"),
        Model.GRADUATED_PERCENTAGE.value: _("Graduated percentage"),
        "": _("Not priced"),
    }


def part_label(match: Mapping[str, str | Sequence[str]]) -> str:
    """Return the words for the usage a filter takes: `model = gpt-5, o3 · region = any`."""
    anything = _("any")
    return " · ".join(
        f"{name} = {anything if values == ANY else ', '.join(values)}"
        for name, values in match.items()
    )


def describe(metric: str, charge: Document, currency: Currency, *, part: str = "") -> PriceText:
    """Return the texts of one price, from its document."""
    return PriceText(
        metric=metric,
        currency=currency.value,
        part=part,
        model=charge["model"],
        notes=list(_notes(charge, currency)),
        tiers=list(_tiers(charge, currency)),
    )


def prices_by_currency(content: Document) -> dict[str, list[PriceText]]:
    """Return all prices of a version, currency by currency, in its own order."""
    return {
        name: [text for price in prices for text in _texts(price, Currency(name))]
        for name, prices in content["currencies"].items()
    }


def commitments(content: Document) -> dict[str, str]:
    """Return by currency what the invoice of a whole period comes to at least, in major units."""
    return {
        name: major(Decimal(amount), Currency(name))
        for name, amount in content.get("commitments", {}).items()
    }


def parts(price: Document) -> Iterator[tuple[str, Document]]:
    """Yield the charges of a metric's price with the words for their usage, the default last."""
    for each in price.get("filters", ()):
        yield part_label(each["match"]), {k: v for k, v in each.items() if k != "match"}
    charge = {name: value for name, value in price.items() if name not in _OF_METRIC}
    if "model" in charge:
        del charge["metric"]
        yield _("any other") if price.get("filters") else "", charge


def text_of(name: str, value: Any, currency: Currency) -> str:
    """Write one field of a charge: amounts in major units, rates with a percent sign."""
    if name in _MINOR:
        text = major(Decimal(value), currency)
    elif name in _PERCENT:
        text = f"{decimal(Decimal(value))} %"
    elif name in _COUNTS:
        text = "∞" if value is None else decimal(Decimal(value))
    elif name == "transform":
        text = transform_text(value)
    elif name == "model":
        text = models()[value]
    elif name == "share_tiers":
        text = _("yes")
    else:
        text = str(value)
    return text


def transform_text(transform: Document) -> str:
    """Return what is done to the metered quantity first, as a formula."""
    sign = {"multiply": "×", "divide": "÷"}[transform["operation"]]
    rounding = {
        "none": "",
        "ceiling": _("rounded up"),
        "floor": _("rounded down"),
        "half_up": _("rounded to the nearest"),
    }[transform["rounding"]]
    return f"{sign} {decimal(Decimal(transform['factor']))} {rounding}".strip()


def _texts(price: Document, currency: Currency) -> Iterator[PriceText]:
    """Yield what a metric costs, charge by charge; on which lines it stands is said of each."""
    for part, charge in parts(price):
        text = describe(price["metric"], charge, currency, part=part)
        text.notes.extend(_line_notes(price))
        yield text


def _line_notes(price: Document) -> Iterator[str]:
    """Yield how the usage of a metric is split into lines."""
    if price.get("group_by"):
        yield _("a line for each %(dimensions)s", dimensions=" × ".join(price["group_by"]))
    if price.get("share_tiers"):
        yield _("lines of equal prices share tiers and free units")


def _notes(charge: Document, currency: Currency) -> Iterator[str]:
    """Yield what a price says besides its tiers."""
    words = {
        "transform": _("quantity %(value)s"),
        "free_units": _("first %(value)s free"),
        "free_events": _("first %(value)s events free"),
        "free_amount": _("first %(value)s free"),
        "fixed_fee": _("and %(value)s per event"),
        "per_event_minimum": _("at least %(value)s per event"),
        "per_event_maximum": _("at most %(value)s per event"),
        "discount_percent": _("%(value)s off"),
        "minimum_amount": _("at least %(value)s"),
        "maximum_amount": _("at most %(value)s"),
    }
    for name, sentence in words.items():
        if name in charge:
            text = text_of(name, charge[name], currency)
            unit = f" {currency.value}" if name in _MINOR else ""
            yield sentence % {"value": f"{text}{unit}"}


def _tiers(charge: Document, currency: Currency) -> Iterator[TierText]:
    if "tiers" not in charge:
        yield _single(charge, currency)
        return
    above = "0"
    for tier in charge["tiers"]:
        up_to = "" if tier["up_to"] is None else decimal(Decimal(tier["up_to"]))
        fee = tier.get("flat_fee", "0")
        flat_fee = "" if fee == "0" else major(Decimal(fee), currency)
        if "rate" in tier:
            yield TierText(above, up_to, unit=f"{tier['rate']} %", flat_fee=flat_fee)
        else:
            unit_price = Decimal(tier["unit_price"])
            yield _priced(unit_price, currency, above=above, up_to=up_to, flat_fee=flat_fee)
        above = up_to or above


def _single(charge: Document, currency: Currency) -> TierText:
    if charge["model"] == Model.PERCENTAGE:
        return TierText(unit=f"{charge['rate']} %")
    if charge["model"] == Model.PACKAGE:
        price = Decimal(charge["package_price"])
        size = decimal(Decimal(charge["package_size"]))
        return TierText(minor=plain(price), unit=major(price, currency), size=size)
    return _priced(Decimal(charge["unit_price"]), currency)


def _priced(unit_price: Decimal, currency: Currency, **texts: str) -> TierText:
    with localcontext(EXACT):
        is_tiny = 0 < unit_price.scaleb(-currency.exponent) < _CENT
        million = unit_price * _MILLION
    return TierText(
        minor=plain(unit_price),
        unit=major(unit_price, currency),
        bulk=major(million, currency) if is_tiny else "",
        **texts,
    )
