"""The golden ops of giving back: credit notes, balances, and what is unused of a fee."""

from datetime import date
from zoneinfo import ZoneInfo

from app.billing.amounts import sum_lines
from app.billing.credit_amounts import (
    capped_credit,
    cumulative_part,
    split_termination,
    unused_credit,
    use_balances,
)
from app.billing.proration import Days
from app.core.money import Currency, Money
from app.core.periods import local_date
from app.payments.refund_amounts import (
    BadRefund,
    Part,
    RefundTooLarge,
    amount_to_refund,
    cash_part,
    check_lines,
    next_part,
    total_of,
)
from tests.golden.units import Fields, instant

CNY = Currency.CNY


def op_termination_refund_split(case: Fields) -> Fields:
    refund, credit = split_termination(
        Money(case["creditable_with_tax_minor"], CNY),
        paid=Money(case["paid_minor"], CNY),
        used=Money(case["used_with_tax_minor"], CNY),
    )
    return {"refund_minor": refund.minor, "credit_minor": credit.minor}


def op_apply_credit_balance(case: Fields) -> Fields:
    total = Money(case["invoice_total_minor"], CNY)
    balances = [Money(minor, CNY) for minor in case["credit_notes_minor"]]
    used = use_balances(total, balances)
    paid = sum_lines(used, CNY)
    return {
        "applied_minor": [part.minor for part in used],
        "line_shares_minor": [share.minor for share in paid.allocate(case["lines_minor"])],
        "amount_due_minor": (total - paid).minor,
        "left_minor": [
            (balance - part).minor for balance, part in zip(balances, used, strict=True)
        ],
    }


def op_refund_tax_split(case: Fields) -> Fields:
    net, tax = (Money(case[f"order_{part}_minor"], CNY) for part in ("net", "tax"))
    before = case["already_refunded_minor"]
    after, gross = before + case["refund_total_minor"], (net + tax).minor
    refunded_tax = cumulative_part(tax, before=before, after=after, of=gross)
    return {
        "refund_net_minor": case["refund_total_minor"] - refunded_tax.minor,
        "refund_tax_minor": refunded_tax.minor,
    }


def op_credit_cap(case: Fields) -> Fields:
    credit = capped_credit(
        Money(case["potential_credit_minor"], CNY),
        paid=Money(case["original_paid_minor"], CNY),
        credited=Money(case["already_credited_minor"], CNY),
    )
    return {"credit_minor": credit.minor}


def op_unused_credit_on_cancel(case: Fields) -> Fields:
    period = Days(date.fromisoformat(case["period_start"]), date.fromisoformat(case["period_end"]))
    credit = unused_credit(
        Money(case["amount_minor"], CNY),
        period,
        cancelled_on=local_date(instant(case["cancelled_at"]), ZoneInfo(case["time_zone"])),
        cancel_day_is_used=case["cancel_day_is_used"],
    )
    return {"credit_minor": credit.minor}


def op_refund_amount(case: Fields) -> Fields:
    asked = case.get("requested_minor")
    try:
        amount = amount_to_refund(
            None if asked is None else Money(asked, CNY), left=Money(case["payment_minor"], CNY)
        )
    except (BadRefund, RefundTooLarge):
        return {"accepted": False}
    return {"accepted": True, "refund_minor": amount.minor}


def op_refund_adjustments(case: Fields) -> Fields:
    lines = [Money(minor, CNY) for minor in case["item_adjustments_minor"]]
    try:
        check_lines(Money(case["requested_minor"], CNY), lines)
    except BadRefund:
        return {"accepted": False}
    return {"accepted": True}


def op_channel_refund_with_coupon(case: Fields) -> Fields:
    order, cash, refund = (
        Money(case[name], CNY) for name in ("order_minor", "paid_cash_minor", "refund_minor")
    )
    return {"cash_refund_minor": cash_part(refund, order=order, cash=cash).minor}


def op_refund_chain(case: Fields) -> Fields:
    whole = Part(
        amount=Money(case["gross_cny_minor"], CNY),
        tax=Money.zero(CNY),
        fee=Money(case["platform_fee_cny_minor"], CNY),
        settlement=Money(case["settled_minor"], Currency.USD),
    )
    parts: list[Part] = []
    for minor in case["refunds_cny_minor"]:
        given = total_of(parts, whole)
        parts.append(next_part(whole, given, Money(minor, CNY), fee_is_returned=True))
    return {
        "fee_returned_minor": [part.fee.minor for part in parts],
        "settlement_reversed_minor": [part.settlement.minor for part in parts],
    }


ADAPTERS = {
    "refund_amount": op_refund_amount,
    "refund_adjustments": op_refund_adjustments,
    "channel_refund_with_coupon": op_channel_refund_with_coupon,
    "refund_chain": op_refund_chain,
    "termination_refund_split": op_termination_refund_split,
    "apply_credit_balance": op_apply_credit_balance,
    "refund_tax_split": op_refund_tax_split,
    "credit_cap": op_credit_cap,
    "unused_credit_on_cancel": op_unused_credit_on_cancel,
}
