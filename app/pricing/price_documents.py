"""Prices as JSON: read strictly, with the path of what is wrong, and written in one form.

    {"model": "standard", "unit_price": "0.015", "free_units": "10000"}
    {"model": "graduated", "tiers": [{"up_to": "1000", "unit_price": "2", "flat_fee": "0"},
                                     {"up_to": null, "unit_price": "1.5", "flat_fee": "0"}]}
    {"model": "volume", "tiers": …as graduated…}
    {"model": "package", "package_size": "100", "package_price": "400", "package_rounding": "up"}
    {"model": "percentage", "rate": "2.9", "fixed_fee": "30", "free_events": 3,
     "free_amount": "25000", "per_event_minimum": "175", "per_event_maximum": "1200"}
    {"model": "graduated_percentage", "tiers": [{"up_to": null, "rate": "1", "flat_fee": "0"}]}

Each may have `transform`, `free_units`, `discount_percent`, `minimum_amount` and
`maximum_amount`. Amounts are texts of minor units, `rate` and `discount_percent` are in percent.
The quantity of a percentage is money, in major units, and so are its `free_units` and the bounds
of its tiers.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from app.core.decimals import plain
from app.core.money import Currency, Rounding
from app.pricing.charges import (
    Charge,
    Graduated,
    GraduatedPercentage,
    Model,
    Package,
    Percentage,
    PercentageTier,
    Standard,
    Tier,
    Volume,
)
from app.pricing.fields import ZERO, Fields, InvalidPrice
from app.pricing.rating import Operation, Price, Transform, needs_events

MAX_TIERS = 100
MAX_FREE_EVENTS = 10**9
MAX_RATE, MAX_DISCOUNT = Decimal(1000), Decimal(100)
_NOT_ROUNDED = "none"
_TRANSFORM_ROUNDINGS = (Rounding.CEILING, Rounding.FLOOR, Rounding.HALF_UP)
_PACKAGE_ROUNDINGS = (Rounding.UP, Rounding.DOWN)

AnyTier = TypeVar("AnyTier", Tier, PercentageTier)


def parse_price(document: object, currency: Currency, *, path: str = "price") -> Price:
    """Read a price in `currency` from its JSON shape, the one `dump_price` writes.

    Raises InvalidPrice or InvalidDecimal with the path of the wrong field, such as
    `price.tiers[1].up_to`.
    """
    fields = Fields(document, path)
    model = Model(fields.choice("model", tuple(Model)))
    price = Price(
        charge=_CHARGES[model](fields, currency),
        transform=_parse_transform(fields),
        free_units=fields.amount("free_units"),
        discount_percent=fields.amount("discount_percent", at_most=MAX_DISCOUNT),
        minimum_amount=fields.amount("minimum_amount"),
        maximum_amount=fields.optional("maximum_amount"),
    )
    fields.refuse_rest()
    _refuse_crossed(price.minimum_amount, price.maximum_amount, fields.at("maximum_amount"))
    if needs_events(price):
        _refuse_terms_of_the_sum(price, fields)
    return price


def dump_price(price: Price) -> dict[str, Any]:
    """Write a price as JSON: equal prices give equal documents, fit to be hashed and compared."""
    document = {"model": price.model.value} | _dump_charge(price.charge)
    if price.transform:
        document["transform"] = {
            "operation": price.transform.operation.value,
            "factor": plain(price.transform.factor),
            "rounding": price.transform.rounding or _NOT_ROUNDED,
        }
    document |= _non_zero("free_units", price.free_units)
    document |= _non_zero("discount_percent", price.discount_percent)
    document |= _non_zero("minimum_amount", price.minimum_amount)
    if price.maximum_amount is not None:
        document["maximum_amount"] = plain(price.maximum_amount)
    return document


def _parse_standard(fields: Fields, _currency: Currency) -> Charge:
    return Standard(fields.decimal("unit_price"))


def _parse_graduated(fields: Fields, _currency: Currency) -> Charge:
    return Graduated(_parse_tiers(fields, _parse_tier))


def _parse_volume(fields: Fields, _currency: Currency) -> Charge:
    return Volume(_parse_tiers(fields, _parse_tier))


def _parse_package(fields: Fields, _currency: Currency) -> Charge:
    return Package(
        size=fields.positive("package_size"),
        price=fields.decimal("package_price"),
        rounding=Rounding(
            fields.choice("package_rounding", _PACKAGE_ROUNDINGS, default=Rounding.UP)
        ),
    )


def _parse_percentage(fields: Fields, currency: Currency) -> Charge:
    charge = Percentage(
        currency=currency,
        rate=fields.decimal("rate", at_most=MAX_RATE),
        fixed_fee=fields.amount("fixed_fee"),
        free_events=_parse_free_events(fields),
        free_amount=fields.amount("free_amount"),
        minimum=fields.amount("per_event_minimum"),
        maximum=fields.optional("per_event_maximum"),
    )
    _refuse_crossed(charge.minimum, charge.maximum, fields.at("per_event_maximum"))
    return charge


def _parse_graduated_percentage(fields: Fields, currency: Currency) -> Charge:
    return GraduatedPercentage(currency, _parse_tiers(fields, _parse_percentage_tier))


_CHARGES: dict[Model, Callable[[Fields, Currency], Charge]] = {
    Model.STANDARD: _parse_standard,
    Model.GRADUATED: _parse_graduated,
    Model.VOLUME: _parse_volume,
    Model.PACKAGE: _parse_package,
    Model.PERCENTAGE: _parse_percentage,
    Model.GRADUATED_PERCENTAGE: _parse_graduated_percentage,
}


def _parse_tiers(fields: Fields, parse: Callable[[Fields], AnyTier]) -> tuple[AnyTier, ...]:
    path = fields.at("tiers")
    documents = fields.entries("tiers", at_most=MAX_TIERS)
    tiers = tuple(
        parse(Fields(document, f"{path}[{index}]")) for index, document in enumerate(documents)
    )
    _refuse_gaps([tier.up_to for tier in tiers], path)
    return tiers


def _parse_tier(fields: Fields) -> Tier:
    tier = Tier(_parse_up_to(fields), fields.decimal("unit_price"), fields.amount("flat_fee"))
    fields.refuse_rest()
    return tier


def _parse_percentage_tier(fields: Fields) -> PercentageTier:
    tier = PercentageTier(
        _parse_up_to(fields), fields.decimal("rate", at_most=MAX_RATE), fields.amount("flat_fee")
    )
    fields.refuse_rest()
    return tier


def _parse_up_to(fields: Fields) -> Decimal | None:
    if "up_to" not in fields:
        raise InvalidPrice("is missing; the last tier says null", path=fields.at("up_to"))
    return fields.optional("up_to")


def _refuse_gaps(bounds: Sequence[Decimal | None], path: str) -> None:
    floor = ZERO
    for index, up_to in enumerate(bounds[:-1]):
        if up_to is None or up_to <= floor:
            raise InvalidPrice(f"must be above {plain(floor)}", path=f"{path}[{index}].up_to")
        floor = up_to
    if bounds[-1] is not None:
        raise InvalidPrice(
            "must be null: the last tier has no bound", path=f"{path}[{len(bounds) - 1}].up_to"
        )


def _parse_free_events(fields: Fields) -> int:
    value = fields.take("free_events")
    if value is None:
        return 0
    if type(value) is not int or not 0 <= value <= MAX_FREE_EVENTS:
        raise InvalidPrice("must be a whole number, not below 0", path=fields.at("free_events"))
    return value


def _parse_transform(fields: Fields) -> Transform | None:
    document = fields.take("transform")
    if document is None:
        return None
    inner = Fields(document, fields.at("transform"))
    operation = Operation(inner.choice("operation", tuple(Operation)))
    factor = inner.positive("factor")
    rounding = inner.choice("rounding", (_NOT_ROUNDED, *_TRANSFORM_ROUNDINGS), default=_NOT_ROUNDED)
    inner.refuse_rest()
    return Transform(operation, factor, None if rounding == _NOT_ROUNDED else Rounding(rounding))


def _refuse_crossed(minimum: Decimal, maximum: Decimal | None, path: str) -> None:
    if maximum is not None and maximum < minimum:
        raise InvalidPrice("must not be below the minimum", path=path)


def _refuse_terms_of_the_sum(price: Price, fields: Fields) -> None:
    """Refuse what is said of a period's sum beside terms that look at one event after the other."""
    if price.free_units:
        raise InvalidPrice(
            "must be left out beside terms per event; say free_amount", path=fields.at("free_units")
        )
    if price.transform and price.transform.rounding:
        raise InvalidPrice(
            "must be none beside terms per event", path=f"{fields.at('transform')}.rounding"
        )


