"""A merchant's year, from the first month's end to the twelfth, and books that say the same.

Two customers of 2028, a leap year: one is billed by the calendar, the other on the last day of
each month. The merchant's program does all of it over the API, on the sandbox's clock; payers pay
at the channels' simulator.
"""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine

from app.core import clock
from app.core.db import begin
from app.ledger.queries import unbalanced
from app.pricing import metrics
from tests.api.caller import Caller
from tests.api.conftest import new_caller
from tests.checkout.conftest import Simulator
from tests.docs.conftest import app, simulator
from tests.make import Make

__all__ = ["app", "simulator"]
pytestmark = pytest.mark.xdist_group("year")  # it is lived once

PATIENCE_SECONDS = 15
EVE = datetime(2027, 12, 30, 4, tzinfo=UTC)
LAST_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
FIRSTS = [f"2028-{month:02}-01" for month in range(1, 13)] + ["2029-01-01"]
LASTS = ["2027-12-31"] + [f"2028-{month:02}-{day}" for month, day in enumerate(LAST_DAYS, 1)]


@dataclass
class Year:
    """The merchant's program, and what became of the usage that it sent."""

    caller: Caller
    simulator: Simulator
    merchant_id: int
    customers: dict[str, str] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)

    def get(self, path: str, **query: Any) -> Any:
        answer = self.caller.get(path, **query)
        assert answer.status_code == 200, answer.text
        return answer.get_json()

    def post(self, path: str, **body: Any) -> Any:
        answer = self.caller.post(path, body)
        assert answer.status_code in {200, 201}, answer.text
        return answer.get_json()

    def invoices(self, customer: str) -> list[Any]:
        """Return a customer's invoices, the oldest first."""
        found = self.get("/invoices", customerId=self.customers[customer], limit=100)["data"]
        return list(reversed(found))

    def lines(self, invoice: Any) -> list[Any]:
        return list(self.get(f"/invoices/{invoice['id']}")["lines"])

    def balances(self) -> dict[tuple[str, str], int]:
        """Return what is not zero in the books."""
        rows = self.get("/balances")["data"]
        found = {(row["account"], row["currency"]): int(row["amountMinor"]) for row in rows}
        return {account: amount for account, amount in found.items() if amount}

    def all_invoices(self) -> list[Any]:
        return self.invoices("calendar") + self.invoices("last_day")

    def sell(self) -> None:
        """Sell agent runs at a cent, to one by the month, to the other until its last day."""
        product = self.post("/products", code="agents", name="Agents")
        prices = [{"metric": "agent_runs", "model": "standard", "unitPrice": "1"}]
        card = self.post(
            "/rate-cards",
            productId=product["id"],
            code="standard",
            name="Standard",
            currencies={"USD": prices},
        )
        for name, cycle, starts_on in (
            ("calendar", "monthly_calendar", "2028-01-01"),
            ("last_day", "monthly_anniversary", "2027-12-31"),
        ):
            known = self.post("/customers", externalId=name, name="上海智谱星图信息科技")
            self.customers[name] = known["id"]
            self.post(
                "/contracts",
                customerId=known["id"],
                rateCardId=card["id"],
                currency="USD",
                cycle=cycle,
                startsOn=starts_on,
            )

    def use(self, customer: str, quantity: int, *, on: str) -> None:
        """Send usage of a day's noon in Shanghai."""
        event = {
            "customerExternalId": customer,
            "idempotencyKey": f"{customer}-{on}",
            "metric": "agent_runs",
            "quantity": str(quantity),
            "occurredAt": f"{on}T04:00:00Z",
        }
        (result,) = self.post("/usage-events", events=[event])["results"]
        self.outcomes[result["status"]] += 1

    def move_to(self, day: str) -> None:
        """Make it midnight in Shanghai, at the end of a day."""
        self.post("/sandbox/clock", now=f"{day}T16:00:00Z")

    def close_month(self) -> tuple[Any, Any]:
        """Invoice what is due and return the new invoice of each customer."""
        made = self.post("/sandbox/invoice-runs")
        assert (made["drafted"], made["finalized"], made["failed"]) == (2, 2, 0), made
        return self.invoices("calendar")[-1], self.invoices("last_day")[-1]

    def pay(self, invoice: Any, channel: str) -> None:
        """Scan the invoice's code and pay; wait until the product has heard of it."""
        opened = self.post(f"/invoices/{invoice['id']}/checkout", channel=channel)
        self.simulator.control("pay", qr=opened["qrPayload"])
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.get(f"/invoices/{invoice['id']}")["status"] != "paid":
            assert time.monotonic() < deadline, "the invoice is not paid"
            time.sleep(0.02)


def live(year: Year) -> None:
    """Use, bill and pay, month by month; send one event late, void once, credit once."""
    year.sell()
    for month, last_day in enumerate(LASTS[1:], start=1):
        year.move_to(last_day)
        year.use("calendar", 1_000 * month, on=f"2028-{month:02}-15")
        year.use("last_day", 500, on=f"2028-{month:02}-15")
        if month == 2:
            year.use("calendar", 29, on="2028-02-29")
            year.use("last_day", 29, on="2028-02-29")
        if month == 4:
            year.use("calendar", 77, on="2028-03-14")
        year.move_to(FIRSTS[month])
        calendar, last = year.close_month()
        if month <= 5:
            year.pay(calendar, "wechat")
        if month == 6:
            year.post(f"/invoices/{calendar['id']}/void", reason="Sent to the wrong company")
        if month in {7, 8}:
            year.pay(last, "alipay")
        if month == 8:
            year.post(
                "/credit-notes", invoiceId=last["id"], reason="service_failure", totalMinor=300
            )


