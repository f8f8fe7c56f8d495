"""Real races: threads, each with a transaction of its own, let go at once and committed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, BrokenBarrierError
from typing import TypeVar

from sqlalchemy.orm import Session

from app.core.db import Transaction
from app.core.errors import Refusal

T = TypeVar("T")
RUNNERS = 6


def race(transaction: Transaction, work: Callable[[Session, int], T]) -> tuple[list[T], list[str]]:
    """Run `work` for the runners 0…5 at once; return the results and the codes of refusals.

    Nobody commits before all have done their work, unless the others wait for him: so work that
    should hold a lock and does not is found out each time, not once in a while.
    """
    start, finish = Barrier(RUNNERS), Barrier(RUNNERS)

    def run(runner: int) -> T | Refusal:
        try:
            with transaction() as session:
                session.connection()  # before the start: making one takes longer than the work
                start.wait(timeout=10)
                result = work(session, runner)
                with suppress(BrokenBarrierError):  # the others wait for our commit
                    finish.wait(timeout=0.5)
                return result
        except Refusal as refusal:
            return refusal

    with ThreadPoolExecutor(RUNNERS) as pool:
        outcomes = list(pool.map(run, range(RUNNERS)))
    results = [outcome for outcome in outcomes if not isinstance(outcome, Refusal)]
    return results, [outcome.code for outcome in outcomes if isinstance(outcome, Refusal)]
