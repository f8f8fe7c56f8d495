"""Four schedulers at once: an invoice for each contract and period, and no gap in the numbers.

Each guard has its twin, which takes it away and shows what it is for.
"""

from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import create_engine, func, insert, inspect, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.billing import invoicing, numbers, runs
from app.billing.models import Invoice, InvoiceStatus
from app.billing.run_models import InvoiceRun, RunTrigger
from app.core import db
from app.core.db import Transaction, begin, merchant_of
from app.core.ids import new_id
from app.customers.models import Contract
from app.identity.models import Merchant
from app.ledger.queries import unbalanced
from tests.billing.make import RATES, all_invoices, books, sold, use
from tests.conftest import Databases
from tests.make import NOON, Make

CONTRACTS, SCHEDULERS = 1_000, 4
PATIENCE_SECONDS = 20
COPIED = [column.key for column in Contract.__mapper__.column_attrs if column.key != "id"]


class Undone(Exception):
    """Somebody's transaction failed after all."""


def sign(transaction: Transaction, contracts: int) -> list[int]:
    """Have a customer who used 100 units of a cent in May sign that many contracts."""
    with transaction() as session:
        sale = sold(Make(session))
        use(session, sale, "100")
        known = {name: getattr(sale.contract, name) for name in COPIED}
        more = [Contract(id=new_id(), **known) for _ in range(contracts - 1)]
        session.add_all(more)
        return [sale.contract.id, *(contract.id for contract in more)]


def run(transaction: Transaction) -> InvoiceRun:
    return runs.run_due(transaction, RATES, trigger=RunTrigger.SCHEDULE, now=NOON)


def numbered(transaction: Transaction) -> list[str]:
    with transaction() as session:
        return sorted(invoice.number or "a draft" for invoice in all_invoices(session))


def up_to(count: int) -> list[str]:
    return [f"LUM-2026-{number:06d}" for number in range(1, count + 1)]


def test_four_schedulers_make_of_a_thousand_contracts_a_thousand_invoices(
    transaction: Transaction,
) -> None:
    sign(transaction, CONTRACTS)

    with ThreadPoolExecutor(SCHEDULERS) as pool:
        made = list(pool.map(run, [transaction] * SCHEDULERS))
    made.append(run(transaction))  # what each of two left to the other

    assert sum(row.drafted for row in made) == CONTRACTS
    assert sum(row.finalized for row in made) == CONTRACTS
    assert sum(row.failed for row in made) == 0
    assert numbered(transaction) == up_to(CONTRACTS)
    with transaction() as session:
        invoices = all_invoices(session)
        assert len({row.contract_id for row in invoices}) == CONTRACTS
        assert {(row.period_from.month, row.status) for row in invoices} == {
            (5, InvoiceStatus.OPEN)
        }
        assert unbalanced(session) == []
        # 1.00 USD at 7.16184 is 7.16 CNY, a thousand times.
        assert books(session)["receivable"] == 716_000


def test_a_scheduler_leaves_to_another_what_that_one_has(transaction: Transaction) -> None:
    contract_ids = sign(transaction, 5)

    with transaction() as other:
        invoicing.draft_all(other, contract_ids[:2], now=NOON)
        mine = run(transaction)

    assert (mine.drafted, mine.finalized) == (3, 3)
    theirs = run(transaction)
    assert (theirs.drafted, theirs.finalized) == (0, 2)
    assert numbered(transaction) == up_to(5)


def locked_by_waiting(
    session: Session, model: type[Any], row_ids: Collection[int], *, skip_locked: bool = False
) -> list[Any]:
    """Lock rows as `db.get_all_locked` does, and wait for whoever has one."""
    del skip_locked
    return [db.get_locked(session, model, row_id, noun="row") for row_id in sorted(row_ids)]


