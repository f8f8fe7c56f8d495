"""Golden ops in terms of the product: one function per op, with no arithmetic but unit shifts.

Cases speak major units; the product keeps minor units. To build a further op, or a further model
of one, add its function to ADAPTERS; until then its cases are pending.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from app.billing.amounts import PlatformFee, sum_lines
from app.billing.proration import Days, prorate, prorated_allowance, share, true_up
from app.core.decimals import parse_quantity, plain
from app.core.money import (
    Currency,
    Money,
    Rounding,
    allocate,
    allocate_within,
    round_half_up,
    round_to,
)
from app.core.periods import (
    Cycle,
    Period,
    Unit,
    add_units,
    days_between,
    elapsed_units,
    local_date,
    local_midnight,
    period_containing,
    previous_period,
    recurrence_containing,
)
from app.fx.conversion import divided, from_cny, locked_rate, multiplied, to_cny
from app.ledger.journals import Leg, sums
from app.ledger.models import Book
from app.metering.aggregation import Reading, aggregate, weighted_sum
from app.pricing.charges import Model, Standard
from app.pricing.models import Aggregation
from app.pricing.rating import Price, billable_quantity, rate
from tests.golden import credit_notes
from tests.golden.pricing import (
    op_filter_price,
    op_free_units,
    op_grouped_price,
    op_match_filter,
    op_price_increment,
    op_price_usage,
    op_round_quantity,
    op_transform_quantity,
)
from tests.golden.totals import (
    op_apply_coupons,
    op_coupon_after_use,
    op_coupon_applies,
    op_coupon_redeemable,
    op_discount,
    op_invoice_totals,
    op_tax,
    op_tax_inclusive,
)
from tests.golden.units import Fields, bounds, currency_of, instant, to_minor

BEFORE_ALL_CASES = date(1970, 1, 1)  # the anchor of a case whose calendar periods have none


# core.money


def op_round(case: Fields) -> Fields:
    rounding = Rounding(case["mode"])
    return {"rounded": round_to(Decimal(case["amount"]), case["decimals"], rounding)}


def op_round_currency(case: Fields) -> Fields:
    decimals = case.get("decimals", currency_of(case).exponent)
    return {"rounded": round_half_up(Decimal(case["amount"]), decimals)}


def op_sum_rounded_lines(case: Fields) -> Fields:
    currency = currency_of(case)
    lines = [Money.rounded(to_minor(line, currency), currency) for line in case["lines"]]
    return {"subtotal": sum_lines(lines, currency).major}


def op_allocate(case: Fields) -> Fields:
    split = allocate_within if case.get("cap_to_weights") else allocate
    weights = [Decimal(weight) for weight in case["weights"]]
    return {"parts_minor": split(case["total_minor"], weights)}


def op_percent_per_line(case: Fields) -> Fields:
    lines = [Money(minor, Currency.CNY) for minor in case["lines_minor"]]
    discounts = [line.percent(Decimal(case["percent"])) for line in lines]
    return {
        "discounts_minor": [discount.minor for discount in discounts],
        "total_minor": sum_lines(discounts, Currency.CNY).minor,
    }


# core.periods


def op_billing_period(case: Fields) -> Fields:
    cycle, zone = Cycle(f"{case['cycle']}_{case['basis']}"), ZoneInfo(case["time_zone"])
    anchor = date.fromisoformat(case["anchor"]) if case.get("anchor") else BEFORE_ALL_CASES
    period = period_containing(cycle, instant(case["at"]), anchor=anchor, zone=zone)
    match case["which"]:
        case "current":
            return bounds(period)
        case "last_completed":
            return bounds(previous_period(cycle, period, anchor=anchor, zone=zone))
        case other:
            raise ValueError(f"no period is the {other} one")


def op_recurrence_period(case: Fields) -> Fields:
    period = recurrence_containing(
        Unit(case["every"]),
        instant(case["at"]),
        anchor_at=instant(case["anchor_at"]),
        zone=ZoneInfo(case["time_zone"]),
    )
    return bounds(period)


def op_add_periods(case: Fields) -> Fields:
    start = datetime.fromisoformat(case["start_local"])
    return {"end_local": add_units(start, case["count"], Unit(case["unit"])).isoformat()}


def op_calendar_first_period(case: Fields) -> Fields:
    start, zone = date.fromisoformat(case["start"]), ZoneInfo("UTC")
    period = period_containing(
        Cycle(f"{case['cycle']}_calendar"), local_midnight(start, zone), anchor=start, zone=zone
    )
    return {
        "start": local_date(period.start_at, zone).isoformat(),
        "end": local_date(period.end_at, zone).isoformat(),
    }


def op_elapsed_periods(case: Fields) -> Fields:
    anchor, at = date.fromisoformat(case["anchor"]), date.fromisoformat(case["at"])
    return {"completed": elapsed_units(anchor, at, Cycle(f"{case['cycle']}_anniversary").unit)}


def op_local_range_to_utc(case: Fields) -> Fields:
    return bounds(local_period(case["local_start"], case["local_end_exclusive"], case))


def op_event_in_period(case: Fields) -> Fields:
    period = local_period(case["local_period_start"], case["local_period_end_exclusive"], case)
    return {"included": instant(case["event_at"]) in period}


def local_period(start: str, end: str, case: Fields) -> Period:
    zone = ZoneInfo(case["time_zone"])
    return Period(
        local_midnight(date.fromisoformat(start), zone),
        local_midnight(date.fromisoformat(end), zone),
    )


def op_local_date(case: Fields) -> Fields:
    return {"date": local_date(instant(case["at"]), ZoneInfo(case["time_zone"])).isoformat()}


def op_days_between(case: Fields) -> Fields:
    zone = ZoneInfo(case["time_zone"])
    return {"days": days_between(instant(case["from"]), instant(case["to"]), zone)}


# billing.proration


def days_of(case: Fields, first: str, end: str) -> Days:
    return Days(date.fromisoformat(case[first]), date.fromisoformat(case[end]))


def share_of(case: Fields) -> Fraction:
    used = days_of(case, "from", "to")
    return share(used, of=days_of(case, "period_start", "period_end"))


def op_prorate(case: Fields) -> Fields:
    assert case.get("unit", "day") == "day"
    amount = Money(case["amount_minor"], currency_of(case))
    return {"amount_minor": prorate(amount, share_of(case)).minor}


def op_proration_factor(case: Fields) -> Fields:
    return {"factor": round_half_up(share_of(case), case["decimals"])}


def op_prorated_allowance(case: Fields) -> Fields:
    currency = currency_of(case)
    included = prorated_allowance(parse_quantity(case["allowance"]), share_of(case))
    price = Price(Standard(to_minor(case["unit_price"], currency)), free_units=included)
    consumed = parse_quantity(case["consumed"])
    return {
        "included": included,
        "billable": billable_quantity(price, consumed),
        "amount_minor": round_half_up(rate(price, consumed).amount),
    }


def op_true_up(case: Fields) -> Fields:
    currency = currency_of(case)
    minimum = Money(case["minimum_minor"], currency)
    if "period_start" in case:
        minimum = prorate(minimum, share_of(case))
    return {"true_up_minor": true_up(minimum, Money(case["billed_minor"], currency)).minor}


def op_true_up_decimal(case: Fields) -> Fields:
    currency = currency_of(case)
    minimum, used = (
        Money.rounded(to_minor(case[name], currency), currency) for name in ("commitment", "used")
    )
    return {"true_up": true_up(minimum, used).major}


# metering.aggregation


def readings(quantities: list[str]) -> list[Reading]:
    """Make readings of one instant, for a plain sum."""
    midnight = datetime(2024, 1, 1, tzinfo=UTC)
    return [
        Reading(parse_quantity(quantity), midnight, index)
        for index, quantity in enumerate(quantities)
    ]


def op_aggregate(case: Fields) -> Fields:
    aggregation = Aggregation(case["aggregation"])
    found = [
        Reading(
            quantity=quantity_of(event, aggregation),
            occurred_at=instant(event["at"]),
            sequence=arrival,
            key=None if event.get("value") is None else str(event["value"]),
        )
        for arrival, event in enumerate(case["events"])
    ]
    if aggregation is not Aggregation.WEIGHTED_SUM:
        return {"value": aggregate(aggregation, found)}
    period = Period(instant(case["period_start"]), instant(case["period_end"]))
    value = weighted_sum(found, period, initial=Decimal(case.get("initial_value", "0")))
    return {"value": round_half_up(value, case.get("round_to", 12))}


def quantity_of(event: Fields, aggregation: Aggregation) -> Decimal:
    """Read an event's value as a quantity, where it is one: names are counted, too."""
    if aggregation in {Aggregation.COUNT, Aggregation.UNIQUE_COUNT}:
        return Decimal(1)
    return parse_quantity(event["value"])


