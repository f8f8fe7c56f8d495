"""A period's readings come to one quantity, whatever order they arrived in."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.periods import Period
from app.metering.aggregation import Reading, aggregate, weighted_sum
from app.pricing.models import Aggregation

MIDNIGHT = datetime(2024, 1, 1, tzinfo=UTC)
FOUR_HOURS = Period(MIDNIGHT, MIDNIGHT + timedelta(hours=4))
OF_READINGS = sorted(set(Aggregation) - {Aggregation.WEIGHTED_SUM})


def at(hour: int, quantity: str, *, sequence: int = 0, key: str | None = None) -> Reading:
    return Reading(Decimal(quantity), MIDNIGHT + timedelta(hours=hour), sequence, key)


READINGS = st.lists(
    st.builds(
        Reading,
        quantity=st.decimals(-(10**18) + 1, 10**18 - 1, places=12),
        occurred_at=st.integers(0, 3).map(lambda hour: MIDNIGHT + timedelta(hours=hour)),
        sequence=st.integers(0, 10**6),
        key=st.sampled_from(["gpt-5", "qwen", None]),
    ),
    max_size=8,
    unique_by=lambda reading: reading.sequence,
)
TWO_ORDERS = READINGS.flatmap(
    lambda readings: st.tuples(st.permutations(readings), st.permutations(readings))
)


@pytest.mark.parametrize("aggregation", OF_READINGS)
def test_nothing_comes_to_zero(aggregation: Aggregation) -> None:
    assert aggregate(aggregation, []) == 0
    assert weighted_sum([], FOUR_HOURS) == 0


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


def test_a_reading_without_the_dimension_is_not_a_value_of_it() -> None:
    readings = [at(1, "1", key="gpt-5"), at(2, "1"), at(3, "1")]

    assert aggregate(Aggregation.UNIQUE_COUNT, readings) == 1


@pytest.mark.parametrize(
    ("readings", "initial", "quantity"),
    [
        ([at(0, "8")], "0", "8"),
        ([at(2, "8")], "0", "4"),
        ([at(1, "8"), at(3, "-8")], "0", "4"),
        ([at(3, "-8")], "100", "98"),
        ([], "100", "100"),
        ([at(3, "0.000000000002")], "0", "0.000000000001"),  # a half goes up
    ],
)
def test_a_weighted_sum_is_the_running_total_averaged_over_time(
    readings: list[Reading], initial: str, quantity: str
) -> None:
    assert weighted_sum(readings, FOUR_HOURS, initial=Decimal(initial)) == Decimal(quantity)


def test_a_weighted_sum_is_rounded_to_twelve_decimals() -> None:
    three_hours = Period(MIDNIGHT, MIDNIGHT + timedelta(hours=3))

    assert str(weighted_sum([at(1, "1")], three_hours)) == "0.666666666667"
    with pytest.raises(ValueError, match="period"):
        aggregate(Aggregation.WEIGHTED_SUM, [at(1, "1")])


@given(st.sampled_from(OF_READINGS), TWO_ORDERS)
def test_the_order_of_arrival_does_not_matter(
    aggregation: Aggregation, readings: tuple[list[Reading], list[Reading]]
) -> None:
    one, other = readings

    assert aggregate(aggregation, one) == aggregate(aggregation, other)
    assert weighted_sum(one, FOUR_HOURS) == weighted_sum(other, FOUR_HOURS)
