"""The sandbox's midpoints: a rate for every business day of any year, the same on every machine.

The figures are fixed, so that a newcomer's numbers are the guide's numbers. They are published
at 09:30 in Beijing, from Monday to Friday, as the real ones are.
"""

from datetime import datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from app.core.money import Currency
from app.fx.rates import Midpoint, NoRate

PUBLISHER = "sandbox fixture"
BEIJING = ZoneInfo("Asia/Shanghai")
PUBLISHED = time(9, 30)
_SATURDAY = 5

_PER_100 = {
    Currency.CNY: Decimal(100),
    Currency.USD: Decimal("710.50"),
    Currency.EUR: Decimal("772.31"),
    Currency.GBP: Decimal("903.68"),
    Currency.SGD: Decimal("528.07"),
    Currency.AUD: Decimal("467.12"),
    Currency.NZD: Decimal("428.95"),
    Currency.HKD: Decimal("91.02"),
    Currency.THB: Decimal("19.5310"),
    Currency.JPY: Decimal("4.7215"),
}


class FixtureRates:
    """A `RateSource` that knows every business day and never changes its mind."""

    def midpoint(self, currency: Currency, *, at: datetime) -> Midpoint:
        if currency not in _PER_100:
            raise NoRate(f"there is no midpoint for {currency}")
        return Midpoint(PUBLISHER, currency, _PER_100[currency], _published_before(at))


def _published_before(at: datetime) -> datetime:
    local = at.astimezone(BEIJING)
    day = local.date() if local.time() >= PUBLISHED else local.date() - timedelta(days=1)
    while day.weekday() >= _SATURDAY:
        day -= timedelta(days=1)
    return datetime.combine(day, PUBLISHED, BEIJING)
