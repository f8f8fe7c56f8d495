"""What an invoice reads of usage is the same from roll-ups, from events, and however grouped."""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy.orm import Session

from app.customers.models import Customer
from app.metering.usage import (
    SeriesUsage,
    Usage,
    can_answer,
    combine,
    event_amounts,
    event_usage,
    series_usage,
)
from app.pricing.models import Aggregation, Metric
from tests.make import Make
from tests.metering.plans import plans
from tests.metering.stored import Shelf, may, void

MAY, JUNE = date(2026, 5, 1), date(2026, 6, 1)
OF_MAY = {"start_at": may(1, 0), "end_at": may(31, 0) + timedelta(days=1)}
NOTHING: frozenset[str] = frozenset()
MODEL, REGION = frozenset({"model"}), frozenset({"region"})


@pytest.fixture
def customer(make: Make) -> Customer:
    return make.customer()


@pytest.fixture
def shelf(session: Session) -> Shelf:
    return Shelf(session)


def metric_of(make: Make, aggregation: Aggregation = Aggregation.SUM, **columns: object) -> Metric:
    dimensions = {"model": None, "region": None}
    return make.metric(**{"aggregation": aggregation, "dimensions": dimensions, **columns})


def by_dimensions(usages: Iterable[SeriesUsage]) -> dict[tuple[tuple[str, str], ...], Decimal]:
    return {tuple(sorted(usage.dimensions.items())): usage.quantity for usage in usages}


def test_rollups_tell_usage_by_series(
    session: Session, make: Make, shelf: Shelf, customer: Customer
) -> None:
    metric = metric_of(make)
    shelf.add(metric, "5", at=may(3), customer=customer, dimensions={"model": "gpt-5"})
    shelf.add(metric, "2", at=may(4), customer=customer, dimensions={"model": "gpt-5"})
    shelf.add(metric, "1", at=may(4), customer=customer, dimensions={"model": "qwen", "x": 1})

    found = series_usage(session, [customer.id], first_day=MAY, end_day=JUNE)

    (usages,) = found.values()
    assert by_dimensions(usages) == {
        (("model", "gpt-5"),): Decimal(7),
        (("model", "qwen"),): Decimal(1),
    }
    assert combine(Aggregation.SUM, usages) == Usage(Decimal(8), 3)
    assert can_answer(usages, MODEL | REGION)
    assert not can_answer(usages, frozenset({"tier"}))


def test_what_is_told_apart_by_nothing_answers_for_nothing(
    session: Session, make: Make, shelf: Shelf, customer: Customer
) -> None:
    shelf.add(make.metric(), "5", at=may(3), customer=customer, dimensions={"model": "gpt-5"})

    ((usage,),) = series_usage(session, [customer.id], first_day=MAY, end_day=JUNE).values()

    assert (usage.names, usage.dimensions) == (frozenset(), {})
    assert can_answer([usage], NOTHING)
    assert not can_answer([usage], MODEL)


def test_events_answer_for_any_dimension(
    session: Session, make: Make, shelf: Shelf, customer: Customer
) -> None:
    metric = make.metric()
    for quantity, value in (("5", True), ("2", "true"), ("1", 7), ("3", "7")):
        shelf.add(metric, quantity, at=may(3), customer=customer, dimensions={"flag": value})
    shelf.add(metric, "4", at=may(3), customer=customer)

    usages = event_usage(session, customer.id, metric, **OF_MAY, dimensions=frozenset({"flag"}))

    assert by_dimensions(usages) == {
        (("flag", "true"),): Decimal(7),
        (("flag", "7"),): Decimal(4),
        (): Decimal(4),
    }
    assert can_answer(usages, frozenset({"flag"}))


def test_a_period_of_events_has_its_first_instant_and_not_its_end(
    session: Session, make: Make, shelf: Shelf, customer: Customer
) -> None:
    metric = metric_of(make)
    for at in (may(1, 0), may(1, 0) - timedelta(microseconds=1), OF_MAY["end_at"]):
        shelf.add(metric, "1", at=at, customer=customer)

    (usage,) = event_usage(session, customer.id, metric, **OF_MAY, dimensions=NOTHING)

    assert combine(Aggregation.SUM, [usage]) == Usage(Decimal(1), 1)


