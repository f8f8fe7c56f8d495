"""The product as a reader of the guide has it: served, with the channels' simulator beside it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from threading import Thread

import pytest
from flask import Flask
from sqlalchemy import Engine
from werkzeug.serving import make_server

from app.core import clock
from app.core.db import begin
from app.extensions import Runtime
from app.identity import keys
from app.identity.models import Scope
from app.pricing import metrics
from tests.checkout.conftest import Simulator, free_port, simulator
from tests.conftest import Databases
from tests.make import Make
from tests.payments.doors import open_doors

__all__ = ["simulator"]


@pytest.fixture(scope="session")
def app(databases: Databases, simulator: Simulator) -> Iterator[Flask]:
    """Serve the product where the simulator's notices find it."""
    port = free_port()
    with open_doors(databases, simulator.instance, port) as app:
        settings = app.extensions["buffmoney"].settings
        app.extensions["buffmoney"] = Runtime(replace(settings, webhook_allow_loopback=True))
        server = make_server("127.0.0.1", port, app, threaded=True)
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield app
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(frozen=True)
class Reader:
    """A merchant who reads the guide, and the key he made in its second step."""

    merchant_id: int
    key: str


@pytest.fixture
def reader_at(app: Flask, engine: Engine) -> Callable[[datetime], Reader]:
    """Return a way to make a merchant whose test clock shows a certain time."""

    def make(now: datetime) -> Reader:
        merchant_id = Make.new_merchant_id()
        with begin(engine, merchant_id) as session:
            Make(session).merchant(clock_offset=now - clock.now())
            metrics.make_built_in(session, now=now)
            _, key = keys.create_key(
                session, "guide", scopes=tuple(Scope), pepper=app_pepper(app), now=clock.now()
            )
        return Reader(merchant_id, key)

    return make


def app_pepper(app: Flask) -> bytes:
    pepper: bytes = app.extensions["buffmoney"].pepper
    return pepper
