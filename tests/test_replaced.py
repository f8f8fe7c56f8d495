"""Somebody's own PostgreSQL and Redis take the place of ours, also where he may make no roles."""

import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from app.config import ROOT
from app.embedded import DURABLE, THROWAWAY, Postgres, Valkey
from app.roles import LOGINS
from bench.product import Product

pytestmark = [
    pytest.mark.xdist_group("journeys"),
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]
SMALL = {"shared_buffers": "64MB", "wal_buffers": "1MB"}


@dataclass(frozen=True)
class Servers:
    """An operator's servers, and the URLs he would give us."""

    postgres: Postgres
    redis_url: str

    def url(self, login: str) -> str:
        return f"postgresql://{login}:choose-one@/theirs?host={self.postgres.socket_dir}"


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """Run a database whose owner may make no roles; the operator ran the SQL of our guide."""
    folder = Path(tempfile.mkdtemp(prefix="theirs-"))
    folder.chmod(0o755)  # the account that PostgreSQL runs as when we are root goes in
    postgres, valkey = Postgres(folder, DURABLE | SMALL), Valkey(folder)
    postgres.start()
    redis_url = valkey.start()
    guide = (ROOT / "docs" / "operators.md").read_text()
    (logins,) = re.findall(r"```sql The three logins\n(.*?)```", guide, re.DOTALL)
    where = f"host={postgres.socket_dir} user=postgres dbname=postgres"
    with psycopg.connect(where, autocommit=True) as connection:
        connection.execute("CREATE ROLE boss LOGIN PASSWORD 'choose-one'")
        connection.execute("CREATE DATABASE theirs OWNER boss")
        connection.execute(logins)
    yield Servers(postgres, redis_url)
    valkey.stop()
    postgres.stop()
    shutil.rmtree(folder)


@pytest.fixture
def product(servers: Servers) -> Iterator[Product]:
    product = Product(DATABASE_URL=servers.url("boss"), REDIS_URL=servers.redis_url)
    yield product
    product.end()


def test_it_runs_on_their_servers_and_starts_none_of_ours(
    product: Product, servers: Servers
) -> None:
    product.settings.update({name: servers.url(login) for name, login in LOGINS.items()})
    product.start_and_wait()

    assert product.child("web")
    assert not product.child("postgres")
    assert not product.child("valkey")
    assert not (product.folder / "postgres").exists()
    assert not (product.folder / "valkey").exists()


def test_an_owner_who_may_make_no_roles_is_told_what_to_do(product: Product) -> None:
    product.start()

    assert product.exit_status(30) == 1
    assert product.log == (
        "the login of DATABASE_URL may not make roles: run the SQL of docs/operators.md"
        " and set APP_DATABASE_URL, WORKER_DATABASE_URL, READER_DATABASE_URL\n"
    )


def test_one_login_of_three_is_refused(product: Product, servers: Servers) -> None:
    product.settings["APP_DATABASE_URL"] = servers.url("bm_app")
    product.start()

    assert product.exit_status(30) == 1
    assert product.log == (
        "set all of APP_DATABASE_URL, WORKER_DATABASE_URL, READER_DATABASE_URL, or none\n"
    )


def test_an_owner_is_no_login_for_the_doors(product: Product, servers: Servers) -> None:
    product.settings.update({name: str(servers.postgres.url()) for name in LOGINS})
    product.start()

    assert product.exit_status(30) == 1
    assert product.log == ("the product's database login must own nothing and obey row security\n")


def test_a_database_that_does_not_answer_is_named_in_one_line(product: Product) -> None:
    product.settings["DATABASE_URL"] = "postgresql://boss@127.0.0.1:1/theirs"
    product.start()

    assert product.exit_status(30) == 1
    assert product.log.startswith("the database does not answer: connection failed")


def test_a_server_that_could_lose_money_is_refused(product: Product) -> None:
    folder = Path(tempfile.mkdtemp(prefix="careless-"))
    folder.chmod(0o755)
    careless = Postgres(folder, THROWAWAY | SMALL)
    product.settings["DATABASE_URL"] = careless.start()
    product.start()

    assert product.exit_status(30) == 1
    assert product.log == "the database runs with fsync off: it could lose money\n"
    careless.stop()
    shutil.rmtree(folder)
