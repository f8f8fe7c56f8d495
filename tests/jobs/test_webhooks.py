"""One drain sends the webhooks of all merchants: none of them holds up or stops another."""

import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from threading import Event
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
from tests.webhooks.conftest import ACCEPT, Receiver, receiving

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


def waiting() -> int:
    return len(runtime().queue("webhooks").jobs)


def test_one_drain_is_rung_for_all(shops: list[Shop]) -> None:
    assert len(shops) == 2
    webhooks.deliver()
    webhooks.deliver()

    assert waiting() == 1


def test_nothing_is_rung_while_nothing_is_due(queue: redis.Redis) -> None:
    assert queue is not None
    webhooks.deliver()

    assert waiting() == 0


def test_what_is_due_arrives(shops: list[Shop], work: Work) -> None:
    webhooks.deliver()
    work()

    assert [len(shop.receiver.requests) for shop in shops] == [1, 1]


def test_a_drain_can_be_rung_for_again_once_it_has_ended(shops: list[Shop], work: Work) -> None:
    webhooks.deliver()
    work()
    with shops[0].transaction() as session:
        pay(session, "inv_2", now=clock.now())
    webhooks.deliver()
    work()

    assert [len(shop.receiver.requests) for shop in shops] == [2, 1]


def test_a_merchant_whose_secret_is_lost_stops_nobody(shops: list[Shop], work: Work) -> None:
    with shops[0].transaction() as session:
        session.execute(update(WebhookEndpoint).values(secret="sealed with a key we lost"))
    webhooks.deliver()
    work()

    assert [len(shop.receiver.requests) for shop in shops] == [0, 1]


def test_what_fell_due_meanwhile_goes_out_with_the_same_drain(
    shops: list[Shop], work: Work
) -> None:
    def more(connection: socket.socket, over: Event) -> None:
        ACCEPT(connection, over)
        with shops[1].transaction() as session:
            pay(session, "inv_2", now=clock.now())

    shops[0].receiver.script = more
    webhooks.deliver()
    work()

    assert [len(shop.receiver.requests) for shop in shops] == [1, 2]


def test_a_ring_that_was_lost_with_its_worker_keeps_the_next_out_for_half_a_minute(
    shops: list[Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(shops) == 2
    webhooks.deliver()
    later = clock.now() + timedelta(seconds=webhooks.RING_SECONDS)
    monkeypatch.setattr(clock, "now", lambda: later)
    webhooks.deliver()

    assert waiting() == 2
