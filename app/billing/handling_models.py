"""What is done with invoices once they are there: seen, mailed again, handled many at once."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, Tenant, one_of
from app.core.ids import new_id
from app.core.language import Language


class InvoiceView(Tenant, Base):
    """How often the hosted page of an invoice was opened; its times are real ones."""

    __tablename__ = "invoice_views"
    __table_args__ = (
        ForeignKeyConstraint(
            ["merchant_id", "invoice_id"], ["invoices.merchant_id", "invoices.id"]
        ),
        CheckConstraint("views > 0", name="views"),
        {"info": {"scale": "tenant"}},
    )

    invoice_id: Mapped[int] = mapped_column(primary_key=True)
    views: Mapped[int]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]


class InvoiceResend(Tenant, Base):
    """Somebody had an invoice, or its receipt, mailed once more; never changed.

    Its mail refers to it. `created_at` is the real time.
    """

    __tablename__ = "invoice_resends"
    __table_args__ = (
        ForeignKeyConstraint(
            ["merchant_id", "invoice_id"], ["invoices.merchant_id", "invoices.id"]
        ),
        Index("ix_invoice_resends_invoice_id", "merchant_id", "invoice_id", "id"),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    invoice_id: Mapped[int]
    created_at: Mapped[datetime]
    created_by: Mapped[str]


class BulkAction(StrEnum):
    """What can be done with many invoices at once: nothing that takes money or a document back."""

    RESEND = "resend"
    DOWNLOAD = "download"
    FINALIZE = "finalize"
    GIVE_UP = "give_up"


class BulkOutcome(StrEnum):
    DONE = "done"
    REFUSED = "refused"


class InvoiceBulk(Tenant, Base):
    """One action on many invoices, done by a job, each invoice by itself.

    `language` is that of the downloaded documents; `storage_key` is their ZIP, while there is one.
    Its times are real ones.
    """

    __tablename__ = "invoice_bulks"
    __table_args__ = (
        one_of("action", BulkAction),
        one_of("language", Language),
        CheckConstraint("total > 0", name="total"),
        Index(
            "ix_invoice_bulks_files",
            "merchant_id",
            "ended_at",
            postgresql_where=text("storage_key IS NOT NULL"),
        ),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    action: Mapped[BulkAction]
    language: Mapped[Language]
    total: Mapped[int]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    ended_at: Mapped[datetime | None]
    storage_key: Mapped[str | None]


class InvoiceBulkItem(Tenant, Base):
    """One invoice of a bulk action, and what became of it; `code` and `message` say why not.

    No key holds the invoice: a draft may be thrown away afterwards.
    """

    __tablename__ = "invoice_bulk_items"
    __table_args__ = (
        ForeignKeyConstraint(
            ["merchant_id", "bulk_id"], ["invoice_bulks.merchant_id", "invoice_bulks.id"]
        ),
        UniqueConstraint(
            "merchant_id", "bulk_id", "invoice_id", name="uq_invoice_bulk_items_invoice"
        ),
        one_of("outcome", BulkOutcome),
        CheckConstraint(
            "(outcome IS NOT DISTINCT FROM 'refused') = (code IS NOT NULL)", name="code"
        ),
        Index(
            "ix_invoice_bulk_items_left",
            "merchant_id",
            "bulk_id",
            "id",
            postgresql_where=text("outcome IS NULL"),
        ),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    bulk_id: Mapped[int]
    invoice_id: Mapped[int]
    outcome: Mapped[BulkOutcome | None]
    code: Mapped[str | None]
    message: Mapped[str | None]
