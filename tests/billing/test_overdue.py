"""What nobody pays is a loss thirty days after it fell due, and may be paid after all."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.billing import collection, overdue
from app.billing.models import Invoice, InvoiceStatus
from app.core.db import Transaction, begin
from app.webhooks.models import WebhookEvent
from tests.billing.make import all_invoices, billed, books, drafted, sold, use
from tests.make import NOON, Make

LOST = NOON + timedelta(days=14 + 30, seconds=1)


@pytest.fixture
def invoice(session: Session, make: Make) -> Invoice:
    """Return an open invoice over 905.33 CNY."""
    sale = sold(make)
    use(session, sale, "12641")
    return billed(session, sale)


def test_a_loss_is_in_the_books(session: Session, invoice: Invoice) -> None:
    collection.give_up(session, invoice, now=LOST)

    assert (invoice.status, invoice.uncollectible_at) == (InvoiceStatus.UNCOLLECTIBLE, LOST)
    assert books(session) == {"bad_debt": 90_533, "revenue": -90_533}
    session.flush()
    events = session.scalars(select(WebhookEvent.event_type).order_by(WebhookEvent.id)).all()
    assert events == ["invoice.created", "invoice.marked_uncollectible"]


def test_only_an_open_invoice_is_given_up(session: Session, make: Make, invoice: Invoice) -> None:
    collection.mark_paid(session, invoice, now=NOON)

    for row in (invoice, drafted(session, sold(make))):
        with pytest.raises(collection.InvoiceNotOpen):
            collection.give_up(session, row, now=LOST)


def test_it_is_owed_again_when_it_is_paid_after_all(session: Session, invoice: Invoice) -> None:
    collection.give_up(session, invoice, now=LOST)

    assert collection.is_payable(invoice)
    collection.mark_paid(session, invoice, now=LOST)

    assert invoice.status is InvoiceStatus.PAID
    assert books(session) == {
        "receivable": 90_533,
        "merchant_uncollected": -90_533,
        "sales_clearing": 90_533,
        "revenue": -90_533,
    }


def test_a_void_of_it_leaves_nothing(session: Session, invoice: Invoice) -> None:
    collection.give_up(session, invoice, now=LOST)

    collection.void(session, invoice, reason="never delivered", now=LOST)

    assert invoice.status is InvoiceStatus.VOID
    assert books(session) == {}


def test_the_beat_gives_up_what_is_lost_and_nothing_else(
    transaction: Transaction, reader: Engine
) -> None:
    with transaction() as session:
        make = Make(session)
        sale = sold(make)
        use(session, sale, "12641")
        merchant_id = billed(session, sale).merchant_id
        drafted(session, sold(make))

    assert overdue.give_up_overdue(transaction, now=LOST - timedelta(seconds=1)) == 0
    with begin(reader, None) as everything:
        assert merchant_id in overdue.due_merchants(everything, now=LOST)
        assert merchant_id not in overdue.due_merchants(everything, now=NOON)
    assert overdue.give_up_overdue(transaction, now=LOST) == 1
    assert overdue.give_up_overdue(transaction, now=LOST) == 0

    with transaction() as session:
        statuses = {invoice.status for invoice in all_invoices(session)}
        assert statuses == {InvoiceStatus.UNCOLLECTIBLE, InvoiceStatus.DRAFT}
