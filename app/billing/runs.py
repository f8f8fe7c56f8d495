"""Runs: draft what is over, finalise what has had its grace, for one merchant at a time.

The unit is a row, not a run: a run may be started twice, by several schedulers at once, or killed
half-way, and what is missing is made by the next. Invoices are made a handful to a transaction,
because that takes hardly more statements than one; of a handful that fails, each by itself.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Protocol

from sqlalchemy import ColumnElement, Select, and_, exists, func, literal, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from app.billing import collection, failures, invoicing
from app.billing.models import Invoice, InvoiceStatus
from app.billing.run_models import InvoiceRun, RunTrigger
from app.core import clock, db
from app.core.db import Transaction
from app.core.ids import Prefix, show
from app.customers.models import Contract
from app.fx.rates import RateSource
from app.identity.models import Merchant

CHUNK = 200
HANDFUL = 200
"""How many invoices one transaction makes: their contracts are locked that long."""

_A_DAY, _AN_HOUR = literal(timedelta(days=1)), literal(timedelta(hours=1))
RETRY_AFTER = timedelta(minutes=10)
"""How long a contract or a draft that failed waits for the next attempt."""

TELLS_EVERY_SECONDS = 1.0
"""How often a run writes down how far it is."""

Now = datetime | ColumnElement[datetime]
"""An instant, or for a question across merchants each one's own."""

_ERROR_LENGTH = 2000


class Draft(Protocol):
    """A step that drafts one invoice of a contract, if one is due."""

    def __call__(self, session: Session, contract_id: int, *, now: datetime) -> Invoice | None: ...


class _Run:
    """A run at work: what it has done so far, told every second; `left` are the steps of a phase.

    A step that fails is noted with its reason and its next try; one that failed before and
    succeeds now is forgotten there.
    """

    def __init__(self, transaction: Transaction, row: InvoiceRun, *, limit: int) -> None:
        self.transaction = transaction
        self.now = row.as_of
        self.left = self._limit = limit
        self._row = row
        self._told_at = clock.monotonic()
        with transaction() as session:
            self._known_to_fail = failures.subjects(session)

    def begin_phase(self, due: int) -> None:
        """Begin a phase of at most `due` steps."""
        self.left = self._limit
        self._row.total = self._row.done + min(due, self._limit)
        self.tell()

    def drafted(self, subject: str) -> None:
        self._row.drafted += 1
        self._succeeded(subject)

    def finalized(self, subject: str, *, is_new: bool) -> None:
        self._row.finalized += is_new
        self._succeeded(subject)

    def failed(self, subject: str, error: Exception) -> None:
        self._row.failed += 1
        self._row.last_error = f"{subject}: {type(error).__name__}: {error}"[:_ERROR_LENGTH]
        self._known_to_fail.add(subject)
        self._step()

    def tell(self, *, has_ended: bool = False) -> InvoiceRun:
        """Write down how far it is, and return the row as it is written."""
        self._told_at = clock.monotonic()
        with self.transaction() as session:
            row = db.get_locked(session, InvoiceRun, self._row.id, noun="run")
            row.drafted, row.finalized = self._row.drafted, self._row.finalized
            row.failed, row.last_error = self._row.failed, self._row.last_error
            row.progressed_at = session.scalars(select(func.clock_timestamp())).one()
            row.ended_at = row.progressed_at if has_ended else None
            row.total = row.done if has_ended else max(self._row.total, row.done)
        return row

    def _succeeded(self, subject: str) -> None:
        if subject in self._known_to_fail:
            self._known_to_fail.discard(subject)
            with self.transaction() as session:
                failures.clear(session, subject)
        self._step()

    def _step(self) -> None:
        self.left -= 1
        if clock.monotonic() - self._told_at >= TELLS_EVERY_SECONDS:
            self.tell()


def run_due(
    transaction: Transaction,
    rates: RateSource,
    *,
    trigger: RunTrigger,
    now: datetime,
    limit: int = 1000,
) -> InvoiceRun:
    """Draft and finalise everything of the merchant that is due at `now`, his time.

    A contract that missed several periods gets them all. One that fails is noted with its reason
    and never stops the others; it, or its draft, is tried again after RETRY_AFTER. At most
    `limit` invoices are drafted, and as many finalised: what is left stays due. Says every second
    how far it is. Returns the run as it ended.
    """
    with transaction() as session:
        row = InvoiceRun(
            merchant_id=db.merchant_of(session),
            trigger=trigger,
            as_of=now,
            drafted=0,
            finalized=0,
            failed=0,
        )
        session.add(row)
        due = _count_contracts(session, now=now, limit=limit) + _count_drafts(
            session, now=now, limit=limit
        )
    run = _Run(transaction, row, limit=limit)
    run.begin_phase(due)
    _draft_due(run)
    _draft_late_due(run)
    with transaction() as session:
        drafts = _count_drafts(session, now=now, limit=limit)
    run.begin_phase(drafts)
    _finalize_due(run, rates)
    return run.tell(has_ended=True)


