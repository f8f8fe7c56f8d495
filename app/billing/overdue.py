"""Give up what nobody has paid: an open invoice that is long overdue becomes uncollectible."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, literal, select
from sqlalchemy.orm import Session

from app.billing import collection
from app.billing.models import Invoice, InvoiceStatus
from app.core.db import Transaction
from app.identity.models import Merchant

GIVEN_UP_AFTER = timedelta(days=30)
"""How long after it fell due an invoice counts as lost."""

CHUNK = 200


def due_merchants(reader: Session, *, now: datetime) -> list[int]:
    """Return the merchants that have such invoices, each by his own clock; `now` is real.

    Asked by the login that reads all merchants.
    """
    theirs = literal(now) + Merchant.clock_offset
    statement = (
        select(Merchant.merchant_id)
        .join(Invoice, Invoice.merchant_id == Merchant.merchant_id)
        .where(_is_lost(theirs - GIVEN_UP_AFTER))
        .distinct()
    )
    return list(reader.scalars(statement.execution_options(platform=True)))


def give_up_overdue(transaction: Transaction, *, now: datetime) -> int:
    """Mark the merchant's lost invoices uncollectible, each for itself; return how many.

    `now` is the merchant's time. Locks one invoice at a time and looks again, so one that is paid
    meanwhile stays paid.
    """
    given_up = 0
    while True:
        with transaction() as session:
            lost = _is_lost(now - GIVEN_UP_AFTER)
            found = session.scalars(select(Invoice.id).where(lost).limit(CHUNK)).all()
        for invoice_id in found:
            with transaction() as session:
                invoice = collection.lock_invoice(session, invoice_id)
                if invoice.status is InvoiceStatus.OPEN:
                    collection.give_up(session, invoice, now=now)
                    given_up += 1
        if len(found) < CHUNK:
            return given_up


def _is_lost(before: datetime | ColumnElement[datetime]) -> ColumnElement[bool]:
    return and_(Invoice.status == InvoiceStatus.OPEN, Invoice.due_at < before)
