"""Two copies of one notice at once: the lock tells the second what it is, the key books it once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy.orm import Session

from app.billing import collection
from app.billing.models import Invoice, InvoiceStatus
from app.billing.queries import get_invoice
from app.channels.base import ChannelName
from app.core.db import Transaction
from app.ledger.queries import unbalanced
from app.payments import queries
from app.payments.capture import Outcome, record_capture
from tests.make import NOON
from tests.payments.builders import books, issue, order_for, paid

PATIENCE_SECONDS = 20


def capture_twice_at_once(transaction: Transaction) -> tuple[Invoice, list[Outcome]]:
    with transaction() as session:
        invoice = issue(session)
        trade = paid(order_for(session, invoice))

    def capture(_: int) -> Outcome:
        with transaction() as session:
            return record_capture(session, trade, channel=ChannelName.WECHAT, now=NOON)

    with ThreadPoolExecutor(2) as pool:
        return invoice, sorted(pool.map(capture, range(2)))


def is_booked_once(transaction: Transaction, invoice: Invoice) -> None:
    with transaction() as session:
        assert get_invoice(session, invoice.id).status is InvoiceStatus.PAID
        assert books(session)["channel_clearing/wechat CNY"] == 90_533
        assert queries.list_unallocated(session) == []
        assert unbalanced(session) == []


def test_the_second_copy_is_told_that_it_is_one(transaction: Transaction) -> None:
    invoice, outcomes = capture_twice_at_once(transaction)

    assert outcomes == [Outcome.APPLIED, Outcome.REPEATED]
    is_booked_once(transaction, invoice)


def test_without_the_locks_both_think_they_pay_and_the_key_books_one(
    transaction: Transaction, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: both read an unpaid invoice before either writes."""
    have_read = threading.Barrier(2)

    def only_read(session: Session, invoice_id: int) -> Invoice:
        found = get_invoice(session, invoice_id)
        have_read.wait(PATIENCE_SECONDS)
        return found

    monkeypatch.setattr(collection, "lock_invoice", only_read)
    monkeypatch.setattr(queries, "lock_order", queries.get_order)

    invoice, outcomes = capture_twice_at_once(transaction)

    assert outcomes == [Outcome.APPLIED, Outcome.APPLIED]
    is_booked_once(transaction, invoice)
