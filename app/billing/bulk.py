"""The same thing done with many invoices, each by itself: one that refuses stops none of the rest.

What became of each is written in the transaction that did it, so a job that is killed goes on
where it was, and nothing is done twice.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from app.audit.recording import Actor
from app.billing.handling_models import BulkAction, BulkOutcome, InvoiceBulk, InvoiceBulkItem
from app.billing.models import Invoice
from app.core import db, ids, outbox
from app.core.db import Transaction
from app.core.errors import Invalid, NotFound, Refusal
from app.core.ids import Prefix
from app.core.language import Language
from app.documents import store
from app.documents.models import Document, DocumentKind
from app.documents.storage import Storage

MAX_INVOICES = 500

FILE_KEPT = timedelta(days=7)
"""How long the file of a download can be fetched: its documents are there for good."""

_CHUNK = 50
_MOST_FILES = 100

Act = Callable[[Session, int], None]
"""Does the action with one invoice, by its id, in a transaction of the caller's."""


class NothingChosen(Invalid):
    code = "no_invoices_chosen"


class TooManyChosen(Invalid):
    code = "too_many_invoices"


class NotPrinted(NotFound):
    code = "document_not_ready"


@dataclass(frozen=True, slots=True)
class Progress:
    """How many invoices of a bulk action are done, refused, and there at all."""

    done: int
    refused: int
    total: int

    @property
    def handled(self) -> int:
        return self.done + self.refused


@dataclass(frozen=True, slots=True)
class Handled:
    """One invoice of a bulk action; None when it was a draft that is thrown away."""

    item: InvoiceBulkItem
    invoice: Invoice | None


def start(
    session: Session,
    action: BulkAction,
    invoice_ids: Sequence[int],
    *,
    language: Language,
    actor: Actor,
    now: datetime,
) -> InvoiceBulk:
    """Write down an action on these invoices of the session's merchant, and owe its job.

    An invoice that is there twice is handled once, one that is not there is left out. `now` is
    the real time. Raises NothingChosen and TooManyChosen.
    """
    known = session.scalars(select(Invoice.id).where(Invoice.id.in_(set(invoice_ids)))).all()
    if not known:
        raise NothingChosen("choose at least one invoice", path="invoice")
    if len(known) > MAX_INVOICES:
        raise TooManyChosen(f"choose at most {MAX_INVOICES} invoices", path="invoice")
    bulk = InvoiceBulk(
        merchant_id=db.merchant_of(session),
        id=ids.new_id(),
        action=action,
        language=language,
        total=len(known),
        created_at=now,
        created_by=actor.name,
    )
    session.add(bulk)
    session.flush()  # its items' foreign key needs the row
    session.add_all(
        InvoiceBulkItem(
            merchant_id=bulk.merchant_id, id=ids.new_id(), bulk_id=bulk.id, invoice_id=invoice_id
        )
        for invoice_id in sorted(known)
    )
    public_id = ids.show(Prefix.INVOICE_BULK, bulk.id)
    outbox.owe(session, "jobs.bulk.handle", now=now, bulk=public_id, **actor.dump())
    return bulk


def get_bulk(session: Session, bulk_id: int) -> InvoiceBulk:
    """Return the bulk action. Raises NotFound."""
    return db.get(session, InvoiceBulk, bulk_id, noun="bulk action")


def progress(session: Session, bulk: InvoiceBulk) -> Progress:
    """Return how far it is."""
    of_bulk = select(InvoiceBulkItem.outcome, func.count()).where(
        InvoiceBulkItem.bulk_id == bulk.id
    )
    found = dict(session.execute(of_bulk.group_by(InvoiceBulkItem.outcome)).all())
    done, refused = (found.get(outcome, 0) for outcome in BulkOutcome)
    return Progress(done, refused, bulk.total)


def items_of(session: Session, bulk: InvoiceBulk) -> list[Handled]:
    """Return its invoices with what became of each, what was refused first."""
    is_refused = InvoiceBulkItem.outcome.is_not_distinct_from(BulkOutcome.REFUSED)
    rows = session.execute(
        select(InvoiceBulkItem, Invoice)
        .outerjoin(
            Invoice,
            (Invoice.merchant_id == InvoiceBulkItem.merchant_id)
            & (Invoice.id == InvoiceBulkItem.invoice_id),
        )
        .where(InvoiceBulkItem.bulk_id == bulk.id)
        .order_by(is_refused.desc(), InvoiceBulkItem.id)
    )
    return [Handled(item, invoice) for item, invoice in rows]


