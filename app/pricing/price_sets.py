"""The content of a rate card version: for each currency, one price per metric.

    {"currencies": {"USD": [{"metric": "agent_runs", "model": "standard", "unit_price": "1"}]},
     "commitments": {"USD": "100000"}}

Currencies are priced side by side and never converted into one another. A commitment is the
least that the invoice of a whole period comes to, in minor units.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from app.core.decimals import parse_decimal, plain
from app.core.errors import Invalid
from app.core.money import Currency
from app.pricing.metric_prices import (
    MetricPrice,
    Priceable,
    dump_metric_price,
    parse_metric_price,
    refuse_unfit,
)
from app.pricing.models import RateCardVersion

MAX_PRICES = 100
"""How many metrics a price set may price."""


class InvalidContent(Invalid):
    code = "invalid_rate_card"


PriceSet = dict[str, MetricPrice]
"""The price of each metric, by its code."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The prices of one currency, and the minor units a whole period comes to at least."""

    currency: Currency
    prices: PriceSet
    commitment: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """What a version says: a price set for each currency, and what is committed in some."""

    price_sets: dict[Currency, PriceSet]
    commitments: dict[Currency, Decimal] = field(default_factory=dict)


def parse_content(document: object, *, metrics: Mapping[str, Priceable]) -> Content:
    """Read what a merchant wrote, in his order.

    `metrics` are those that may be priced, each with what a price may look at. Raises
    InvalidContent, InvalidPrice or InvalidDecimal with the path of the wrong field, such as
    `currencies.USD[1].unit_price`.
    """
    if (
        not isinstance(document, Mapping)
        or "currencies" not in document
        or not document.keys() <= {"currencies", "commitments"}
    ):
        raise InvalidContent("must be an object with “currencies” and at most “commitments”")
    currencies = document["currencies"]
    if not isinstance(currencies, Mapping) or not currencies:
        raise InvalidContent("must be an object with at least one currency", path="currencies")
    price_sets = {}
    for name, prices in currencies.items():
        path = f"currencies.{name}"
        currency = _currency(name, path)
        price_sets[currency] = _parse_price_set(prices, currency, path)
        _refuse_unpriceable(price_sets[currency], metrics, path)
    return Content(price_sets, _parse_commitments(document.get("commitments"), price_sets))


def dump_content(content: Content) -> dict[str, Any]:
    """Write the content as JSON: the same prices in the same order give equal documents."""
    document: dict[str, Any] = {
        "currencies": {
            currency.value: [
                {"metric": metric} | dump_metric_price(price) for metric, price in prices.items()
            ]
            for currency, prices in content.price_sets.items()
        }
    }
    if content.commitments:
        document["commitments"] = {
            currency.value: plain(amount) for currency, amount in content.commitments.items()
        }
    return document


def content_sha256(content: Mapping[str, Any]) -> str:
    """Return the hash, in hex, of the content's canonical JSON: sorted keys, no spaces, UTF-8."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def prices_of(version: RateCardVersion, currency: Currency) -> PriceSet:
    """Return the version's price set in `currency`: empty when it has none."""
    return read_prices(version.content, currency)


def commitment_of(version: RateCardVersion, currency: Currency) -> Decimal | None:
    """Return the minor units that a whole period comes to at least, None without commitment."""
    return read_commitment(version.content, currency)


def read_prices(content: Mapping[str, Any], currency: Currency) -> PriceSet:
    """Read the price set in `currency` of what `dump_content` wrote: empty when it has none."""
    documents = content["currencies"].get(currency.value)
    return _parse_price_set(documents, currency, "prices") if documents else {}


def read_commitment(content: Mapping[str, Any], currency: Currency) -> Decimal | None:
    """Read the commitment in `currency` of what `dump_content` wrote, None when it has none."""
    amount = content.get("commitments", {}).get(currency.value)
    return None if amount is None else Decimal(amount)


def read_terms(content: Mapping[str, Any], currency: Currency) -> Terms:
    """Return the terms that the content of a rate card version has in `currency`."""
    return Terms(
        currency,
        read_prices(content, currency),
        read_commitment(content, currency),
    )


def _currency(name: object, path: str) -> Currency:
    try:
        return Currency(str(name))
    except ValueError:
        raise InvalidContent("is not a currency we know", path=path) from None


def _parse_commitments(document: object, priced: Collection[Currency]) -> dict[Currency, Decimal]:
    if document is None:
        return {}
    if not isinstance(document, Mapping):
        raise InvalidContent("must be an object of amounts by currency", path="commitments")
    commitments = {}
    for name, amount in document.items():
        path = f"commitments.{name}"
        currency = _currency(name, path)
        if currency not in priced:
            raise InvalidContent("has no prices in this version", path=path)
        commitments[currency] = parse_decimal(amount, path=path)
    return {currency: amount for currency, amount in commitments.items() if amount}


def _parse_price_set(document: object, currency: Currency, path: str) -> PriceSet:
    if not isinstance(document, list) or not 1 <= len(document) <= MAX_PRICES:
        raise InvalidContent(f"must be a list of 1 to {MAX_PRICES} prices", path=path)
    prices: PriceSet = {}
    for index, entry in enumerate(document):
        at = f"{path}[{index}]"
        if not isinstance(entry, Mapping):
            raise InvalidContent("must be an object", path=at)
        fields = dict(entry)
        metric = fields.pop("metric", None)
        if not isinstance(metric, str):
            raise InvalidContent("must be the code of a metric", path=f"{at}.metric")
        if metric in prices:
            raise InvalidContent("is priced twice", path=f"{at}.metric")
        prices[metric] = parse_metric_price(fields, currency, path=at)
    return prices


def _refuse_unpriceable(prices: PriceSet, metrics: Mapping[str, Priceable], path: str) -> None:
    for index, (metric, price) in enumerate(prices.items()):
        at = f"{path}[{index}]"
        if metric not in metrics:
            raise InvalidContent("is no active metric", path=f"{at}.metric")
        refuse_unfit(price, metrics[metric], path=at)
