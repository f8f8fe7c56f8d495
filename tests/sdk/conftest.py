"""A client, and who it talks to: a stub that misbehaves, or the product in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import httpx
import pytest
from buffmoney import BuffMoney, Result, Undelivered
from sqlalchemy import Engine

from app.config import ROOT, Settings
from app.core import clock
from app.core.db import begin
from app.identity import keys
from app.identity.models import Scope
from bench.product import free_port
from tests.conftest import Databases
from tests.loopback import NO_TLS
from tests.make import Make
from tests.sdk.stub import Stub

KEY = "bm_sandbox_AbCd1234.efGH56789longSecret"
PATIENCE_SECONDS = 60


@dataclass
class Heard:
    """What the callbacks were told."""

    results: list[Result] = field(default_factory=list)
    undelivered: list[Undelivered] = field(default_factory=list)

    def connect(self, url: str, key: str = KEY, **options: Any) -> BuffMoney:
        defaults: dict[str, Any] = {"linger": 0.02, "timeout": 5.0}
        callbacks: dict[str, Any] = {
            "on_result": self.results.append,
            "on_error": self.undelivered.append,
        }
        return BuffMoney(key, base_url=url, **(defaults | callbacks | options))


Connect = Callable[..., BuffMoney]


@pytest.fixture
def stub() -> Iterator[Stub]:
    stub = Stub()
    stub.start()
    yield stub
    stub.stop()


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def connect(stub: Stub, heard: Heard) -> Iterator[Connect]:
    """Make clients of the stub, with a short linger; they are closed at the end."""
    made: list[BuffMoney] = []

    def connect(**options: Any) -> BuffMoney:
        made.append(heard.connect(stub.url, **options))
        return made[-1]

    yield connect
    for client in made:
        client.close(0)


@dataclass
class Product:
    """The product's web server as a process: granian, on this worker's database."""

    settings: Settings
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return self.settings.base_url

    def start(self) -> None:
        port = str(self.settings.port)
        command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--port", port]
        environ = {
            "PATH": os.environ["PATH"],
            "APP_DATABASE_URL": self.settings.app_database_url,
            "WORKER_DATABASE_URL": self.settings.worker_database_url,
            "READER_DATABASE_URL": self.settings.reader_database_url,
            "REDIS_URL": self.settings.redis_url,
            "INSTANCE_DIR": str(self.settings.instance_dir),
            "PORT": port,
        }
        self.process = subprocess.Popen(
            [*command, "wsgi:app"],
            cwd=ROOT,
            env=environ,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
        )

    def wait(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.answers():
            assert self.process
            assert self.process.poll() is None, "the product did not start"
            assert time.monotonic() < deadline, "the product does not answer"
            time.sleep(0.05)

    def answers(self) -> bool:
        try:
            return httpx.get(
                f"{self.url}/healthz", trust_env=False, timeout=5, verify=NO_TLS
            ).is_success
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """Kill the server and its workers as hard as it goes."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@pytest.fixture(scope="session")
def product(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    settings = Settings(
        app_database_url=databases.app,
        worker_database_url=databases.worker,
        reader_database_url=databases.reader,
        redis_url=os.environ["REDIS_URL"],
        instance_dir=tmp_path_factory.mktemp("instance"),
        port=free_port(),
    )
    product = Product(settings)
    product.start()
    try:
        product.wait()
        yield product
    finally:
        product.kill()


@dataclass(frozen=True)
class Merchant:
    """A merchant of the product: one customer on contract, `user_42`, and a key."""

    id: int
    key: str
    product: Product
    heard: Heard = field(default_factory=Heard)

    def connect(self, **options: Any) -> BuffMoney:
        return self.heard.connect(options.pop("url", self.product.url), self.key, **options)

    def usage(self) -> tuple[Decimal, int]:
        """Return what the merchant would bill: the quantity, and of how many events."""
        today = clock.now().date()
        span = f"from={today - timedelta(days=7)}&to={today + timedelta(days=7)}"
        wanted = f"{span}&metric=tokens_input&customerExternalId=user_42"
        with closing(self.connect()) as client:
            days = client.request("GET", f"/usage?{wanted}")["data"]
        total = sum((Decimal(day["quantity"]) for day in days), Decimal(0))
        return total, sum(day["events"] for day in days)


@pytest.fixture
def merchant(product: Product, engine: Engine) -> Merchant:
    merchant_id = Make.new_merchant_id()
    with begin(engine, merchant_id) as session:
        make = Make(session)
        make.merchant()
        version = make.priced_at(make.metric(code="tokens_input"), "0.00025")
        make.contract(version, customer_id=make.customer(external_id="user_42").id)
        create = partial(keys.create_key, session, "sdk", scopes=tuple(Scope))
        _, key = create(pepper=product.settings.pepper, now=clock.now())
    return Merchant(merchant_id, key, product)
