"""What is stored and counted depends on what was sent, not on its order or how it was batched."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.metering.models import DeadEvent, UsageEvent, UsageRollup, UsageSeries
from tests.make import NOON
from tests.metering.conftest import Event, send

Batches = list[list[Event]]

events = st.builds(
    Event,
    idempotency_key=st.integers(0, 10**6).map(str),
    quantity=st.decimals(0, 10**6, places=3).map(str),
    customer_external_id=st.sampled_from(["user_42", "user_43", "nobody"]),
    metric=st.sampled_from(["tokens", "storage", "seats"]),
    occurred_at=st.integers(0, 10**4).map(lambda minutes: NOON - timedelta(minutes=minutes)),
    dimensions=st.dictionaries(
        st.sampled_from(["model", "region", "user"]), st.sampled_from(["a", 1, True]), max_size=3
    ),
)
different = st.lists(events, min_size=1, max_size=12, unique_by=lambda e: e.idempotency_key).filter(
    # Of two readings of one instant the one that arrived last is the last one: order decides.
    lambda sent: len({event.occurred_at for event in sent}) == len(sent)
)


@st.composite
def two_ways(draw: st.DrawFn) -> tuple[Batches, Batches]:
    """Return the same events in two orders and batchings, some of them sent again."""
    sent = draw(different)
    return _batched(draw, sent), _batched(draw, sent)


def _batched(draw: st.DrawFn, sent: list[Event]) -> Batches:
    again = draw(st.lists(st.sampled_from(sent), max_size=4))
    arrived = draw(st.permutations([*sent, *again]))
    cuts = sorted(draw(st.sets(st.integers(1, len(arrived)), max_size=4)) | {0, len(arrived)})
    return [arrived[start:end] for start, end in pairwise(cuts)]


def _what_came_of(session: Session, batches: Batches) -> dict[str, Any]:
    outer = session.begin_nested()
    for batch in batches:
        send(session, *batch)
    said = {row.id: (row.names, row.dimensions) for row in session.scalars(select(UsageSeries))}
    found = {
        "events": {
            (row.idempotency_key, row.quantity, str(said.get(row.series_id)))
            for row in session.scalars(select(UsageEvent))
        },
        "roll-ups": {
            (row.customer_id, row.metric_id, row.day, str(said.get(row.series_id))): (
                *(row.quantity, row.events, row.maximum, row.last_at, row.last_quantity),
            )
            for row in session.scalars(select(UsageRollup))
        },
        "dead": {row.digest for row in session.scalars(select(DeadEvent))},
    }
    outer.rollback()
    session.expunge_all()  # what was rolled back is not to be seen by the next example
    return found


@given(two_ways())
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@pytest.mark.usefixtures("shop")
def test_order_and_batches_change_nothing(session: Session, ways: tuple[Batches, Batches]) -> None:
    one, other = ways

    assert _what_came_of(session, one) == _what_came_of(session, other)
