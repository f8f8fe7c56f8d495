"""Runs: draft what is over, finalise what has had its grace, for one merchant at a time.

The unit is a row, not a run: each invoice is a transaction of its own, so a run may be started
twice, by several schedulers at once, or killed half-way, and what is missing is made by the next.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import ColumnElement, and_, exists, func, literal, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from app.billing import collection, invoicing
from app.billing.models import Invoice, InvoiceRun, InvoiceStatus, RunTrigger
from app.core import db
from app.core.db import Transaction
from app.core.ids import Prefix, show
from app.customers.models import Contract
from app.fx.rates import RateSource
from app.identity.models import Merchant

CHUNK = 200
_A_DAY, _AN_HOUR = literal(timedelta(days=1)), literal(timedelta(hours=1))
RETRY_AFTER = timedelta(minutes=10)
"""How long a contract or a draft that failed waits for the next attempt."""

Now = datetime | ColumnElement[datetime]
"""An instant, or for a question across merchants each one's own."""

_ERROR_LENGTH = 2000


class Draft(Protocol):
    """A step that drafts one invoice of a contract, if one is due."""

    def __call__(self, session: Session, contract_id: int, *, now: datetime) -> Invoice | None: ...


@dataclass(slots=True)
class _Tally:
    """What a run has done so far; `left` is how many steps it may still take."""

    left: int
    drafted: int = 0
    finalized: int = 0
    errors: list[str] = field(default_factory=list)

    def fail(self, what: str, error: Exception) -> None:
        self.errors.append(f"{what}: {type(error).__name__}: {error}"[:_ERROR_LENGTH])


def run_due(
    transaction: Transaction,
    rates: RateSource,
    *,
    trigger: RunTrigger,
    now: datetime,
    limit: int = 1000,
) -> InvoiceRun:
    """Draft and finalise everything of the merchant that is due at `now`, his time.

    A contract that missed several periods gets them all. One that fails is written down in the
    run and never stops the others; it, or its draft, is tried again after RETRY_AFTER. At most
    `limit` invoices are drafted, and as many finalised: what is left stays due. Returns the run
    as it ended.
    """
    with transaction() as session:
        run = InvoiceRun(merchant_id=db.merchant_of(session), trigger=trigger, as_of=now)
        session.add(run)
    drafting, finalizing = _Tally(limit), _Tally(limit)
    _draft_due(transaction, drafting, now=now)
    _draft_late_due(transaction, drafting, now=now)
    _finalize_due(transaction, rates, finalizing, now=now)
    errors = drafting.errors + finalizing.errors
    with transaction() as session:
        run = db.get_locked(session, InvoiceRun, run.id, noun="run")
        run.drafted, run.finalized = drafting.drafted, finalizing.finalized
        run.failed, run.last_error = len(errors), errors[-1] if errors else None
        run.ended_at = session.scalar(select(func.clock_timestamp()))
    return run


def due_merchants(reader: Session, *, now: datetime) -> list[int]:
    """Return the merchants that have something due, each by his own clock; `now` is the real time.

    Asked by the login that reads all merchants.
    """
    theirs = literal(now) + Merchant.clock_offset
    of_merchant = Contract.merchant_id == Merchant.merchant_id
    has_contract = exists().where(of_merchant, _is_due(theirs))
    has_late = exists().where(of_merchant, _is_late_due(theirs))
    has_draft = exists().where(
        Invoice.merchant_id == Merchant.merchant_id,
        Invoice.status == InvoiceStatus.DRAFT,
        Invoice.finalize_at <= theirs,
    )
    due = select(Merchant.merchant_id).where(or_(has_contract, has_late, has_draft))
    return list(reader.scalars(due.execution_options(platform=True)))


def _draft_due(transaction: Transaction, tally: _Tally, *, now: datetime) -> None:
    if tally.left:
        contracts = _due(transaction, Contract.id, _is_due(now))
        _draft_each(transaction, contracts, invoicing.draft, tally=tally, now=now)


