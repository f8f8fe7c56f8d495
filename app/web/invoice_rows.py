"""The newest invoices, as pages about something else list them."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from app.billing import invoice_lists
from app.billing.invoice_lists import InvoiceFilter, ListedInvoice
from app.billing.models import Invoice, InvoiceStatus
from app.core.money import Money


@dataclass(frozen=True)
class InvoiceRow:
    invoice: ListedInvoice

    @property
    def collected(self) -> Money | None:
        """What the payer owes, in yuan; None while a draft has no amount that is final."""
        return self.invoice.collection if self.invoice.finalized_at else None

    @property
    def last_day(self) -> date:
        return self.invoice.period_to - timedelta(days=1)


def shown_status(invoice: Invoice | ListedInvoice, now: datetime) -> str:
    """Return the status as pages show it: what is open past its day is overdue."""
    is_overdue = invoice.status is InvoiceStatus.OPEN and invoice.due_at and invoice.due_at < now
    return "overdue" if is_overdue else invoice.status.value


def newest(
    session: Session, *, limit: int, customer_id: int | None = None, contract_id: int | None = None
) -> list[InvoiceRow]:
    """Return the newest invoices of the merchant, of one customer or of one contract."""
    wanted = InvoiceFilter(customer_id=customer_id, contract_id=contract_id)
    found = invoice_lists.list_invoices(session, wanted, limit=limit)
    return [InvoiceRow(invoice) for invoice in found.rows]
