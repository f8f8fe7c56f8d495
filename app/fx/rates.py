"""Where midpoints come from: one protocol, whoever publishes them."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from app.core.errors import Unavailable
from app.core.money import Currency


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
