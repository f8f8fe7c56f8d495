"""Fifty at once stay within a limit, and it is the lock that sees to it."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.core.db import Transaction
from app.risk import counting, freezes, hits, limits, reserving
from app.risk.counting import Key
from app.risk.models import RiskCounter, RiskHit, RiskReservation, Switch
from app.risk.refusals import Hit, MerchantFrozen, RiskRefused
from app.risk.reserving import Attempt
from app.risk.rules import Rule
from tests.make import ADA, BY_ADA, NOON, cny

THREADS = 50
ATTEMPT = Attempt(cny(10), 101, "wechat")


def limit(transaction: Transaction, maximum: int) -> None:
    with transaction() as session:
        limits.set_limits(session, {Rule.DAILY_AMOUNT: maximum}, **BY_ADA)


def open_one(transaction: Transaction, order_id: int) -> bool:
    try:
        with hits.kept(transaction), transaction() as session:
            reserving.reserve(session, order_id, ATTEMPT, now=NOON)
    except RiskRefused:
        return False
    return True


def together(work: Callable[[int], bool], many: int) -> list[bool]:
    with ThreadPoolExecutor(max_workers=many) as pool:
        return list(pool.map(work, range(1, many + 1)))


def count(session: Session, model: type[RiskReservation | RiskHit]) -> int:
    return session.scalar(select(func.count()).select_from(model)) or 0


def used(session: Session) -> int:
    return session.scalars(
        select(RiskCounter.used).where(RiskCounter.rule == Rule.DAILY_AMOUNT)
    ).one()


def test_fifty_at_once_never_pass_the_limit(transaction: Transaction) -> None:
    limit(transaction, 100)

    opened = together(partial(open_one, transaction), THREADS)

    with transaction() as session:
        assert opened.count(True) == 10
        assert (used(session), count(session, RiskReservation)) == (100, 10)
        assert count(session, RiskHit) == 40


def test_without_the_lock_they_would(
    transaction: Transaction, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(transaction, 100)
    assert open_one(transaction, 100)
    have_read = threading.Barrier(12)

    def read_only(session: Session, keys: Iterable[Key]) -> dict[Key, int]:
        found = counting.read(session, keys := list(keys))
        have_read.wait(timeout=20)
        return found

    monkeypatch.setattr(counting, "lock", read_only)

    opened = together(partial(open_one, transaction), 12)

    with transaction() as session:
        assert opened.count(True) == 12
        assert used(session) == 130  # of 100


def test_opening_and_closing_at_once_end_where_they_should(transaction: Transaction) -> None:
    limit(transaction, 200)

    def open_and_close(order_id: int) -> bool:
        is_open = open_one(transaction, order_id)
        if is_open and order_id % 2:
            with transaction() as session:
                reserving.release(session, order_id)
        return is_open

    opened = together(open_and_close, 20)

    with transaction() as session:
        kept = [number for number, is_open in enumerate(opened, 1) if is_open and not number % 2]
        assert used(session) == 10 * len(kept)


def test_nothing_is_opened_once_a_freeze_is_committed(transaction: Transaction) -> None:
    is_frozen = threading.Event()
    late = []

    def stop() -> None:
        with transaction() as session:
            freezes.freeze(session, Switch.CHECKOUT, reason="a look", actor=ADA, now=NOON)
        is_frozen.set()

    with transaction() as session:
        reserving.reserve(session, 1, ATTEMPT, now=NOON)
        stopping = threading.Thread(target=stop)
        stopping.start()
        late.append(is_frozen.wait(0.3))  # it waits for the payment that is being opened
    stopping.join()

    assert (late, is_frozen.is_set()) == ([False], True)
    with pytest.raises(MerchantFrozen), transaction() as session:
        reserving.reserve(session, 2, ATTEMPT, now=NOON)


def test_a_refusal_is_written_down_although_its_transaction_is_not(
    transaction: Transaction,
) -> None:
    limit(transaction, 5)

    with suppress(RiskRefused), hits.kept(transaction), transaction() as session:
        hits.record(session, Hit(Rule.FROZEN, "lost", 1, None, NOON))
        reserving.reserve(session, 1, ATTEMPT, now=NOON)

    with transaction() as session:
        (hit,) = session.scalars(select(RiskHit))
        assert (hit.rule, hit.subject, hit.amount_minor) == (Rule.DAILY_AMOUNT, "", 10)
        assert (hit.maximum, hit.at) == (5, NOON)
