"""What is opened takes of every limit, what closes gives back, and no limit is ever passed."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from app.core import ids
from app.core.ids import PLATFORM, Prefix
from app.core.money import Money
from app.identity import clocks
from app.risk import counting, freezes, limits
from app.risk.counting import Key
from app.risk.models import RiskLimit, Switch
from app.risk.refusals import (
    ChannelLimit,
    DailyLimitReached,
    MerchantFrozen,
    RiskRefused,
    TooManyPayments,
)
from app.risk.reserving import Attempt, release, reserve, settle, why_not
from app.risk.rules import LIMITS, PLATFORM_WIDE, Rule, Scope
from tests.make import ADA, BY_ADA, NOON, cny

CUSTOMER, OTHER = 101, 102
MIDNIGHT = datetime(2026, 6, 1, 16, 0, tzinfo=UTC)
"""When the second of June begins in Shanghai."""


def attempt(amount: Money, customer: int = CUSTOMER, channel: str = "wechat") -> Attempt:
    return Attempt(amount, customer, channel, "203.0.113.7")


def limit(session: Session, rule: Rule, maximum: int) -> None:
    limits.set_limits(session, {rule: maximum}, **BY_ADA)


def used_today(session: Session) -> int:
    key = Key(Rule.DAILY_AMOUNT, "", MIDNIGHT)
    return counting.read(session, [key])[key]


def test_the_daily_limit_is_reached_to_the_fen_and_not_passed(session: Session) -> None:
    limit(session, Rule.DAILY_AMOUNT, 10_000)

    reserve(session, 1, attempt(cny(9_999)), now=NOON)
    with pytest.raises(DailyLimitReached):
        reserve(session, 2, attempt(cny(2)), now=NOON)
    reserve(session, 3, attempt(cny(1)), now=NOON)

    assert used_today(session) == 10_000


def test_a_refusal_takes_nothing_and_says_which_rule(session: Session) -> None:
    limit(session, Rule.DAILY_AMOUNT, 100)

    with pytest.raises(DailyLimitReached) as refused:
        reserve(session, 1, attempt(cny(101)), now=NOON)

    assert used_today(session) == 0
    assert (refused.value.hit.rule, refused.value.hit.amount_minor) == (Rule.DAILY_AMOUNT, 101)
    assert (refused.value.hit.maximum, refused.value.hit.at) == (100, NOON)
    assert "2026-06-03T00:00+08:00" in str(refused.value)


def test_an_order_that_closes_gives_back_once(session: Session) -> None:
    reserve(session, 1, attempt(cny(700)), now=NOON)
    reserve(session, 2, attempt(cny(50)), now=NOON)

    release(session, 1)
    release(session, 1)

    assert used_today(session) == 50


def test_what_closed_makes_room_at_every_limit_of_amounts(session: Session) -> None:
    limit(session, Rule.CUSTOMER_DAILY_AMOUNT, 700)
    session.add(RiskLimit(for_merchant_id=PLATFORM, rule=Rule.WECHAT_DAILY, maximum=700))
    reserve(session, 1, attempt(cny(700)), now=NOON)

    release(session, 1)
    reserve(session, 2, attempt(cny(700)), now=NOON)

    assert used_today(session) == 700


def test_what_was_paid_stays_used(session: Session) -> None:
    reserve(session, 1, attempt(cny(700)), now=NOON)

    settle(session, 1)
    release(session, 1)
    settle(session, 1)

    assert used_today(session) == 700


def test_money_that_comes_after_the_close_counts_again_above_any_limit(session: Session) -> None:
    limit(session, Rule.DAILY_AMOUNT, 1_000)
    reserve(session, 1, attempt(cny(700)), now=NOON)
    release(session, 1)
    reserve(session, 2, attempt(cny(900)), now=NOON)

    settle(session, 1)
    settle(session, 1)

    assert used_today(session) == 1_600


def test_counters_are_thrown_away_once_nothing_asks_for_them(session: Session) -> None:
    reserve(session, 1, attempt(cny(700)), now=NOON)

    counting.purge(session, now=MIDNIGHT + timedelta(days=3))
    assert used_today(session) == 700
    counting.purge(session, now=MIDNIGHT + timedelta(days=3, microseconds=1))
    assert used_today(session) == 0

    release(session, 1)  # later than ever happens: nothing goes below zero
    assert used_today(session) == 0


def test_an_order_that_never_reserved_is_left_alone(session: Session) -> None:
    release(session, 9)
    settle(session, 9)

    assert used_today(session) == 0


def test_the_day_is_shanghais(session: Session) -> None:
    limit(session, Rule.DAILY_AMOUNT, 100)
    reserve(session, 1, attempt(cny(100)), now=MIDNIGHT - timedelta(microseconds=1))

    reserve(session, 2, attempt(cny(100)), now=MIDNIGHT)

    assert used_today(session) == 100


def test_the_day_is_that_of_the_merchants_clock(session: Session) -> None:
    limit(session, Rule.DAILY_AMOUNT, 100)
    reserve(session, 1, attempt(cny(100)), now=NOON)

    clocks.get_merchant(session).clock_offset = timedelta(days=1)
    reserve(session, 2, attempt(cny(100)), now=NOON)

    assert used_today(session) == 100


def test_an_order_gives_back_to_the_day_it_was_opened_on(session: Session) -> None:
    reserve(session, 1, attempt(cny(30)), now=MIDNIGHT - timedelta(minutes=1))
    reserve(session, 2, attempt(cny(100)), now=MIDNIGHT)

    release(session, 1)

    assert used_today(session) == 100


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        (Rule.PAYMENTS_PER_MINUTE, attempt(cny(1), OTHER)),
        (Rule.CUSTOMER_PER_MINUTE, attempt(cny(1))),
        (Rule.PAYER_PER_MINUTE, attempt(cny(1), OTHER)),
    ],
)
def test_payments_of_a_minute_are_counted(session: Session, rule: Rule, allowed: Attempt) -> None:
    limit(session, rule, 2)
    reserve(session, 1, attempt(cny(1)), now=NOON)
    release(session, 1)  # it was opened all the same
    reserve(session, 2, allowed, now=NOON + timedelta(seconds=59))

    with pytest.raises(TooManyPayments) as refused:
        reserve(session, 3, attempt(cny(1)), now=NOON + timedelta(seconds=59))
    reserve(session, 4, attempt(cny(1)), now=NOON + timedelta(seconds=60))

    assert refused.value.hit.rule is rule


@pytest.mark.parametrize(
    "rule", [Rule.PAYMENTS_PER_HOUR, Rule.CUSTOMER_PER_HOUR, Rule.PAYER_PER_HOUR]
)
def test_payments_of_an_hour_are_counted(session: Session, rule: Rule) -> None:
    limit(session, rule, 1)
    reserve(session, 1, attempt(cny(1)), now=NOON)

    with pytest.raises(TooManyPayments):
        reserve(session, 2, attempt(cny(1)), now=NOON + timedelta(minutes=59))
    reserve(session, 3, attempt(cny(1)), now=NOON + timedelta(minutes=60))


def test_a_customers_limit_is_his_alone(session: Session) -> None:
    limit(session, Rule.CUSTOMER_DAILY_AMOUNT, 100)
    reserve(session, 1, attempt(cny(100)), now=NOON)

    with pytest.raises(DailyLimitReached) as refused:
        reserve(session, 2, attempt(cny(1)), now=NOON)
    reserve(session, 3, attempt(cny(100), OTHER), now=NOON)

    assert refused.value.hit.subject == ids.show(Prefix.CUSTOMER, CUSTOMER)


def test_a_payer_whose_address_nobody_knows_is_not_counted(session: Session) -> None:
    limit(session, Rule.PAYER_PER_MINUTE, 0)

    reserve(session, 1, Attempt(cny(1), CUSTOMER, "wechat"), now=NOON)
    with pytest.raises(TooManyPayments):
        reserve(session, 2, attempt(cny(1)), now=NOON)


@pytest.mark.parametrize("rule", [Rule.WECHAT_PAYMENT, Rule.WECHAT_DAILY])
def test_a_channels_limit_leaves_the_other_channel(session: Session, rule: Rule) -> None:
    session.add(RiskLimit(for_merchant_id=PLATFORM, rule=rule, maximum=100))

    with pytest.raises(ChannelLimit):
        reserve(session, 1, attempt(cny(101)), now=NOON)
    reserve(session, 2, attempt(cny(101), channel="alipay"), now=NOON)


def test_the_limit_on_one_payment_does_not_add_up(session: Session) -> None:
    session.add(RiskLimit(for_merchant_id=PLATFORM, rule=Rule.WECHAT_PAYMENT, maximum=100))

    for order_id in range(1, 4):
        reserve(session, order_id, attempt(cny(100)), now=NOON)

    assert used_today(session) == 300


def test_a_frozen_merchant_opens_nothing_and_the_payer_is_not_told_why(session: Session) -> None:
    freezes.freeze(session, Switch.CHECKOUT, reason="stolen cards", actor=ADA, now=NOON)

    with pytest.raises(MerchantFrozen) as refused:
        reserve(session, 1, attempt(cny(1)), now=NOON)

    assert "stolen" not in str(refused.value)
    assert (refused.value.hit.rule, refused.value.hit.subject) == (Rule.FROZEN, "checkout")


def test_frozen_payouts_leave_the_checkout_open(session: Session) -> None:
    freezes.freeze(session, Switch.PAYOUTS, reason="documents", actor=ADA, now=NOON)

    reserve(session, 1, attempt(cny(1)), now=NOON)
    with pytest.raises(MerchantFrozen):
        freezes.check_payouts(session, amount_minor=1, now=NOON)

    assert used_today(session) == 1


@pytest.mark.parametrize(
    ("rule", "refusal"),
    [
        (Rule.DAILY_AMOUNT, DailyLimitReached),
        (Rule.CUSTOMER_PER_HOUR, TooManyPayments),
        (Rule.FROZEN, MerchantFrozen),
    ],
)
def test_a_page_may_ask_before_and_changes_nothing(
    session: Session, rule: Rule, refusal: type[RiskRefused]
) -> None:
    assert why_not(session, attempt(cny(1)), now=NOON) is None
    if rule is Rule.FROZEN:
        freezes.freeze(session, Switch.CHECKOUT, reason="a look", actor=ADA, now=NOON)
    else:
        limit(session, rule, 0)

    assert type(why_not(session, attempt(cny(1)), now=NOON)) is refusal
    assert used_today(session) == 0


def test_who_changes_the_channel_is_not_stopped_by_his_own_order(session: Session) -> None:
    limit(session, Rule.DAILY_AMOUNT, 100)
    reserve(session, 1, attempt(cny(100)), now=NOON)
    other = attempt(cny(100), channel="alipay")

    assert type(why_not(session, other, now=NOON)) is DailyLimitReached
    assert why_not(session, other, instead_of=[1], now=NOON) is None
    release(session, 1)
    assert type(why_not(session, attempt(cny(101)), instead_of=[1], now=NOON)) is DailyLimitReached


def test_every_rule_of_payments_is_asked(session: Session) -> None:
    """A rule that nobody asks is worse than none: each of them, at nought, lets nothing pass."""
    asked = {rule for rule, each in LIMITS.items() if each.scope is not Scope.REFUND}
    for rule in asked:
        with session.begin_nested() as undone:
            owner = PLATFORM if rule in PLATFORM_WIDE else session.info["merchant_id"]
            session.add(RiskLimit(for_merchant_id=owner, rule=rule, maximum=0))
            session.flush()
            channel = each if (each := LIMITS[rule].channel) else "wechat"
            with pytest.raises(RiskRefused) as refused:
                reserve(session, 1, attempt(cny(1), channel=channel), now=NOON)
            undone.rollback()
        assert refused.value.hit.rule is rule
