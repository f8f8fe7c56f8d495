"""X063: a server that answers every event with a call of our API makes no storm.

One change is one event, so what changes nothing goes no further; and a key has so many calls,
whoever makes them.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from threading import Event

import pytest
from flask import Flask
from sqlalchemy import Engine, func, select

from app.api import operations
from app.api.rate import CallLimit
from app.core import clock
from app.core.db import Transaction, begin
from app.core.ids import Prefix, show
from app.identity import keys
from app.identity.models import Scope
from app.webhooks.catalogue import EventType
from app.webhooks.draining import Drain
from app.webhooks.models import WebhookEvent
from app.webhooks.sending import Sender
from tests.api.caller import Caller
from tests.conftest import Databases
from tests.make import Make
from tests.payments.doors import open_doors
from tests.webhooks.builders import KEYRING, subscribe
from tests.webhooks.conftest import ACCEPT, receiving

CALLS = 12
ENDPOINTS = 3


@dataclass
class Loop:
    """A merchant whose servers rename his customer whenever they hear that he was renamed."""

    transaction: Transaction
    caller: Callable[[], Caller]
    customer: str
    next_name: Callable[[], str]
    answers: list[int] = field(default_factory=list)

    def rename(self) -> None:
        answer = self.caller().patch(self.customer, {"name": self.next_name()})
        self.answers.append(answer.status_code)

    def hear(self, connection: socket.socket, over: Event) -> None:
        self.rename()
        ACCEPT(connection, over)

    def go_round(self) -> int:
        """Send all that is due, and return how many events there are by now."""
        drain = Drain(
            lambda _merchant_id: self.transaction,
            Sender(),
            keyring=KEYRING,
            allow_loopback=True,
            started=clock.now(),
        )
        with drain:
            drain.take(1)
            drain.finish()
        with self.transaction() as session:
            return session.scalar(select(func.count()).select_from(WebhookEvent)) or 0


@pytest.fixture
def doors(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    monkeypatch.setattr(operations, "RATE_LIMIT", f"{CALLS}/hour")
    with open_doors(databases, tmp_path) as app:
        yield app


@contextmanager
def looping(app: Flask, engine: Engine, next_name: Callable[[], str]) -> Iterator[Loop]:
    transaction = partial(begin, engine, Make.new_merchant_id())
    pepper = app.extensions["buffmoney"].pepper
    with ExitStack() as running:
        servers = [running.enter_context(receiving()) for _ in range(ENDPOINTS)]
        with transaction() as session:
            make = Make(session)
            make.merchant()
            customer = f"/customers/{show(Prefix.CUSTOMER, make.customer().id)}"
            scopes = [Scope.CUSTOMER_WRITE]
            _, key = keys.create_key(session, "loop", scopes=scopes, pepper=pepper, now=clock.now())
            for server in servers:
                subscribe(session, server.url, event_type=EventType.CUSTOMER_UPDATED)
        loop = Loop(transaction, lambda: Caller(app.test_client(), key), customer, next_name)
        for server in servers:
            server.script = loop.hear
        yield loop


def another_each_time() -> Callable[[], str]:
    numbers = count()
    return lambda: f"Acme {next(numbers)}"


def test_x063_what_changes_nothing_is_no_event(doors: Flask, engine: Engine) -> None:
    with looping(doors, engine, lambda: "Acme 1") as loop:
        loop.rename()

        assert [loop.go_round() for _ in range(3)] == [1, 1, 1]
        assert loop.answers == [200] * (1 + ENDPOINTS)


def test_x063_a_key_that_goes_round_in_circles_is_out_of_calls(
    doors: Flask, engine: Engine
) -> None:
    with looping(doors, engine, another_each_time()) as loop:
        loop.rename()

        events = [loop.go_round() for _ in range(4)]

        assert events == [1 + 3, 12, 12, 12]
        assert loop.answers.count(200) == CALLS
        assert set(loop.answers) == {200, 429}


def test_without_the_limit_each_round_is_three_times_the_last(
    doors: Flask, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: nothing else stops them."""
    monkeypatch.setattr(CallLimit, "count", lambda _self, _who: None)
    with looping(doors, engine, another_each_time()) as loop:
        loop.rename()

        assert [loop.go_round() for _ in range(3)] == [1 + 3, 1 + 3 + 9, 1 + 3 + 9 + 27]
