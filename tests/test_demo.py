"""The demo holds every state there is, made once, and its sign-ins stay the same."""

import json
import signal
import sys
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.supervised import Product

pytestmark = [
    pytest.mark.xdist_group("journeys"),
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]


@pytest.fixture(scope="module")
def demo() -> Iterator[Product]:
    product = Product("demo")
    start(product)
    yield product
    product.end()


def start(product: Product) -> None:
    product.start()
    product.wait_until(lambda: "is up:" in product.log and "nimbus" in product.log, 120)


def ask(product: Product, question: str) -> list[tuple[Any, ...]]:
    record = json.loads((product.folder / "services.json").read_text())
    url = record["environment"]["READER_DATABASE_URL"].replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        return connection.execute(question).fetchall()


def test_it_holds_every_state(demo: Product) -> None:
    invoices = "SELECT status, count(*) FROM invoices GROUP BY 1 ORDER BY 1"
    assert [status for status, _ in ask(demo, invoices)] == ["draft", "open", "paid", "void"]
    assert ask(demo, "SELECT DISTINCT channel FROM payment_orders ORDER BY 1") == [
        ("alipay",),
        ("wechat",),
    ]
    assert ask(demo, "SELECT reason, status FROM unallocated_payments") == [
        ("amount_mismatch", "open")
    ]
    assert ask(demo, "SELECT count(*) FROM usage_events")[0][0] > 5000
    assert ask(demo, "SELECT sum(failed) FROM invoice_runs") == [(0,)]


def test_three_merchants_settle_in_three_currencies_and_live_now(demo: Product) -> None:
    settled = "SELECT settlement_currency, clock_offset::text FROM merchants ORDER BY 1"
    assert ask(demo, settled) == [("HKD", "00:00:00"), ("JPY", "00:00:00"), ("USD", "00:00:00")]


def test_a_second_start_makes_nothing_new_and_prints_the_same_sign_ins(demo: Product) -> None:
    counted = (
        "SELECT (SELECT count(*) FROM invoices), (SELECT count(*) FROM usage_events),"
        " (SELECT count(*) FROM payment_orders), (SELECT count(*) FROM users),"
        " (SELECT count(*) FROM webhook_events)"
    )
    before = ask(demo, counted)
    demo.signal(signal.SIGINT)
    demo.exit_status(30)
    shown = [line for line in demo.log.splitlines() if ".example   " in line]
    (demo.folder / "supervisor.log").write_text("")
    start(demo)

    assert ask(demo, counted) == before
    assert [line for line in demo.log.splitlines() if ".example   " in line] == shown
    assert len(shown) == 5
    assert (demo.folder / "sign-ins.txt").stat().st_mode & 0o777 == 0o600
