"""Aggregation: the one quantity that a period's readings of a metric come to."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction

from app.core.decimals import EXACT
from app.core.money import round_half_up
from app.core.periods import Period
from app.pricing.models import Aggregation

ZERO = Decimal(0)
QUANTITY_PLACES = 12

_AVERAGE_PLACES = 36
_SETTLED_PLACES = 30
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Reading:
    """One usage event, as far as aggregation cares.

    `sequence` is the order of ingestion, which decides between two readings of one instant.
    `key` is what unique_count tells readings apart by, a dimension's value or the quantity; a
    reading without one is not counted.
    """

    quantity: Decimal
    occurred_at: datetime
    sequence: int
    key: str | None = None


def aggregate(aggregation: Aggregation, readings: Iterable[Reading]) -> Decimal:
    """Return the quantity of the readings, exactly and in whichever order they come; 0 if none.

    Raises ValueError for a weighted sum, which needs its period: `weighted_sum`.
    """
    readings = list(readings)
    match aggregation:
        case Aggregation.SUM:
            with localcontext(EXACT):
                return sum((reading.quantity for reading in readings), ZERO)
        case Aggregation.COUNT:
            return Decimal(len(readings))
        case Aggregation.MAX:
            return max((reading.quantity for reading in readings), default=ZERO)
        case Aggregation.LAST:
            newest = max(readings, key=_happened, default=None)
            return newest.quantity if newest else ZERO
        case Aggregation.UNIQUE_COUNT:
            return Decimal(len({reading.key for reading in readings} - {None}))
        case Aggregation.WEIGHTED_SUM:
            raise ValueError("a weighted sum needs its period")


def weighted_sum(
    readings: Iterable[Reading], period: Period, *, initial: Decimal = ZERO
) -> Decimal:
    """Return the running total, averaged over the time of `period`, to 12 decimals.

    `initial` is the total the period begins with. A reading counts from the instant it happened,
    or from the beginning of the period; none may be of its end or later.
    """
    weight = Fraction(initial) * seconds_of(period)
    for reading in readings:
        counted_from = max(reading.occurred_at, period.start_at)
        weight += Fraction(reading.quantity) * _seconds(period.end_at - counted_from)
    return settle_average(average(weight, period))


def average(weight: Fraction, period: Period) -> Decimal:
    """Return a part of a weighted sum, from quantities times seconds.

    Parts add up to the whole: `settle_average` rounds their sum as if none had been rounded.
    """
    return round_half_up(weight / seconds_of(period), _AVERAGE_PLACES)


def settle_average(value: Decimal) -> Decimal:
    """Round the sum of all parts of a weighted sum to 12 decimals, half up.

    Quantities have 12 decimals and periods whole microseconds, so an average that is not halfway
    between two results is further than 10^-28 from it: to 30 decimals first, and it is exact.
    """
    return round_half_up(round_half_up(value, _SETTLED_PLACES), QUANTITY_PLACES)


def seconds_of(period: Period) -> Fraction:
    """Return how long the period is."""
    return _seconds(period.end_at - period.start_at)


def _seconds(length: timedelta) -> Fraction:
    return Fraction(length // _MICROSECOND, 10**6)


def _happened(reading: Reading) -> tuple[datetime, int]:
    return reading.occurred_at, reading.sequence
