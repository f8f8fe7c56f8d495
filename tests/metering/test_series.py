"""Usage is told apart by declared dimensions, and too many values of them do no harm."""

from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.core.db import Transaction
from app.metering import series
from app.metering.models import OTHER_SERIES, UsageEvent, UsageRollup, UsageSeries
from app.pricing.models import Metric
from tests.metering.conftest import Event, answers, furnish, send


def series_of(session: Session, key: str) -> UsageSeries | None:
    """Return the series an event counts for, or None for the other series."""
    event = session.scalars(select(UsageEvent).where(UsageEvent.idempotency_key == key)).one()
    return session.scalar(select(UsageSeries).where(UsageSeries.id == event.series_id))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"model": "gpt-5", "region": "cn"}, {"model": "gpt-5", "region": "cn"}),
        ({"region": 7, "model": True, "user": "u1"}, {"model": "true", "region": "7"}),
        ({"model": "gpt-5"}, {"model": "gpt-5"}),
        ({"user": "u1"}, {}),
        ({}, {}),
        (None, {}),
    ],
)
def test_a_series_holds_what_the_event_has_of_the_declared_names(
    shop: Session, given: dict[str, Any], kept: dict[str, str]
) -> None:
    send(shop, Event("a", dimensions=given))

    found = series_of(shop, "a")
    assert found is not None
    assert (found.names, found.dimensions) == (["model", "region"], kept)


def test_the_same_values_are_one_series_whatever_else_an_event_says(shop: Session) -> None:
    send(
        shop,
        Event("a", dimensions={"model": "7", "user": "u1"}),
        Event("b", dimensions={"user": "u2", "model": 7}, customer_external_id="user_43"),
    )
    send(shop, Event("c", dimensions={"model": "7"}))

    assert shop.scalar(select(func.count()).select_from(UsageSeries)) == 1
    assert series_of(shop, "a") is series_of(shop, "b") is series_of(shop, "c")


def test_a_metric_without_dimensions_has_the_other_series_alone(shop: Session) -> None:
    send(shop, Event("a", metric="calls", dimensions={"model": "gpt-5"}))

    assert shop.scalars(select(UsageEvent.series_id)).all() == [OTHER_SERIES]
    assert shop.scalars(select(UsageRollup.series_id)).all() == [OTHER_SERIES]


def test_names_declared_later_make_series_of_their_own(shop: Session) -> None:
    send(shop, Event("a"))
    tokens = shop.scalars(select(Metric).where(Metric.code == "tokens")).one()
    tokens.dimensions = {"model": None, "tier": None}
    shop.flush()  # the statements of ingestion do not know the session's objects

    send(shop, Event("b", dimensions={"model": "gpt-5"}))

    before, after = series_of(shop, "a"), series_of(shop, "b")
    assert before is not None
    assert after is not None
    assert (before.names, after.names) == (["model", "region"], ["model", "tier"])
    assert before.dimensions == after.dimensions == {"model": "gpt-5"}


def test_ten_thousand_values_of_a_dimension_are_harmless(shop: Session) -> None:
    for batch in range(20):
        numbers = range(batch * 500, batch * 500 + 500)
        results = send(shop, *[Event(f"e{n}", dimensions={"model": f"m{n}"}) for n in numbers])
        assert set(answers(results)) == {"accepted"}

    counted = select(func.sum(UsageRollup.events))
    in_others = counted.where(UsageRollup.series_id == OTHER_SERIES)
    assert shop.scalar(select(func.count()).select_from(UsageSeries)) == series.LARGEST
    assert (shop.scalar(counted), shop.scalar(in_others)) == (10_000, 9_000)


def test_a_value_that_has_its_series_keeps_it_when_there_is_no_room(
    shop: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(shop, Event("a", dimensions={"model": "first"}))
    monkeypatch.setattr(series, "LARGEST", 1)

    send(
        shop,
        Event("b", dimensions={"model": "second"}),
        Event("c", dimensions={"model": "first"}),
        Event("d", metric="calls"),
    )

    assert series_of(shop, "b") is None
    assert series_of(shop, "c") is series_of(shop, "a") is not None


def test_a_series_that_was_rolled_back_is_made_again(transaction: Transaction) -> None:
    """A process may remember a series only once nobody can take it away."""
    with transaction() as session:
        furnish(session)
    with transaction() as session:
        inner = session.begin_nested()
        send(session, Event("a"))
        inner.rollback()
        send(session, Event("a"))
        session.rollback()

    with transaction() as session:
        send(session, Event("a"))
    with transaction() as session:
        send(session, Event("b"))
        found = series_of(session, "b")
        assert found is not None
        assert found is series_of(session, "a")
