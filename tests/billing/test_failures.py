"""What could not be invoiced waits, with its reason, until it succeeds or somebody asks."""

from datetime import datetime, timedelta
from functools import partial

from app.billing import failures, runs
from app.billing.run_models import InvoiceRun, RunTrigger
from app.core.db import Transaction
from app.core.ids import Prefix, show
from tests.billing.make import RATES, SilentRates, all_invoices, sold, use
from tests.make import NOON, Make


def run(transaction: Transaction, *, now: datetime = NOON) -> InvoiceRun:
    return runs.run_due(transaction, RATES, trigger=RunTrigger.SCHEDULE, now=now)


def failed(transaction: Transaction) -> dict[str, tuple[str, int]]:
    """Return what waits for another try: the reason, and how often it was tried."""
    with transaction() as session:
        return {
            row.subject: (row.code, row.attempts) for row in failures.list_failures(session).rows
        }


def test_what_fails_is_noted_with_its_reason_until_it_succeeds(transaction: Transaction) -> None:
    with transaction() as session:
        use(session, sold(Make(session)), "1")
    silent = partial(runs.run_due, transaction, SilentRates(), trigger=RunTrigger.SCHEDULE)

    silent(now=NOON)
    with transaction() as session:
        subject = show(Prefix.INVOICE, all_invoices(session)[0].id)
    assert failed(transaction) == {subject: ("fx_rate_missing", 1)}
    silent(now=NOON + timedelta(minutes=5))
    assert failed(transaction) == {subject: ("fx_rate_missing", 1)}
    silent(now=NOON + timedelta(minutes=10))
    assert failed(transaction) == {subject: ("fx_rate_missing", 2)}

    run(transaction, now=NOON + timedelta(minutes=20))
    assert failed(transaction) == {}


def test_a_failure_is_tried_again_at_once_when_somebody_asks(transaction: Transaction) -> None:
    with transaction() as session:
        poisoned = sold(Make(session), {"model": "standard", "unit_price": "1000000"})
        use(session, poisoned, "10000001")
    run(transaction)
    ((subject, (code, _)),) = failed(transaction).items()
    assert (subject, code) == (show(Prefix.CONTRACT, poisoned.contract.id), "line_too_large")
    assert run(transaction).failed == 0

    with transaction() as session:
        failures.retry(session, subject, now=NOON)

    assert run(transaction).failed == 1
    assert failed(transaction) == {subject: ("line_too_large", 2)}
