"""Fapiao requests: what a buyer wants on the tax invoice, and how far its issuer is with it."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, Tenant, one_of
from app.core.ids import new_id
from app.core.money import Currency, Money
from app.core.states import Machine


class FapiaoStatus(StrEnum):
    REQUESTED = "requested"
    ISSUED = "issued"
    REJECTED = "rejected"  # the buyer may correct it and request another
    WITHDRAWN = "withdrawn"  # by the buyer, before it was issued
    RED_LETTER_REQUESTED = "red_letter_requested"  # issued for more than is owed by now
    RED_LETTERED = "red_lettered"  # cancelled by a fapiao of its own, in red


class FapiaoEvent(StrEnum):
    CHANGE = "change"
    WITHDRAW = "withdraw"
    ISSUE = "issue"
    REJECT = "reject"
    REQUEST_RED_LETTER = "request_red_letter"
    RED_LETTER = "red_letter"


FAPIAO = Machine(
    "fapiao request",
    moves={
        (FapiaoStatus.REQUESTED, FapiaoEvent.CHANGE): FapiaoStatus.REQUESTED,
        (FapiaoStatus.REQUESTED, FapiaoEvent.WITHDRAW): FapiaoStatus.WITHDRAWN,
        (FapiaoStatus.REQUESTED, FapiaoEvent.ISSUE): FapiaoStatus.ISSUED,
        (FapiaoStatus.REQUESTED, FapiaoEvent.REJECT): FapiaoStatus.REJECTED,
        (FapiaoStatus.ISSUED, FapiaoEvent.REQUEST_RED_LETTER): FapiaoStatus.RED_LETTER_REQUESTED,
        (FapiaoStatus.RED_LETTER_REQUESTED, FapiaoEvent.RED_LETTER): FapiaoStatus.RED_LETTERED,
    },
    repeats=frozenset(
        {
            (FapiaoStatus.WITHDRAWN, FapiaoEvent.WITHDRAW),
            # A second credit note before the first one's red letter: one red letter does for both.
            (FapiaoStatus.RED_LETTER_REQUESTED, FapiaoEvent.REQUEST_RED_LETTER),
        }
    ),
)

LIVE = (FapiaoStatus.REQUESTED, FapiaoStatus.ISSUED, FapiaoStatus.RED_LETTER_REQUESTED)
"""In these the request stands for its invoice: there is at most one."""


class FapiaoKind(StrEnum):
    GENERAL = "general"
    SPECIAL = "special"  # its tax can be deducted: companies only


class TitleType(StrEnum):
    COMPANY = "company"
    PERSONAL = "personal"


class FapiaoRequest(Tenant, Base):
    """One request for the fapiao of one invoice. `title` is the buyer's name as it is printed.

    `revision` counts what the buyer changed, so that nobody issues what he no longer wants.
    `number` and `code` are the issued fapiao's; a fully digital one has no code. The amounts, in
    CNY, are those of the invoice when the request was made, and again when it was issued;
    `amount_minor` includes `tax_minor`; `tax_rows` says what is taxed at which rate.
    """

    __tablename__ = "fapiao_requests"
    __table_args__ = (
        ForeignKeyConstraint(
            ["merchant_id", "invoice_id"], ["invoices.merchant_id", "invoices.id"]
        ),
        ForeignKeyConstraint(
            ["merchant_id", "customer_id"], ["customers.merchant_id", "customers.id"]
        ),
        one_of("status", FapiaoStatus),
        one_of("kind", FapiaoKind),
        one_of("title_type", TitleType),
        CheckConstraint("title_type = 'personal' OR tax_id <> ''", name="tax_id"),
        CheckConstraint("title_type = 'company' OR kind = 'general'", name="special"),
        CheckConstraint("amount_minor > 0", name="amount"),
        CheckConstraint(
            "num_nonnulls(number, issued_on, issued_at) = CASE WHEN status IN "
            "('issued', 'red_letter_requested', 'red_lettered') THEN 3 ELSE 0 END",
            name="issued",
        ),
        CheckConstraint(
            "num_nonnulls(reject_reason, rejected_at) "
            "= CASE status WHEN 'rejected' THEN 2 ELSE 0 END",
            name="rejected",
        ),
        CheckConstraint("(status = 'withdrawn') = (withdrawn_at IS NOT NULL)", name="withdrawn"),
        CheckConstraint(
            "num_nonnulls(red_number, red_issued_on, red_lettered_at) "
            "= CASE status WHEN 'red_lettered' THEN 3 ELSE 0 END",
            name="red_lettered",
        ),
        Index(
            "uq_fapiao_requests_live",
            "merchant_id",
            "invoice_id",
            unique=True,
            postgresql_where=text("status IN ('requested', 'issued', 'red_letter_requested')"),
        ),
        Index("ix_fapiao_requests_invoice_id", "merchant_id", "invoice_id", "id"),
        Index("ix_fapiao_requests_status", "merchant_id", "status", "id"),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    invoice_id: Mapped[int]
    customer_id: Mapped[int]
    status: Mapped[FapiaoStatus] = mapped_column(default=FapiaoStatus.REQUESTED)
    revision: Mapped[int] = mapped_column(default=1)
    kind: Mapped[FapiaoKind]
    title_type: Mapped[TitleType]
    title: Mapped[str]
    tax_id: Mapped[str]
    email: Mapped[str]
    address: Mapped[str]
    phone: Mapped[str]
    bank: Mapped[str]
    account: Mapped[str]
    note: Mapped[str]
    amount_minor: Mapped[int]
    tax_minor: Mapped[int]
    tax_rows: Mapped[list[Any]]
    requested_at: Mapped[datetime]
    changed_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]
    issued_at: Mapped[datetime | None]
    number: Mapped[str | None]
    code: Mapped[str | None]
    issued_on: Mapped[date | None]
    rejected_at: Mapped[datetime | None]
    reject_reason: Mapped[str | None]
    red_letter_requested_at: Mapped[datetime | None]
    red_letter_reason: Mapped[str | None]
    red_lettered_at: Mapped[datetime | None]
    red_number: Mapped[str | None]
    red_issued_on: Mapped[date | None]

    @property
    def amount(self) -> Money:
        """What the fapiao is about, tax included."""
        return Money(self.amount_minor, Currency.CNY)

    @property
    def tax(self) -> Money:
        """The tax within the amount."""
        return Money(self.tax_minor, Currency.CNY)


class FapiaoPart(StrEnum):
    FAPIAO = "fapiao"
    RED_LETTER = "red_letter"


class FapiaoFormat(StrEnum):
    PDF = "pdf"
    OFD = "ofd"
    XML = "xml"


class FapiaoFile(Tenant, Base):
    """A file of the issuer's, as it was uploaded: only handed out, never opened or rendered."""

    __tablename__ = "fapiao_files"
    __table_args__ = (
        ForeignKeyConstraint(
            ["merchant_id", "request_id"], ["fapiao_requests.merchant_id", "fapiao_requests.id"]
        ),
        UniqueConstraint("merchant_id", "request_id", "part", name="uq_fapiao_files_part"),
        one_of("part", FapiaoPart),
        one_of("format", FapiaoFormat),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    request_id: Mapped[int]
    part: Mapped[FapiaoPart]
    format: Mapped[FapiaoFormat]
    sha256: Mapped[str]
    size_bytes: Mapped[int]
    storage_key: Mapped[str]
    uploaded_at: Mapped[datetime]


class FapiaoSettings(Tenant, Base):
    """How a merchant's fapiao name what was sold; at most one row each, else the default holds."""

    __tablename__ = "fapiao_settings"

    item: Mapped[str]
    tax_code: Mapped[str]
    updated_at: Mapped[datetime]
