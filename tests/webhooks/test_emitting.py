"""An event is owed once to every endpoint that asked for it, with what caused it or not at all."""

import json
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.core.db import Transaction, merchant_of
from app.core.ids import Prefix, read
from app.identity.models import Merchant
from app.webhooks import endpoints
from app.webhooks.catalogue import EventType
from app.webhooks.emitting import Outcome, emit_all, emit_changes
from app.webhooks.models import DeliveryStatus, WebhookEvent
from tests.make import NOON
from tests.webhooks.builders import deliveries, paid, pay, subscribe


def test_every_subscribed_endpoint_is_owed_the_event(session: Session) -> None:
    first, second = subscribe(session), subscribe(session)
    subscribe(session, event_type=EventType.INVOICE_VOIDED)

    assert pay(session) is Outcome.EMITTED

    owed = deliveries(session)
    assert {delivery.endpoint_id for delivery in owed} == {first.id, second.id}
    assert {delivery.status for delivery in owed} == {DeliveryStatus.PENDING}
    assert {delivery.next_attempt_at for delivery in owed} == {NOON}


def test_the_payload_is_written_once_and_names_itself(session: Session) -> None:
    pay(session, "inv_7")

    event = session.scalars(select(WebhookEvent)).one()
    message = json.loads(event.payload)
    assert read(Prefix.WEBHOOK_EVENT, message["id"]) == event.id
    assert message["type"] == "invoice.paid"
    assert message["createdAt"] == "2026-06-02T04:00:00.000Z"
    assert message["data"]["invoiceId"] == message["objectId"] == event.object_id == "inv_7"
    assert message["sequence"] == event.sequence == 1


def test_the_same_cause_emits_once(session: Session) -> None:
    subscribe(session)
    pay(session, "inv_1")

    assert pay(session, "inv_1") is Outcome.REPEATED
    assert pay(session, "inv_2") is Outcome.EMITTED
    assert len(deliveries(session)) == 2


def test_many_events_are_owed_as_each_alone(session: Session) -> None:
    subscribe(session), subscribe(session)
    pay(session, "inv_1")
    told = {f"inv_{number}": paid(f"inv_{number}") for number in (1, 2, 3)}

    emitted = emit_all(session, EventType.INVOICE_PAID, told, now=NOON)

    assert emitted == {"inv_2", "inv_3"}
    assert len(deliveries(session)) == 2 * 3
    events = session.scalars(select(WebhookEvent)).all()
    assert {json.loads(each.payload)["data"]["invoiceId"] for each in events} == set(told)
    assert emit_all(session, EventType.INVOICE_PAID, {}, now=NOON) == set()


def test_a_disabled_or_deleted_endpoint_is_owed_nothing(session: Session) -> None:
    endpoints.disable(session, subscribe(session).id)
    endpoints.archive(session, subscribe(session).id)

    pay(session)

    assert deliveries(session) == []


def test_what_is_rolled_back_was_never_emitted(transaction: Transaction) -> None:
    with transaction() as session:
        subscribe(session)

    with transaction() as session:
        pay(session)
        session.rollback()

    with transaction() as session:
        assert session.scalar(select(func.count()).select_from(WebhookEvent)) == 0
        assert deliveries(session) == []


def test_a_sandbox_whose_clock_runs_ahead_delivers_in_real_time(session: Session) -> None:
    merchant = session.get_one(Merchant, merchant_of(session))
    merchant.clock_offset = timedelta(days=30)
    subscribe(session)

    pay(session, now=NOON + timedelta(days=30))

    (delivery,) = deliveries(session)
    assert delivery.next_attempt_at == NOON


def test_the_events_of_one_object_are_counted(session: Session) -> None:
    pay(session, "inv_1")
    pay(session, "inv_2")
    voided = {"inv_1": paid("inv_1"), "inv_3": paid("inv_3")}
    emit_all(session, EventType.INVOICE_VOIDED, voided, now=NOON)
    emit_changes(session, EventType.INVOICE_CREATED, [paid("inv_1"), paid("inv_1")], now=NOON)

    counted = session.execute(select(WebhookEvent.object_id, WebhookEvent.sequence))

    assert sorted((one, number) for one, number in counted) == [
        ("inv_1", 1),
        ("inv_1", 2),
        ("inv_1", 3),
        ("inv_1", 4),
        ("inv_2", 1),
        ("inv_3", 1),
    ]
