"""Usage that is stored while an invoice is finalised is either on it or on the next one."""

import contextlib
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from app.billing import invoicing, runs
from app.billing.invoicing import Outcome
from app.billing.run_models import RunTrigger
from app.core.db import Transaction
from app.customers import queries as customers
from tests.billing.make import MAY_15, RATES, Sold, all_invoices, drafted, send, sold
from tests.make import NOON, Make

JULY_2 = datetime(2026, 7, 2, 4, tzinfo=UTC)


def run(transaction: Transaction, *, now: datetime) -> None:
    row = runs.run_due(transaction, RATES, trigger=RunTrigger.SCHEDULE, now=now)
    assert row.last_error is None


def subtotals(transaction: Transaction) -> list[int]:
    with transaction() as session:
        return [invoice.subtotal_minor for invoice in all_invoices(session)]


def draft_of_yesterday(transaction: Transaction) -> tuple[Sold, int]:
    """Draft the invoice of May, so long ago that no request from before is still at work."""
    with transaction() as session:
        sale = sold(Make(session))
        invoice_id = drafted(session, sale).id
        session.execute(text("UPDATE invoices SET drafted_at = now() - interval '1 day'"))
    return sale, invoice_id


def finalize_while_usage_is_stored(transaction: Transaction) -> None:
    """Let a request store usage of May, and finalise its draft before the request commits."""
    sale, invoice_id = draft_of_yesterday(transaction)

    def finalize() -> Outcome:
        with transaction() as session:
            return invoicing.finalize(session, invoice_id, rates=RATES, now=NOON)

    with ThreadPoolExecutor(1) as pool:
        with transaction() as session:
            send(session, sale, "23", at=MAY_15)
            finalized: Future[Outcome] = pool.submit(finalize)
            with contextlib.suppress(TimeoutError):
                finalized.result(timeout=0.5)  # enough to finish, if nothing holds it
        assert finalized.result() is Outcome.FINALIZED


def test_finalising_waits_for_usage_that_is_being_stored(transaction: Transaction) -> None:
    finalize_while_usage_is_stored(transaction)

    assert subtotals(transaction) == [23]


def test_without_the_lock_that_usage_is_on_no_invoice(
    transaction: Transaction, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: with the contract only read, the usage is neither on the invoice nor late."""
    monkeypatch.setattr(invoicing, "_lock_contract", customers.get_contract)

    finalize_while_usage_is_stored(transaction)
    run(transaction, now=JULY_2)

    assert subtotals(transaction) == [0, 0]


def straggle(transaction: Transaction) -> None:
    """Let a request of May commit after May was drafted and finalised; then bill June."""
    with transaction() as session:
        sale = sold(Make(session))
    with transaction() as session:
        send(session, sale, "23", at=MAY_15, now=MAY_15 + timedelta(hours=1))
        run(transaction, now=NOON)
    run(transaction, now=JULY_2)


def test_the_next_invoice_finds_what_was_still_on_its_way(transaction: Transaction) -> None:
    straggle(transaction)

    assert subtotals(transaction) == [0, 23]


def test_without_looking_again_it_is_lost(
    transaction: Transaction, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: no draft counts as young, and nobody looks at May again."""
    monkeypatch.setattr(invoicing, "STRAGGLERS", timedelta(0))

    straggle(transaction)

    assert subtotals(transaction) == [0, 0]