def _draft_late_due(transaction: Transaction, tally: _Tally, *, now: datetime) -> None:
    if tally.left:
        contracts = _due(transaction, Contract.id, _is_late_due(now))
        _draft_each(transaction, contracts, invoicing.draft_late, tally=tally, now=now)


def _draft_each(
    transaction: Transaction,
    contract_ids: Iterator[int],
    draft: Draft,
    *,
    tally: _Tally,
    now: datetime,
) -> None:
    for contract_id in contract_ids:
        try:
            while tally.left and _draft_one(transaction, contract_id, draft, now=now):
                tally.left -= 1
                tally.drafted += 1
        except Exception as error:  # noqa: BLE001  # one contract never stops the others
            tally.left -= 1
            tally.fail(show(Prefix.CONTRACT, contract_id), error)
            with transaction() as session:
                contract = db.get_locked(session, Contract, contract_id, noun="contract")
                contract.retry_at = now + RETRY_AFTER
        if not tally.left:
            return


def _draft_one(transaction: Transaction, contract_id: int, draft: Draft, *, now: datetime) -> bool:
    with transaction() as session:
        return draft(session, contract_id, now=now) is not None


def _finalize_due(
    transaction: Transaction, rates: RateSource, tally: _Tally, *, now: datetime
) -> None:
    is_due = and_(Invoice.status == InvoiceStatus.DRAFT, Invoice.finalize_at <= now)
    for invoice_id in _due(transaction, Invoice.id, is_due):
        try:
            with transaction() as session:
                outcome = invoicing.finalize(session, invoice_id, rates=rates, now=now)
        except Exception as error:  # noqa: BLE001  # one invoice never stops the others
            tally.fail(show(Prefix.INVOICE, invoice_id), error)
            _put_off(transaction, invoice_id, now=now)
        else:
            tally.finalized += outcome is invoicing.Outcome.FINALIZED
        tally.left -= 1
        if not tally.left:
            return


def _is_due(now: Now) -> ColumnElement[bool]:
    return and_(Contract.due_at <= now, _may_try(now))


def _is_late_due(now: Now) -> ColumnElement[bool]:
    """Tell whether an ended contract has late usage, and can get no more: see `draft_late`."""
    owner = aliased(Merchant)  # the question may stand inside one about merchants
    closed_at = Contract.billed_to + owner.late_window_days * _A_DAY + owner.grace_hours * _AN_HOUR
    is_closed = exists().where(owner.merchant_id == Contract.merchant_id, closed_at < now)
    has_draft = exists().where(
        Invoice.merchant_id == Contract.merchant_id,
        Invoice.contract_id == Contract.id,
        Invoice.status == InvoiceStatus.DRAFT,
    )
    return and_(
        Contract.late_from.is_not(None),
        Contract.due_at.is_(None),
        _may_try(now),
        is_closed,
        ~has_draft,
    )


def _may_try(now: Now) -> ColumnElement[bool]:
    return or_(Contract.retry_at.is_(None), Contract.retry_at <= now)


def _put_off(transaction: Transaction, invoice_id: int, *, now: datetime) -> None:
    with transaction() as session:
        invoice = collection.lock_invoice(session, invoice_id)
        if invoice.status is InvoiceStatus.DRAFT:  # another run may have had more luck
            invoice.finalize_at = now + RETRY_AFTER


def _due(
    transaction: Transaction, row_id: InstrumentedAttribute[int], is_due: ColumnElement[bool]
) -> Iterator[int]:
    """Yield the ids of due rows by id, a chunk at a time, each once: also those that fail."""
    last = 0
    while True:
        with transaction() as session:
            page = select(row_id).where(is_due, row_id > last).order_by(row_id).limit(CHUNK)
            found = session.scalars(page).all()
        yield from found
        if len(found) < CHUNK:
            return
        last = found[-1]
