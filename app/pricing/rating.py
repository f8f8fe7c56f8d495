"""Rating: what a quantity costs at a price, exactly, with the working shown tier by tier.

Prices are decimals in minor units of their currency, with up to 12 decimals: 0.00015 CNY for a
token is `0.015` fen. Nothing is rounded here; a line is rounded once, when it becomes `Money`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from enum import StrEnum
from typing import Any

from app.core.decimals import EXACT, parse_decimal, plain
from app.core.errors import Invalid
from app.core.money import Money

ZERO = Decimal(0)
MAX_TIERS = 100


class InvalidPrice(Invalid):
    code = "invalid_price"


class Model(StrEnum):
    STANDARD = "standard"  # every unit costs the same
    GRADUATED = "graduated"  # each tier prices the units that fall in it


@dataclass(frozen=True, slots=True)
class Tier:
    """The units above the tier before, up to and with `up_to`; without a bound when it is None.

    `flat_fee` is due once when the tier is entered, and the first tier always is.
    """

    up_to: Decimal | None
    unit_price: Decimal
    flat_fee: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Price:
    """The price of one metric, as a rate card version keeps it. Amounts in exact minor units.

    A standard price is one tier without bound. `free_units` come off before the tiers are
    entered; then the amount is held to at most `maximum_amount` and at least `minimum_amount`.
    """

    model: Model
    tiers: tuple[Tier, ...]
    free_units: Decimal = ZERO
    minimum_amount: Decimal = ZERO
    maximum_amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class RatedTier:
    """The part of a quantity that fell in one tier, and what it cost in exact minor units."""

    quantity: Decimal
    unit_price: Decimal
    flat_fee: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Rated:
    """What a quantity costs, in exact minor units, and the tiers it went through.

    The tiers add up to `amount` unless a minimum or a maximum decided it.
    """

    amount: Decimal
    tiers: tuple[RatedTier, ...]


def rate(price: Price, quantity: Decimal, *, closes_period: bool = True) -> Rated:
    """Rate the whole quantity of a period; a quantity below zero counts as zero.

    The minimum is due once, with the line that closes the period.
    """
    billable = billable_quantity(price, max(quantity, ZERO))
    with localcontext(EXACT):
        tiers = _rate_tiers(price.tiers, billable)
        amount = sum((tier.amount for tier in tiers), ZERO)
        if price.maximum_amount is not None:
            amount = min(amount, price.maximum_amount)
        if closes_period:
            amount = max(amount, price.minimum_amount)
    return Rated(amount, tiers)


def rate_further(
    price: Price, quantity: Decimal, *, billed: Money, closes_period: bool = True
) -> Money:
    """Return the line that is still due when `billed` was charged for a part of `quantity`.

    It is the rounded price of all less what was billed, so the lines of a period add up to the
    price of the period; below zero, it is a credit.
    """
    whole = rate(price, quantity, closes_period=closes_period)
    return Money.rounded(whole.amount, billed.currency) - billed


def billable_quantity(price: Price, quantity: Decimal, *, previous: Decimal = ZERO) -> Decimal:
    """Return how much of `quantity` the allowance leaves, when `previous` came before it."""
    with localcontext(EXACT):
        allowance_left = max(price.free_units - previous, ZERO)
        return max(quantity - allowance_left, ZERO)


def _rate_tiers(tiers: tuple[Tier, ...], quantity: Decimal) -> tuple[RatedTier, ...]:
    rated: list[RatedTier] = []
    floor = ZERO
    for tier in tiers:
        if rated and quantity <= floor:
            break
        ceiling = quantity if tier.up_to is None else min(quantity, tier.up_to)
        inside = ceiling - floor
        amount = tier.flat_fee + inside * tier.unit_price
        rated.append(RatedTier(inside, tier.unit_price, tier.flat_fee, amount))
        floor = ceiling
    return tuple(rated)


def parse_price(document: object, *, path: str = "price") -> Price:
    """Read a price from its JSON shape, the one `dump_price` writes.

        {"model": "standard", "unit_price": "0.015", "free_units": "10000"}
        {"model": "graduated", "tiers": [{"up_to": "1000", "unit_price": "2", "flat_fee": "0"},
                                         {"up_to": null, "unit_price": "1.5", "flat_fee": "0"}]}

    `free_units`, `minimum_amount`, `maximum_amount` and `flat_fee` may be left out. Raises
    InvalidPrice or InvalidDecimal with the path of the wrong field, such as
    `price.tiers[1].up_to`.
    """
    fields = _object(document, path)
    model = _model(fields.pop("model", None), f"{path}.model")
    if model is Model.STANDARD:
        unit_price = parse_decimal(fields.pop("unit_price", None), path=f"{path}.unit_price")
        tiers: tuple[Tier, ...] = (Tier(None, unit_price),)
    else:
        tiers = _parse_tiers(fields.pop("tiers", None), f"{path}.tiers")
    price = Price(
        model=model,
        tiers=tiers,
        free_units=_optional(fields, "free_units", path) or ZERO,
        minimum_amount=_optional(fields, "minimum_amount", path) or ZERO,
        maximum_amount=_optional(fields, "maximum_amount", path),
    )
    _refuse_rest(fields, path)
    if price.maximum_amount is not None and price.maximum_amount < price.minimum_amount:
        raise InvalidPrice("must not be below the minimum", path=f"{path}.maximum_amount")
    return price


def dump_price(price: Price) -> dict[str, Any]:
    """Write a price as JSON: equal prices give equal documents, fit to be hashed and compared."""
    document: dict[str, Any] = {"model": price.model.value}
    if price.model is Model.STANDARD:
        document["unit_price"] = plain(price.tiers[0].unit_price)
    else:
        document["tiers"] = [
            {
                "up_to": None if tier.up_to is None else plain(tier.up_to),
                "unit_price": plain(tier.unit_price),
                "flat_fee": plain(tier.flat_fee),
            }
            for tier in price.tiers
        ]
    if price.free_units:
        document["free_units"] = plain(price.free_units)
    if price.minimum_amount:
        document["minimum_amount"] = plain(price.minimum_amount)
    if price.maximum_amount is not None:
        document["maximum_amount"] = plain(price.maximum_amount)
    return document


def _parse_tiers(document: object, path: str) -> tuple[Tier, ...]:
    if not isinstance(document, list) or not 1 <= len(document) <= MAX_TIERS:
        raise InvalidPrice(f"must be a list of 1 to {MAX_TIERS} tiers", path=path)
    tiers = tuple(_parse_tier(tier, f"{path}[{index}]") for index, tier in enumerate(document))
    floor = ZERO
    for index, tier in enumerate(tiers[:-1]):
        if tier.up_to is None or tier.up_to <= floor:
            raise InvalidPrice(f"must be above {plain(floor)}", path=f"{path}[{index}].up_to")
        floor = tier.up_to
    if tiers[-1].up_to is not None:
        raise InvalidPrice(
            "must be null: the last tier has no bound", path=f"{path}[{len(tiers) - 1}].up_to"
        )
    return tiers


def _parse_tier(document: object, path: str) -> Tier:
    fields = _object(document, path)
    if "up_to" not in fields:
        raise InvalidPrice("is missing; the last tier says null", path=f"{path}.up_to")
    tier = Tier(
        up_to=_optional(fields, "up_to", path),
        unit_price=parse_decimal(fields.pop("unit_price", None), path=f"{path}.unit_price"),
        flat_fee=_optional(fields, "flat_fee", path) or ZERO,
    )
    _refuse_rest(fields, path)
    return tier


def _object(document: object, path: str) -> dict[str, Any]:
    """Return a copy to take fields out of, so that what remains is what nobody knows."""
    if not isinstance(document, Mapping):
        raise InvalidPrice("must be an object", path=path)
    return dict(document)


def _model(value: object, path: str) -> Model:
    try:
        return Model(str(value))
    except ValueError:
        raise InvalidPrice(f"must be one of {', '.join(Model)}", path=path) from None


def _optional(fields: dict[str, Any], name: str, path: str) -> Decimal | None:
    value = fields.pop(name, None)
    return None if value is None else parse_decimal(value, path=f"{path}.{name}")


def _refuse_rest(fields: Mapping[str, Any], path: str) -> None:
    for name in fields:
        raise InvalidPrice("is not a field of a price", path=f"{path}.{name}")
