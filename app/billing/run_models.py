"""Runs and what they could not do: the rows an operator looks at when invoices are missing."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, Tenant, one_of


class RunTrigger(StrEnum):
    SCHEDULE = "schedule"
    ADMIN = "admin"
    MERCHANT = "merchant"


class InvoiceRun(Tenant, Base):
    """One pass over a merchant's due contracts: what it made, and what it could not.

    `as_of` is the merchant's time, the others are real. `total` is how many steps it knows of so
    far, a step being a draft or a finalised invoice; `progressed_at` is when it last said how far
    it is. A run without an end was killed, or is still at work; what it made stands.
    """

    __tablename__ = "invoice_runs"
    __table_args__ = (one_of("trigger", RunTrigger), {"info": {"scale": "tenant"}})

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    trigger: Mapped[RunTrigger]
    as_of: Mapped[datetime]
    started_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    ended_at: Mapped[datetime | None]
    drafted: Mapped[int] = mapped_column(default=0)
    finalized: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str | None]
    total: Mapped[int] = mapped_column(server_default=text("0"), default=0)
    progressed_at: Mapped[datetime] = mapped_column(server_default=text("now()"))

    @property
    def done(self) -> int:
        """How many steps are behind it, failed ones too."""
        return self.drafted + self.finalized + self.failed


class RunFailure(Tenant, Base):
    """A contract or a draft that could not be invoiced, and waits for its next try.

    `subject` is its public id, `code` that of the refusal, or `internal_error`. `retry_at` is the
    merchant's time, the others are real. What succeeds has no row any more.
    """

    __tablename__ = "run_failures"
    __table_args__ = (
        Index("ix_run_failures_id", "merchant_id", "id"),
        {"info": {"scale": "tenant"}},
    )

    subject: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(Identity(always=True))
    code: Mapped[str]
    message: Mapped[str]
    attempts: Mapped[int]
    first_failed_at: Mapped[datetime]
    last_failed_at: Mapped[datetime]
    retry_at: Mapped[datetime]