def _dump_charge(charge: Charge) -> dict[str, Any]:
    match charge:
        case Standard():
            return {"unit_price": plain(charge.unit_price)}
        case Package():
            return _dump_package(charge)
        case Percentage():
            return _dump_percentage(charge)
        case Graduated() | Volume() | GraduatedPercentage():
            return {"tiers": [_dump_tier(tier) for tier in charge.tiers]}


def _dump_tier(tier: Tier | PercentageTier) -> dict[str, Any]:
    document: dict[str, Any] = {"up_to": None if tier.up_to is None else plain(tier.up_to)}
    if isinstance(tier, Tier):
        document["unit_price"] = plain(tier.unit_price)
    else:
        document["rate"] = plain(tier.rate)
    return document | {"flat_fee": plain(tier.flat_fee)}


def _dump_package(charge: Package) -> dict[str, Any]:
    return {
        "package_size": plain(charge.size),
        "package_price": plain(charge.price),
        "package_rounding": charge.rounding.value,
    }


def _dump_percentage(charge: Percentage) -> dict[str, Any]:
    document: dict[str, Any] = {"rate": plain(charge.rate)}
    document |= _non_zero("fixed_fee", charge.fixed_fee)
    if charge.free_events:
        document["free_events"] = charge.free_events
    document |= _non_zero("free_amount", charge.free_amount)
    document |= _non_zero("per_event_minimum", charge.minimum)
    if charge.maximum is not None:
        document["per_event_maximum"] = plain(charge.maximum)
    return document


def _non_zero(name: str, value: Decimal) -> dict[str, str]:
    return {name: plain(value)} if value else {}
