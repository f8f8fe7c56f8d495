"""The mails of a merchant: what they say, to whom, and how far they got."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, Tenant, one_of
from app.core.ids import new_id
from app.core.states import Machine


class MailKind(StrEnum):
    INVOICE_ISSUED = "invoice_issued"
    INVOICE_PAID = "invoice_paid"
    INVOICE_REMINDER = "invoice_reminder"
    INVOICE_VOIDED = "invoice_voided"
    INVOICE_CREDITED = "invoice_credited"
    INVOICE_REFUNDED = "invoice_refunded"
    FAPIAO_ISSUED = "fapiao_issued"
    FAPIAO_REJECTED = "fapiao_rejected"
    FAPIAO_RED_LETTERED = "fapiao_red_lettered"
    WEBHOOK_FAILING = "webhook_failing"
    WEBHOOK_DISABLED = "webhook_disabled"


class MailStatus(StrEnum):
    QUEUED = "queued"
    SENT = "sent"  # a server took it; whether anybody reads it, nobody tells us
    FAILED = "failed"  # not now; it is due again later
    DEAD = "dead"  # refused for good, or tried for a day: somebody has to look
    WITHDRAWN = "withdrawn"  # what it says was no longer true when it was about to go


class MailEvent(StrEnum):
    SEND = "send"
    FAIL = "fail"
    GIVE_UP = "give_up"
    RETRY = "retry"
    WITHDRAW = "withdraw"


MAIL = Machine(
    "mail",
    moves={
        (MailStatus.QUEUED, MailEvent.SEND): MailStatus.SENT,
        (MailStatus.QUEUED, MailEvent.FAIL): MailStatus.FAILED,
        (MailStatus.QUEUED, MailEvent.GIVE_UP): MailStatus.DEAD,
        (MailStatus.FAILED, MailEvent.SEND): MailStatus.SENT,
        (MailStatus.FAILED, MailEvent.FAIL): MailStatus.FAILED,
        (MailStatus.FAILED, MailEvent.GIVE_UP): MailStatus.DEAD,
        (MailStatus.QUEUED, MailEvent.WITHDRAW): MailStatus.WITHDRAWN,
        (MailStatus.FAILED, MailEvent.WITHDRAW): MailStatus.WITHDRAWN,
        # A worker slower than its lease comes back with the truth: it did go out.
        (MailStatus.DEAD, MailEvent.SEND): MailStatus.SENT,
        (MailStatus.WITHDRAWN, MailEvent.SEND): MailStatus.SENT,
        (MailStatus.DEAD, MailEvent.RETRY): MailStatus.QUEUED,
    },
    repeats=frozenset(
        {
            (MailStatus.SENT, MailEvent.SEND),
            # Two workers tried, and the other one got through.
            (MailStatus.SENT, MailEvent.FAIL),
            (MailStatus.SENT, MailEvent.GIVE_UP),
            (MailStatus.DEAD, MailEvent.FAIL),
            (MailStatus.DEAD, MailEvent.GIVE_UP),
            (MailStatus.WITHDRAWN, MailEvent.FAIL),
            (MailStatus.WITHDRAWN, MailEvent.GIVE_UP),
        }
    ),
)


class Mail(Tenant, Base):
    """One mail. `reference` is the public id of what it is about: one mail per kind and reference.

    `attachment_key` is whatever the reader of files that sends it understands. `queued_at` opens
    the day in which it is tried; `due_at` is the next try, or the end of the lease of the one
    that runs.
    """

    __tablename__ = "mails"
    __table_args__ = (
        UniqueConstraint("merchant_id", "kind", "reference", name="uq_mails_reference"),
        one_of("status", MailStatus),
        Index(
            "ix_mails_due",
            "merchant_id",
            "due_at",
            postgresql_where=text("status IN ('queued', 'failed')"),
        ),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[MailKind]
    reference: Mapped[str]
    recipient: Mapped[str]
    recipient_name: Mapped[str]
    subject: Mapped[str]
    text_body: Mapped[str]
    html_body: Mapped[str]
    attachment_name: Mapped[str | None]
    attachment_key: Mapped[str | None]
    status: Mapped[MailStatus]
    attempts: Mapped[int]
    created_at: Mapped[datetime]
    queued_at: Mapped[datetime]
    due_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    last_error: Mapped[str | None]
