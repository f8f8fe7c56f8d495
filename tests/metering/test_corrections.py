"""A quantity below zero takes back from an event that is there, and from nothing else."""

import itertools
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.metering.models import UsageEvent, UsageRollup, UsageVoid
from tests.make import NOON
from tests.metering.conftest import Event, answers, send

TAKEN = Event("first", "10")
BACK = Event("back", "-4", corrects="first")


def test_a_correction_takes_back_what_was_counted(shop: Session) -> None:
    send(shop, TAKEN)

    assert answers(send(shop, BACK)) == ["accepted"]
    rollup = shop.scalars(select(UsageRollup)).one()
    assert (rollup.quantity, rollup.events) == (Decimal(6), 2)
    assert shop.scalars(select(UsageEvent.corrects)).all() == [None, "first"]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_batch_may_hold_what_it_corrects_in_any_order(
    shop: Session, order: tuple[int, ...]
) -> None:
    events = [TAKEN, BACK, Event("again", "1", corrects="back")]

    assert answers(send(shop, *[events[index] for index in order])) == ["accepted"] * 3


@pytest.mark.parametrize(
    "wrong",
    [
        BACK.but(corrects="nothing"),
        BACK.but(corrects="back"),
        BACK.but(customer_external_id="user_43"),
        BACK.but(metric="calls", quantity="1"),
    ],
)
def test_what_is_not_there_can_not_be_corrected(shop: Session, wrong: Event) -> None:
    (_, result) = send(shop, TAKEN, wrong)

    assert (result.outcome, result.code) == ("invalid", "corrects_unknown")
    assert result.path == "corrects"


def test_corrections_of_each_other_stand_on_nothing(shop: Session) -> None:
    results = send(
        shop,
        Event("a", "1", corrects="b"),
        Event("b", "1", corrects="a"),
        Event("c", "1", corrects="a"),
        Event("d", metric="hours"),
        Event("e", "1", corrects="d"),
    )

    assert answers(results) == [*["corrects_unknown"] * 3, "unknown_metric", "corrects_unknown"]


def test_a_voided_event_can_not_be_corrected(shop: Session) -> None:
    send(shop, TAKEN)
    event = shop.scalars(select(UsageEvent)).one()
    shop.add(
        UsageVoid(
            merchant_id=event.merchant_id,
            occurred_at=event.occurred_at,
            event_id=event.id,
            customer_id=event.customer_id,
            metric_id=event.metric_id,
            idempotency_key=event.idempotency_key,
            reason="sent by mistake",
            voided_at=NOON,
            actor="ada@lumen.example",
        )
    )
    shop.flush()  # the statements of ingestion do not know the session's objects

    assert answers(send(shop, BACK)) == ["corrects_unknown"]


@pytest.mark.parametrize("metric", ["calls", "storage", "seats"])
def test_only_what_adds_up_can_be_taken_back(shop: Session, metric: str) -> None:
    results = send(shop, TAKEN.but(metric=metric), BACK.but(metric=metric))

    assert answers(results) == ["accepted", "negative_quantity"]


@pytest.mark.parametrize("quantity", ["-1", "-0", "-0.5", -3])
def test_a_negative_quantity_needs_what_it_corrects(shop: Session, quantity: str | int) -> None:
    assert answers(send(shop, Event(quantity=quantity))) == ["negative_quantity"]


@pytest.mark.parametrize("key", ["", "x" * 201, "a\0b", "a\ud800b"])
def test_a_key_that_no_event_has_is_refused(shop: Session, key: str) -> None:
    (result,) = send(shop, BACK.but(corrects=key))

    assert (result.code, result.path) == ("invalid_idempotency_key", "corrects")


def test_a_correction_sent_again_is_a_duplicate_and_what_it_corrects_is_content(
    shop: Session,
) -> None:
    send(shop, TAKEN, BACK, Event("second", "10"))

    assert answers(send(shop, BACK)) == ["duplicate"]
    assert answers(send(shop, BACK, now=NOON + timedelta(days=300))) == ["duplicate"]
    assert answers(send(shop, BACK.but(corrects="second"))) == ["idempotency_conflict"]
    assert answers(send(shop, TAKEN.but(corrects="second"))) == ["idempotency_conflict"]


@pytest.mark.parametrize("key", ['a"b', "a\\b", "NULL", "a,b", "{}", " ", "键"])
def test_what_is_corrected_is_kept_as_written(shop: Session, key: str) -> None:
    send(shop, TAKEN.but(idempotency_key=key), BACK.but(corrects=key), Event("plain"))

    assert set(shop.scalars(select(UsageEvent.corrects))) == {None, key}
