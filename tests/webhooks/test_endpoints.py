"""A merchant keeps up to twenty endpoints, each with a secret that only he has seen."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.core.db import Transaction, merchant_of
from app.core.errors import Conflict, Invalid, NotFound
from app.core.outbox import OutboxJob
from app.identity.models import Merchant, Mode
from app.webhooks import endpoints, queries
from app.webhooks.catalogue import EventType
from app.webhooks.endpoints import TooManyEndpoints, open_secrets, register
from app.webhooks.models import DeliveryStatus, DisabledReason, EndpointStatus
from app.webhooks.sending import Attempt
from tests.make import NOON
from tests.webhooks.builders import KEYRING, SHOP, deliveries, pay, subscribe

LOCAL = "http://127.0.0.1:9000/hook"


def test_the_secret_is_shown_once_and_sealed_at_rest(session: Session) -> None:
    endpoint, secret = register(
        session,
        SHOP,
        [EventType.INVOICE_PAID, EventType.INVOICE_CREATED, EventType.INVOICE_PAID],
        description="Production",
        keyring=KEYRING,
        allow_loopback=False,
        now=NOON,
    )

    assert secret.startswith("whsec_")
    assert secret not in endpoint.secret
    assert open_secrets(endpoint, KEYRING, now=NOON) == [secret]
    assert endpoint.event_types == ["invoice.created", "invoice.paid"]
    assert endpoint.status is EndpointStatus.ACTIVE


def test_a_live_merchant_can_not_name_this_machine(session: Session) -> None:
    session.get_one(Merchant, merchant_of(session)).mode = Mode.LIVE

    with pytest.raises(Invalid) as refusal:
        subscribe(session, LOCAL)
    assert refusal.value.code == "webhook_host_not_allowed"


def test_a_bad_url_is_refused_on_change_too(session: Session) -> None:
    endpoint = subscribe(session)

    with pytest.raises(Invalid):
        endpoints.change(session, endpoint.id, url="https://10.0.0.1", allow_loopback=True)
    assert endpoint.url == SHOP


def test_only_what_is_given_changes(session: Session) -> None:
    endpoint = subscribe(session)

    endpoints.change(session, endpoint.id, description="Staging", allow_loopback=True)
    assert (endpoint.url, endpoint.description, endpoint.event_types) == (
        SHOP,
        "Staging",
        ["invoice.paid"],
    )

    endpoints.change(
        session,
        endpoint.id,
        url=LOCAL,
        event_types=[EventType.PAYOUT_COMPLETED],
        allow_loopback=True,
    )
    assert (endpoint.url, endpoint.description, endpoint.event_types) == (
        LOCAL,
        "Staging",
        ["payout.completed"],
    )


def test_an_endpoint_wants_at_least_one_event_and_a_short_description(session: Session) -> None:
    endpoint = subscribe(session)

    with pytest.raises(Invalid) as refusal:
        endpoints.change(session, endpoint.id, event_types=[], allow_loopback=True)
    assert refusal.value.code == "webhook_event_types_empty"

    with pytest.raises(Invalid) as refusal:
        endpoints.change(session, endpoint.id, description="x" * 201, allow_loopback=True)
    assert refusal.value.code == "webhook_description_too_long"


def test_x064_the_twenty_first_endpoint_is_refused(session: Session) -> None:
    for _ in range(20):
        last = subscribe(session)

    with pytest.raises(TooManyEndpoints):
        subscribe(session)

    endpoints.archive(session, last.id)
    subscribe(session)


def test_x064_a_crowd_can_not_pass_the_limit_together(transaction: Transaction) -> None:
    with transaction() as session:
        for _ in range(18):
            subscribe(session)

    def add(_serial: int) -> str:
        try:
            with transaction() as session:
                subscribe(session)
        except TooManyEndpoints as refusal:
            return refusal.code
        return "added"

    with ThreadPoolExecutor(6) as pool:
        outcomes = sorted(pool.map(add, range(6)))

    assert outcomes == ["added"] * 2 + ["too_many_webhook_endpoints"] * 4


def test_both_secrets_sign_for_a_day_after_rolling(session: Session) -> None:
    endpoint = subscribe(session)
    (old,) = open_secrets(endpoint, KEYRING, now=NOON)

    new = endpoints.roll_secret(session, endpoint.id, keyring=KEYRING, now=NOON)

    day = timedelta(days=1)
    assert new != old
    assert open_secrets(endpoint, KEYRING, now=NOON) == [new, old]
    assert open_secrets(endpoint, KEYRING, now=NOON + day - timedelta(seconds=1)) == [new, old]
    assert open_secrets(endpoint, KEYRING, now=NOON + day) == [new]


def test_the_old_secret_can_be_ended_at_once(session: Session) -> None:
    endpoint = subscribe(session)
    new = endpoints.roll_secret(session, endpoint.id, keyring=KEYRING, now=NOON)

    endpoints.expire_old_secret(session, endpoint.id)

    session.flush()
    assert open_secrets(endpoint, KEYRING, now=NOON) == [new]


def test_a_disabled_endpoint_keeps_what_it_is_owed(session: Session) -> None:
    endpoint = subscribe(session)
    pay(session)

    endpoints.disable(session, endpoint.id)
    (waiting,) = deliveries(session)
    assert (waiting.status, waiting.next_attempt_at) == (DeliveryStatus.PENDING, None)
    assert endpoint.disabled_reason is DisabledReason.MERCHANT

    later = NOON + timedelta(days=3)
    endpoints.enable(session, endpoint.id, now=later)
    (due,) = deliveries(session)
    assert (due.status, due.next_attempt_at) == (DeliveryStatus.PENDING, later)
    assert endpoint.disabled_reason is None


def test_disabling_and_enabling_twice_changes_nothing(session: Session) -> None:
    endpoint = subscribe(session)

    endpoints.disable(session, endpoint.id, reason=DisabledReason.FAILING)
    endpoints.disable(session, endpoint.id)
    assert endpoint.disabled_reason is DisabledReason.FAILING

    endpoints.enable(session, endpoint.id, now=NOON)
    endpoints.enable(session, endpoint.id, now=NOON)
    assert endpoint.is_active


def test_a_deleted_endpoint_can_only_be_looked_at(session: Session) -> None:
    endpoint = subscribe(session)
    pay(session)
    endpoints.archive(session, endpoint.id)
    endpoints.archive(session, endpoint.id)

    assert queries.list_endpoints(session) == []
    assert queries.get_endpoint(session, endpoint.id).status is EndpointStatus.ARCHIVED
    assert [delivery.next_attempt_at for delivery in deliveries(session)] == [None]
    with pytest.raises(Conflict) as refusal:
        endpoints.enable(session, endpoint.id, now=NOON)
    assert refusal.value.code == "webhook_endpoint_archived"


def test_an_unknown_endpoint_is_not_found(session: Session) -> None:
    with pytest.raises(NotFound):
        endpoints.disable(session, 1)


def mails_owed(session: Session) -> int:
    owed = OutboxJob.task == endpoints.TELL_OWNERS
    return session.scalar(select(func.count()).select_from(OutboxJob).where(owed)) or 0


def test_gone_disables_at_once_and_the_owners_are_told(session: Session) -> None:
    endpoint = subscribe(session)

    endpoints.note_failure(session, endpoint, Attempt(status=410), now=NOON)

    assert endpoint.status is EndpointStatus.DISABLED
    assert endpoint.disabled_reason is DisabledReason.GONE
    assert endpoint.failing_since == NOON
    assert mails_owed(session) == 1


def test_w4_a_day_of_failures_warns_once_and_five_disable(session: Session) -> None:
    endpoint = subscribe(session)
    failed, day = Attempt(status=500), timedelta(days=1)

    told = []
    for after in (0 * day, 0.9 * day, day, 2 * day, 4.9 * day, 5 * day):
        endpoints.note_failure(session, endpoint, failed, now=NOON + after)
        told.append((mails_owed(session), endpoint.is_active))

    assert told == [(0, True), (0, True), (1, True), (1, True), (1, True), (2, False)]
    assert endpoint.disabled_reason is DisabledReason.FAILING
