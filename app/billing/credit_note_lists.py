"""Lists of credit notes: which are wanted, page by page, and which invoices they correct."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from app.billing.credit_models import CreditNote, CreditReason
from app.billing.models import Invoice
from app.core.db import among
from app.core.paging import DEFAULT_LIMIT, Page, newest_first


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditNoteFilter:
    """Which credit notes a list has. What is not given does not narrow it.

    They were given from `from_at` on and before `until_at`. `q` is a number in full: its own, or
    that of the invoice.
    """

    invoice_id: int | None = None
    customer_id: int | None = None
    reason: CreditReason | None = None
    from_at: datetime | None = None
    until_at: datetime | None = None
    q: str = ""


def list_credit_notes(
    session: Session,
    wanted: CreditNoteFilter,
    *,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[CreditNote]:
    """Return one page of credit notes, newest first. Raises Invalid and BadCursor."""
    statement = select(CreditNote).where(*_conditions(wanted))
    return newest_first(session, statement, CreditNote.id, cursor=cursor, limit=limit)


def invoice_numbers(session: Session, invoice_ids: Collection[int]) -> dict[int, str]:
    """Return what these invoices are called."""
    named = select(Invoice.id, Invoice.number).where(among(Invoice.id, invoice_ids))
    return {id_: number or "" for id_, number in session.execute(named)}


def _conditions(wanted: CreditNoteFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.invoice_id is not None:
        conditions.append(CreditNote.invoice_id == wanted.invoice_id)
    if wanted.customer_id is not None:
        conditions.append(CreditNote.customer_id == wanted.customer_id)
    if wanted.reason is not None:
        conditions.append(CreditNote.reason == wanted.reason)
    if wanted.from_at is not None:
        conditions.append(CreditNote.created_at >= wanted.from_at)
    if wanted.until_at is not None:
        conditions.append(CreditNote.created_at < wanted.until_at)
    if wanted.q:
        conditions.append(_named(wanted.q.upper()))
    return conditions


def _named(number: str) -> ColumnElement[bool]:
    corrected = select(Invoice.id).where(
        Invoice.merchant_id == CreditNote.merchant_id, Invoice.number == number
    )
    return or_(CreditNote.number == number, CreditNote.invoice_id.in_(corrected))
