"""Do with many invoices what somebody chose to do with them."""

import io
import zipfile
from contextlib import suppress
from datetime import datetime
from functools import partial

from sqlalchemy.orm import Session

from app.audit.recording import Actor
from app.billing import bulk as room
from app.billing import collection, invoicing, resending
from app.billing.bulk import Act
from app.billing.handling_models import BulkAction, InvoiceBulk
from app.core import clock
from app.core.ids import Prefix, read, show, show_merchant
from app.core.language import Language
from app.documents import store
from app.documents.storage import AlreadyStored
from app.extensions import bound, runtime, transaction
from app.identity import clocks


def handle(*, merchant_id: int, bulk: str, **actor: str) -> None:
    """Do it with every invoice that is left; of documents make one file in the end."""
    bulk_id = read(Prefix.INVOICE_BULK, bulk)
    with transaction(merchant_id) as session:
        row = room.get_bulk(session, bulk_id)
        now = clocks.now(session)
    act = _act_of(row, Actor.load(**actor), now=now)
    room.handle_all(bound(merchant_id), bulk_id, act)
    key = _store_zip(merchant_id, row) if row.action is BulkAction.DOWNLOAD else None
    with transaction(merchant_id) as session:
        room.finish(session, bulk_id, storage_key=key, now=clock.now())


def _act_of(row: InvoiceBulk, actor: Actor, *, now: datetime) -> Act:
    """Return what is done with one invoice at `now`, the merchant's time."""
    acts: dict[BulkAction, Act] = {
        BulkAction.RESEND: partial(_resend, actor=actor, now=now),
        BulkAction.DOWNLOAD: partial(_check_print, language=row.language),
        BulkAction.FINALIZE: partial(_finalize, now=now),
        BulkAction.GIVE_UP: partial(_give_up, actor=actor, now=now),
    }
    return acts[row.action]


def _resend(session: Session, invoice_id: int, *, actor: Actor, now: datetime) -> None:
    resending.resend(session, invoice_id, actor=actor, now=now)


def _finalize(session: Session, invoice_id: int, *, now: datetime) -> None:
    invoicing.finalize(session, invoice_id, rates=runtime().rates, now=now)


def _give_up(session: Session, invoice_id: int, *, actor: Actor, now: datetime) -> None:
    invoice = collection.lock_invoice(session, invoice_id)
    collection.give_up(session, invoice, actor=actor, now=now)


def _check_print(session: Session, invoice_id: int, *, language: Language) -> None:
    if room.find_print(session, invoice_id, language) is None:
        raise room.NotPrinted("it is not printed yet")


def _store_zip(merchant_id: int, row: InvoiceBulk) -> str | None:
    """Store the documents as one file and return its key, None when there is not one of them.

    A job that was killed after it stored the file finds it there.
    """
    with transaction(merchant_id) as session:
        prints = room.prints_of(session, row)
    if not prints:
        return None
    storage, content = runtime().storage, io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:  # a PDF is compressed
        for name, document in prints:
            archive.writestr(zipfile.ZipInfo(name), store.read_document(storage, document))
    key = f"{show_merchant(merchant_id)}/bulk/{show(Prefix.INVOICE_BULK, row.id)}.zip"
    with suppress(AlreadyStored):
        storage.put_once(key, content.getvalue())
    return key