def find_print(session: Session, invoice_id: int, language: Language) -> Document | None:
    """Return the receipt of an invoice when it is printed, else the invoice as it was issued."""
    for kind in (DocumentKind.RECEIPT_PDF, DocumentKind.INVOICE_PDF):
        found = store.find_document(session, kind=kind, subject_id=invoice_id, language=language)
        if found is not None:
            return found
    return None


def prints_of(session: Session, bulk: InvoiceBulk) -> list[tuple[str, Document]]:
    """Return the documents of a download, each with the name of its file."""
    done = [each for each in items_of(session, bulk) if each.item.outcome is BulkOutcome.DONE]
    found = [
        (each.invoice, find_print(session, each.item.invoice_id, bulk.language)) for each in done
    ]
    return [
        (f"{invoice.number}-{bulk.language[:2]}.pdf", document)
        for invoice, document in found
        if invoice is not None and document is not None
    ]


def handle_all(transaction: Transaction, bulk_id: int, act: Act) -> None:
    """Do the action with every invoice that is left, each in a transaction of its own."""
    for item_id in _left(transaction, bulk_id):
        try:
            with transaction() as session:
                item = db.get_locked(session, InvoiceBulkItem, item_id, noun="item")
                if item.outcome is None:
                    act(session, item.invoice_id)
                    item.outcome = BulkOutcome.DONE
        except Refusal as refusal:
            with transaction() as session:
                _refuse(session, item_id, refusal)


def finish(session: Session, bulk_id: int, *, storage_key: str | None, now: datetime) -> None:
    """Write down that a bulk action is over; `now` is the real time. Locks it."""
    bulk = db.get_locked(session, InvoiceBulk, bulk_id, noun="bulk action")
    bulk.ended_at = bulk.ended_at or now
    bulk.storage_key = bulk.storage_key or storage_key


def file_until(bulk: InvoiceBulk) -> datetime | None:
    """Return until when the file of a download is kept, or was; None while there was none."""
    is_download = bulk.action is BulkAction.DOWNLOAD
    return bulk.ended_at + FILE_KEPT if is_download and bulk.ended_at else None


def merchants_with_old_files(reader: Session, *, now: datetime) -> list[int]:
    """Return whose downloads have served: asked by the login that reads all merchants."""
    old = select(InvoiceBulk.merchant_id).where(*_has_old_file(now)).distinct()
    return list(reader.scalars(old.execution_options(platform=True)))


def throw_files_away(transaction: Transaction, storage: Storage, *, now: datetime) -> int:
    """Delete a hundred of the files that have served, the oldest first, and return how many.

    The file goes before its key: where this stops in between, the next time goes on. Raises
    StorageUnavailable.
    """
    with transaction() as session:
        statement = select(InvoiceBulk).where(*_has_old_file(now))
        old = session.scalars(statement.order_by(InvoiceBulk.ended_at).limit(_MOST_FILES)).all()
    for bulk in old:
        storage.delete(str(bulk.storage_key))
        with transaction() as session:
            db.get_locked(session, InvoiceBulk, bulk.id, noun="bulk action").storage_key = None
    return len(old)


def _has_old_file(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return InvoiceBulk.storage_key.is_not(None), InvoiceBulk.ended_at <= now - FILE_KEPT


def _left(transaction: Transaction, bulk_id: int) -> Iterator[int]:
    """Yield the items that are not handled yet, a few at a time."""
    last = 0
    while True:
        with transaction() as session:
            found = session.scalars(
                select(InvoiceBulkItem.id)
                .where(
                    InvoiceBulkItem.bulk_id == bulk_id,
                    InvoiceBulkItem.outcome.is_(None),
                    InvoiceBulkItem.id > last,
                )
                .order_by(InvoiceBulkItem.id)
                .limit(_CHUNK)
            ).all()
        yield from found
        if len(found) < _CHUNK:
            return
        last = found[-1]


def _refuse(session: Session, item_id: int, refusal: Refusal) -> None:
    item = db.get_locked(session, InvoiceBulkItem, item_id, noun="item")
    if item.outcome is None:
        item.outcome = BulkOutcome.REFUSED
        item.code, item.message = refusal.code, str(refusal)
