"""The content of a rate card version: for each currency, one price per metric.

    {"currencies": {"USD": [{"metric": "agent_runs", "model": "standard", "unit_price": "1"}]}}

Currencies are priced side by side and never converted into one another.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any

from app.core.errors import Invalid
from app.core.money import Currency
from app.pricing.models import RateCardVersion
from app.pricing.rating import Price, dump_price, parse_price

MAX_PRICES = 100
"""How many metrics a price set may price."""

PriceSet = dict[str, Price]
"""The price of each metric, by its code."""


class InvalidContent(Invalid):
    code = "invalid_rate_card"


def parse_content(document: object, *, metric_codes: Collection[str]) -> dict[Currency, PriceSet]:
    """Read the price sets a merchant wrote, in his order; `metric_codes` may be priced.

    Raises InvalidContent, InvalidPrice or InvalidDecimal with the path of the wrong field, such
    as `currencies.USD[1].unit_price`.
    """
    if not isinstance(document, Mapping) or set(document) != {"currencies"}:
        raise InvalidContent("must be an object with “currencies” and nothing else")
    currencies = document["currencies"]
    if not isinstance(currencies, Mapping) or not currencies:
        raise InvalidContent("must be an object with at least one currency", path="currencies")
    return {
        _currency(name): _parse_price_set(prices, f"currencies.{name}", metric_codes=metric_codes)
        for name, prices in currencies.items()
    }


def dump_content(price_sets: Mapping[Currency, PriceSet]) -> dict[str, Any]:
    """Write price sets as JSON: the same prices in the same order give equal documents."""
    return {
        "currencies": {
            currency.value: [
                {"metric": metric} | dump_price(price) for metric, price in prices.items()
            ]
            for currency, prices in price_sets.items()
        }
    }


def content_sha256(content: Mapping[str, Any]) -> str:
    """Return the hash, in hex, of the content's canonical JSON: sorted keys, no spaces, UTF-8."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def prices_of(version: RateCardVersion, currency: Currency) -> PriceSet:
    """Return the version's price set in `currency`: empty when it has none."""
    documents = version.content["currencies"].get(currency.value, [])
    return dict(_parse_metric_price(document, "price") for document in documents)


def _currency(name: object) -> Currency:
    try:
        return Currency(str(name))
    except ValueError:
        raise InvalidContent("is not a currency we know", path=f"currencies.{name}") from None


def _parse_price_set(document: object, path: str, *, metric_codes: Collection[str]) -> PriceSet:
    if not isinstance(document, list) or not 1 <= len(document) <= MAX_PRICES:
        raise InvalidContent(f"must be a list of 1 to {MAX_PRICES} prices", path=path)
    prices: PriceSet = {}
    for index, entry in enumerate(document):
        metric, price = _parse_metric_price(entry, f"{path}[{index}]")
        if metric not in metric_codes:
            raise InvalidContent("is no active metric", path=f"{path}[{index}].metric")
        if metric in prices:
            raise InvalidContent("is priced twice", path=f"{path}[{index}].metric")
        prices[metric] = price
    return prices


def _parse_metric_price(document: object, path: str) -> tuple[str, Price]:
    if not isinstance(document, Mapping):
        raise InvalidContent("must be an object", path=path)
    fields = dict(document)
    metric = fields.pop("metric", None)
    if not isinstance(metric, str):
        raise InvalidContent("must be the code of a metric", path=f"{path}.metric")
    return metric, parse_price(fields, path=path)
