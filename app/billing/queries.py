"""Reading invoices, their lines, and the runs that made them."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.billing.models import Invoice, InvoiceLine, InvoiceRun, InvoiceStatus
from app.core import db
from app.core.paging import DEFAULT_LIMIT, Page, newest_first
from app.core.text import clean_name


def get_invoice(session: Session, invoice_id: int) -> Invoice:
    """Return the invoice. Raises NotFound."""
    return db.get(session, Invoice, invoice_id, noun="invoice")


def lines_of(session: Session, invoice: Invoice) -> Sequence[InvoiceLine]:
    """Return the invoice's lines in the order they are printed."""
    return session.scalars(
        select(InvoiceLine)
        .where(InvoiceLine.invoice_id == invoice.id)
        .order_by(InvoiceLine.position)
    ).all()


def list_invoices(
    session: Session,
    *,
    status: InvoiceStatus | None = None,
    customer_id: int | None = None,
    contract_id: int | None = None,
    q: str = "",
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Invoice]:
    """Return invoices, newest first; `q` is a part of the number. Raises Invalid."""
    statement = select(Invoice)
    if status:
        statement = statement.where(Invoice.status == status)
    if customer_id is not None:
        statement = statement.where(Invoice.customer_id == customer_id)
    if contract_id is not None:
        statement = statement.where(Invoice.contract_id == contract_id)
    if q:
        wanted = clean_name(q, path="q")
        statement = statement.where(Invoice.number.icontains(wanted, autoescape=True))
    return newest_first(session, statement, Invoice.id, cursor=cursor, limit=limit)


def counts_by_status(session: Session) -> dict[InvoiceStatus, int]:
    """Return how many invoices stand in each status, also in those where none does."""
    counted = select(Invoice.status, func.count()).group_by(Invoice.status)
    found = dict(session.execute(counted).all())
    return {status: found.get(status, 0) for status in InvoiceStatus}


def list_runs(
    session: Session, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Page[InvoiceRun]:
    """Return the merchant's runs, the last one first. Raises Invalid."""
    return newest_first(session, select(InvoiceRun), InvoiceRun.id, cursor=cursor, limit=limit)
