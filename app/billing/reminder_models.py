"""Reminders: when a merchant's customers are reminded, and what became of each reminder."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, Tenant, one_of
from app.core.ids import new_id


class ReminderKind(StrEnum):
    LADDER = "ladder"  # a step of the merchant's ladder
    MANUAL = "manual"  # somebody pressed a button, or called the API


class ReminderOutcome(StrEnum):
    MAILED = "mailed"  # a mail was queued; how far it got, the mail knows
    SKIPPED = "skipped"  # a newer step was due as well, or another reminder went out that day
    OPTED_OUT = "opted_out"  # the customer is not to be reminded
    NO_EMAIL = "no_email"  # the customer has no address
    OUTDATED = "outdated"  # the rates no longer hold: it can not be paid before it is issued anew


class ReminderSettings(Tenant, Base):
    """A merchant's own ladder; at most one row each, and without one the default holds.

    `steps` are days relative to the day an invoice is due, in rising order: −3 is three before.
    """

    __tablename__ = "reminder_settings"
    __table_args__ = (
        CheckConstraint(
            "cardinality(steps) BETWEEN 1 AND 10 AND -30 <= ALL (steps) AND 90 >= ALL (steps)",
            name="steps",
        ),
        {"info": {"scale": "tenant"}},
    )

    is_on: Mapped[bool]
    steps: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))
    updated_at: Mapped[datetime]


class Reminder(Tenant, Base):
    """What was decided about one step of one invoice, or one reminder sent by hand; never changed.

    `days` is the step, null by hand. `day` is the local day on which it was decided: on one day
    an invoice is mailed about at most once. `created_by` is who sent it by hand.
    """

    __tablename__ = "invoice_reminders"
    __table_args__ = (
        ForeignKeyConstraint(
            ["merchant_id", "invoice_id"], ["invoices.merchant_id", "invoices.id"]
        ),
        ForeignKeyConstraint(["merchant_id", "mail_id"], ["mails.merchant_id", "mails.id"]),
        UniqueConstraint("merchant_id", "invoice_id", "days", name="uq_invoice_reminders_step"),
        Index(
            "uq_invoice_reminders_day",
            "merchant_id",
            "invoice_id",
            "day",
            unique=True,
            postgresql_where=text("outcome = 'mailed'"),
        ),
        one_of("kind", ReminderKind),
        one_of("outcome", ReminderOutcome),
        CheckConstraint("(kind = 'ladder') = (days IS NOT NULL)", name="days"),
        CheckConstraint("(outcome = 'mailed') = (mail_id IS NOT NULL)", name="mail_id"),
        CheckConstraint("kind = 'ladder' OR outcome = 'mailed'", name="manual"),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    invoice_id: Mapped[int]
    kind: Mapped[ReminderKind]
    days: Mapped[int | None] = mapped_column(SmallInteger())
    day: Mapped[date]
    outcome: Mapped[ReminderOutcome]
    mail_id: Mapped[int | None]
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(default="")
