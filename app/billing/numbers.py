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


def take_invoice_numbers(
    session: Session, merchant: Merchant, count: int, *, now: datetime
) -> list[str]:
    """Take the next invoice numbers of the merchant's calendar year: `LUM-2026-000001` and on."""
    year = _year(merchant, now)
    last = _take(session, merchant, count, series=year)
    first = last - count + 1
    return [f"{merchant.invoice_prefix}-{year}-{number:06d}" for number in range(first, last + 1)]


def next_credit_note_number(session: Session, merchant: Merchant, *, now: datetime) -> str:
    """Take the next number of the credit notes' own series: `LUM-CN-2026-000001`."""
    year = _year(merchant, now)
    number = _take(session, merchant, 1, series=f"CN-{year}")
    return f"{merchant.invoice_prefix}-CN-{year}-{number:06d}"


def _year(merchant: Merchant, now: datetime) -> str:
    return str(local_date(now, ZoneInfo(merchant.time_zone)).year)


def _take(session: Session, merchant: Merchant, count: int, *, series: str) -> int:
    """Add to the series and return its last number; who comes second waits for a commit."""
    return session.scalars(
        insert(InvoiceCounter)
        .values(merchant_id=merchant.merchant_id, series=series, last=count)
        .on_conflict_do_update(
            index_elements=["merchant_id", "series"], set_={"last": InvoiceCounter.last + count}
        )
        .returning(InvoiceCounter.last)
    ).one()
