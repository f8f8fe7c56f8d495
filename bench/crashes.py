"""Crashes: an invoice run is killed in the middle, twice, and comes to what a calm one does.

Two merchants have the same contracts. What is due of the first is invoiced in peace; of the second
by a process that is killed with SIGKILL after a third, by another that is killed after one more
third, and at last by one that nobody disturbs. Then all that billing wrote for the two is compared,
row by row: everything but ids and numbers, which are told by what they name, and instants of
creation. Numbers are given in the order in which invoices happen to be made; that none of them is
missing is counted.
"""

import multiprocessing
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from app.billing import runs
from app.billing.run_models import RunTrigger
from app.core.db import Transaction, begin, run_sql
from app.core.ids import ID_WIDTH, new_merchant_id
from app.fx.fixture import FixtureRates
from app.ledger.queries import unbalanced
from bench.due import open_shop
from bench.harness import server

CONTRACTS = 10_000
THIRDS = (1 / 3, 1 / 3)
JUNE_2 = datetime(2026, 6, 2, 4, tzinfo=UTC)
"""Noon in Shanghai: May is over, and its grace."""

_PROCESSES = multiprocessing.get_context("spawn")
_ENTRIES = """(
  SELECT posted.kind, posted.reference, posted.occurred_at, posted.invoice_id, account.name, entry.*
    FROM ledger_entries AS entry
    JOIN ledger_transactions AS posted ON posted.id = transaction_id
    JOIN ledger_accounts AS account ON account.id = account_id
)"""
_WRITTEN = (
    *("invoices", "invoice_lines", _ENTRIES, "webhook_events", "outbox_jobs"),
    *("invoice_counters", "contracts", "coupon_redemptions", "customer_balance_entries"),
)
_DRAWN = [
    *("merchant_id", "id", "transaction_id", "account_id", "link_secret", "number_reversed"),
    *("drafted_at", "posted_at", "late_from"),  # the last asks how long ago a draft was made
]
"""What is drawn for a row, or looked at on the real clock, when it is made."""

_NAMES = """
WITH invoice AS (
  SELECT invoice.id, number, concat('invoice of ', external_id, ' for ', period_from) AS name
    FROM invoices AS invoice JOIN customers AS customer ON customer.id = customer_id
)
SELECT id::text, external_id FROM customers
 UNION ALL
SELECT contract.id::text, 'contract of ' || external_id
  FROM contracts AS contract JOIN customers AS customer ON customer.id = customer_id
 UNION ALL
SELECT id::text, name FROM invoice
 UNION ALL
SELECT number, 'number of ' || name FROM invoice
 UNION ALL
SELECT id::text, 'metric ' || code FROM metrics
 UNION ALL
SELECT id::text, 'version ' || number FROM rate_card_versions
 UNION ALL
SELECT id::text, 'coupon ' || code FROM coupons
 UNION ALL
SELECT id::text, 'an event' FROM webhook_events
 UNION ALL
SELECT id::text, 'a movement' FROM customer_balance_entries
"""
_PERIODS = """
SELECT external_id, period_from
  FROM invoices AS invoice JOIN customers AS customer ON customer.id = customer_id
"""
_ID = re.compile(rf"\b(?:[a-z]+_([0-9a-z]{{{ID_WIDTH}}})|\d{{17,19}}|LUM-\d{{4}}-\d{{6}})\b")


@dataclass(frozen=True)
class Outcome:
    """What came of a run that was killed, beside one that was not.

    `left` is how many invoices were drafted and how many finalised after each kill; `differences`
    are rows that only one of the two runs wrote, `unbalanced` books that are not zero in sum.
    """

    invoices: int
    left: Sequence[tuple[int, int]]
    missing: int
    doubled: int
    gaps: int
    unbalanced: int
    differences: Sequence[str]


def run(*, rounds: int, scale: float) -> dict[str, Any]:
    """Kill a run of 10,000 contracts twice; what the third one leaves has to be exact."""
    del rounds  # a run has thousands of places where it is not killed: more of them prove no more
    contracts = max(100, int(CONTRACTS * scale))
    with server() as database:
        outcome = crash(create_engine(database.app_url), contracts=contracts, kills=THIRDS)
    for difference in outcome.differences[:10]:
        print(difference)
    exact = {
        "missing": outcome.missing,
        "doubled": outcome.doubled,
        "gaps": outcome.gaps,
        "unbalanced": outcome.unbalanced,
        "differences": len(outcome.differences),
    }
    return exact | {
        "name": "crashes",
        "contracts": contracts,
        "invoices": outcome.invoices,
        "kills": len(outcome.left),
        "left": outcome.left,
        "missed": [f"{name}: {count}" for name, count in exact.items() if count],
    }


