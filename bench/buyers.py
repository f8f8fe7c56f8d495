"""A merchant's program and his buyers, who go on whatever is killed.

They issue invoices, open payments, pay at the channel as well as it goes and as badly as it does
(notices that are lost or come three times, a second success after a close), ask for refunds in
parts and whole, and note what was acknowledged. A call without an answer is unknown, never
failed: it is sent again with the same key until somebody answers.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from random import Random
from threading import Event, Lock
from typing import Any

import httpx

from app.core import clock
from bench.under_way import Step, UnderWay

ANSWER_SECONDS = 60
"""Within which somebody has to answer, however often he is killed."""

PATIENCE_SECONDS = 15
"""For which a buyer looks on; then he goes, and the end is looked up in the books."""

_LOOK_SECONDS = 0.15
_AGAIN_SECONDS = 0.1
_BUSY = {429, 502, 503, 504}
_UNDER_WAY = "payment_under_way"
_PLANS: tuple[dict[str, Any], ...] = ({}, {}, {"times": 3}, {"times": 3}, {"notify": "drop"})
_PARTS: tuple[tuple[int, ...], ...] = ((), (100,), (30,), (40, 60), (40, 35))
"""What goes back of a payment: percents of what was due, one refund after the other."""


class Refused(Exception):
    """The API said no. What it refuses in this play is a fault, but where it is expected."""


class Unanswered(Exception):
    """Nobody answered in ANSWER_SECONDS."""


@dataclass
class Acknowledged:
    """What the merchant was told is done; `faults` is what should not have happened at all."""

    customers: list[str] = field(default_factory=list)
    invoices: list[str] = field(default_factory=list)  # by their notes
    orders: list[str] = field(default_factory=list)
    payments: list[str] = field(default_factory=list)  # orders that the channel took money for
    refunds: list[str] = field(default_factory=list)  # by their reasons
    calls: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    _counting: Lock = field(default_factory=Lock)

    def count(self, answer: str) -> None:
        """Count how a call ended."""
        with self._counting:
            self.calls[answer] += 1


class Merchant:
    """The merchant's client of the API. Safe to use from any thread."""

    def __init__(self, url: str, key: str, told: Acknowledged) -> None:
        self._client = httpx.Client(
            base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {key}"}, trust_env=False
        )
        self._told = told
        self._is_over = Event()

    def give_up(self) -> None:
        """Wait for no answer any more: every call raises Unanswered."""
        self._is_over.set()

    def get(self, path: str) -> Any:
        return self._call("GET", path).json()

    def is_there(self, path: str) -> bool:
        """Say whether there is something to read. Raises Unanswered."""
        try:
            return self._call("GET", path).is_success
        except Refused:
            return False

    def post(self, path: str, key: str, body: object = None) -> Any:
        """Return the answer of a call that is done once, however often it has to be sent.

        Raises Refused and Unanswered.
        """
        return self._call("POST", path, key=key, body=body).json()

    def close(self) -> None:
        self._client.close()

    def _call(
        self, method: str, path: str, *, key: str = "", body: object = None
    ) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        deadline = clock.monotonic() + ANSWER_SECONDS
        while clock.monotonic() < deadline and not self._is_over.is_set():
            try:
                answer = self._client.request(method, path, json=body, headers=headers, timeout=10)
            except httpx.TransportError as error:
                self._told.count(type(error).__name__)
            else:
                self._told.count(str(answer.status_code))
                if answer.is_success:
                    return answer
                if answer.status_code not in _BUSY and _UNDER_WAY not in answer.text:
                    raise Refused(f"{method} {path}: {answer.status_code} {answer.text}")
            time.sleep(_AGAIN_SECONDS)
        raise Unanswered(f"{method} {path}")


