"""Aggregation: the one quantity that a period's readings of a metric come to."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext

from app.core.decimals import EXACT
from app.pricing.models import Aggregation

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Reading:
    """One usage event, as far as aggregation cares.

    `sequence` is the order of ingestion, which decides between two readings of one instant.
    `key` is what unique_count tells readings apart by: a dimension's value, or the quantity.
    """

    quantity: Decimal
    occurred_at: datetime
    sequence: int
    key: str = ""


def aggregate(aggregation: Aggregation, readings: Iterable[Reading]) -> Decimal:
    """Return the quantity of the readings, exactly and in whichever order they come; 0 if none."""
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
            return Decimal(len({reading.key for reading in readings}))
        case Aggregation.WEIGHTED_SUM:
            raise NotImplementedError


def _happened(reading: Reading) -> tuple[datetime, int]:
    return reading.occurred_at, reading.sequence