def crash(engine: Engine, *, contracts: int, kills: Sequence[float]) -> Outcome:
    """Invoice a shop in peace, and another like it by runs that are killed, but for the last.

    `kills` says when: after which share of the transactions that the undisturbed run took.
    """
    merchant_id = new_merchant_id()
    calm, stormy = partial(begin, engine, new_merchant_id()), partial(begin, engine, merchant_id)
    open_shop(calm, contracts=contracts)
    due = open_shop(stormy, contracts=contracts)

    counting = Counting(calm)
    start = time.perf_counter()
    invoice_all(counting)
    half_a_transaction = (time.perf_counter() - start) / counting.opened / 2
    left = []
    for share in kills:
        at = int(counting.opened * share)
        _kill_a_run(engine, merchant_id, at=at, after=half_a_transaction)
        left.append(_progress(stormy))
    invoice_all(stormy)

    with stormy() as session:
        made = Counter((name, first_day) for name, first_day in run_sql(session, _PERIODS, {}))
        numbers = run_sql(session, "SELECT right(number, 6)::int FROM invoices", {})
        off = len(unbalanced(session))
    return Outcome(
        invoices=made.total(),
        left=left,
        missing=len(due - set(made)),
        doubled=made.total() - len(made),
        gaps=len({number for (number,) in numbers} ^ set(range(1, made.total() + 1))),
        unbalanced=off,
        differences=list(differences(calm, stormy)),
    )


def invoice_all(transaction: Transaction) -> None:
    """Run until nothing is left to be made, as one scheduler after the other does."""
    while True:
        made = runs.run_due(transaction, FixtureRates(), trigger=RunTrigger.SCHEDULE, now=JUNE_2)
        assert not made.failed, made.last_error
        if not (made.drafted or made.finalized):
            return


def differences(one: Transaction, other: Transaction) -> Iterator[str]:
    """Yield the rows that billing wrote for only one of the two."""
    for table in _WRITTEN:
        here, there = _written(one, table), _written(other, table)
        for row, count in (here - there).items():
            yield f"{count} x only the first wrote: {row}"
        for row, count in (there - here).items():
            yield f"{count} x only the second wrote: {row}"


class Counting:
    """Opens transactions and counts them; `tell` is called as the one numbered `tell_at` begins."""

    def __init__(
        self, transaction: Transaction, *, tell_at: int = 0, tell: Callable[[], None] | None = None
    ) -> None:
        self.opened = 0
        self._transaction, self._tell_at, self._tell = transaction, tell_at, tell

    def __call__(self) -> AbstractContextManager[Session]:
        self.opened += 1
        if self._tell and self.opened == self._tell_at:
            self._tell()
        return self._transaction()


def _kill_a_run(engine: Engine, merchant_id: int, *, at: int, after: float) -> None:
    """Run in a process of its own, and kill it so many seconds into its transaction `at`."""
    ours, theirs = _PROCESSES.Pipe(duplex=False)
    app_url = engine.url.render_as_string(hide_password=False)
    process = _PROCESSES.Process(target=_work, args=(app_url, merchant_id, at, theirs), daemon=True)
    process.start()
    theirs.close()  # if it ends too early, there is nobody else who could write
    with ours:
        ours.recv()
        time.sleep(after)
        process.kill()
        process.join()
    assert process.exitcode == -signal.SIGKILL


def _work(app_url: str, merchant_id: int, tell_at: int, pipe: Connection) -> None:  # noqa: PLR0917  # what a process needs is all it gets
    transaction = partial(begin, create_engine(app_url), merchant_id)
    invoice_all(Counting(transaction, tell_at=tell_at, tell=partial(pipe.send, tell_at)))


def _progress(transaction: Transaction) -> tuple[int, int]:
    """Return how many invoices there are and how many of them are finalised.

    Waits for what the connection of somebody who was killed still holds.
    """
    with transaction() as session:
        run_sql(session, "SELECT id FROM contracts FOR UPDATE", {})
        run_sql(session, "SELECT id FROM invoices FOR UPDATE", {})
        ((drafted, finalized),) = run_sql(
            session, "SELECT count(*), count(number) FROM invoices", {}
        )
    return drafted, finalized


def _written(transaction: Transaction, table: str) -> Counter[str]:
    """Return the rows as text, with names for ids, and how often each is there."""
    select = f"SELECT (to_jsonb(written) - %(drawn)s::text[])::text FROM {table} AS written"  # noqa: S608  # our own names
    with transaction() as session:
        names = {str(unique): str(name) for unique, name in run_sql(session, _NAMES, {})}
        rows = run_sql(session, select, {"drawn": _DRAWN})

    def named(found: re.Match[str]) -> str:
        unique = str(int(found[1], 36)) if found[1] else found[0]
        return names.get(unique, found[0])

    return Counter(_ID.sub(named, text) for (text,) in rows)
