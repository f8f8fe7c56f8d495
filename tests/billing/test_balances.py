"""A customer's balance is never below zero, and row, entries and ledger always say the same."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from app.audit import queries as audit
from app.billing import balances, collection, credit_notes
from app.billing.balances import BalanceTooLow
from app.billing.credit_models import BalanceEntry, CreditReason, EntryKind
from app.billing.credit_notes import CreditRequest
from app.billing.models import InvoiceStatus
from app.core.db import Transaction, begin
from app.core.errors import Invalid, NotFound, Refusal
from app.core.text import InvalidText
from app.ledger import journals
from app.ledger.queries import unbalanced
from tests.billing.make import billed, books, sold, use
from tests.make import ADA, NOON, Make, cny


def adjust(session: Session, customer_id: int, minor: int, reason: str = "Thanks") -> BalanceEntry:
    return balances.adjust(session, customer_id, cny(minor), reason=reason, actor=ADA, now=NOON)


def agree(session: Session, customer_id: int) -> int:
    """Return the balance, which its row, its entries and the ledger agree on."""
    session.flush()
    balance = balances.balance_of(session, customer_id).minor
    moved = session.scalar(
        select(func.coalesce(func.sum(BalanceEntry.amount_minor), 0)).where(
            BalanceEntry.customer_id == customer_id
        )
    )
    assert balance == moved == -books(session).get(journals.customer_balance(customer_id), 0)
    assert unbalanced(session) == []
    return balance


def test_it_begins_at_nothing(session: Session, make: Make) -> None:
    assert agree(session, make.customer().id) == 0


def test_an_adjustment_is_kept_with_who_made_it_and_why(session: Session, make: Make) -> None:
    customer = make.customer()

    adjust(session, customer.id, 10_000, "For the bug report")
    adjust(session, customer.id, -2_500, "Given by mistake")

    last, first = balances.list_entries(session, customer.id).rows
    assert agree(session, customer.id) == 7_500
    assert (first.kind, first.amount, first.balance) == (
        EntryKind.ADJUSTMENT,
        cny(10_000),
        cny(10_000),
    )
    assert (last.amount, last.balance, last.note) == (cny(-2_500), cny(7_500), "Given by mistake")
    assert last.created_by == ADA.name
    entries = audit.list_entries(session, action="customer_balance.adjusted").rows
    assert [entry.after["balance_minor"] for entry in entries] == [7_500, 10_000]


def test_no_more_is_taken_than_there_is(session: Session, make: Make) -> None:
    customer = make.customer()
    adjust(session, customer.id, 100)

    with pytest.raises(BalanceTooLow):
        adjust(session, customer.id, -101)

    assert agree(session, customer.id) == 100


@pytest.mark.parametrize(
    ("minor", "reason", "refusal"),
    [
        (0, "Thanks", Invalid),
        (10**12 + 1, "Thanks", Invalid),
        (-(10**12) - 1, "Thanks", Invalid),
        (1, " ", InvalidText),
        (1, "x" * 201, InvalidText),
    ],
)
def test_an_adjustment_without_sense_is_refused(
    session: Session, make: Make, minor: int, reason: str, refusal: type[Refusal]
) -> None:
    customer = make.customer()

    with pytest.raises(refusal):
        adjust(session, customer.id, minor, reason)

    assert agree(session, customer.id) == 0


def test_nobody_else_s_customer_has_a_balance_here(session: Session) -> None:
    with pytest.raises(NotFound):
        adjust(session, 4711, 1)


def test_the_next_invoice_uses_it(session: Session, make: Make) -> None:
    sale = sold(make)
    use(session, sale, "12641")
    adjust(session, sale.contract.customer_id, 533)

    invoice = billed(session, sale)

    assert (invoice.collection, invoice.balance_used, invoice.due) == (
        cny(90_533),
        cny(533),
        cny(90_000),
    )
    assert (invoice.platform_fee, invoice.net) == (cny(2_700), cny(87_300))
    assert agree(session, invoice.customer_id) == 0
    assert books(session)["receivable"] == 90_000
    assert books(session)["sales_clearing"] == 90_000


def test_an_invoice_it_covers_is_paid_at_once(session: Session, make: Make) -> None:
    sale = sold(make)
    use(session, sale, "12641")
    adjust(session, sale.contract.customer_id, 100_000)

    invoice = billed(session, sale)

    assert (invoice.status, invoice.due, invoice.platform_fee) == (
        InvoiceStatus.PAID,
        cny(0),
        cny(0),
    )
    assert agree(session, invoice.customer_id) == 9_467
    assert "receivable" not in books(session)


def test_a_void_gives_back_what_it_paid(session: Session, make: Make) -> None:
    sale = sold(make)
    use(session, sale, "12641")
    adjust(session, sale.contract.customer_id, 533)
    invoice = billed(session, sale)

    collection.void(session, invoice, reason="a mistake", now=NOON)

    assert agree(session, invoice.customer_id) == 533
    assert invoice.balance_used == cny(533)
    newest = balances.list_entries(session, invoice.customer_id).rows[0]
    assert (newest.kind, newest.invoice_id) == (EntryKind.RETURNED, invoice.id)
    assert books(session) == {
        "revenue": 533,
        journals.customer_balance(invoice.customer_id): -533,
    }


def test_a_credit_above_what_is_due_gives_the_rest_back(session: Session, make: Make) -> None:
    sale = sold(make)
    use(session, sale, "12641")
    adjust(session, sale.contract.customer_id, 50_000)
    invoice = billed(session, sale)
    request = CreditRequest(CreditReason.CORRECTION, total_minor=12_641)

    note = credit_notes.issue(session, invoice.id, request, actor=ADA, now=NOON)

    assert (note.amount, note.to_balance) == (cny(90_533), cny(50_000))
    assert (invoice.status, invoice.due) == (InvoiceStatus.PAID, cny(0))
    assert agree(session, invoice.customer_id) == 50_000
    assert books(session)["revenue"] == 50_000


def test_many_at_once_take_no_more_than_there_is(transaction: Transaction) -> None:
    with transaction() as session:
        customer_id = Make(session).customer().id
        adjust(session, customer_id, 1_000)

    def take(_: int) -> str:
        try:
            with transaction() as session:
                adjust(session, customer_id, -300)
        except BalanceTooLow as refusal:
            return refusal.code
        return "taken"

    with ThreadPoolExecutor(8) as pool:
        outcomes = sorted(pool.map(take, range(8)))

    with transaction() as session:
        assert agree(session, customer_id) == 100
    assert outcomes == ["balance_too_low"] * 5 + ["taken"] * 3


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.integers(-500, 500).filter(bool), max_size=8))
def test_whatever_moves_it_all_three_agree(engine: Engine, steps: list[int]) -> None:
    transaction = partial(begin, engine, Make.new_merchant_id())
    with transaction() as session:
        make = Make(session)
        make.merchant()
        customer_id = make.customer().id
    expected = 0
    for step in steps:
        try:
            with transaction() as session:
                adjust(session, customer_id, step)
            expected += step
        except BalanceTooLow:
            assert expected + step < 0

    with transaction() as session:
        assert agree(session, customer_id) == expected
