"""Keep what the issuer made: the fapiao of a paid invoice, and the red letter that cancels it.

The file is written before its row, between two transactions: a row always has its file. Of two
that issue at once one is refused, and leaves a file that nobody names.
"""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.audit.recording import Actor
from app.billing import fapiao, fapiao_files, fapiao_queries
from app.billing.fapiao_details import Printed, checked_print
from app.billing.fapiao_models import (
    FAPIAO,
    FapiaoEvent,
    FapiaoFile,
    FapiaoFormat,
    FapiaoPart,
    FapiaoRequest,
)
from app.billing.models import WAS_PAID, Invoice
from app.core import db, ids
from app.core.db import Transaction, merchant_of
from app.core.errors import Conflict
from app.core.ids import Prefix
from app.core.periods import local_date
from app.core.states import IllegalMove
from app.documents.storage import Storage
from app.documents.store import DocumentDamaged
from app.identity import clocks
from app.webhooks.catalogue import EventType

MEDIA_TYPES = {
    FapiaoFormat.PDF: "application/pdf",
    FapiaoFormat.OFD: "application/ofd",
    FapiaoFormat.XML: "application/xml",
}


class InvoiceNotPaid(Conflict):
    code = "invoice_not_paid"


class FapiaoRequestChanged(Conflict):
    """The buyer has changed the details since they were read."""

    code = "fapiao_request_changed"


@dataclass(frozen=True, slots=True)
class Upload:
    """What the issuer hands in: the number and day of the fapiao, and its file."""

    printed: Printed
    content: bytes


@dataclass(frozen=True, slots=True)
class _Stored:
    """A file that is written and has no row yet."""

    file_id: int
    part: FapiaoPart
    format: FapiaoFormat
    sha256: str
    size_bytes: int
    key: str


def issue(
    transaction: Transaction,
    storage: Storage,
    request_id: int,
    *,
    upload: Upload,
    revision: int | None = None,
    actor: Actor,
    now: datetime,
) -> FapiaoRequest:
    """Keep the issued fapiao, owe the buyer the mail with its file; emit `fapiao.issued`.

    `revision` is that of the details it was issued by, if the caller knows it. Raises NotFound,
    IllegalMove, InvoiceNotPaid, FapiaoRequestChanged, InvalidFapiaoFile, InvalidFapiaoNumber and
    InvalidFapiaoDate.
    """
    with transaction() as session:
        printed = _checked(session, upload.printed, now=now)
        found = fapiao_queries.get_request(session, request_id)
        _check_move(found, FapiaoEvent.ISSUE)
        merchant_id = merchant_of(session)
    content, part = upload.content, FapiaoPart.FAPIAO
    stored = _store(storage, content, part, merchant_id=merchant_id, now=now)
    with transaction() as session:
        invoice = db.get_locked(session, Invoice, found.invoice_id, noun="invoice")
        found = fapiao.lock_request(session, request_id)
        if revision is not None and revision != found.revision:
            raise FapiaoRequestChanged("the buyer changed the details meanwhile")
        _check_paid(invoice)
        before = found.status
        status = FAPIAO.after(before, FapiaoEvent.ISSUE)
        for name, value in fapiao.amount_columns(session, invoice).items():
            setattr(found, name, value)
        found.status = status
        found.number, found.code = printed.number, printed.code or None
        found.issued_on, found.issued_at = printed.issued_on, now
        _keep(session, found, stored, now=now)
        fapiao.audit(session, found, before, actor=actor, now=now)
        fapiao.emit(session, EventType.FAPIAO_ISSUED, found, now=now)
        fapiao.owe_mail(session, "jobs.fapiao.mail_issued", found, now=now)
    return found


def red_letter(
    transaction: Transaction,
    storage: Storage,
    request_id: int,
    *,
    upload: Upload,
    actor: Actor,
    now: datetime,
) -> FapiaoRequest:
    """Keep the red letter, owe the buyer the mail with its file; emit `fapiao.red_lettered`.

    From then on another fapiao may be requested, over what is left of the invoice. Raises
    NotFound, IllegalMove, InvalidFapiaoFile, InvalidFapiaoNumber and InvalidFapiaoDate.
    """
    with transaction() as session:
        printed = _checked(session, upload.printed, now=now)
        found = fapiao_queries.get_request(session, request_id)
        _check_move(found, FapiaoEvent.RED_LETTER)
        merchant_id = merchant_of(session)
    content, part = upload.content, FapiaoPart.RED_LETTER
    stored = _store(storage, content, part, merchant_id=merchant_id, now=now)
    with transaction() as session:
        found = fapiao.lock_request(session, request_id)
        before = found.status
        found.status = FAPIAO.after(found.status, FapiaoEvent.RED_LETTER)
        found.red_number = printed.number
        found.red_issued_on, found.red_lettered_at = printed.issued_on, now
        _keep(session, found, stored, now=now)
        fapiao.audit(session, found, before, actor=actor, now=now)
        fapiao.emit(session, EventType.FAPIAO_RED_LETTERED, found, now=now)
        fapiao.owe_mail(session, "jobs.fapiao.mail_red_lettered", found, now=now)
    return found


def read_file(storage: Storage, file: FapiaoFile) -> bytes:
    """Return the bytes of `file`, verified. Raises NotFound and DocumentDamaged.

    May use the network: call it after the transaction that read the row.
    """
    content = storage.read(file.storage_key)
    if sha256(content).hexdigest() != file.sha256:
        raise DocumentDamaged(f"{file.storage_key} is not what was stored")
    return content


def file_name(request: FapiaoRequest, file: FapiaoFile) -> str:
    """Return the name under which a file is handed out: the fapiao's number."""
    number = request.red_number if file.part is FapiaoPart.RED_LETTER else request.number
    return f"fapiao-{number}.{file.format}"


def _checked(session: Session, printed: Printed, *, now: datetime) -> Printed:
    zone = ZoneInfo(clocks.get_merchant(session).time_zone)
    return checked_print(printed, today=local_date(now, zone))


def _check_move(request: FapiaoRequest, event: FapiaoEvent) -> None:
    """Refuse before anything is stored; the truth is told again under the lock."""
    if not FAPIAO.allows(request.status, event):
        raise IllegalMove(f"a fapiao request that is {request.status} can not {event}")


def _check_paid(invoice: Invoice) -> None:
    if invoice.status not in WAS_PAID or not fapiao.is_possible(invoice):
        raise InvoiceNotPaid(f"the invoice is {invoice.status}, not paid")


def _store(
    storage: Storage, content: bytes, part: FapiaoPart, *, merchant_id: int, now: datetime
) -> _Stored:
    file_format = fapiao_files.format_of(content)
    file_id = ids.new_id()
    name = f"{ids.show(Prefix.FAPIAO_FILE, file_id)}.{file_format}"
    key = f"{ids.show_merchant(merchant_id)}/{now:%Y}/{name}"
    storage.put_once(key, content)
    return _Stored(file_id, part, file_format, sha256(content).hexdigest(), len(content), key)


def _keep(session: Session, request: FapiaoRequest, stored: _Stored, *, now: datetime) -> None:
    session.add(
        FapiaoFile(
            merchant_id=request.merchant_id,
            id=stored.file_id,
            request_id=request.id,
            part=stored.part,
            format=stored.format,
            sha256=stored.sha256,
            size_bytes=stored.size_bytes,
            storage_key=stored.key,
            uploaded_at=now,
        )
    )
