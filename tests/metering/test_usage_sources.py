"""Usage is what its readings come to, from roll-ups or events, in one piece or in many."""

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app.core.periods import Period
from app.customers.models import Customer
from app.metering.aggregation import Reading, aggregate, weighted_sum
from app.metering.usage import FROM_EVENTS, SeriesUsage, Usage, combine, event_usage, series_usage
from app.pricing.models import Aggregation, Metric
from tests.make import Make
from tests.metering.stored import Shelf, may

MAY_SHRINK = {Aggregation.SUM, Aggregation.WEIGHTED_SUM}
DIMENSIONS = {"model": None, "region": None}
NAMES = [frozenset[str](), frozenset({"model"}), frozenset({"model", "region"})]
Sent = list[tuple[str, int, str | None, str]]


def put(
    shelf: Shelf, customer: Customer, metric: Metric, sent: Sent, period: Period
) -> tuple[Decimal, list[Reading]]:
    """Store the events; return the total before the period, and the readings inside it."""
    before, readings = Decimal(0), list[Reading]()
    for quantity, minutes, model, region in sent:
        dimensions: dict[str, str | int | bool] = {"region": region}
        if model:
            dimensions["model"] = model
        event = shelf.add(
            metric,
            quantity if metric.aggregation in MAY_SHRINK else quantity.lstrip("-"),
            at=may(3) + timedelta(minutes=minutes),
            customer=customer,
            dimensions=dimensions,
        )
        if event.occurred_at in period:
            readings.append(Reading(event.quantity, event.occurred_at, event.id, model))
        elif event.occurred_at < period.start_at:
            before += event.quantity
    return before, readings


def readings_of(
    session: Session, customer: Customer, metric: Metric, period: Period
) -> list[list[SeriesUsage]]:
    """Return the usage of the events, in one piece and apart by one and by two dimensions."""
    start_at, end_at = period.start_at, period.end_at
    return [
        event_usage(
            session, customer.id, metric, start_at=start_at, end_at=end_at, dimensions=names
        )
        for names in NAMES
    ]


STORED = st.lists(
    st.tuples(
        st.decimals(-1000, 1000, places=3).map(str),
        st.integers(0, 20 * 24 * 60),  # minutes since noon of the third of May
        st.sampled_from(["gpt-5", "qwen", None]),
        st.sampled_from(["cn", "us"]),
    ),
    max_size=12,
)


@given(sent=STORED, aggregation=st.sampled_from(Aggregation), start=st.integers(0, 10))
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_however_usage_is_read_it_is_what_its_readings_come_to(
    session: Session,
    make: Make,
    sent: Sent,
    aggregation: Aggregation,
    start: int,
) -> None:
    outer = session.begin_nested()
    customer, metric = make.customer(), make.metric(aggregation=aggregation, dimensions=DIMENSIONS)
    if aggregation is Aggregation.UNIQUE_COUNT:
        metric.unique_by = "model"
    first_day = date(2026, 5, 1 + start)
    period = Period(may(1 + start, 0), may(21, 0))
    before, readings = put(Shelf(session), customer, metric, sent, period)
    if aggregation is Aggregation.WEIGHTED_SUM:
        wanted = weighted_sum(readings, period, initial=before)
    else:
        wanted = aggregate(aggregation, readings)

    found = readings_of(session, customer, metric, period)
    if aggregation not in FROM_EVENTS:
        by_series = series_usage(
            session, [customer.id], first_day=first_day, end_day=date(2026, 5, 21)
        )
        found.append(by_series.get((customer.id, metric.id), []))
    for usages in found:
        assert combine(aggregation, usages) == Usage(wanted, len(readings))
        assert combine(aggregation, reversed(usages)).quantity == wanted
    outer.rollback()
    session.expunge_all()  # what was rolled back is not to be seen by the next example