def op_aggregate_and_price(case: Fields) -> Fields:
    quantity = plain(op_aggregate(case)["value"])
    return op_price_usage({"model": "standard", **case, "quantity": quantity})


# fx.conversion


def op_fx_lock_rate(case: Fields) -> Fields:
    return {"cny_per_unit": locked_rate(Decimal(case["midpoint_per_100"]), int(case["spread_bps"]))}


def op_fx_collect(case: Fields) -> Fields:
    subtotal = Money(case["subtotal_minor"], currency_of(case))
    return {"collect_cny_minor": to_cny(subtotal, Decimal(case["cny_per_unit"])).minor}


def op_fx_settle(case: Fields) -> Fields:
    net, currency = Money(case["cny_minor"], Currency.CNY), currency_of(case)
    return {"settle_minor": from_cny(net, Decimal(case["cny_per_unit"]), currency).minor}


def op_fx_convert(case: Fields) -> Fields:
    convert = {"multiply": multiplied, "divide": divided}[case["operation"]]
    decimals = (case["from"]["decimals"], case["to"]["decimals"])
    exact = convert(case["amount_minor"], Decimal(case["rate"]), decimals=decimals)
    return {"amount_minor": round_half_up(exact)}


# billing.amounts


def op_platform_fee(case: Fields) -> Fields:
    fee = PlatformFee(case["basis_points"], case.get("fixed_minor", 0))
    return {"fee_minor": fee.on(Money(case["amount_minor"], Currency.CNY)).minor}


