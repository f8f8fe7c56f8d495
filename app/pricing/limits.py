"""Limits of a coupon: by when, how often, and by whom it may be redeemed."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Reached(StrEnum):
    """Which limit stands in the way."""

    EXPIRED = "expired"
    EXHAUSTED = "exhausted"  # redeemed as often as it may be
    CUSTOMER_LIMIT = "customer_limit"  # redeemed by this customer as often as it may be
    NOT_NEW = "not_new"  # only customers who were never billed may redeem it


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds the redemption of a coupon; None, or False, where nothing does."""

    redeem_by: date | None = None
    max_redemptions: int | None = None
    max_per_customer: int | None = None
    is_for_new_customers: bool = False

    @property
    def counts(self) -> bool:
        """Whether it matters how often the coupon was redeemed before."""
        return self.max_redemptions is not None or self.max_per_customer is not None

    def reached(
        self, *, on: date, redeemed: int, by_customer: int, is_new_customer: bool
    ) -> Reached | None:
        """Return which limit one more redemption would go over, None when it may be.

        `redeemed` and `by_customer` are the redemptions before it, of all and of the customer.
        """
        if self.redeem_by is not None and on > self.redeem_by:
            return Reached.EXPIRED
        if self.is_for_new_customers and not is_new_customer:
            return Reached.NOT_NEW
        return self.count_reached(redeemed=redeemed, by_customer=by_customer)

    def count_reached(self, *, redeemed: int, by_customer: int) -> Reached | None:
        """Return which of the two counts is at its limit, None when there is room for one more."""
        if self.max_redemptions is not None and redeemed >= self.max_redemptions:
            return Reached.EXHAUSTED
        if self.max_per_customer is not None and by_customer >= self.max_per_customer:
            return Reached.CUSTOMER_LIMIT
        return None
