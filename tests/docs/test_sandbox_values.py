"""The sandbox's test values are those the simulator knows, and its snippets do what they say."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.simulator.faults import Kind
from app.simulator.triggers import ALWAYS, AMOUNTS
from tests.docs import reading
from tests.simulator.inside import Inside, running

EXAMPLE_CODE, EXAMPLE_ORDER = "weixin://wxpay/bizpayurl?pr=example", "PO0123456789abc"


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[Inside]:
    with running(tmp_path) as inside:
        yield inside


def test_the_guide_lists_every_amount_and_whether_it_does_it_always() -> None:
    listed = {row[0]: row[1].endswith("Always.") for row in reading.tables("sandbox.md")[0]}

    assert listed == {
        f"{minor // 100}.{minor % 100:02}": kind in ALWAYS for minor, (kind, _) in AMOUNTS.items()
    }


def test_the_guide_lists_every_fault_by_where_it_happens() -> None:
    where = {"call": "calls", "notice": "notices", "payment": "payments", "refund": "refunds"}
    listed = {row[0]: row[1] for row in reading.tables("sandbox.md")[2]}

    assert listed == {kind: where.get(kind.stage, "statements") for kind in Kind}


@pytest.mark.parametrize("text", reading.snippets("sandbox.md"))
def test_a_snippet_of_the_guide_is_taken(inside: Inside, text: str) -> None:
    ask = inside.opened("wechat")
    with inside.parts.book.reading() as db:
        code = db.execute("SELECT qr FROM orders").fetchone()["qr"]
    mine = text.replace(EXAMPLE_CODE, code).replace(EXAMPLE_ORDER, ask.out_trade_no)
    curl = reading.read_curl(mine)

    answer = inside.http.request(
        curl.method, httpx.URL(curl.url).path, headers=curl.headers, content=curl.body
    )

    assert answer.is_success, answer.text
