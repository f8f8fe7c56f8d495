"""What found no customer, metric or contract is kept as it came, and its key stays free."""

from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.metering import dead_letters
from app.metering.models import DeadEvent, DeadStatus, UsageEvent
from app.pricing.models import RateCardVersion
from tests.make import NOON, Make
from tests.metering.conftest import Event, answers, send

NOBODYS = Event("dead_1", customer_external_id="user_77")


def kept(session: Session) -> list[DeadEvent]:
    rows = select(DeadEvent).order_by(DeadEvent.id).execution_options(populate_existing=True)
    return list(session.scalars(rows))


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (NOBODYS, "unknown_customer"),
        (Event("dead_1", metric="hours"), "unknown_metric"),
        (Event("dead_1", customer_external_id="free"), "no_contract"),
    ],
)
def test_it_is_kept_with_the_reason(shop: Session, event: Event, reason: str) -> None:
    Make(shop).customer(external_id="free")

    (result,) = send(shop, event)

    assert (result.outcome, result.code) == ("unmatched", reason)
    (row,) = kept(shop)
    assert (row.reason, row.status, row.seen) == (reason, DeadStatus.WAITING, 1)
    assert (row.customer_external_id, row.metric) == (event.customer_external_id, event.metric)
    assert (row.idempotency_key, row.occurred_at) == ("dead_1", event.occurred_at)
    assert row.received_at == row.last_seen_at


def test_it_is_kept_as_it_was_sent(shop: Session) -> None:
    event = Event(
        "dead_1",
        "0.50",
        customer_external_id='a"b\\{,}',
        occurred_at=datetime.fromisoformat("2026-05-25T18:00:00+08:00"),
        dimensions={"model": "千问", "cached": True, "shard": 7},
        corrects="evt_0",
    )
    send(shop, event)

    (row,) = kept(shop)
    assert row.body == {
        "customerExternalId": 'a"b\\{,}',
        "idempotencyKey": "dead_1",
        "metric": "tokens",
        "quantity": "0.50",
        "occurredAt": "2026-05-25T18:00:00+08:00",
        "dimensions": {"model": "千问", "cached": True, "shard": 7},
        "corrects": "evt_0",
    }
    assert asdict(dead_letters.read_body(row.body)) == asdict(event)


def test_the_same_content_again_is_counted_not_kept_twice(shop: Session) -> None:
    send(shop, NOBODYS, NOBODYS.but(quantity="12500.000"))
    send(shop, NOBODYS.but(occurred_at=datetime.fromisoformat("2026-05-25T18:00:00+08:00")))
    send(shop, NOBODYS.but(quantity="1"))

    assert [(row.body["quantity"], row.seen) for row in kept(shop)] == [("12500.000", 3), ("1", 1)]


@pytest.mark.parametrize("status", [DeadStatus.REPLAYED, DeadStatus.DISCARDED])
def test_what_was_settled_waits_again_when_it_comes_again(
    shop: Session, status: DeadStatus
) -> None:
    send(shop, NOBODYS)
    (row,) = kept(shop)
    row.status, row.resolved_at, row.outcome = status, NOON, "accepted"
    shop.flush()  # the statements of ingestion do not know the session's objects

    send(shop, NOBODYS)

    (row,) = kept(shop)
    assert (row.status, row.seen) == (DeadStatus.WAITING, 2)
    assert (row.resolved_at, row.outcome) == (None, None)


def test_its_key_stays_free(shop: Session) -> None:
    send(shop, NOBODYS)
    version = shop.scalars(select(RateCardVersion)).one()
    customer = Make(shop).customer(external_id="user_77")
    Make(shop).contract(version, customer_id=customer.id, starts_on=date(2026, 5, 1))

    assert answers(send(shop, NOBODYS)) == ["accepted"]
    assert shop.scalars(select(UsageEvent.quantity)).all() == [Decimal(12500)]


def test_a_key_that_is_taken_is_answered_as_such(shop: Session) -> None:
    send(shop, Event("taken"))

    assert answers(send(shop, NOBODYS.but(idempotency_key="taken"))) == ["idempotency_conflict"]
    assert kept(shop) == []


def test_an_event_that_is_invalid_is_not_kept(shop: Session) -> None:
    old = NOBODYS.but(occurred_at=NOON - timedelta(days=36))
    early = NOBODYS.but(occurred_at=datetime(9999, 12, 31, tzinfo=UTC))

    assert answers(send(shop, old, early)) == ["event_too_old", "event_in_future"]
    assert kept(shop) == []