def due_merchants(reader: Session, *, now: datetime) -> list[int]:
    """Return the merchants that have something due, each by his own clock; `now` is the real time.

    Asked by the login that reads all merchants.
    """
    theirs = literal(now) + Merchant.clock_offset
    of_merchant = Contract.merchant_id == Merchant.merchant_id
    has_contract = exists().where(of_merchant, _is_due(theirs))
    has_late = exists().where(of_merchant, _is_late_due(theirs))
    has_draft = exists().where(Invoice.merchant_id == Merchant.merchant_id, _is_draft_due(theirs))
    due = select(Merchant.merchant_id).where(or_(has_contract, has_late, has_draft))
    return list(reader.scalars(due.execution_options(platform=True)))


def _draft_due(run: _Run) -> None:
    for handful in _handfuls(run, _due(run.transaction, Contract.id, _is_due(run.now))):
        _draft_handful(run, handful)


def _draft_late_due(run: _Run) -> None:
    contracts = _due(run.transaction, Contract.id, _is_late_due(run.now)) if run.left else ()
    _draft_each(run, contracts, invoicing.draft_late)


def _finalize_due(run: _Run, rates: RateSource) -> None:
    for handful in _handfuls(run, _due(run.transaction, Invoice.id, _is_draft_due(run.now))):
        _finalize_handful(run, handful, rates)


def _handfuls(run: _Run, row_ids: Iterator[int]) -> Iterator[list[int]]:
    while run.left and (handful := list(islice(row_ids, min(run.left, HANDFUL)))):
        yield handful


def _draft_handful(run: _Run, contract_ids: list[int]) -> None:
    """Draft an invoice of each contract, and further ones of those that missed several periods."""
    try:
        while contract_ids and run.left:
            with run.transaction() as session:
                contract_ids = invoicing.draft_all(session, contract_ids[: run.left], now=run.now)
            for contract_id in contract_ids:
                run.drafted(show(Prefix.CONTRACT, contract_id))
    except Exception:  # noqa: BLE001  # each by itself says what is wrong with it
        _draft_each(run, contract_ids, invoicing.draft)


def _draft_each(run: _Run, contract_ids: Iterable[int], draft: Draft) -> None:
    for contract_id in contract_ids:
        subject = show(Prefix.CONTRACT, contract_id)
        try:
            while run.left and _draft_one(run, contract_id, draft):
                run.drafted(subject)
        except Exception as error:  # noqa: BLE001  # one contract never stops the others
            _put_off_contract(run, contract_id, error)
            run.failed(subject, error)
        if not run.left:
            return


def _draft_one(run: _Run, contract_id: int, draft: Draft) -> bool:
    with run.transaction() as session:
        return draft(session, contract_id, now=run.now) is not None


def _finalize_handful(run: _Run, invoice_ids: Sequence[int], rates: RateSource) -> None:
    try:
        with run.transaction() as session:
            issued = invoicing.finalize_all(session, invoice_ids, rates=rates, now=run.now)
        for invoice in issued:
            run.finalized(show(Prefix.INVOICE, invoice.id), is_new=True)
    except Exception:  # noqa: BLE001  # each by itself says what is wrong with it
        for invoice_id in invoice_ids:
            _finalize_one(run, invoice_id, rates)


def _finalize_one(run: _Run, invoice_id: int, rates: RateSource) -> None:
    subject = show(Prefix.INVOICE, invoice_id)
    try:
        with run.transaction() as session:
            outcome = invoicing.finalize(session, invoice_id, rates=rates, now=run.now)
    except Exception as error:  # noqa: BLE001  # one invoice never stops the others
        _put_off_invoice(run, invoice_id, error)
        run.failed(subject, error)
    else:
        run.finalized(subject, is_new=outcome is invoicing.Outcome.FINALIZED)


def _put_off_contract(run: _Run, contract_id: int, error: Exception) -> None:
    retry_at = run.now + RETRY_AFTER
    with run.transaction() as session:
        contract = db.get_locked(session, Contract, contract_id, noun="contract")
        contract.retry_at = retry_at
        failures.note(session, show(Prefix.CONTRACT, contract_id), error, retry_at=retry_at)


def _put_off_invoice(run: _Run, invoice_id: int, error: Exception) -> None:
    retry_at = run.now + RETRY_AFTER
    with run.transaction() as session:
        invoice = collection.lock_invoice(session, invoice_id)
        if invoice.status is InvoiceStatus.DRAFT:  # another run may have had more luck
            invoice.finalize_at = retry_at
            failures.note(session, show(Prefix.INVOICE, invoice_id), error, retry_at=retry_at)


def _count_contracts(session: Session, *, now: datetime, limit: int) -> int:
    is_due = or_(_is_due(now), _is_late_due(now))
    return _count_to(session, select(Contract.id).where(is_due), limit=limit)


def _count_drafts(session: Session, *, now: datetime, limit: int) -> int:
    return _count_to(session, select(Invoice.id).where(_is_draft_due(now)), limit=limit)


def _count_to(session: Session, due: Select[int], *, limit: int) -> int:
    """Count what is due as far as a run gets: to count all would cost each run of many the same."""
    found = select(func.count()).select_from(due.limit(limit).subquery())
    return session.scalars(found).one()


def _is_due(now: Now) -> ColumnElement[bool]:
    return and_(Contract.due_at <= now, _may_try(now))


def _is_draft_due(now: Now) -> ColumnElement[bool]:
    return and_(Invoice.status == InvoiceStatus.DRAFT, Invoice.finalize_at <= now)


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
