"""What could not be invoiced: noted with its reason, tried again by itself, or at once by hand."""

from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.billing.models import Invoice, InvoiceStatus
from app.billing.run_models import RunFailure
from app.core import db, ids
from app.core.errors import NotFound, Refusal
from app.core.ids import Prefix
from app.core.paging import DEFAULT_LIMIT, Page, newest_first
from app.customers.models import Contract

INTERNAL = "internal_error"
"""The code of what is no refusal but a fault of ours: its words are for operators only."""

_MESSAGE_LENGTH = 2000


def note(session: Session, subject: str, error: Exception, *, retry_at: datetime) -> None:
    """Write down why `subject` could not be invoiced, and when that is tried again."""
    code = error.code if isinstance(error, Refusal) else INTERNAL
    message = str(error) if isinstance(error, Refusal) else f"{type(error).__name__}: {error}"
    real_now = func.clock_timestamp()
    row = insert(RunFailure).values(
        merchant_id=db.merchant_of(session),
        subject=subject,
        code=code,
        message=message[:_MESSAGE_LENGTH],
        attempts=1,
        first_failed_at=real_now,
        last_failed_at=real_now,
        retry_at=retry_at,
    )
    session.execute(
        row.on_conflict_do_update(
            index_elements=["merchant_id", "subject"],
            set_={
                "code": row.excluded.code,
                "message": row.excluded.message,
                "attempts": RunFailure.attempts + 1,
                "last_failed_at": row.excluded.last_failed_at,
                "retry_at": row.excluded.retry_at,
            },
        )
    )


def clear(session: Session, subject: str) -> None:
    """Forget that `subject` failed: it has succeeded."""
    session.execute(delete(RunFailure).where(RunFailure.subject == subject))


def subjects(session: Session) -> set[str]:
    """Return what waits for another try: hardly ever anything."""
    return set(session.scalars(select(RunFailure.subject)))


def list_failures(
    session: Session, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Page[RunFailure]:
    """Return what of the merchant's waits for another try, the newest first. Raises Invalid."""
    return newest_first(session, select(RunFailure), RunFailure.id, cursor=cursor, limit=limit)


def list_all_failures(
    reader: Session,
    *,
    merchant_id: int | None = None,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[RunFailure]:
    """Return what waits over all merchants, by the login that reads all. Raises Invalid."""
    statement = select(RunFailure).execution_options(platform=True)
    if merchant_id is not None:
        statement = statement.where(RunFailure.merchant_id == merchant_id)
    return newest_first(reader, statement, RunFailure.id, cursor=cursor, limit=limit)


def count_all(reader: Session) -> int:
    """Count what waits for another try over all merchants."""
    counted = select(func.count()).select_from(RunFailure).execution_options(platform=True)
    return reader.scalar(counted) or 0


def retry(session: Session, subject: str, *, now: datetime) -> None:
    """Make a failed contract or draft due again now. Raises NotFound."""
    row = session.get(RunFailure, (db.merchant_of(session), subject))
    if row is None:
        raise NotFound("nothing waits under this id")
    row.retry_at = now
    if subject.startswith(f"{Prefix.CONTRACT}_"):
        contract_id = ids.read(Prefix.CONTRACT, subject)
        contract = db.get_locked(session, Contract, contract_id, noun="contract")
        contract.retry_at = None
        return
    invoice_id = ids.read(Prefix.INVOICE, subject)
    invoice = db.get_locked(session, Invoice, invoice_id, noun="invoice")
    if invoice.status is InvoiceStatus.DRAFT:
        invoice.finalize_at = now
    else:
        session.delete(row)  # somebody has finalised it by hand