class Buyer:
    """One buyer after the other, each with an invoice of his own. `name` tells buyers apart."""

    def __init__(
        self,
        name: str,
        merchant: Merchant,
        *,
        customer_id: str,
        till: httpx.URL,
        told: Acknowledged,
        under_way: UnderWay,
        chance: Random,
    ) -> None:
        """`till` is where the channels take money."""
        self._name, self._merchant, self._customer_id = name, merchant, customer_id
        self._till = httpx.Client(base_url=till, trust_env=False, timeout=20)
        self._told, self._under_way, self._chance = told, under_way, chance

    def buy_until(self, stop: Event) -> None:
        """Buy one thing after the other."""
        with self._till:
            for number in count():
                if stop.wait(self._chance.uniform(0, 0.4)):
                    return
                try:
                    self._buy(f"{self._name}-{number}")
                except (Refused, Unanswered) as fault:
                    self._told.faults.append(f"{self._name}-{number}: {fault}")

    def _buy(self, name: str) -> None:
        first, second = self._chance.sample(["wechat", "alipay"], 2)
        invoice_id, due = self._issue(name)
        order, left_behind = self._open(name, invoice_id, first), None
        if self._chance.random() < 0.25:  # he takes another way; the first order is closed for it
            order, left_behind = self._open(name, invoice_id, second), order
        if not self._pay(order, self._chance.choice(_PLANS)):
            return
        if left_behind is not None and self._chance.random() < 0.6:
            self._pay(left_behind, {"late": True})
        for part, percent in enumerate(self._chance.choice(_PARTS)):
            self._return(f"{name}/{part}", invoice_id, due * percent // 100)
        if self._chance.random() < 0.25:
            path = f"/invoices/{invoice_id}/pdf?kind=receipt_pdf"
            self._look_on(Step.PRINTING, lambda: self._merchant.is_there(path))

    def _issue(self, name: str) -> tuple[str, int]:
        """Draft an invoice and finalise it; return its id and what is due, in fen."""
        price = self._chance.randrange(1_000, 30_000)
        draft = {
            "customerId": self._customer_id,
            "currency": self._chance.choice(["CNY", "USD"]),
            "items": [{"description": "Compute", "quantity": "1", "unitPrice": str(price)}],
            "note": name,
        }
        with self._under_way.at(Step.INVOICING):
            drafted = self._merchant.post("/invoices", f"{name}/draft", draft)
            path = f"/invoices/{drafted['id']}/finalize"
            invoice = self._merchant.post(path, f"{name}/finalize")
        self._told.invoices.append(name)
        return invoice["id"], invoice["due"]["amountMinor"]

    def _open(self, name: str, invoice_id: str, channel: str) -> dict[str, str]:
        with self._under_way.at(Step.OPENING):
            path, key = f"/invoices/{invoice_id}/checkout", f"{name}/{channel}"
            opened = self._merchant.post(path, key, {"channel": channel})
        self._told.orders.append(opened["paymentOrderId"])
        return {"id": opened["paymentOrderId"], "qr": opened["qrPayload"]}

    def _pay(self, order: dict[str, str], plan: dict[str, Any]) -> bool:
        """Pay at the channel, if it takes the money, and look on until it is credited.

        Say whether that was seen.
        """
        path = f"/payment-orders/{order['id']}"
        with self._under_way.at(Step.CREDITING):
            paid = self._till.post("/control/pay", json={"qr": order["qr"]} | plan)
            if paid.status_code == httpx.codes.CONFLICT:
                return False
            paid.raise_for_status()
            self._told.payments.append(order["id"])
            return self._wait(lambda: self._merchant.get(path)["status"] == "captured")

    def _return(self, name: str, invoice_id: str, amount: int) -> None:
        asked = {"invoiceId": invoice_id, "reason": name, "amountMinor": amount}
        with self._under_way.at(Step.REFUNDING):
            refund = self._merchant.post("/refunds", name, asked)
        self._told.refunds.append(name)
        path = f"/refunds/{refund['id']}"
        self._look_on(Step.RETURNING, lambda: self._merchant.get(path)["status"] == "succeeded")

    def _look_on(self, step: Step, is_done: Callable[[], bool]) -> None:
        with self._under_way.at(step):
            self._wait(is_done)

    def _wait(self, is_done: Callable[[], bool]) -> bool:
        """Look until it is done, or for PATIENCE_SECONDS; say whether it is."""
        deadline = clock.monotonic() + PATIENCE_SECONDS
        while clock.monotonic() < deadline:
            if is_done():
                return True
            time.sleep(_LOOK_SECONDS)
        return False
