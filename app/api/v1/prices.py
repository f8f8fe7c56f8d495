"""Prices in this dialect, and the one place where they become the rooms' and come back."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from app.api.v1.base import DecimalText
from app.core.money import Currency
from app.pricing.charges import Model


class Tier(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """The units above the tier before, up to and with `upTo`, which is null for the last tier.

    `unitPrice` and `flatFee` are in minor units of the currency; the fee is due on entering.
    """

    up_to: DecimalText | None
    unit_price: DecimalText
    flat_fee: DecimalText = "0"


class Price(
    msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True, omit_defaults=True
):
    """The price of one metric, in minor units: `unitPrice` if it is standard, else `tiers`.

    `freeUnits` come off before anything is priced; the amount of a period is held to at least
    `minimumAmount` and at most `maximumAmount`.
    """

    metric: str
    model: Model
    unit_price: DecimalText | None = None
    tiers: list[Tier] | None = None
    free_units: DecimalText | None = None
    minimum_amount: DecimalText | None = None
    maximum_amount: DecimalText | None = None


Prices = Annotated[
    dict[Currency, list[Price]],
    msgspec.Meta(extra_json_schema={"propertyNames": {"enum": [*Currency]}}),
]
"""One price set per currency; currencies are priced side by side and never converted."""


def content(prices: Prices) -> dict[str, Any]:
    """Write prices as the content of a rate card version, to be judged by `app.pricing`.

    Paths in its refusals differ from the caller's in the spelling of names only.
    """
    sets = {
        currency.value: [_document(price) for price in some] for currency, some in prices.items()
    }
    return {"currencies": sets}


def prices_of(stored: Mapping[str, Any]) -> Prices:
    """Read the content of a rate card version as this dialect shows it."""
    return {
        Currency(currency): [_price(document) for document in documents]
        for currency, documents in stored["currencies"].items()
    }


def _document(price: Price) -> dict[str, Any]:
    fields = msgspec.structs.asdict(price)
    if price.tiers is not None:
        fields["tiers"] = [msgspec.structs.asdict(tier) for tier in price.tiers]
    return {name: value for name, value in fields.items() if value is not None}


def _price(document: Mapping[str, Any]) -> Price:
    tiers = document.get("tiers")
    shown = None if tiers is None else [Tier(**tier) for tier in tiers]
    return Price(**{**document, "model": Model(document["model"]), "tiers": shown})
