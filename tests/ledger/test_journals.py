"""What goes back is posted as the templates say: refunds F1 and F2, disputes D1 to D4, U2."""

import pytest

from app.core.money import Currency, Money
from app.ledger import journals
from app.ledger.journals import Journal, MoneyBack
from tests.make import cny

REFUND = MoneyBack("rf_1", 7, "wechat", cny(30_000), cny(900), Money(4_063, Currency.USD))
DISPUTE = MoneyBack("dp_1", 7, "wechat", cny(20_000), cny(600), Money(2_709, Currency.USD))
IN_YUAN = MoneyBack("rf_2", 7, "wechat", cny(30_000), cny(900), cny(29_100))


def legs(journal: Journal) -> list[tuple[str, str, int]]:
    return [
        (f"{leg.book}:{leg.account}", leg.amount.currency.value, leg.amount.minor)
        for leg in journal.legs
    ]


def test_a_refund_takes_the_net_from_the_merchant_at_the_lock_and_the_fee_from_us() -> None:
    assert legs(journals.refund_submitted(REFUND)) == [
        ("P:merchant_payable", "USD", 4_063),
        ("P:fx_clearing", "USD", -4_063),
        ("P:fx_clearing", "CNY", 29_100),
        ("P:merchant_payable", "CNY", -29_100),
        ("P:platform_fee_revenue", "CNY", 900),
        ("P:merchant_payable", "CNY", -900),
        ("P:merchant_payable", "CNY", 30_000),
        ("P:refund_in_transit", "CNY", -30_000),
        ("R:revenue", "CNY", 30_000),
        ("R:sales_clearing", "CNY", -30_000),
    ]


def test_a_refund_of_what_is_settled_in_yuan_converts_nothing() -> None:
    assert legs(journals.refund_submitted(IN_YUAN)) == [
        ("P:platform_fee_revenue", "CNY", 900),
        ("P:merchant_payable", "CNY", -900),
        ("P:merchant_payable", "CNY", 30_000),
        ("P:refund_in_transit", "CNY", -30_000),
        ("R:revenue", "CNY", 30_000),
        ("R:sales_clearing", "CNY", -30_000),
    ]


def test_the_channel_pays_back_what_was_set_aside() -> None:
    assert legs(journals.refund_succeeded(REFUND)) == [
        ("P:refund_in_transit", "CNY", 30_000),
        ("P:channel_clearing/wechat", "CNY", -30_000),
    ]


@pytest.mark.parametrize("back", [REFUND, IN_YUAN])
def test_a_refund_that_fails_leaves_nothing_moved(back: MoneyBack) -> None:
    moved = [*journals.refund_submitted(back).legs, *journals.refund_failed(back).legs]
    totals: dict[tuple[str, Currency], int] = {}
    for leg in moved:
        key = (f"{leg.book}:{leg.account}", leg.amount.currency)
        totals[key] = totals.get(key, 0) + leg.amount.minor

    assert set(totals.values()) == {0}


def test_an_open_dispute_holds_the_merchants_part() -> None:
    assert legs(journals.dispute_opened(DISPUTE)) == [
        ("P:dispute_receivable", "CNY", 20_000),
        ("P:channel_clearing/wechat", "CNY", -20_000),
        ("P:merchant_payable", "USD", 2_709),
        ("P:merchant_reserve", "USD", -2_709),
    ]


def test_a_lost_dispute_costs_the_merchant_what_was_held_and_us_our_fee() -> None:
    assert legs(journals.dispute_lost(DISPUTE)) == [
        ("P:merchant_reserve", "USD", 2_709),
        ("P:fx_clearing", "USD", -2_709),
        ("P:fx_clearing", "CNY", 19_400),
        ("P:dispute_receivable", "CNY", -19_400),
        ("P:platform_fee_revenue", "CNY", 600),
        ("P:dispute_receivable", "CNY", -600),
        ("R:revenue", "CNY", 20_000),
        ("R:sales_clearing", "CNY", -20_000),
    ]


def test_a_won_dispute_gives_everything_back() -> None:
    assert legs(journals.dispute_won(DISPUTE)) == [
        ("P:dispute_receivable", "CNY", -20_000),
        ("P:channel_clearing/wechat", "CNY", 20_000),
        ("P:merchant_payable", "USD", -2_709),
        ("P:merchant_reserve", "USD", 2_709),
    ]


def test_a_dispute_may_cost_a_fee() -> None:
    assert legs(journals.dispute_fee("dp_1", 7, Money(1_500, Currency.USD))) == [
        ("P:merchant_payable", "USD", 1_500),
        ("P:dispute_fee_revenue", "USD", -1_500),
    ]


def test_what_was_put_aside_goes_back_through_its_channel() -> None:
    journal = journals.payment_returned("rf_3", "alipay", amount=cny(14_900), invoice_id=7)

    assert legs(journal) == [
        ("P:unallocated_payments", "CNY", 14_900),
        ("P:channel_clearing/alipay", "CNY", -14_900),
    ]
