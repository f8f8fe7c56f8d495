"""Golden ops about prices: what usage costs, by model, dimension and increment."""

from decimal import Decimal

from app.billing.amounts import sum_lines
from app.core.decimals import EXACT, parse_quantity, plain
from app.core.money import Currency, Money, Rounding, round_half_up, round_to
from app.pricing.charges import Basis, Standard
from app.pricing.filters import ANY, PriceFilter, match
from app.pricing.metric_prices import MetricPrice
from app.pricing.parts import Part, part_of, rate_parts
from app.pricing.price_documents import parse_price
from app.pricing.rating import Operation, Price, Transform, Usage, billable_quantity, rate_events
from tests.golden.units import Fields, currency_of, to_major, to_minor


def price_of(case: Fields) -> Price:
    """Read the case's price as the product would: from its JSON, in minor units."""
    currency = currency_of(case)
    document: Fields = {"model": case["model"]}
    for name, ours in PRICE_FIELDS.items():
        if case.get(name) is not None:
            document[ours] = case[name]
    for name, ours in PRICE_AMOUNTS.items():
        if case.get(name) is not None:
            document[ours] = plain(to_minor(case[name], currency))
    if "tiers" in case:
        document["tiers"] = [tier_of(tier, currency) for tier in case["tiers"]]
    return parse_price(document, currency)


PRICE_FIELDS = {
    "free_units": "free_units",
    "package_size": "package_size",
    "rounding": "package_rounding",
    "rate_percent": "rate",
    "free_events": "free_events",
    "discount_percent": "discount_percent",
    "transform": "transform",
}
PRICE_AMOUNTS = {
    "unit_price": "unit_price",
    "package_price": "package_price",
    "fixed_fee": "fixed_fee",
    "free_amount": "free_amount",
    "per_event_min": "per_event_minimum",
    "per_event_max": "per_event_maximum",
    "minimum_amount": "minimum_amount",
    "maximum_amount": "maximum_amount",
}


def tier_of(tier: Fields, currency: Currency) -> Fields:
    document: Fields = {"up_to": tier["up_to"]}
    if "rate_percent" in tier:
        document["rate"] = tier["rate_percent"]
    for name in ("unit_price", "flat_fee"):
        if name in tier:
            document[name] = plain(to_minor(tier[name], currency))
    return document


def amounts_of(case: Fields) -> list[Decimal]:
    """Return the amounts of a case's events, or its quantity as the only one."""
    return [parse_quantity(amount) for amount in case.get("event_amounts", [case.get("quantity")])]


def op_price_usage(case: Fields) -> Fields:
    rated = rate_events(price_of(case), amounts_of(case))
    currency = currency_of(case)
    return {
        "amount": to_major(rated.amount, currency),
        "amount_minor": round_half_up(rated.amount),
        "tier_amounts": [to_major(tier.amount, currency) for tier in rated.tiers],
        "packages": sum(tier.quantity for tier in rated.tiers if tier.basis is Basis.PACKAGES),
    }


def op_price_increment(case: Fields) -> Fields:
    currency = currency_of(case)
    previous = case.get("previous_event_amounts", [case.get("previous_quantity", "0")])
    rated = rate_events(
        price_of(case),
        [*(parse_quantity(amount) for amount in previous), *amounts_of(case)],
        closes_period=case.get("last_line", False),
    )
    billed = Money.rounded(to_minor(case["previous_billed"], currency), currency)
    line = rated.further(billed)
    return {"amount": line.major, "amount_minor": line.minor}


def op_free_units(case: Fields) -> Fields:
    price = Price(Standard(Decimal(1)), free_units=parse_quantity(case["free_units"]))
    previous = parse_quantity(case.get("previous_quantity", "0"))
    quantity = parse_quantity(case["quantity"])
    return {"billable_quantity": billable_quantity(price, quantity, previous=previous)}


def op_transform_quantity(case: Fields) -> Fields:
    rounding = case.get("rounding", "none")
    transform = Transform(
        Operation(case["operation"]),
        Decimal(case["factor"]),
        None if rounding == "none" else Rounding(rounding),
    )
    return {"quantity": transform.apply(parse_quantity(case["quantity"]))}


FUNCTIONS = {"round": Rounding.HALF_UP, "ceil": Rounding.CEILING, "floor": Rounding.FLOOR}


def op_round_quantity(case: Fields) -> Fields:
    quantity, function = parse_quantity(case["quantity"]), case.get("function")
    if function is None:
        return {"quantity": quantity}
    decimals = case.get("precision") or 0
    return {"quantity": round_to(quantity, decimals, FUNCTIONS[function])}


def match_of(filter_: Fields) -> dict[str, tuple[str, ...]]:
    return {
        name: (ANY,) if values in (ANY, [ANY]) else tuple(values)
        for name, values in filter_["match"].items()
    }


def op_match_filter(case: Fields) -> Fields:
    free = Price(Standard(Decimal(0)))
    some = [PriceFilter(match_of(filter_), free) for filter_ in case["filters"]]
    position = match(some, case["dimensions"], case.get("declared_values", {}))
    return {"filter": None if position is None else case["filters"][position]["id"]}


def op_filter_price(case: Fields) -> Fields:
    shared = {"model": "standard", "currency": case["currency"]}
    default = case.get("default_unit_price")
    metric_price = MetricPrice(
        default=None if default is None else price_of(shared | {"unit_price": default}),
        filters=tuple(
            PriceFilter(match_of(filter_), price_of(shared | filter_))
            for filter_ in case["filters"]
        ),
    )
    return priced_lines(metric_price, case)


def op_grouped_price(case: Fields) -> Fields:
    price = price_of({"model": "standard"} | case)
    return priced_lines(MetricPrice(price, group_by=tuple(case["group_by"])), case)


def priced_lines(metric_price: MetricPrice, case: Fields) -> Fields:
    """Rate one line per part, in the order the usage came in; usage without a price costs 0."""
    usages: dict[Part, Usage] = {}
    for usage in case["usage"]:
        part = part_of(metric_price, usage["dimensions"], case.get("declared_values", {}))
        if part is not None:
            before = usages.setdefault(part, Decimal(0))
            assert isinstance(before, Decimal)
            usages[part] = EXACT.add(before, parse_quantity(usage["quantity"]))
    currency = currency_of(case)
    lines = [
        Money.rounded(each.rated.amount, currency) for each in rate_parts(metric_price, usages)
    ]
    return {
        "line_amounts_minor": [line.minor for line in lines],
        "total_minor": sum_lines(lines, currency).minor,
    }
