"""The API as it runs, with a channel that remembers; and programs of merchants that call it."""

import os
from collections.abc import Callable, Collection, Iterator
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import Engine

from app.channels.base import Channel, ChannelName
from app.config import Settings
from app.core import clock
from app.core.db import Transaction, begin
from app.extensions import Runtime, csrf, db
from app.factory import create_app
from app.identity import keys
from app.identity.models import Mode, Scope
from tests.api import probe
from tests.api.caller import Caller, stock
from tests.api.probe import DOOR, Door
from tests.conftest import Databases
from tests.make import Make
from tests.payments.builders import FakeChannel

Call = Callable[..., Caller]


class SandboxRuntime(Runtime):
    """What a process holds, with channels that open everything."""

    def channel(self, name: ChannelName, mode: Mode) -> Channel:
        del name, mode
        return FakeChannel()


@pytest.fixture(scope="session")
def app(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    settings = Settings(
        database_url=databases.owner,
        app_database_url=databases.app,
        worker_database_url=databases.worker,
        reader_database_url=databases.reader,
        redis_url=os.environ["REDIS_URL"],
        instance_dir=tmp_path_factory.mktemp("instance"),
    )
    app = create_app(settings)
    app.extensions["buffmoney"] = SandboxRuntime(settings)
    probing = probe.API.blueprint()
    csrf.exempt(probing)
    app.register_blueprint(probing)
    yield app
    with app.app_context():
        for engine in db.engines.values():
            engine.dispose()


@pytest.fixture
def door() -> Iterator[Door]:
    """Reset what `/api/probe/products` goes through, so that nobody is left waiting at it."""
    DOOR.reset()
    yield DOOR
    DOOR.reset()


@pytest.fixture
def merchant_id(engine: Engine) -> int:
    """Make a sandbox merchant, committed."""
    return new_merchant(engine)


@pytest.fixture
def caller(app: Flask, engine: Engine, merchant_id: int) -> Caller:
    """Call as the merchant, with every scope."""
    return new_caller(app, engine, merchant_id)


@pytest.fixture
def stranger(app: Flask, engine: Engine) -> Caller:
    """Call as another merchant, with every scope."""
    return new_caller(app, engine, new_merchant(engine))


@pytest.fixture
def caller_with(app: Flask, engine: Engine, merchant_id: int) -> Call:
    """Call as the merchant, with the scopes a test names."""
    return partial(new_caller, app, engine, merchant_id)


@pytest.fixture
def transaction_of(engine: Engine, merchant_id: int) -> Transaction:
    """Open transactions of the merchant beside the API's own."""
    return partial(begin, engine, merchant_id)


@pytest.fixture
def rows(app: Flask, engine: Engine, merchant_id: int) -> dict[str, str]:
    """Add a row of every kind to the merchant; the ids by the names of paths."""
    with begin(engine, merchant_id) as session:
        return stock(session, app.extensions["buffmoney"].keyring)


def new_merchant(engine: Engine, mode: Mode = Mode.SANDBOX) -> int:
    merchant_id = Make.new_merchant_id()
    with begin(engine, merchant_id) as session:
        Make(session).merchant(mode=mode)
    return merchant_id


def new_caller(
    app: Flask, engine: Engine, merchant_id: int, *, scopes: Collection[Scope] = tuple(Scope)
) -> Caller:
    pepper = app.extensions["buffmoney"].pepper
    with begin(engine, merchant_id) as session:
        _, text = keys.create_key(session, "tests", scopes=scopes, pepper=pepper, now=clock.now())
    return Caller(app.test_client(), text)