def test_without_skipping_it_waits_and_makes_nothing_twice(
    transaction: Transaction, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: nobody gets on while somebody else works, and the rows are right all the same."""
    contract_ids = sign(transaction, 5)
    with ThreadPoolExecutor(1) as pool:
        with transaction() as other:
            invoicing.draft_all(other, contract_ids[:2], now=NOON)
            monkeypatch.setattr(db, "get_all_locked", locked_by_waiting)
            mine = pool.submit(run, transaction)
            with pytest.raises(TimeoutError):
                mine.result(0.5)
        made = mine.result(PATIENCE_SECONDS)

    assert (made.drafted, made.finalized) == (3, 5)
    assert numbered(transaction) == up_to(5)


def only_read_by(parties: int) -> Callable[..., list[Any]]:
    """Return a `db.get_all_locked` that locks nothing, and lets so many read before any goes on."""
    together = Barrier(parties, timeout=PATIENCE_SECONDS)

    def read(
        session: Session, model: type[Any], row_ids: Collection[int], *, skip_locked: bool = False
    ) -> list[Any]:
        del skip_locked
        row_id = inspect(model).primary_key[-1]
        rows = list(session.scalars(select(model).where(row_id.in_(row_ids))))
        together.wait()
        return rows

    return read


def test_without_locks_the_key_still_lets_one_draft_in(
    transaction: Transaction, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: two who both think the period is theirs meet at the unique key."""
    contract_ids = sign(transaction, 5)
    monkeypatch.setattr(db, "get_all_locked", only_read_by(2))

    def draft(_: int) -> list[int]:
        with transaction() as session:
            return list(invoicing.draft_all(session, contract_ids, now=NOON))

    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(draft, range(2)))

    assert sorted(len(drafts) for drafts in made) == [0, 5]
    assert numbered(transaction) == ["a draft"] * 5


def bill_again(session: Session) -> None:
    """Write the only invoice there is a second time, under an id and a number of its own."""
    (invoice,) = all_invoices(session)
    columns = [column for column in Invoice.__table__.columns if column.computed is None]
    copied = {column.key: getattr(invoice, column.key) for column in columns}
    session.execute(insert(Invoice).values(copied | {"id": new_id(), "number": "LUM-2026-000002"}))


def test_a_second_invoice_of_a_period_is_refused(transaction: Transaction) -> None:
    sign(transaction, 1)
    run(transaction)

    with pytest.raises(IntegrityError, match="uq_invoices_period"), transaction() as session:
        bill_again(session)


def test_without_the_key_it_is_taken(databases: Databases, transaction: Transaction) -> None:
    """The twin: nothing else knows that the period has an invoice."""
    sign(transaction, 1)
    run(transaction)
    with transaction() as session:
        merchant_id = merchant_of(session)

    owner = create_engine(databases.owner)
    with suppress(Undone), begin(owner, merchant_id) as session:
        session.execute(text("ALTER TABLE invoices DROP CONSTRAINT uq_invoices_period"))
        bill_again(session)
        assert len(all_invoices(session)) == 2
        raise Undone
    owner.dispose()
    assert numbered(transaction) == up_to(1)


def bill(transaction: Transaction, contract_id: int, *, fails: bool = False) -> None:
    with suppress(Undone), transaction() as session:
        draft = invoicing.draft(session, contract_id, now=NOON)
        assert draft
        invoicing.finalize(session, draft.id, rates=RATES, now=NOON)
        if fails:
            raise Undone


def test_an_invoice_that_fails_gives_its_number_back(transaction: Transaction) -> None:
    first, second = sign(transaction, 2)

    bill(transaction, first, fails=True)
    bill(transaction, second)

    assert numbered(transaction) == up_to(1)


def test_a_number_taken_elsewhere_is_lost_with_its_invoice(
    transaction: Transaction, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: the series counts in a transaction of its own, as a sequence does."""
    take = numbers.take_invoice_numbers

    def take_elsewhere(
        session: Session, merchant: Merchant, count: int, *, now: datetime
    ) -> list[str]:
        del session
        with transaction() as other:
            return take(other, merchant, count, now=now)

    monkeypatch.setattr(numbers, "take_invoice_numbers", take_elsewhere)
    first, second = sign(transaction, 2)

    bill(transaction, first, fails=True)
    bill(transaction, second)

    assert numbered(transaction) == ["LUM-2026-000002"]


def test_two_who_count_for_themselves_take_one_number_and_one_is_refused(
    transaction: Transaction, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: without the row of the series, the unique key of the numbers is what is left."""
    together = Barrier(2, timeout=PATIENCE_SECONDS)

    def next_after_the_last(
        session: Session, merchant: Merchant, count: int, *, now: datetime
    ) -> list[str]:
        del count
        last = session.scalar(select(func.count(Invoice.number))) or 0
        together.wait()
        return [f"{merchant.invoice_prefix}-{now.year}-{last + 1:06d}"]

    first, *others = sign(transaction, 3)
    bill(transaction, first)  # who makes the very first invoice is alone
    monkeypatch.setattr(numbers, "take_invoice_numbers", next_after_the_last)
    with ThreadPoolExecutor(2) as pool:
        billed: list[Future[None]] = [pool.submit(bill, transaction, each) for each in others]
    refused = [future.exception() for future in billed if future.exception()]

    assert [type(error) for error in refused] == [IntegrityError]
    assert "uq_invoices_merchant_id_number" in str(refused[0])
    assert numbered(transaction) == up_to(2)
