"""The documents a merchant has: which file, of what, in which language, with which hash."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, Tenant, one_of
from app.core.ids import new_id
from app.core.language import Language


class DocumentKind(StrEnum):
    INVOICE_PDF = "invoice_pdf"  # as it was issued
    RECEIPT_PDF = "receipt_pdf"  # the same invoice with the payment that settled it
    VOID_PDF = "void_pdf"  # that it is owed no more
    CREDIT_NOTE_PDF = "credit_note_pdf"  # its subject is the credit note


class Document(Tenant, Base):
    """A stored file. There is one per subject, kind and language, and it never changes."""

    __tablename__ = "documents"
    __table_args__ = (
        UniqueConstraint(
            "merchant_id", "kind", "subject_id", "language", name="uq_documents_subject"
        ),
        one_of("kind", DocumentKind),
        one_of("language", Language),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[DocumentKind]
    subject_id: Mapped[int]
    language: Mapped[Language]
    sha256: Mapped[str]
    size_bytes: Mapped[int]
    storage_key: Mapped[str]
    created_at: Mapped[datetime]
