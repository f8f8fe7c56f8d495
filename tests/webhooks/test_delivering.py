"""What is due goes out signed, each end is recorded by itself, nothing is lost."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Event

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session
from standardwebhooks import Webhook

from app.core import clock
from app.core.db import Transaction, begin, merchant_of
from app.core.errors import Conflict
from app.identity.models import Merchant, Mode
from app.webhooks import draining, endpoints, queries
from app.webhooks.completing import Sent, complete
from app.webhooks.delivering import Due, due_merchants
from app.webhooks.draining import Tally
from app.webhooks.models import DeliveryStatus, DisabledReason
from app.webhooks.sending import Attempt, AttemptError, Sender
from tests.webhooks.builders import KEYRING, NOW, Desk, claim, headers_of, subscribe
from tests.webhooks.conftest import KEEP, Receiver, answer, drip, receiving

ACCEPT = answer(b"HTTP/1.1 204 No Content\r\n\r\n")
FAIL = answer(b"HTTP/1.1 500 Oops\r\nContent-Length: 5\r\n\r\nsorry")
HANG = drip(b"HTTP/1.1 200 OK\r\n", b"X-Drip: 1\r\n")
SECOND = timedelta(seconds=1)


@pytest.fixture
def desk(transaction: Transaction, receiver: Receiver) -> Desk:
    with transaction() as session:
        endpoint = subscribe(session, receiver.url)
    return Desk(transaction, receiver, endpoint.id, clock.now())


def body_of(request: bytes) -> bytes:
    return request.split(b"\r\n\r\n", 1)[1]


def test_a_due_delivery_arrives_signed_and_is_recorded(desk: Desk) -> None:
    delivery_id = desk.owe()

    assert desk.deliver() == Tally(delivered=1)

    (request,) = desk.receiver.requests
    with desk.transaction() as session:
        delivery = queries.get_delivery(session, delivery_id)
        (secret,) = endpoints.open_secrets(delivery.endpoint, KEYRING, now=desk.start)
    message = Webhook(secret).verify(body_of(request), headers_of(request))
    assert message == json.loads(delivery.event.payload)
    assert headers_of(request)["webhook-id"] == message["id"]
    assert (delivery.status, delivery.attempts) == (DeliveryStatus.DELIVERED, 1)
    assert (delivery.next_attempt_at, delivery.endpoint.leased_until) == (None, None)
    (attempt,) = desk.attempts
    assert (attempt.http_status, attempt.error, attempt.response_head) == (200, None, "ok")


def test_both_secrets_verify_a_message_while_one_replaces_the_other(desk: Desk) -> None:
    with desk.transaction() as session:
        (old,) = endpoints.open_secrets(
            queries.get_endpoint(session, desk.endpoint_id), KEYRING, now=desk.start
        )
        new = endpoints.roll_secret(session, desk.endpoint_id, keyring=KEYRING, now=desk.start)
    desk.owe()

    desk.deliver()

    (request,) = desk.receiver.requests
    for secret in (new, old):
        Webhook(secret).verify(body_of(request), headers_of(request))


def test_what_was_delivered_is_not_sent_again(desk: Desk) -> None:
    desk.owe()
    desk.deliver()

    assert desk.deliver(timedelta(days=9)) == Tally()
    assert len(desk.receiver.requests) == 1


def test_a_failure_is_tried_again_in_five_seconds(desk: Desk) -> None:
    desk.receiver.script = FAIL
    desk.owe()

    assert desk.deliver() == Tally(failed=1)

    failed = desk.delivery
    assert (failed.status, failed.attempts, failed.failures) == (DeliveryStatus.FAILED, 1, 1)
    assert failed.next_attempt_at is not None
    assert 4 * SECOND < failed.next_attempt_at - desk.start < 7 * SECOND
    assert desk.attempts[0].response_head == "sorry"
    assert desk.deliver() == Tally()
    assert desk.deliver(7 * SECOND) == Tally(failed=1)


def test_every_attempt_has_the_same_id_and_its_own_time(desk: Desk) -> None:
    desk.receiver.script = FAIL
    desk.owe()
    desk.deliver()
    desk.deliver(60 * SECOND)

    first, second = (headers_of(request) for request in desk.receiver.requests)
    assert first["webhook-id"] == second["webhook-id"]
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) in {59, 60, 61}
    assert first["webhook-signature"] != second["webhook-signature"]


def test_the_tenth_failure_is_the_last_until_the_merchant_resends(desk: Desk) -> None:
    desk.receiver.script = FAIL
    delivery_id = desk.owe()
    for _ in range(10):
        desk.make_due(delivery_id)
        assert desk.deliver() == Tally(failed=1)

    dead = desk.delivery
    assert (dead.status, dead.attempts, dead.next_attempt_at) == (DeliveryStatus.DEAD, 10, None)

    desk.resend(delivery_id)
    assert desk.deliver() == Tally(failed=1)
    assert (desk.delivery.status, desk.delivery.failures) == (DeliveryStatus.FAILED, 1)

    desk.receiver.script = ACCEPT
    assert desk.deliver(7 * SECOND) == Tally(delivered=1)
    assert (desk.delivery.status, desk.delivery.attempts) == (DeliveryStatus.DELIVERED, 12)
    assert len(set(desk.message_ids)) == 1


def test_a_delivered_message_can_be_resent(desk: Desk) -> None:
    delivery_id = desk.owe()
    desk.deliver()

    desk.resend(delivery_id)
    desk.resend(delivery_id)

    assert desk.delivery.status is DeliveryStatus.PENDING
    assert desk.deliver() == Tally(delivered=1)
    assert len(desk.receiver.requests) == 2
    assert len(set(desk.message_ids)) == 1


def test_nothing_is_resent_to_a_disabled_endpoint(desk: Desk) -> None:
    delivery_id = desk.owe()
    with desk.transaction() as session:
        endpoints.disable(session, desk.endpoint_id)

    with pytest.raises(Conflict) as refusal:
        desk.resend(delivery_id)

    assert refusal.value.code == "webhook_endpoint_not_active"


def test_gone_disables_the_endpoint_and_plans_nothing_more(desk: Desk) -> None:
    desk.receiver.script = answer(b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n")
    desk.owe()

    desk.deliver()

    assert desk.endpoint.disabled_reason is DisabledReason.GONE
    assert desk.delivery.status is DeliveryStatus.FAILED
    assert desk.delivery.next_attempt_at is None
    assert desk.deliver(timedelta(days=1)) == Tally()


def test_the_endpoint_remembers_since_when_it_fails(desk: Desk) -> None:
    desk.receiver.script = FAIL
    desk.owe()
    desk.deliver()
    first = desk.endpoint.failing_since
    assert first is not None

    desk.deliver(60 * SECOND)
    assert desk.endpoint.failing_since == first

    desk.receiver.script = ACCEPT
    desk.deliver(timedelta(hours=1))
    assert desk.endpoint.failing_since is None


def test_no_transaction_is_open_while_we_send(desk: Desk) -> None:
    transaction, is_open, seen = desk.transaction, False, []

    @contextmanager
    def watched() -> Iterator[Session]:
        nonlocal is_open
        with transaction() as session:
            is_open = True
            yield session
        is_open = False

    def look(connection: socket.socket, over: Event) -> None:
        over.wait(0.1)  # others may be claimed meanwhile; then nobody does anything but wait
        seen.append(is_open)
        ACCEPT(connection, over)

    desk.receiver.script = look
    desk.owe()
    desk.transaction = watched

    assert desk.deliver() == Tally(delivered=1)
    assert seen == [False]


def test_f41_a_killed_worker_repeats_the_message_when_its_lease_ends(desk: Desk) -> None:
    desk.owe()
    assert len(desk.claim()) == 1

    assert desk.deliver(59 * SECOND) == Tally()
    assert desk.deliver(60 * SECOND) == Tally(delivered=1)


def test_two_workers_at_once_hold_no_endpoint_together(desk: Desk) -> None:
    desk.owe(30)

    with desk.transaction() as one, desk.transaction() as two:
        claimed = [len(claim(session, now=desk.start)) for session in (one, two)]
    later = len(desk.claim())

    assert (claimed, later) == ([30, 0], 0)


def test_an_endpoint_that_hangs_costs_two_attempts_a_call(desk: Desk) -> None:
    desk.receiver.script = HANG
    desk.owe(10)

    assert desk.deliver(sender=Sender(total_seconds=0.3)) == Tally(failed=2, left=8)

    assert len(desk.receiver.requests) == 2
    assert [attempt.error for attempt in desk.attempts] == [AttemptError.TIMED_OUT] * 2
    desk.receiver.script = ACCEPT
    assert desk.deliver(6 * SECOND).delivered >= 8


def test_an_endpoint_that_hangs_holds_up_no_other(desk: Desk) -> None:
    desk.receiver.script = HANG
    with receiving() as healthy:
        with desk.transaction() as session:
            healthy_id = subscribe(session, healthy.url).id
        desk.owe(10)

        tally = desk.deliver(sender=Sender(total_seconds=3))

    assert tally == Tally(delivered=10, failed=2, left=8)
    with desk.transaction() as session:
        arrived = queries.list_deliveries(session, endpoint_id=healthy_id).rows
    given_up_at = desk.start + 3 * SECOND
    assert all(row.delivered_at and row.delivered_at < given_up_at for row in arrived)


def test_what_waits_goes_out_in_one_claim_over_two_connections(desk: Desk) -> None:
    desk.receiver.script = KEEP
    desk.owe(25)

    assert desk.deliver() == Tally(delivered=25)

    assert len(set(desk.message_ids)) == 25
    assert desk.receiver.connections <= 2


def test_after_its_budget_a_lane_starts_nothing_more(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining, "BUDGET", timedelta())
    desk.owe(10)

    assert desk.deliver() == Tally(left=10)


def test_x057_what_is_no_longer_allowed_is_blocked_not_called(desk: Desk) -> None:
    desk.owe()

    assert desk.deliver(loopback=False) == Tally(failed=1)

    assert desk.receiver.requests == []
    assert [attempt.error for attempt in desk.attempts] == [AttemptError.BLOCKED]


def test_a_live_merchant_calls_no_loopback_whatever_was_saved(desk: Desk) -> None:
    desk.owe()
    with desk.transaction() as session:
        session.get_one(Merchant, merchant_of(session)).mode = Mode.LIVE

    assert desk.deliver() == Tally(failed=1)
    assert desk.receiver.requests == []


def test_a_late_failure_does_not_undo_a_delivery(desk: Desk) -> None:
    desk.owe()
    (parcel,) = desk.claim()
    desk.deliver(61 * SECOND)

    late = Sent(parcel, Attempt(error=AttemptError.TIMED_OUT), desk.start)
    with desk.transaction() as session:
        complete(session, [late], now=desk.start + 62 * SECOND)

    delivery = desk.delivery
    assert (delivery.status, delivery.attempts) == (DeliveryStatus.DELIVERED, 2)
    assert delivery.next_attempt_at is None


def test_what_was_emitted_while_its_endpoint_was_disabled_is_parked(desk: Desk) -> None:
    delivery_id = desk.owe()
    with desk.transaction() as session:
        endpoints.disable(session, desk.endpoint_id)
    desk.make_due(delivery_id)

    assert desk.deliver() == Tally()

    delivery = desk.delivery
    assert (delivery.status, delivery.next_attempt_at) == (DeliveryStatus.PENDING, None)


def test_the_sweep_finds_the_merchants_that_owe(desk: Desk, reader: Engine) -> None:
    desk.owe()
    merchant_id = desk.endpoint.merchant_id

    def is_due(after: timedelta) -> bool:
        with begin(reader, None) as session:
            due = due_merchants(session, now=desk.start + after)
            return Due(merchant_id, is_failing=False) in due

    assert not is_due(-SECOND)
    assert is_due(NOW)
    desk.deliver()
    assert not is_due(NOW)
