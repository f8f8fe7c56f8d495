"""Why a payment is not opened: what a payer is told, and what an admin wants to know of it."""

from dataclasses import dataclass
from datetime import datetime

from app.core.errors import Conflict
from app.risk.rules import Rule


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that did not let something through, as `hits` writes it down; `at` is real."""

    rule: Rule
    subject: str
    amount_minor: int
    maximum: int | None
    at: datetime


class RiskRefused(Conflict):
    """A payment is not opened; `hit` says by which rule."""

    def __init__(self, message: str, *, hit: Hit) -> None:
        super().__init__(message)
        self.hit = hit


class MerchantFrozen(RiskRefused):
    code = "merchant_frozen"


class DailyLimitReached(RiskRefused):
    """Of the merchant or of the customer, on this day."""

    code = "daily_limit_reached"


class TooManyPayments(RiskRefused):
    """Too many were opened within a minute or an hour."""

    code = "too_many_payments"


class ChannelLimit(RiskRefused):
    """Another channel may take the payment."""

    code = "channel_limit"
