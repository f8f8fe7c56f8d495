"""A period's readings come to one quantity, whatever order they arrived in."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.metering.aggregation import Aggregation, Reading, aggregate

MIDNIGHT = datetime(2024, 1, 1, tzinfo=UTC)


def at(hour: int, quantity: str, *, sequence: int = 0, key: str = "") -> Reading:
    return Reading(Decimal(quantity), MIDNIGHT + timedelta(hours=hour), sequence, key)


READINGS = st.lists(
    st.builds(
        Reading,
        quantity=st.decimals(-(10**18) + 1, 10**18 - 1, places=12),
        occurred_at=st.integers(0, 3).map(lambda hour: MIDNIGHT + timedelta(hours=hour)),
        sequence=st.integers(0, 10**6),
        key=st.sampled_from(["gpt-5", "qwen", ""]),
    ),
    max_size=8,
    unique_by=lambda reading: reading.sequence,
)
TWO_ORDERS = READINGS.flatmap(
    lambda readings: st.tuples(st.permutations(readings), st.permutations(readings))
)


@pytest.mark.parametrize("aggregation", Aggregation)
def test_nothing_comes_to_zero(aggregation: Aggregation) -> None:
    assert aggregate(aggregation, []) == 0


@pytest.mark.parametrize(
    ("aggregation", "quantity"),
    [
        (Aggregation.SUM, 7),
        (Aggregation.COUNT, 3),
        (Aggregation.MAX, 10),
        (Aggregation.LAST, 2),
        (Aggregation.UNIQUE_COUNT, 2),
    ],
)
def test_readings_come_to_one_quantity(aggregation: Aggregation, quantity: int) -> None:
    readings = [at(1, "10", key="gpt-5"), at(2, "-5", key="qwen"), at(3, "2", key="gpt-5")]

    assert aggregate(aggregation, readings) == quantity


def test_the_last_reading_is_the_one_that_happened_last() -> None:
    arrived_in_another_order = [at(3, "50"), at(1, "10"), at(2, "3")]

    assert aggregate(Aggregation.LAST, arrived_in_another_order) == 50


def test_of_two_readings_of_one_instant_the_one_ingested_last_counts() -> None:
    readings = [at(1, "7", sequence=2), at(1, "3", sequence=1)]

    assert aggregate(Aggregation.LAST, readings) == 7


def test_a_sum_loses_no_digit() -> None:
    readings = [at(1, "999999999999999999.999999999999"), at(2, "0.000000000002")]

    assert str(aggregate(Aggregation.SUM, readings)) == "1000000000000000000.000000000001"


@given(st.sampled_from(Aggregation), TWO_ORDERS)
def test_the_order_of_arrival_does_not_matter(
    aggregation: Aggregation, readings: tuple[list[Reading], list[Reading]]
) -> None:
    one, other = readings

    assert aggregate(aggregation, one) == aggregate(aggregation, other)
