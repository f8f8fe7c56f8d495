"""What is limited, for whom, and within how long; and what holds where nobody said otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from app.identity.models import Mode

SHANGHAI = ZoneInfo("Asia/Shanghai")
"""Where the day of a limit begins and ends, wherever the merchant lives: channels count so."""


class Rule(StrEnum):
    """A limit by its name. Amounts are CNY in fen; everything else counts."""

    DAILY_AMOUNT = "daily_amount"
    PAYMENTS_PER_MINUTE = "payments_per_minute"
    PAYMENTS_PER_HOUR = "payments_per_hour"
    CUSTOMER_DAILY_AMOUNT = "customer_daily_amount"
    CUSTOMER_PER_MINUTE = "customer_per_minute"
    CUSTOMER_PER_HOUR = "customer_per_hour"
    PAYER_PER_MINUTE = "payer_per_minute"
    PAYER_PER_HOUR = "payer_per_hour"
    WECHAT_PAYMENT = "wechat_payment"
    WECHAT_DAILY = "wechat_daily"
    ALIPAY_PAYMENT = "alipay_payment"
    ALIPAY_DAILY = "alipay_daily"
    REFUND_AMOUNT = "refund_amount"
    REFUNDS_PER_DAY = "refunds_per_day"
    FROZEN = "frozen"  # not a number: somebody stopped the merchant


class Window(StrEnum):
    """The time over which uses add up; each window begins anew, at its full minute, hour or day."""

    EACH = "each"  # nothing adds up: the limit is on one payment or one refund
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


class Scope(StrEnum):
    """Whose uses add up."""

    MERCHANT = "merchant"
    CUSTOMER = "customer"
    PAYER = "payer"  # by his IP address, where it is known
    CHANNEL = "channel"
    REFUND = "refund"


@dataclass(frozen=True, slots=True)
class Limit:
    """What a rule measures, and the maximum that holds until an admin sets another."""

    scope: Scope
    window: Window
    live: int
    sandbox: int
    is_amount: bool = False
    channel: str = ""

    def default(self, mode: Mode) -> int:
        return self.sandbox if mode is Mode.SANDBOX else self.live


_YUAN = 100

LIMITS: Mapping[Rule, Limit] = {
    Rule.DAILY_AMOUNT: Limit(
        Scope.MERCHANT, Window.DAY, 500_000 * _YUAN, 1_000_000_000 * _YUAN, is_amount=True
    ),
    Rule.PAYMENTS_PER_MINUTE: Limit(Scope.MERCHANT, Window.MINUTE, 300, 100_000),
    Rule.PAYMENTS_PER_HOUR: Limit(Scope.MERCHANT, Window.HOUR, 5_000, 1_000_000),
    Rule.CUSTOMER_DAILY_AMOUNT: Limit(
        Scope.CUSTOMER, Window.DAY, 200_000 * _YUAN, 1_000_000_000 * _YUAN, is_amount=True
    ),
    Rule.CUSTOMER_PER_MINUTE: Limit(Scope.CUSTOMER, Window.MINUTE, 10, 10_000),
    Rule.CUSTOMER_PER_HOUR: Limit(Scope.CUSTOMER, Window.HOUR, 60, 100_000),
    Rule.PAYER_PER_MINUTE: Limit(Scope.PAYER, Window.MINUTE, 20, 10_000),
    Rule.PAYER_PER_HOUR: Limit(Scope.PAYER, Window.HOUR, 200, 100_000),
    Rule.WECHAT_PAYMENT: Limit(
        Scope.CHANNEL,
        Window.EACH,
        1_000_000 * _YUAN,
        1_000_000_000 * _YUAN,
        is_amount=True,
        channel="wechat",
    ),
    Rule.WECHAT_DAILY: Limit(
        Scope.CHANNEL,
        Window.DAY,
        5_000_000 * _YUAN,
        1_000_000_000 * _YUAN,
        is_amount=True,
        channel="wechat",
    ),
    Rule.ALIPAY_PAYMENT: Limit(
        Scope.CHANNEL,
        Window.EACH,
        1_000_000 * _YUAN,
        1_000_000_000 * _YUAN,
        is_amount=True,
        channel="alipay",
    ),
    Rule.ALIPAY_DAILY: Limit(
        Scope.CHANNEL,
        Window.DAY,
        5_000_000 * _YUAN,
        1_000_000_000 * _YUAN,
        is_amount=True,
        channel="alipay",
    ),
    Rule.REFUND_AMOUNT: Limit(
        Scope.REFUND, Window.EACH, 50_000 * _YUAN, 1_000_000_000 * _YUAN, is_amount=True
    ),
    Rule.REFUNDS_PER_DAY: Limit(Scope.REFUND, Window.DAY, 100, 100_000),
}
"""Every rule that is a number. Those of channels are the platform's, the others each merchant's."""

PLATFORM_WIDE = frozenset(rule for rule, limit in LIMITS.items() if limit.scope is Scope.CHANNEL)
OF_PAYERS = frozenset(rule for rule, limit in LIMITS.items() if limit.scope is Scope.PAYER)


def window_at(window: Window, at: datetime) -> datetime:
    """Return when the window began that `at` falls in; days are those of Shanghai."""
    local = at.astimezone(SHANGHAI)
    match window:
        case Window.MINUTE:
            return local.replace(second=0, microsecond=0)
        case Window.HOUR:
            return local.replace(minute=0, second=0, microsecond=0)
        case Window.DAY | Window.EACH:
            return datetime.combine(local.date(), time.min, SHANGHAI)


def day_ends_at(at: datetime) -> datetime:
    """Return when the day of `at` is over in Shanghai, and its limits begin anew."""
    return window_at(Window.DAY, at) + timedelta(days=1)