# Ledger


def op_ledger_balance(case: Fields) -> Fields:
    legs = [
        Leg(
            Book.PLATFORM,
            entry["account"],
            Money(entry["amount_minor"], Currency(entry["currency"])),
        )
        for entry in case["entries"]
    ]
    totals = {str(currency): total for (_, currency), total in sums(legs).items()}
    return {"balanced": not any(totals.values()), "sums": totals}


ADAPTERS: dict[str, Callable[[Fields], Fields]] = {
    "ledger_balance": op_ledger_balance,
    "round_currency": op_round_currency,
    "sum_rounded_lines": op_sum_rounded_lines,
    "allocate": op_allocate,
    "billing_period": op_billing_period,
    "recurrence_period": op_recurrence_period,
    "add_periods": op_add_periods,
    "calendar_first_period": op_calendar_first_period,
    "elapsed_periods": op_elapsed_periods,
    "local_range_to_utc": op_local_range_to_utc,
    "event_in_period": op_event_in_period,
    "local_date": op_local_date,
    "days_between": op_days_between,
    "percent_per_line": op_percent_per_line,
    "free_units": op_free_units,
    "transform_quantity": op_transform_quantity,
    "round_quantity": op_round_quantity,
    "match_filter": op_match_filter,
    "filter_price": op_filter_price,
    "grouped_price": op_grouped_price,
    "prorate": op_prorate,
    "proration_factor": op_proration_factor,
    "prorated_allowance": op_prorated_allowance,
    "true_up": op_true_up,
    "true_up_decimal": op_true_up_decimal,
    "aggregate/sum": op_aggregate,
    "aggregate/count": op_aggregate,
    "aggregate/max": op_aggregate,
    "aggregate/last": op_aggregate,
    "aggregate/unique_count": op_aggregate,
    "aggregate/weighted_sum": op_aggregate,
    "aggregate_and_price/sum": op_aggregate_and_price,
    "aggregate_and_price/count": op_aggregate_and_price,
    "aggregate_and_price/max": op_aggregate_and_price,
    "aggregate_and_price/last": op_aggregate_and_price,
    "aggregate_and_price/unique_count": op_aggregate_and_price,
    "aggregate_and_price/weighted_sum": op_aggregate_and_price,
    "fx_lock_rate": op_fx_lock_rate,
    "fx_collect": op_fx_collect,
    "fx_settle": op_fx_settle,
    "fx_convert": op_fx_convert,
    "platform_fee": op_platform_fee,
    "apply_coupons": op_apply_coupons,
    "discount": op_discount,
    "coupon_applies": op_coupon_applies,
    "coupon_after_use": op_coupon_after_use,
    "coupon_redeemable": op_coupon_redeemable,
    "tax": op_tax,
    "tax_inclusive": op_tax_inclusive,
    "invoice_totals": op_invoice_totals,
}
ADAPTERS |= credit_notes.ADAPTERS
ADAPTERS |= {f"round/{rounding}": op_round for rounding in Rounding}
ADAPTERS |= {f"price_usage/{model}": op_price_usage for model in Model}
ADAPTERS |= {f"price_increment/{model}": op_price_increment for model in Model}