@pytest.fixture(scope="module")
def year(app: Flask, simulator: Simulator, engine: Engine) -> Year:
    """Live a year as a merchant of the sandbox, before any test looks at what is left."""
    merchant_id = Make.new_merchant_id()
    with begin(engine, merchant_id) as session:
        Make(session).merchant(clock_offset=EVE - clock.now())
        metrics.make_built_in(session, now=EVE)
    year = Year(new_caller(app, engine, merchant_id), simulator, merchant_id)
    live(year)
    return year


def total(invoices: Iterable[Any], amount: str) -> int:
    return sum(invoice[amount]["amountMinor"] for invoice in invoices)


def test_each_month_has_one_invoice_and_the_last_day_comes_back(year: Year) -> None:
    for customer, days in (("calendar", FIRSTS), ("last_day", LASTS)):
        periods = [(row["periodFrom"], row["periodTo"]) for row in year.invoices(customer)]
        assert periods == list(pairwise(days))


def test_no_number_is_missing_and_the_new_year_begins_at_one(year: Year) -> None:
    assert sorted(row["number"] for row in year.all_invoices()) == [
        *(f"LUM-2028-{number:06d}" for number in range(1, 23)),
        "LUM-2029-000001",
        "LUM-2029-000002",
    ]


def test_the_leap_day_is_of_the_period_that_has_it(year: Year) -> None:
    calendar, last_day = year.invoices("calendar"), year.invoices("last_day")

    assert [row["subtotal"]["amountMinor"] for row in calendar[:3]] == [1_000, 2_029, 3_000]
    assert [row["subtotal"]["amountMinor"] for row in last_day[:3]] == [500, 500, 529]


def test_what_came_late_is_on_the_next_invoice(year: Year) -> None:
    april = year.invoices("calendar")[3]

    assert year.outcomes == {"accepted": 26, "late": 1}
    assert [
        (line["kind"], line["periodFrom"], line["amount"]["amountMinor"])
        for line in year.lines(april)
    ] == [("usage", "2028-04-01", 4_000), ("late", "2028-03-01", 77)]


def test_all_that_was_used_was_billed_once(year: Year) -> None:
    """A cent each: 1,000 to 12,000 and twelve times 500, the leap day twice, and what was late."""
    assert total(year.all_invoices(), "subtotal") == 78_000 + 6_000 + 2 * 29 + 77


def test_each_invoice_is_the_sum_of_its_lines(year: Year) -> None:
    for invoice in year.all_invoices():
        assert total(year.lines(invoice), "amount") == invoice["subtotal"]["amountMinor"]


def test_the_states_are_what_was_done(year: Year) -> None:
    calendar = [row["status"] for row in year.invoices("calendar")]
    last_day = [row["status"] for row in year.invoices("last_day")]

    assert calendar == ["paid"] * 5 + ["void"] + ["open"] * 6
    assert last_day == ["open"] * 6 + ["paid"] * 2 + ["open"] * 4


def test_what_was_credited_pays_the_next_invoice(year: Year) -> None:
    """3.00 USD at the rate of the invoice, 7.16184, are 21.49 CNY."""
    august, september = year.invoices("last_day")[7:9]
    (note,) = year.get("/credit-notes")["data"]

    assert (note["number"], note["toBalance"]["amountMinor"]) == ("LUM-CN-2028-000001", 2_149)
    assert august["credited"]["amountMinor"] == 2_149
    assert september["balanceUsed"]["amountMinor"] == 2_149


def test_the_books_say_what_the_invoices_say(year: Year, engine: Engine) -> None:
    calendar, last_day = (year.invoices(name) for name in year.customers)
    by_wechat, by_alipay = calendar[:5], last_day[6:8]
    paid = by_wechat + by_alipay
    earned = [row for row in calendar + last_day if row["status"] != "void"]
    due = total((row for row in earned if row["status"] == "open"), "due")
    fees, settlement = total(paid, "platformFee"), total(paid, "settlement")
    revenue = total(earned, "collection") - total(earned, "credited")

    with begin(engine, year.merchant_id) as session:
        assert unbalanced(session) == []
    assert year.balances() == {
        ("receivable", "CNY"): due,
        ("merchant_uncollected", "CNY"): -due,
        ("channel_clearing/wechat", "CNY"): total(by_wechat, "due"),
        ("channel_clearing/alipay", "CNY"): total(by_alipay, "due"),
        ("platform_fee_revenue", "CNY"): -fees,
        ("fx_clearing", "CNY"): fees - total(paid, "due"),
        ("fx_clearing", "USD"): settlement,
        ("merchant_payable", "USD"): -settlement,
        ("revenue", "CNY"): -revenue,
        ("sales_clearing", "CNY"): revenue,
    }
    # 841.35 USD less 60.00 void and 3.00 credited, at 7.16184, and a fen as each is rounded.
    assert revenue == 557_443
