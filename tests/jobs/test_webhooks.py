"""Every merchant's webhooks are a job of their own: none of them holds up or stops another."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import NamedTuple

import pytest
import redis
from sqlalchemy import Engine, update

from app.core import clock
from app.core.db import Transaction, begin
from app.core.ids import show_merchant
from app.extensions import runtime
from app.webhooks import endpoints
from app.webhooks.catalogue import EventType
from app.webhooks.models import WebhookEndpoint
from jobs import webhooks
from tests.make import Make
from tests.webhooks.builders import pay
from tests.webhooks.conftest import Receiver, receiving

Work = Callable[[], None]


class Shop(NamedTuple):
    merchant: str
    transaction: Transaction
    receiver: Receiver


@pytest.fixture
def shops(engine: Engine, queue: redis.Redis) -> Iterator[list[Shop]]:  # noqa: ARG001
    """Return two merchants, each with an endpoint that listens and one delivery due."""
    with receiving() as first, receiving() as second:
        yield [open_shop(engine, receiver) for receiver in (first, second)]


def open_shop(engine: Engine, receiver: Receiver) -> Shop:
    merchant_id = Make.new_merchant_id()
    now = clock.now()
    with begin(engine, merchant_id) as session:
        Make(session).merchant()
        endpoints.register(
            session,
            receiver.url,
            [EventType.INVOICE_PAID],
            keyring=runtime().keyring,
            allow_loopback=True,
            now=now,
        )
        session.flush()  # deliveries refer to it
        pay(session, now=now)
    return Shop(show_merchant(merchant_id), partial(begin, engine, merchant_id), receiver)


def waiting() -> list[str]:
    return sorted(job.kwargs["merchant"] for job in runtime().queue("webhooks").jobs)


def test_each_merchant_is_rung_for_once(shops: list[Shop]) -> None:
    webhooks.deliver()
    webhooks.deliver()

    merchants = [shop.merchant for shop in shops]
    assert [merchant for merchant in waiting() if merchant in merchants] == sorted(merchants)


def test_what_is_due_arrives(shops: list[Shop], work: Work) -> None:
    webhooks.deliver()
    work()

    assert [len(shop.receiver.requests) for shop in shops] == [1, 1]


def test_a_merchant_can_be_rung_for_again_once_its_job_has_ended(
    shops: list[Shop], work: Work
) -> None:
    webhooks.deliver()
    work()
    with shops[0].transaction() as session:
        pay(session, "inv_2", now=clock.now())
    webhooks.deliver()
    work()

    assert [len(shop.receiver.requests) for shop in shops] == [2, 1]


def test_a_merchant_whose_delivery_fails_stops_nobody(shops: list[Shop], work: Work) -> None:
    with shops[0].transaction() as session:
        session.execute(update(WebhookEndpoint).values(secret="sealed with a key we lost"))
    webhooks.deliver()
    work()

    assert [len(shop.receiver.requests) for shop in shops] == [0, 1]


def test_a_ring_that_was_lost_with_its_worker_keeps_the_next_out_for_a_minute_only(
    shops: list[Shop],
) -> None:
    webhooks.deliver()
    webhooks.ring_due(now=clock.now() + timedelta(seconds=webhooks.RING_SECONDS))

    assert waiting().count(shops[0].merchant) == 2
