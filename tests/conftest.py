"""One server for the run, one database per worker, one merchant per test.

The servers are our own embedded ones, or those of DATABASE_URL and REDIS_URL. The first process
starts them and migrates a template named after the migrations; each worker clones it. Every test
session connects as `bm_app`: the owner's rights are for the template only.
"""

import hashlib
import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings
from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.orm import Session
from xdist.remote import Producer

from app import schema
from app.config import ROOT
from app.core.db import MERCHANT, MerchantSession, Transaction, begin
from app.embedded import THROWAWAY, Postgres, Service, Valkey, locked
from app.roles import LOGINS, ensure_roles
from tests.make import Make
from tests.scheduling import ByModule

settings.register_profile("suite", deadline=None)  # laws are not about time, and the host is busy
settings.load_profile("suite")

_STARTED: list[Service] = []
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class Databases:
    """The URLs of this worker's database, by who logs in."""

    owner: str
    app: str
    worker: str
    reader: str


def pytest_xdist_auto_num_workers() -> int:
    """Run one worker more than there are processors: a journey mostly waits for its product."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the groups first: they take longest, and nobody waits for them in the end."""
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByModule:
    return ByModule(config, log)


def pytest_configure(config: pytest.Config) -> None:
    """Start the servers and make the template, once, in the process that starts the workers.

    Each run has servers of its own, so that two runs at once do not stop each other's.
    """
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        # Nothing is written beside the sources, and no worker or product compiles them anew.
        os.environ["PYTHONPYCACHEPREFIX"] = str(ROOT / "instance" / "bytecode")
    os.environ.setdefault("TEST_INSTANCE", str(ROOT / "instance" / f"test-{os.getpid()}"))
    if not os.environ.get("DATABASE_URL"):
        postgres = Postgres(_instance(), THROWAWAY | {"shared_buffers": "128MB"})
        os.environ["DATABASE_URL"] = postgres.start()
        _STARTED.append(postgres)
    if not os.environ.get("REDIS_URL"):
        valkey = Valkey(_instance())
        os.environ["REDIS_URL"] = valkey.start()
        _STARTED.append(valkey)
    os.environ["TEST_TEMPLATE"] = _template(os.environ["DATABASE_URL"])


def pytest_unconfigure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return
    for service in reversed(_STARTED):
        service.stop()
    if _STARTED:
        shutil.rmtree(_instance(), ignore_errors=True)


def _instance() -> Path:
    return Path(os.environ["TEST_INSTANCE"])


def _template(owner_url: str) -> str:
    """Return the name of a migrated database, named after the hash of its migrations."""
    sources = sorted(schema.MIGRATIONS.rglob("*.py"))
    mark = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    name = f"bm_template_{mark}"
    with locked(_instance() / "template.lock"):
        ensure_roles(owner_url, _instance() / "roles.json")
        if not _exists(owner_url, name):
            _execute(owner_url, f'CREATE DATABASE "{name}_draft"', drop=f"{name}_draft")
            schema.upgrade(_named(owner_url, f"{name}_draft"))
            _execute(owner_url, f'ALTER DATABASE "{name}_draft" RENAME TO "{name}"')
    return name


def _exists(owner_url: str, name: str) -> bool:
    with psycopg.connect(_plain(owner_url)) as connection:
        known = "SELECT 1 FROM pg_database WHERE datname = %s"
        return connection.execute(known, [name]).fetchone() is not None


def _execute(owner_url: str, statement: str, *, drop: str = "") -> None:
    with psycopg.connect(_plain(owner_url), autocommit=True) as connection:
        if drop:
            connection.execute(f'DROP DATABASE IF EXISTS "{drop}" WITH (FORCE)')
        connection.execute(statement)


def _named(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def _plain(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def databases(worker_id: str) -> Iterator[Databases]:
    """Clone the template for this worker."""
    owner = os.environ["DATABASE_URL"]
    name = f"bm_test_{worker_id}_{os.getpid()}"
    clone = f'CREATE DATABASE "{name}" TEMPLATE "{os.environ["TEST_TEMPLATE"]}"'
    _execute(owner, clone, drop=name)
    # A test of plans gathers statistics of rows that only its own transaction sees.
    _execute(_named(owner, name), "GRANT MAINTAIN ON usage_events TO bm_app")
    urls = ensure_roles(owner, _instance() / "roles.json")
    app, worker, reader = (_named(urls[setting], name) for setting in LOGINS)
    yield Databases(_named(owner, name), app, worker, reader)
    _execute(owner, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def engine(databases: Databases) -> Iterator[Engine]:
    """Connect as the doors do: `bm_app`."""
    engine = create_engine(databases.app)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def reader(databases: Databases) -> Iterator[Engine]:
    """Connect as the login that reads all merchants and writes nothing."""
    engine = create_engine(databases.reader)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """Work for a fresh sandbox merchant; everything is rolled back at the end."""
    with engine.connect() as connection, connection.begin() as outer:
        session = MerchantSession(connection, join_transaction_mode="create_savepoint")
        session.info[MERCHANT] = Make.new_merchant_id()
        Make(session).merchant()
        yield session
        session.close()
        outer.rollback()


@pytest.fixture
def make(session: Session) -> Make:
    """Builders of valid rows in `session`."""
    return Make(session)


@pytest.fixture
def transaction(engine: Engine) -> Transaction:
    """Open committed transactions of a fresh sandbox merchant: for flows, races and crashes."""
    merchant_id = Make.new_merchant_id()
    with begin(engine, merchant_id) as session:
        Make(session).merchant()
    return partial(begin, engine, merchant_id)


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection that would leave this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and address[0] not in _LOOPBACK:
            raise AssertionError(f"a test tried to reach {address}")
        connect(self, address)  # type: ignore[arg-type]  # whatever the caller gave

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def root() -> Path:
    return ROOT
