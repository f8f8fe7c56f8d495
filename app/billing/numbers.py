"""Numbers without gaps: one row per series, taken inside the transaction that uses the number.

A rollback gives the number back. A sequence would leave a gap, which a tax office asks about.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.billing.models import InvoiceCounter
from app.core.periods import local_date
from app.identity.models import Merchant


def next_invoice_number(session: Session, merchant: Merchant, *, now: datetime) -> str:
    """Take the next invoice number of the merchant's calendar year: `LUM-2026-000001`."""
    year = _year(merchant, now)
    return f"{merchant.invoice_prefix}-{year}-{_next(session, merchant, series=year):06d}"


def next_credit_note_number(session: Session, merchant: Merchant, *, now: datetime) -> str:
    """Take the next number of the credit notes' own series: `LUM-CN-2026-000001`."""
    year = _year(merchant, now)
    number = _next(session, merchant, series=f"CN-{year}")
    return f"{merchant.invoice_prefix}-CN-{year}-{number:06d}"


def _year(merchant: Merchant, now: datetime) -> str:
    return str(local_date(now, ZoneInfo(merchant.time_zone)).year)


def _next(session: Session, merchant: Merchant, *, series: str) -> int:
    """Add one to the series; whoever comes second waits until the first has committed."""
    return session.scalars(
        insert(InvoiceCounter)
        .values(merchant_id=merchant.merchant_id, series=series, last=1)
        .on_conflict_do_update(
            index_elements=["merchant_id", "series"], set_={"last": InvoiceCounter.last + 1}
        )
        .returning(InvoiceCounter.last)
    ).one()
