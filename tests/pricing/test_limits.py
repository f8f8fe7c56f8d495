"""A coupon is redeemed by its last day, as often as it may be, and by whom it is for."""

from datetime import date

import pytest

from app.pricing.limits import Limits, Reached

MAY_31 = date(2026, 5, 31)


@pytest.mark.parametrize(
    ("limits", "reached"),
    [
        (Limits(), None),
        (Limits(redeem_by=MAY_31), None),
        (Limits(redeem_by=date(2026, 5, 30)), Reached.EXPIRED),
        (Limits(max_redemptions=3), None),
        (Limits(max_redemptions=2), Reached.EXHAUSTED),
        (Limits(max_per_customer=2), None),
        (Limits(max_per_customer=1), Reached.CUSTOMER_LIMIT),
        (Limits(is_for_new_customers=True), Reached.NOT_NEW),
    ],
)
def test_one_more_redemption(limits: Limits, reached: Reached | None) -> None:
    """Two were before it, one of them by the customer, who was billed before."""
    found = limits.reached(on=MAY_31, redeemed=2, by_customer=1, is_new_customer=False)

    assert found is reached


def test_a_new_customer_may_redeem_what_is_for_new_ones() -> None:
    limits = Limits(is_for_new_customers=True)

    assert limits.reached(on=MAY_31, redeemed=0, by_customer=0, is_new_customer=True) is None
