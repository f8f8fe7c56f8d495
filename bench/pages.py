"""Pages: what a merchant with many events and invoices waits for, signed in, over HTTP.

The pages take turns with the smallest answer the server gives, so that a noisy neighbour disturbs
all alike. Half of all rows are another merchant's.
"""

import re
import statistics
import time
from collections.abc import Sequence
from contextlib import closing
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

from bench.harness import percentile, server
from bench.stock import RARE, Stock
from bench.web import web_server

EVENTS, INVOICES = 10_000_000, 100_000
REQUESTS = 60
"""How often a page is asked for in a round."""
FLOOR = "/healthz"
MOST_RATIO, MOST_P99_MS, MOST_DEEPER = 12.0, 25.0, 1.2
"""G1 and G2 of the goals: p50 to the floor's, p99, a page half-way down to the first."""

_TOKEN = re.compile(r'name="csrf-token" content="([^"]+)"')


class Browser:
    """A signed-in browser that keeps its connection."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port)
        self._cookies: dict[str, str] = {}

    def get(self, path: str) -> str:
        """Return the page; an answer other than 200 is a fault of the benchmark."""
        self._connection.request("GET", path, headers={"Cookie": self._cookie})
        response = self._connection.getresponse()
        body = response.read()
        assert response.status == 200, (path, response.status, body[:500])
        self._keep(response.headers.get_all("Set-Cookie"))
        return body.decode()

    def sign_up(self) -> None:
        """Open an account, as a person would."""
        found = _TOKEN.search(self.get("/signup"))
        assert found
        form = {
            "csrf_token": found[1],
            "email": "finance@lumen.example",
            "company": "Lumen AI",
            "password": "correct horse battery staple",
        }
        headers = {
            "Cookie": self._cookie,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        self._connection.request("POST", "/signup", urlencode(form), headers)
        response = self._connection.getresponse()
        response.read()
        assert response.status == 302, response.status
        self._keep(response.headers.get_all("Set-Cookie"))

    @property
    def _cookie(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self._cookies.items())

    def _keep(self, cookies: Sequence[str] | None) -> None:
        for cookie in cookies or ():
            name, _, value = cookie.partition(";")[0].partition("=")
            self._cookies[name] = value


def run(*, rounds: int, scale: float) -> dict[str, Any]:
    """Measure the pages of a merchant with half of 10 million events and 100,000 invoices."""
    events, invoices = int(EVENTS * scale), int(INVOICES * scale)
    with server() as database, web_server(database) as web:
        browser = Browser(web.port)
        browser.sign_up()
        with closing(Stock(database)) as stock:
            stock.put(events=events, invoices=invoices)
            pages = {"floor": FLOOR} | _pages(stock)
            faults = stock.slow_plans()
        found = _measure(browser, pages, rounds=rounds)
    return {"name": "pages", "events": events, "invoices": invoices} | _judge(found, faults)


def _pages(stock: Stock) -> dict[str, str]:
    """Return the addresses of the pages by what they show."""
    explorer, invoices = "/merchant/usage/events?range=90", "/merchant/invoices?"
    return {
        "events": explorer,
        "events, half-way down": f"{explorer}&cursor={stock.deep_event()}",
        "events of a rare metric": f"{explorer}&metric={RARE}",
        "events of a rare model": f"{explorer}&q=model%3D{RARE}",
        "events of a rare customer": f"{explorer}&customer={RARE}",
        "events of a customer": f"{explorer}&customer=user_7",
        "charts": "/merchant/usage?range=90",
        "charts of a model": "/merchant/usage?range=90&metric=tokens_input&by=dimension:model",
        "dashboard": "/merchant",
        "invoices": invoices,
        "invoices, half-way down": f"{invoices}cursor={stock.deep_invoice()}",
        "open invoices": f"{invoices}status=open",
        "invoices, due first": f"{invoices}sort=due",
        "invoices, largest first": f"{invoices}sort=amount",
        "an invoice by its number": f"{invoices}q=000123",
    }


def _measure(browser: Browser, pages: dict[str, str], *, rounds: int) -> dict[str, list[float]]:
    """Ask for the pages in turns and return how long each took, in milliseconds."""
    found: dict[str, list[float]] = {name: [] for name in pages}
    for path in pages.values():
        for _ in range(REQUESTS // 4):
            browser.get(path)
    for _ in range(rounds):
        for name, path in pages.items():
            for _ in range(REQUESTS):
                start = time.perf_counter()
                browser.get(path)
                found[name].append(1000 * (time.perf_counter() - start))
    return found


def _judge(found: dict[str, list[float]], faults: list[str]) -> dict[str, Any]:
    """Print the table and return the figures, with what is over its limit."""
    floor = statistics.median(found.pop("floor"))
    print(f"floor: p50 {floor:.2f} ms")
    figures: dict[str, dict[str, float]] = {}
    missed = list(faults)
    for name, times in found.items():
        p50, p99 = statistics.median(times), percentile(times, 0.99)
        figures[name] = {"p50": round(p50, 2), "p99": round(p99, 2), "ratio": round(p50 / floor, 1)}
        print(f"{name:28} p50 {p50:7.2f} ms  p99 {p99:7.2f} ms  {p50 / floor:5.1f} × floor")
        if p50 > MOST_RATIO * floor:
            missed.append(f"G1 {name}: {p50 / floor:.1f} × floor")
        if p99 > MOST_P99_MS:
            missed.append(f"G1 {name}: p99 {p99:.1f} ms")
    for name in ("events", "invoices"):
        deeper = figures[f"{name}, half-way down"]["p50"] / figures[name]["p50"]
        if deeper > MOST_DEEPER:
            missed.append(f"G2 {name}: {deeper:.2f} × the first page")
    return {"floor": round(floor, 3), "pages": figures, "missed": missed}
