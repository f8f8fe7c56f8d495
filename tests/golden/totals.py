"""Golden ops of coupons, tax and totals in terms of the product."""

from datetime import date
from decimal import Decimal

from app.billing.totals import Charge, Totals, total_of
from app.core.money import Currency, Money, round_half_up
from app.core.periods import Unit, add_units
from app.pricing.discounts import (
    AmountOff,
    Discount,
    Duration,
    PercentOff,
    Reduction,
    applies_on,
    apply_discounts,
    taken_off,
)
from app.pricing.limits import Limits
from app.pricing.taxing import Tax, added_tax, included_tax
from tests.golden.units import Fields, currency_of, to_major, to_minor

A_DAY = date(2024, 1, 31)


def discount_of(coupon: Fields, currency: Currency) -> Discount:
    positions = coupon.get("applies_to")
    return Discount(
        reduction_of(coupon, currency), None if positions is None else frozenset(positions)
    )


def reduction_of(coupon: Fields, currency: Currency) -> Reduction:
    if coupon["type"] == "percent":
        return PercentOff(Decimal(coupon["percent"] if "percent" in coupon else coupon["value"]))
    own = currency_of(coupon) if "currency" in coupon else currency
    return AmountOff(Money(coupon["amount_minor"], own))


def op_apply_coupons(case: Fields) -> Fields:
    currency = currency_of(case)
    lines = [Money(minor, currency) for minor in case["lines_minor"]]
    discounts = [discount_of(coupon, currency) for coupon in case["coupons"]]
    done = apply_discounts(lines, discounts, currency)
    return {
        "applied_minor": [amount.minor for amount in done.amounts],
        "discounts_minor": [share.minor for share in done.shares],
        "lines_minor": [
            (line - share).minor for line, share in zip(lines, done.shares, strict=True)
        ],
        "total_minor": sum(line.minor for line in lines)
        - sum(amount.minor for amount in done.amounts),
    }


def op_discount(case: Fields) -> Fields:
    currency = currency_of(case)
    amount = to_minor(case["amount"], currency)
    off = taken_off(amount, exact_reduction(case, currency), currency)
    return {
        "discount": to_major(Decimal(off), currency),
        "final": to_major(round_half_up(amount) - off, currency),
    }


def exact_reduction(case: Fields, currency: Currency) -> Reduction:
    if case["type"] == "percent":
        return PercentOff(Decimal(case["value"]))
    return AmountOff(Money(int(to_minor(case["value"], currency)), currency))


def op_coupon_applies(case: Fields) -> Fields:
    first = case.get("first_applied_on")
    applies = applies_on(
        Duration(case["duration"]),
        date.fromisoformat(case["invoice_date"]),
        first_on=date.fromisoformat(first) if first else None,
        months=case.get("months"),
    )
    return {"applies": applies}


def op_coupon_after_use(case: Fields) -> Fields:
    """Use a coupon for a month, and count the months after in which it still applies."""
    if case["frequency"] == Duration.FOREVER:
        return {"remaining": None, "terminated": False}
    months = case.get("remaining") or 1
    duration = Duration.ONCE if case["frequency"] == "once" else Duration.REPEATING
    later = [
        month
        for month in range(1, months + 1)
        if applies_on(duration, add_units(A_DAY, month, Unit.MONTH), first_on=A_DAY, months=months)
    ]
    return {"remaining": len(later), "terminated": not later}


def op_coupon_redeemable(case: Fields) -> Fields:
    limits = Limits(
        redeem_by=day_of(case, "redeem_by"),
        max_redemptions=case.get("max_redemptions"),
        max_per_customer=case.get("max_per_customer"),
        is_for_new_customers=case.get("new_customers_only", False),
    )
    reached = limits.reached(
        on=day_of(case, "at") or day_of(case, "on") or A_DAY,
        redeemed=case.get("times_redeemed", 0),
        by_customer=case.get("times_redeemed_by_customer", 0),
        is_new_customer=case.get("is_new_customer", True),
    )
    return {"redeemable": reached is None}


def day_of(case: Fields, name: str) -> date | None:
    return date.fromisoformat(case[name][:10]) if case.get(name) else None


def op_tax(case: Fields) -> Fields:
    currency = currency_of(case)
    amount = to_minor(case["amount"], currency)
    taxes = [added_tax(amount, Decimal(percent)) for percent in case["rates_percent"]]
    return {
        "taxes": [to_major(Decimal(tax), currency) for tax in taxes],
        "total_tax": to_major(Decimal(sum(taxes)), currency),
    }


def op_tax_inclusive(case: Fields) -> Fields:
    tax = included_tax(case["gross_minor"], Decimal(case["rate_percent"]))
    return {"net_minor": case["gross_minor"] - tax, "tax_minor": tax}


def op_invoice_totals(case: Fields) -> Fields:
    currency = currency_of(case)
    charges = [charge_of(line, currency) for line in case["lines"]]
    discounts = [discount_of(coupon, currency) for coupon in case.get("coupons", [])]
    return written(total_of(charges, discounts, currency))


def charge_of(line: Fields, currency: Currency) -> Charge:
    percent = line.get("tax_percent")
    return Charge(
        Money(line["amount_minor"], currency),
        None if percent is None else Tax(Decimal(percent), line.get("tax_inclusive", False)),
    )


def written(totals: Totals) -> Fields:
    return {
        "fees_minor": sum(line.amount.minor for line in totals.lines),
        "coupons_minor": totals.discount.minor,
        "subtotal_minor": totals.subtotal.minor,
        "line_taxes_minor": [line.tax.minor for line in totals.lines],
        "line_discounts_minor": [line.discount.minor for line in totals.lines],
        "tax_minor": totals.tax.minor,
        "total_minor": totals.total.minor,
    }
