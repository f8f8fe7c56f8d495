"""Admins set limits and switches with a reason; every deed is written down."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.core.db import MERCHANT
from app.core.errors import Invalid
from app.core.ids import PLATFORM, show_merchant
from app.core.text import InvalidText
from app.identity.models import Merchant, Mode
from app.risk import approvals, freezes, hits, limits, queries
from app.risk.hits import HitFilter
from app.risk.limits import InvalidLimit
from app.risk.models import RiskHit, Switch
from app.risk.refusals import Hit
from app.risk.rules import LIMITS, PLATFORM_WIDE, Rule
from tests.make import ADA, BY_ADA, NOON, cny, deeds

A_DAY = timedelta(days=1)


def me(session: Session) -> str:
    return show_merchant(session.info[MERCHANT])


def refund_rules(session: Session) -> list[Rule]:
    session.flush()
    return list(session.scalars(select(RiskHit.rule).order_by(RiskHit.id)))


def test_a_sandbox_has_wider_limits_than_a_live_merchant(session: Session) -> None:
    sandbox = limits.limits_of(session)

    session.execute(update(Merchant).values(mode=Mode.LIVE))
    session.expire_all()
    live = limits.limits_of(session)

    assert sandbox.keys() == live.keys() == LIMITS.keys()
    assert all(sandbox[rule] > live[rule] > 0 for rule in LIMITS)


def test_what_is_set_holds_until_it_is_taken_back(session: Session) -> None:
    standard = limits.limits_of(session)[Rule.DAILY_AMOUNT]

    limits.set_limits(session, {Rule.DAILY_AMOUNT: 5}, **BY_ADA)
    assert limits.limits_of(session)[Rule.DAILY_AMOUNT] == 5
    limits.set_limits(session, {Rule.DAILY_AMOUNT: 7}, **BY_ADA)
    limits.set_limits(session, {Rule.DAILY_AMOUNT: 7}, **BY_ADA)
    limits.set_limits(session, {Rule.DAILY_AMOUNT: None}, **BY_ADA)

    assert limits.limits_of(session)[Rule.DAILY_AMOUNT] == standard
    assert deeds(session, me(session)) == [
        ("risk.set_limits", {}, {"daily_amount": 5}),
        ("risk.set_limits", {"daily_amount": 5}, {"daily_amount": 7}),
        ("risk.set_limits", {"daily_amount": 7}, {}),
    ]


@pytest.mark.parametrize("maximum", [-1, 10**14 + 1])
def test_a_limit_no_sum_could_hold_is_refused(session: Session, maximum: int) -> None:
    with pytest.raises(InvalidLimit) as refused:
        limits.set_limits(session, {Rule.DAILY_AMOUNT: maximum}, **BY_ADA)

    assert refused.value.path == "daily_amount"


@pytest.mark.parametrize("rule", [*sorted(PLATFORM_WIDE), Rule.FROZEN])
def test_a_merchant_has_no_limits_of_channels_of_his_own(session: Session, rule: Rule) -> None:
    with pytest.raises(InvalidLimit):
        limits.set_limits(session, {rule: 5}, **BY_ADA)


def test_the_platform_sets_nothing_but_the_channels(session: Session) -> None:
    session.info[MERCHANT] = PLATFORM

    with pytest.raises(InvalidLimit):
        limits.set_limits(session, {Rule.DAILY_AMOUNT: 5}, **BY_ADA)


def test_freezing_says_who_and_why_and_is_written_down(session: Session) -> None:
    freezes.freeze(session, Switch.CHECKOUT, reason="stolen cards", actor=ADA, now=NOON)
    freezes.freeze(session, Switch.CHECKOUT, reason="police", actor=ADA, now=NOON)
    frozen = [(row.switch, row.frozen_by) for row in freezes.list_frozen(session)]
    freezes.unfreeze(session, Switch.CHECKOUT, actor=ADA, now=NOON)
    freezes.unfreeze(session, Switch.CHECKOUT, actor=ADA, now=NOON)

    assert frozen == [(Switch.CHECKOUT, "ada@lumen.example")]
    assert freezes.list_frozen(session) == []
    assert deeds(session, me(session)) == [
        ("risk.freeze", {}, {"switch": "checkout", "reason": "stolen cards"}),
        (
            "risk.freeze",
            {"switch": "checkout", "reason": "stolen cards"},
            {"switch": "checkout", "reason": "police"},
        ),
        ("risk.unfreeze", {"switch": "checkout", "reason": "police"}, {}),
    ]


@pytest.mark.parametrize("reason", ["", "   ", "a" * 201])
def test_nobody_is_frozen_without_a_reason(session: Session, reason: str) -> None:
    with pytest.raises(InvalidText):
        freezes.freeze(session, Switch.CHECKOUT, reason=reason, actor=ADA, now=NOON)


def test_a_refund_within_the_limits_waits_for_nobody(session: Session) -> None:
    limits.set_limits(session, {Rule.REFUND_AMOUNT: 100, Rule.REFUNDS_PER_DAY: 1}, **BY_ADA)

    assert not approvals.must_be_approved(session, cny(100), now=NOON)
    assert refund_rules(session) == []


def test_large_refunds_and_those_above_the_number_of_a_day_wait(session: Session) -> None:
    limits.set_limits(session, {Rule.REFUND_AMOUNT: 100, Rule.REFUNDS_PER_DAY: 2}, **BY_ADA)

    waited = [approvals.must_be_approved(session, cny(n), now=NOON) for n in (101, 100, 100)]

    assert waited == [True, False, True]
    assert refund_rules(session) == [Rule.REFUND_AMOUNT, Rule.REFUNDS_PER_DAY]


def test_every_refund_of_a_frozen_merchant_waits(session: Session) -> None:
    freezes.freeze(session, Switch.REFUNDS, reason="a look", actor=ADA, now=NOON)

    assert approvals.must_be_approved(session, cny(1), now=NOON)
    assert refund_rules(session) == [Rule.FROZEN]


def test_a_frozen_checkout_lets_refunds_go(session: Session) -> None:
    freezes.freeze(session, Switch.CHECKOUT, reason="a look", actor=ADA, now=NOON)

    assert not approvals.must_be_approved(session, cny(1), now=NOON)


def test_hits_are_paged_and_filtered(session: Session) -> None:
    for rule in (Rule.FROZEN, Rule.DAILY_AMOUNT, Rule.FROZEN):
        hits.record(session, Hit(rule, "", 1, None, NOON))
        session.flush()
    mine = HitFilter(merchant_id=session.info[MERCHANT], rule=Rule.FROZEN)

    first = hits.list_all(session, mine, limit=1)
    second = hits.list_all(session, mine, cursor=first.next_cursor, limit=1)
    later = HitFilter(merchant_id=session.info[MERCHANT], until_at=NOON)

    assert [hit.rule for hit in (*first.rows, *second.rows)] == [Rule.FROZEN, Rule.FROZEN]
    assert first.rows[0].id > second.rows[0].id
    assert second.next_cursor is None
    assert hits.list_all(session, later).rows == []
    with pytest.raises(Invalid):
        hits.list_all(session, mine, cursor="nonsense")


def test_the_address_of_a_payer_is_forgotten_after_90_days_and_nothing_else(
    session: Session,
) -> None:
    def subjects() -> list[tuple[str, bool]]:
        found = session.scalars(
            select(RiskHit).order_by(RiskHit.id).execution_options(populate_existing=True)
        )
        return [(hit.subject, hit.is_forgotten) for hit in found]

    hits.record(session, Hit(Rule.PAYER_PER_HOUR, "203.0.113.7", 100, 20, NOON))
    hits.record(session, Hit(Rule.PAYER_PER_MINUTE, "2001:db8::7", 100, 20, NOON + A_DAY))
    hits.record(session, Hit(Rule.CUSTOMER_PER_HOUR, "cus_0123456789abc", 100, 60, NOON))
    session.flush()

    hits.forget_payers(session, now=NOON + 90 * A_DAY)
    before = subjects()
    hits.forget_payers(session, now=NOON + 91 * A_DAY)

    assert before[0] == ("203.0.113.7", False)
    assert subjects() == [("", True), ("2001:db8::7", False), ("cus_0123456789abc", False)]


def test_uses_name_every_limit_that_counts_the_whole_merchant(session: Session) -> None:
    approvals.must_be_approved(session, cny(1), now=NOON)

    used = {use.rule: use.used for use in queries.uses(session, now=NOON)}

    assert used == {
        Rule.DAILY_AMOUNT: 0,
        Rule.PAYMENTS_PER_MINUTE: 0,
        Rule.PAYMENTS_PER_HOUR: 0,
        Rule.WECHAT_DAILY: 0,
        Rule.ALIPAY_DAILY: 0,
        Rule.REFUNDS_PER_DAY: 1,
    }
