"""Endpoints that hang hold up nobody: two lanes each, and half of the threads together."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from app.core import clock
from app.core.db import Transaction, begin
from app.webhooks import claiming, draining
from app.webhooks.draining import Drain
from app.webhooks.models import DeliveryStatus, WebhookAttempt, WebhookEndpoint
from app.webhooks.sending import Sender
from tests.make import Make
from tests.webhooks.builders import KEYRING, Desk, deliveries, pay, subscribe
from tests.webhooks.conftest import KEEP, Receiver, drip, receiving

HANG = drip(b"HTTP/1.1 200 OK\r\n", b"X-Drip: 1\r\n")
SECOND = timedelta(seconds=1)


@pytest.fixture
def hanging() -> Iterator[Receiver]:
    with receiving() as receiver:
        receiver.script = HANG
        yield receiver


def shop(engine: Engine, urls: list[str], *, owed: int) -> tuple[int, Transaction]:
    """Make a merchant with an endpoint at each URL, each owed so many messages."""
    merchant_id = Make.new_merchant_id()
    transaction = partial(begin, engine, merchant_id)
    with transaction() as session:
        Make(session).merchant()
        for url in urls:
            subscribe(session, url)
        for number in range(owed):
            pay(session, f"inv_{number}", now=clock.now())
    return merchant_id, transaction


def drain_of(engine: Engine, *, total_seconds: float) -> Drain:
    return Drain(
        lambda merchant_id: partial(begin, engine, merchant_id),
        Sender(total_seconds=total_seconds),
        keyring=KEYRING,
        allow_loopback=True,
        started=clock.now(),
    )


def test_w3_twenty_dripping_endpoints_do_not_delay_the_healthy(
    engine: Engine, hanging: Receiver
) -> None:
    with receiving() as healthy:
        healthy.script = KEEP
        slow_id, slow = shop(engine, [hanging.url] * 20, owed=3)
        well_id, well = shop(engine, [healthy.url], owed=50)
        with slow() as session:  # they failed before
            session.execute(update(WebhookEndpoint).values(failing_since=clock.now()))
        with drain_of(engine, total_seconds=4) as drain:
            drain.take(slow_id, failing=True)
            drain.take(well_id, failing=False)
            while len(healthy.requests) < 50:
                drain.step(wait_seconds=0.2)
            with slow() as session:
                assert not session.scalars(select(WebhookAttempt)).all()  # they all still hang
            drain.finish()

    with well() as session:
        assert {row.status for row in deliveries(session)} == {DeliveryStatus.DELIVERED}
    assert hanging.connections == draining.FAILING_THREADS


def test_w3_without_their_share_they_would_take_every_thread(
    engine: Engine, hanging: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining, "FAILING_THREADS", draining.THREADS)
    slow_id, slow = shop(engine, [hanging.url] * 20, owed=3)
    with slow() as session:
        session.execute(update(WebhookEndpoint).values(failing_since=clock.now()))

    with drain_of(engine, total_seconds=0.5) as drain:
        drain.take(slow_id, failing=True)
        drain.finish()

    assert hanging.connections == 40


def test_w3_one_endpoint_has_two_lanes_in_all_drains_together(
    engine: Engine, hanging: Receiver
) -> None:
    merchant_id, _ = shop(engine, [hanging.url], owed=10)

    with ExitStack() as stack:
        drains = [stack.enter_context(drain_of(engine, total_seconds=0.5)) for _ in range(3)]
        claimed = [drain.take(merchant_id) for drain in drains]
        for drain in drains:
            drain.finish()

    assert claimed == [10, 0, 0]
    assert hanging.connections == 2


def test_a_drain_that_was_slower_than_its_lease_does_not_end_the_next_ones(desk: Desk) -> None:
    desk.owe(2)
    with desk.transaction() as session:
        late = claim_all(desk, session=session, after=0 * SECOND)
    with desk.transaction() as session:
        own = claim_all(desk, session=session, after=61 * SECOND)

    with desk.transaction() as session:
        claiming.release(session, late)
    assert desk.endpoint.leased_until == own[0].leased_until

    with desk.transaction() as session:
        claiming.release(session, own)
    assert desk.endpoint.leased_until is None


def test_f52_of_an_endless_backlog_a_claim_takes_its_share(desk: Desk) -> None:
    desk.owe(450)

    with desk.transaction() as session:
        (claimed,) = claim_all(desk, session=session, after=0 * SECOND)

    assert len(claimed.parcels) == draining.CLAIM_LIMIT


def test_an_endpoint_that_failed_gets_a_few_until_it_answers(desk: Desk) -> None:
    desk.owe(30)
    with desk.transaction() as session:
        session.execute(update(WebhookEndpoint).values(failing_since=desk.start))

    first, then = desk.deliver(), desk.deliver()

    assert (first.delivered, then.delivered) == (20, 10)
    assert desk.endpoint.failing_since is None


def claim_all(desk: Desk, *, session: Session, after: timedelta) -> list[claiming.Claimed]:
    return claiming.claim(
        session,
        failing=False,
        endpoints=20,
        limit=draining.CLAIM_LIMIT,
        keyring=KEYRING,
        now=desk.start + after,
    )


@pytest.fixture
def desk(transaction: Transaction, receiver: Receiver) -> Desk:
    with transaction() as session:
        endpoint = subscribe(session, receiver.url)
    return Desk(transaction, receiver, endpoint.id, clock.now())