def test_a_voided_event_counts_nowhere(
    session: Session, make: Make, shelf: Shelf, customer: Customer
) -> None:
    metric = metric_of(make)
    void(session, shelf.add(metric, "5", at=may(3), customer=customer))
    shelf.add(metric, "2", at=may(4), customer=customer)

    (usage,) = event_usage(session, customer.id, metric, **OF_MAY, dimensions=NOTHING)
    amounts = list(event_amounts(session, customer.id, metric, **OF_MAY, dimensions=NOTHING))

    assert combine(Aggregation.SUM, [usage]) == Usage(Decimal(2), 1)
    assert amounts == [({}, Decimal(2))]


def test_amounts_come_in_the_order_they_happened(
    session: Session, make: Make, shelf: Shelf, customer: Customer
) -> None:
    metric = metric_of(make)
    for day, quantity, model in ((9, "3", "gpt-5"), (2, "1", "qwen"), (5, "2", "gpt-5")):
        shelf.add(metric, quantity, at=may(day), customer=customer, dimensions={"model": model})

    amounts = event_amounts(session, customer.id, metric, **OF_MAY, dimensions=MODEL)

    assert list(amounts) == [
        ({"model": "qwen"}, Decimal(1)),
        ({"model": "gpt-5"}, Decimal(2)),
        ({"model": "gpt-5"}, Decimal(3)),
    ]


def test_different_values_of_a_dimension_are_counted_across_series(
    session: Session, make: Make, shelf: Shelf, customer: Customer
) -> None:
    metric = metric_of(make, Aggregation.UNIQUE_COUNT, unique_by="user")
    for user, model in (("a", "gpt-5"), ("b", "gpt-5"), ("a", "qwen"), (7, "qwen"), ("7", "qwen")):
        dimensions = {"user": user, "model": model}
        shelf.add(metric, "1", at=may(3), customer=customer, dimensions=dimensions)
    shelf.add(metric, "1", at=may(3), customer=customer, dimensions={"model": "qwen"})

    usages = event_usage(session, customer.id, metric, **OF_MAY, dimensions=MODEL)

    assert {usage.dimensions["model"]: len(usage.values or ()) for usage in usages} == {
        "gpt-5": 2,
        "qwen": 2,
    }
    assert combine(Aggregation.UNIQUE_COUNT, usages) == Usage(Decimal(3), 6)


def test_different_quantities_are_counted_by_value(
    session: Session, make: Make, shelf: Shelf, customer: Customer
) -> None:
    metric = metric_of(make, Aggregation.UNIQUE_COUNT)
    for quantity in ("10", "10.0", "1", "100"):
        shelf.add(metric, quantity, at=may(3), customer=customer)

    (usage,) = event_usage(session, customer.id, metric, **OF_MAY, dimensions=NOTHING)

    assert usage.values == frozenset({"1", "10", "100"})


def test_rollups_do_not_know_how_many_were_different(
    session: Session, make: Make, shelf: Shelf, customer: Customer
) -> None:
    shelf.add(metric_of(make, Aggregation.UNIQUE_COUNT), "1", at=may(3), customer=customer)
    (usages,) = series_usage(session, [customer.id], first_day=MAY, end_day=JUNE).values()

    with pytest.raises(ValueError, match="does not know"):
        combine(Aggregation.UNIQUE_COUNT, usages)


def test_a_weighted_sum_goes_on_from_all_that_came_before(
    session: Session, make: Make, shelf: Shelf, customer: Customer
) -> None:
    metric = metric_of(make, Aggregation.WEIGHTED_SUM)
    shelf.add(metric, "1000", at=datetime(2024, 1, 9, tzinfo=UTC), customer=customer)
    shelf.add(metric, "31", at=may(31, 0), customer=customer)  # there for one day of 31

    usages = event_usage(session, customer.id, metric, **OF_MAY, dimensions=NOTHING)

    assert combine(Aggregation.WEIGHTED_SUM, usages) == Usage(Decimal(1001), 1)


def test_a_weighted_sum_needs_no_event_in_its_period(
    session: Session, make: Make, shelf: Shelf, customer: Customer
) -> None:
    metric = metric_of(make, Aggregation.WEIGHTED_SUM)
    at = may(1, 0) - timedelta(days=1)
    shelf.add(metric, "12", at=at, customer=customer, dimensions={"model": "gpt-5"})
    shelf.add(metric, "3", at=at, customer=customer, dimensions={"model": "qwen"})

    usages = event_usage(session, customer.id, metric, **OF_MAY, dimensions=MODEL)

    assert by_dimensions(usages) == {
        (("model", "gpt-5"),): Decimal(12),
        (("model", "qwen"),): Decimal(3),
    }
    assert combine(Aggregation.WEIGHTED_SUM, usages) == Usage(Decimal(15), 0)


