"""What an ended contract is owed for usage taken back reaches its customer by itself, once."""

from datetime import date

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.billing import balances, collection
from app.billing.credit_models import CreditNote, CreditReason, Disposition
from app.core.db import Transaction
from app.customers.models import Contract
from tests.billing.make import all_invoices, send
from tests.billing.test_late import CLOSED, VOLUME, ended, in_may, run
from tests.make import NOON, Make, cny, usd


@pytest.fixture
def owed(transaction: Transaction) -> Transaction:
    """Bill 100 units at 10 cents; one more makes them all cost 9: 0.91 USD are owed."""
    with transaction() as session:
        sale = ended(Make(session), VOLUME)
        send(session, sale, "100", at=in_may(0))
    run(transaction, now=NOON)
    with transaction() as session:
        send(session, sale, "1", at=in_may(1))
    return transaction


def pay(transaction: Transaction) -> None:
    with transaction() as session:
        (invoice,) = all_invoices(session)
        collection.mark_paid(session, invoice, now=NOON)


def notes(session: Session) -> list[CreditNote]:
    return list(session.scalars(select(CreditNote).order_by(CreditNote.id)))


def test_it_fills_the_balance_when_no_more_can_come(owed: Transaction) -> None:
    pay(owed)

    assert run(owed, now=CLOSED) == (0, 0, 0)

    with owed() as session:
        [note] = notes(session)
        assert (note.reason, note.created_by) == (CreditReason.LATE_USAGE, "BuffMoney")
        assert (note.disposition, note.total) == (Disposition.BALANCE, usd(91))
        assert balances.balance_of(session, note.customer_id) == note.amount == cny(652)
        assert session.scalars(select(Contract)).one().late_from is None


def test_of_an_invoice_that_is_open_it_lowers_what_is_due(owed: Transaction) -> None:
    run(owed, now=CLOSED)

    with owed() as session:
        [note] = notes(session)
        (invoice,) = all_invoices(session)
        assert note.disposition is Disposition.INVOICE
        assert invoice.due == invoice.collection - cny(652)


def test_it_is_given_once_however_often_it_is_found(owed: Transaction) -> None:
    pay(owed)
    run(owed, now=CLOSED)
    with owed() as session:
        session.scalars(select(Contract)).one().late_from = date(2026, 5, 1)

    run(owed, now=CLOSED)

    with owed() as session:
        assert len(notes(session)) == 1


def test_what_goes_back_to_its_payer_is_not_given_too(owed: Transaction) -> None:
    pay(owed)
    with owed() as session:
        (invoice,) = all_invoices(session)
        invoice.claimed_minor = invoice.collection_minor - 500

    run(owed, now=CLOSED)

    with owed() as session:
        [note] = notes(session)
        assert (note.total, note.amount) == (usd(69), cny(494))  # one more cent would be 501


def test_of_an_invoice_that_goes_back_whole_nothing_is_given(owed: Transaction) -> None:
    pay(owed)
    with owed() as session:
        (invoice,) = all_invoices(session)
        invoice.claimed_minor = invoice.due_minor

    run(owed, now=CLOSED)

    with owed() as session:
        assert notes(session) == []


def test_what_was_never_collected_is_not_given(owed: Transaction) -> None:
    with owed() as session:
        (invoice,) = all_invoices(session)
        collection.void(session, invoice, reason="never delivered", now=NOON)

    run(owed, now=CLOSED)

    with owed() as session:
        assert notes(session) == []
        assert session.scalars(select(Contract)).one().late_from is None
