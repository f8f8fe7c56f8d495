"""Reading invoices, their lines, and the runs that made them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from app.billing.models import Invoice, InvoiceLine, InvoiceStatus
from app.billing.run_models import InvoiceRun, RunTrigger
from app.core import db
from app.core.db import Work, merchant_of, run_sql
from app.core.money import Currency, Money
from app.core.paging import DEFAULT_LIMIT, Page, newest_first
from app.core.periods import local_midnight


@dataclass(frozen=True, slots=True)
class Collected:
    """What was paid on one local day: gross in CNY, and net in each settlement currency.

    What went back since is not taken off: that is `payments.returned`.
    """

    day: date
    gross: Money
    settlement: Money


@dataclass(frozen=True, slots=True)
class Outstanding:
    """What is issued and not paid: how many invoices, their CNY, and how many are overdue."""

    invoices: int
    amount: Money
    overdue: int


_COLLECTED = """
SELECT timezone(%(zone)s::text, paid_at)::date AS day, settlement_currency,
       sum(due_minor)::bigint, sum(settlement_minor)::bigint
  FROM invoices
 WHERE merchant_id = %(merchant_id)s
   AND paid_at >= %(start_at)s AND paid_at < %(end_at)s
 GROUP BY day, settlement_currency
 ORDER BY day, settlement_currency
"""
_OUTSTANDING = """
SELECT count(*), coalesce(sum(due_minor), 0)::bigint,
       count(*) FILTER (WHERE due_at < %(now)s)
  FROM invoices
 WHERE merchant_id = %(merchant_id)s AND status = 'open'
"""


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


def delete_lines(session: Session, invoices: Collection[Invoice]) -> None:
    """Delete the lines of drafts, which are locked: they are written anew."""
    ids = [invoice.id for invoice in invoices]
    session.execute(delete(InvoiceLine).where(db.among(InvoiceLine.invoice_id, ids)))


def contracts_of_drafts(session: Session, invoice_ids: Collection[int]) -> dict[int, int | None]:
    """Return the contract, if there is one, of those of the invoices that are drafts."""
    is_draft = Invoice.status == InvoiceStatus.DRAFT
    wanted = select(Invoice.id, Invoice.contract_id).where(
        db.among(Invoice.id, invoice_ids), is_draft
    )
    return dict(session.execute(wanted.order_by(Invoice.id)).all())


def collected_by_day(
    session: Work, *, first_day: date, end_day: date, zone: ZoneInfo
) -> list[Collected]:
    """Return what was paid on each local day, oldest first; `end_day` is exclusive.

    A day has one entry per settlement currency, and none when nothing was paid.
    """
    asked = {
        "merchant_id": merchant_of(session),
        "zone": zone.key,
        "start_at": local_midnight(first_day, zone),
        "end_at": local_midnight(end_day, zone),
    }
    return [
        Collected(on, Money(gross, Currency.CNY), Money(net, Currency(currency)))
        for on, currency, gross, net in run_sql(session, _COLLECTED, asked)
    ]


def outstanding(session: Work, *, now: datetime) -> Outstanding:
    """Return what customers owe; overdue is what should have been paid before `now`."""
    asked = {"merchant_id": merchant_of(session), "now": now}
    ((count, minor, overdue),) = run_sql(session, _OUTSTANDING, asked)
    return Outstanding(count, Money(minor, Currency.CNY), overdue)


def list_runs(
    session: Session, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Page[InvoiceRun]:
    """Return the merchant's runs, the last one first. Raises Invalid."""
    return newest_first(session, select(InvoiceRun), InvoiceRun.id, cursor=cursor, limit=limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs a list has. What is not given does not narrow it."""

    merchant_id: int | None = None
    trigger: RunTrigger | None = None


EVERY_RUN = RunFilter()


def list_all_runs(
    reader: Session,
    wanted: RunFilter = EVERY_RUN,
    *,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[InvoiceRun]:
    """Return the runs over all merchants, the last one first: by the login that reads all."""
    statement = select(InvoiceRun).execution_options(platform=True)
    if wanted.merchant_id is not None:
        statement = statement.where(InvoiceRun.merchant_id == wanted.merchant_id)
    if wanted.trigger is not None:
        statement = statement.where(InvoiceRun.trigger == wanted.trigger)
    return newest_first(reader, statement, InvoiceRun.id, cursor=cursor, limit=limit)


def count_all(reader: Session) -> dict[InvoiceStatus, int]:
    """Return how many invoices of all merchants stand in each status."""
    counted = select(Invoice.status, func.count()).group_by(Invoice.status)
    found = dict(reader.execute(counted.execution_options(platform=True)).all())
    return {status: found.get(status, 0) for status in InvoiceStatus}