def test_a_weighted_sum_may_begin_in_the_middle_of_a_day(
    session: Session, make: Make, shelf: Shelf, customer: Customer
) -> None:
    metric = metric_of(make, Aggregation.WEIGHTED_SUM)
    for hour in (3, 9, 15):
        shelf.add(metric, "8", at=may(9, hour), customer=customer)
    noon = {"start_at": may(9, 12), "end_at": may(10, 12)}

    usages = event_usage(session, customer.id, metric, **noon, dimensions=NOTHING)

    assert combine(Aggregation.WEIGHTED_SUM, usages) == Usage(Decimal(23), 1)  # 16 and 8 × 21/24


def test_a_weighted_sum_begins_with_dimensions_that_no_series_knew(
    session: Session, make: Make, shelf: Shelf, customer: Customer
) -> None:
    metric = make.metric(aggregation=Aggregation.WEIGHTED_SUM)
    before = may(1, 0) - timedelta(days=40)
    shelf.add(metric, "5", at=before, customer=customer, dimensions={"model": "qwen"})
    metric.dimensions = {"model": None}
    shelf.add(metric, "7", at=may(1, 0), customer=customer, dimensions={"model": "qwen"})

    usages = event_usage(session, customer.id, metric, **OF_MAY, dimensions=MODEL)

    assert by_dimensions(usages) == {(("model", "qwen"),): Decimal(12)}


def test_parts_of_a_weighted_sum_add_up_as_if_none_was_rounded(
    session: Session, make: Make, shelf: Shelf, customer: Customer
) -> None:
    """Each model comes to a third of 10^-12, and the three to 10^-12: no part is worth nothing."""
    metric = metric_of(make, Aggregation.WEIGHTED_SUM)
    last_third = {"start_at": may(1, 0), "end_at": may(1, 3)}
    for model in ("a", "b", "c"):
        shelf.add(
            metric,
            "0.000000000001",
            at=may(1, 2),
            customer=customer,
            dimensions={"model": model},
        )

    usages = event_usage(session, customer.id, metric, **last_third, dimensions=MODEL)

    assert combine(Aggregation.WEIGHTED_SUM, usages).quantity == Decimal("0.000000000001")
    assert combine(Aggregation.WEIGHTED_SUM, usages[:1]).quantity == 0
    assert combine(Aggregation.WEIGHTED_SUM, usages[:2]).quantity == Decimal("0.000000000001")


def test_events_are_read_through_the_index_of_their_customer(
    session: Session, make: Make, shelf: Shelf, customer: Customer
) -> None:
    metric = metric_of(make)
    shelf.fill(metric, 2_000, customer=make.customer())

    def read() -> None:
        event_usage(session, customer.id, metric, **OF_MAY, dimensions=MODEL)
        list(event_amounts(session, customer.id, metric, **OF_MAY, dimensions=MODEL))

    plan = plans(session, read)

    indexes = set(re.findall(r"(\w+) on usage_events", plan))
    assert indexes <= {"ix_usage_events_customer", "ix_usage_events_corrects"}
    assert "occurred_at >= '2026-04-30 16:00:00+00'" in plan
    assert "Seq Scan" not in plan


def test_an_amount_is_net_of_the_corrections_of_its_period(
    session: Session, make: Make, shelf: Shelf, customer: Customer
) -> None:
    metric = metric_of(make)
    old = shelf.add(metric, "9", at=may(1, 0) - timedelta(days=1), customer=customer)
    first = shelf.add(metric, "5", at=may(3), customer=customer)
    second = shelf.add(metric, "-2", at=may(4), customer=customer, corrects=first)
    shelf.add(metric, "1", at=may(5), customer=customer, corrects=second)
    shelf.add(metric, "7", at=may(6), customer=customer)
    shelf.add(metric, "-3", at=may(7), customer=customer, corrects=old)

    amounts = event_amounts(session, customer.id, metric, **OF_MAY, dimensions=NOTHING)

    assert [amount for _, amount in amounts] == [Decimal(4), Decimal(7), Decimal(-3)]
