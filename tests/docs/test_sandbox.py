"""What the merchants' guide lets a reader try at the simulator comes out as it says."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from flask import Flask

from tests.checkout.conftest import Simulator
from tests.docs import reading
from tests.docs.conftest import Reader
from tests.docs.reading import Follower
from tests.loopback import NO_TLS

MAY_25 = datetime(2026, 5, 25, 10, 5, tzinfo=UTC)
EXAMPLE_CODE = "weixin://wxpay/bizpayurl?pr=example"
ANOTHER_AMOUNT = "Pay another amount: it is booked aside, and a case is opened"
AGAIN = "Send the callback of a payment again: nothing is booked twice"


class Payment:
    """An open payment of the guide's invoice, and the merchant's view of what comes of it."""

    def __init__(self, app: Flask, reader: Reader, simulator: Simulator) -> None:
        self._client, self._simulator = app.test_client(), simulator
        self._headers = {"Authorization": f"Bearer {reader.key}"}
        follower = Follower(self._client, reader.key)
        steps = follower.follow(reading.snippets("guide.md"))
        path = next(path for path in steps if path.endswith("/checkout"))
        self.invoice = path.removesuffix("/checkout")
        opened = self._client.post(path, json={"channel": "wechat"}, headers=self._headers)
        self.code = str(opened.json and opened.json["qrPayload"])

    def run(self, title: str) -> None:
        """Send the snippet of this title to the simulator."""
        text = reading.snippet("merchants.md", title)
        assert EXAMPLE_CODE in text
        curl = reading.read_curl(text.replace(EXAMPLE_CODE, self.code))
        url = curl.url.replace(":8001", f":{self._simulator.port}")
        answer = httpx.request(
            curl.method,
            url,
            headers=curl.headers,
            content=curl.body,
            trust_env=False,
            verify=NO_TLS,
        )
        answer.raise_for_status()

    def get(self, path: str) -> Any:
        answer = self._client.get(path, headers=self._headers)
        assert answer.status_code == 200, answer.text
        return answer.json

    def kinds(self) -> list[str]:
        """Return what was posted, oldest first."""
        posted = self.get("/api/v1/ledger-transactions")["data"]
        return [transaction["kind"] for transaction in reversed(posted)]

    def wait_for(self, kind: str) -> None:
        deadline = time.monotonic() + 15
        while kind not in self.kinds():
            assert time.monotonic() < deadline, f"no {kind} was posted"
            time.sleep(0.1)


@pytest.fixture
def payment(app: Flask, simulator: Simulator, reader_at: Callable[[datetime], Reader]) -> Payment:
    return Payment(app, reader_at(MAY_25), simulator)


PAID = ["invoice_finalized", "payment_captured", "platform_fee", "fx_conversion"]


def test_paying_pays(payment: Payment) -> None:
    payment.run("Pay")
    payment.wait_for("fx_conversion")

    assert payment.get(payment.invoice)["status"] == "paid"
    assert payment.kinds() == PAID


def test_another_amount_is_booked_aside(payment: Payment) -> None:
    payment.run(ANOTHER_AMOUNT)
    payment.wait_for("payment_unallocated")

    assert payment.get(payment.invoice)["status"] == "open"
    assert payment.kinds() == ["invoice_finalized", "payment_unallocated"]


def test_a_repeated_callback_books_nothing(payment: Payment) -> None:
    payment.run("Pay")
    payment.wait_for("fx_conversion")

    payment.run(AGAIN)
    time.sleep(1)

    assert payment.kinds() == PAID
