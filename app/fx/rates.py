"""Where midpoints come from: one protocol, whoever publishes them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from app.core.errors import Unavailable
from app.core.money import Currency

FRESH_FOR = timedelta(days=10)
"""How old a midpoint may be: the golden week and its weekends, the longest the market is closed."""


class NoRate(Unavailable):
    """There is no fresh midpoint for this currency and time: finalising waits and alerts."""

    code = "fx_rate_missing"


@dataclass(frozen=True)
class Midpoint:
    """What a publisher said: CNY per 100 units of the currency, and when it said so."""

    publisher: str
    currency: Currency
    per_100: Decimal
    published_at: datetime


class RateSource(Protocol):
    """Answers with the last midpoint published at or before an instant."""

    def midpoint(self, currency: Currency, *, at: datetime) -> Midpoint:
        """Return the midpoint in force at `at`; CNY itself is 100 per 100. Raises NoRate."""


def fresh_midpoint(rates: RateSource, currency: Currency, *, at: datetime) -> Midpoint:
    """Return the midpoint in force at `at`, if it is fresh. Raises NoRate.

    A source that has fallen silent goes on to answer with what it said last: nobody is to be
    billed at that for ever. One of the future is no midpoint of now, either.
    """
    midpoint = rates.midpoint(currency, at=at)
    if currency is Currency.CNY or at - FRESH_FOR <= midpoint.published_at <= at:
        return midpoint
    published = midpoint.published_at.isoformat(timespec="minutes")
    raise NoRate(f"the last midpoint for {currency} is of {published}, which is not of now")
