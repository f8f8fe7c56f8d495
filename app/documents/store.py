"""Keep documents: the bytes in the storage, the row that names and vouches for them here."""

from datetime import datetime
from hashlib import sha256

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.core import db, ids
from app.core.db import Transaction, merchant_of
from app.core.language import Language
from app.documents.models import Document, DocumentKind
from app.documents.storage import Storage


class DocumentDamaged(RuntimeError):
    """The stored bytes are not those that were stored: nobody gets them, somebody has to look."""


DOCUMENT = ids.Prefix.DOCUMENT
SUBJECT = ("merchant_id", "kind", "subject_id", "language")


def store_document(
    transaction: Transaction,
    storage: Storage,
    content: bytes,
    *,
    kind: DocumentKind,
    subject_id: int,
    language: Language,
    now: datetime,
) -> Document:
    """Store a PDF and return the subject's document, which may be an earlier one.

    The file is written before its row: a row always has its file. When two workers print the
    same subject, the first row stays and the other's file is deleted. Raises StorageUnavailable.
    """
    with transaction() as session:
        merchant_id = merchant_of(session)
        found = find_document(session, kind=kind, subject_id=subject_id, language=language)
        if found is not None:
            return found

    document_id = ids.new_id()
    key = f"{ids.show_merchant(merchant_id)}/{now:%Y}/{ids.show(DOCUMENT, document_id)}.pdf"
    storage.put_once(key, content)

    made = Document(
        merchant_id=merchant_id,
        id=document_id,
        kind=kind,
        subject_id=subject_id,
        language=language,
        sha256=sha256(content).hexdigest(),
        size_bytes=len(content),
        storage_key=key,
        created_at=now,
    )
    with transaction() as session:
        kept = _keep(session, made)
    if kept.id != document_id:
        storage.delete(key)
    return kept


def _keep(session: Session, made: Document) -> Document:
    """Insert the row and return it, or the one of the same subject that was there first."""
    row = {column.key: getattr(made, column.key) for column in Document.__table__.columns}
    session.execute(insert(Document).values(row).on_conflict_do_nothing(index_elements=SUBJECT))
    return session.scalars(
        select(Document).where(
            Document.kind == made.kind,
            Document.subject_id == made.subject_id,
            Document.language == made.language,
        )
    ).one()


def find_document(
    session: Session, *, kind: DocumentKind, subject_id: int, language: Language
) -> Document | None:
    return session.scalar(
        select(Document).where(
            Document.kind == kind,
            Document.subject_id == subject_id,
            Document.language == language,
        )
    )


def get_document(session: Session, document_id: int) -> Document:
    """Return the document of the session's merchant. Raises NotFound."""
    return db.get(session, Document, document_id, noun="document")


def read_document(storage: Storage, document: Document) -> bytes:
    """Return the bytes of `document`, verified. Raises NotFound and DocumentDamaged.

    May use the network: call it after the transaction that read the row.
    """
    content = storage.read(document.storage_key)
    if sha256(content).hexdigest() != document.sha256:
        raise DocumentDamaged(f"{document.storage_key} is not what was stored")
    return content
