"""Whatever is killed comes back, whoever is killed leaves nothing, and Ctrl-C ends it all."""

import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.product import CHILDREN, Product

pytestmark = [
    pytest.mark.xdist_group("supervised"),
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

BACK_SECONDS = 5
ANSWER_SECONDS = 15  # on a host that runs the rest of the suite beside it


@pytest.fixture(scope="module")
def shared() -> Iterator[Product]:
    product = Product()
    product.start()
    yield product
    product.end()


@pytest.fixture
def product(shared: Product) -> Product:
    """Return the product, answering and with every child, whatever the last test did to it."""
    shared.wait_until(shared.is_ready, 60)
    shared.wait_until(shared.is_whole, 15)
    return shared


@pytest.fixture
def own() -> Iterator[Product]:
    product = Product()
    yield product
    product.end()


@pytest.mark.parametrize("name", CHILDREN)
def test_a_killed_child_is_back_in_seconds(product: Product, name: str) -> None:
    old = product.kill(name)

    product.wait_until(lambda: product.child(name) not in {0, old}, BACK_SECONDS)
    product.wait_until(product.is_ready, ANSWER_SECONDS)


def test_thirty_kills_in_a_row_do_not_stop_it(product: Product) -> None:
    for kill in range(30):
        name = list(CHILDREN)[kill % len(CHILDREN)]
        product.wait_until(lambda name=name: product.child(name), BACK_SECONDS)  # type: ignore[misc]  # mypy infers no default
        product.kill(name)
        time.sleep(0.5)

    product.wait_until(product.is_ready, ANSWER_SECONDS)
    product.wait_until(product.is_whole, BACK_SECONDS)


def test_a_second_supervisor_is_refused_in_one_line(product: Product, own: Product) -> None:
    own.settings["INSTANCE_DIR"] = str(product.folder)
    own.start()

    assert own.exit_status(30) == 1
    assert own.log == f"another supervisor runs on {product.folder}\n"
    assert product.is_ready()


def test_a_killed_supervisor_leaves_nothing_and_the_next_one_starts(product: Product) -> None:
    product.signal(signal.SIGKILL)
    product.exit_status(5)

    product.wait_until(lambda: not product.processes(), 15)
    product.start_and_wait()


def test_orphans_of_a_double_kill_do_not_keep_the_next_one_out(product: Product) -> None:
    product.signal(signal.SIGSTOP)  # it must not see its child die
    product.kill("web")  # whose workers nobody is left to stop
    product.kill("postgres")
    product.signal(signal.SIGKILL)
    product.exit_status(5)

    product.start_and_wait()


def test_ctrl_c_leaves_no_process(product: Product) -> None:
    product.signal(signal.SIGINT)

    assert product.exit_status(30) == 0
    assert product.processes() == []
    product.start_and_wait()


def test_a_taken_port_is_named_in_one_line(own: Product) -> None:
    with socket.create_server(("127.0.0.1", own.port)):
        own.start()

        assert own.exit_status(30) == 1
    assert own.log == f"127.0.0.1:{own.port}: address already in use; set another PORT\n"
    assert own.processes() == []


def test_a_child_that_only_crashes_stops_everything_with_a_message(own: Product) -> None:
    own.settings["SIMULATOR_TIME_SCALE"] = "0"
    own.start()

    assert own.exit_status(60) == 1
    assert "SIMULATOR_TIME_SCALE must be above 0" in own.log
    assert own.log.splitlines()[-1] == "simulator crashed 6 times in a row; see its lines above"
    assert own.processes() == []


def test_the_owners_login_is_kept_from_every_child(product: Product) -> None:
    for name in ("web", "worker", "documents", "webhooks", "ticker", "simulator"):
        environment = Path(f"/proc/{product.child(name)}/environ").read_text().split("\0")
        assert not any(line.startswith("DATABASE_URL=") for line in environment), name
    assert (product.folder / "services.json").stat().st_mode & 0o777 == 0o600
