"""Remind customers of open invoices: by the merchant's ladder, and by hand.

Each invoice is looked at when its next step is due, in a transaction that locks it first: a
payment that commits before is seen, and no reminder goes out. The row of a step and the mail it
owes are written together, so a step is decided once, however many look at the same time. The
mail asks `is_wanted` once more when it is about to go.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec.structs import asdict
from sqlalchemy import ColumnElement, and_, exists, literal, or_, select
from sqlalchemy.orm import Session

from app.audit.recording import Actor, Change, record
from app.billing import collection, queries, reminder_mails, reminder_settings
from app.billing.models import Invoice, InvoiceStatus
from app.billing.reminder_ladder import Dates, plan
from app.billing.reminder_models import Reminder, ReminderKind, ReminderOutcome
from app.core import db, ids
from app.core.db import Transaction
from app.core.errors import Conflict
from app.core.ids import Prefix
from app.core.periods import local_date
from app.customers import queries as customers
from app.customers.models import Customer
from app.identity import clocks
from app.identity.models import Merchant
from app.mail import sending
from app.mail.messages import Party
from app.mail.models import Mail, MailKind
from app.webhooks import emitting
from app.webhooks.catalogue import EventType
from app.webhooks.payloads import InvoiceReminderData, moment_or_none

NOTHING_AHEAD = timedelta(days=30)
"""When an invoice without a step ahead is looked at again, though its ladder was not changed."""

RETRY_AFTER = timedelta(minutes=10)

Now = datetime | ColumnElement[datetime]
"""An instant, or for a question across merchants each one's own."""


class RemindedToday(Conflict):
    """A reminder of this invoice went out today already: one a day is enough."""

    code = "reminded_today"


class CustomerWithoutEmail(Conflict):
    code = "customer_without_email"


class TooOldToRemind(Conflict):
    """The rates of the invoice no longer hold: the customer could not pay it."""

    code = "invoice_outdated"


@dataclass(frozen=True, slots=True)
class Told:
    """A reminder, and the mail it became, if it became one."""

    reminder: Reminder
    mail: Mail | None


def remind_due(transaction: Transaction, *, base_url: str, now: datetime, limit: int = 1000) -> int:
    """Decide about every step that is due at `now`, the merchant's time; return how many looks.

    At most `limit` invoices are looked at, the rest stays due. One that fails stops none of the
    others: it is looked at again after RETRY_AFTER, and all failures are raised at the end.
    """
    with transaction() as session:
        found = session.scalars(select(Invoice.id).where(_is_due(now)).limit(limit)).all()
    failures = []
    for invoice_id in found:
        try:
            with transaction() as session:
                remind(session, invoice_id, base_url=base_url, now=now)
        except Exception as failure:  # noqa: BLE001  # told below, with the others
            failures.append(failure)
            with transaction() as session:
                collection.lock_invoice(session, invoice_id).remind_at = now + RETRY_AFTER
    if failures:
        raise ExceptionGroup("some invoices could not be looked at", failures)
    return len(found)


def due_merchants(reader: Session, *, now: datetime) -> list[int]:
    """Return the merchants with invoices to look at, each by his own clock; `now` is real.

    Asked by the login that reads all merchants.
    """
    theirs = literal(now) + Merchant.clock_offset
    has_due = exists().where(Invoice.merchant_id == Merchant.merchant_id, _is_due(theirs))
    due = select(Merchant.merchant_id).where(has_due)
    return list(reader.scalars(due.execution_options(platform=True)))


def remind(session: Session, invoice_id: int, *, base_url: str, now: datetime) -> Reminder | None:
    """Decide about the steps of one invoice whose morning has come; return the one that counts.

    Of several only the newest is mailed, the others are noted as skipped. Emits `invoice.overdue`
    once the invoice is, and `invoice.will_be_due` with the first step before. Locks the invoice;
    one that is not open, or was looked at meanwhile, is left alone. Raises NotFound.
    """
    invoice = collection.lock_invoice(session, invoice_id)
    dates = _dates(invoice)
    is_early = invoice.remind_at is not None and invoice.remind_at > now
    if invoice.status is not InvoiceStatus.OPEN or dates is None or is_early:
        return None
    if dates.due_at <= now:
        _emit(session, EventType.INVOICE_OVERDUE, invoice, now=now)
    ladder = reminder_settings.get_ladder(session)
    planned = plan(ladder, dates, done=_steps_done(session, invoice), now=now)
    session.add_all(_new(invoice, days, now=now) for days in planned.skipped)
    reminder = None
    if planned.step is not None:
        reminder = _take_step(session, invoice, planned.step, base_url=base_url, now=now)
    falls_due = dates.due_at if dates.due_at > now else None
    ahead = filter(None, (planned.next_at, falls_due))
    invoice.remind_at = min(ahead, default=now + NOTHING_AHEAD)
    return reminder


def remind_now(
    session: Session, invoice_id: int, *, base_url: str, actor: Actor, now: datetime
) -> Told:
    """Remind of one open invoice at once: also a customer whom the ladder leaves alone.

    Locks the invoice. Raises NotFound, InvoiceNotOpen, TooOldToRemind, CustomerWithoutEmail and
    RemindedToday.
    """
    invoice = collection.lock_invoice(session, invoice_id)
    if invoice.status is not InvoiceStatus.OPEN:
        raise collection.InvoiceNotOpen(invoice.status)
    if collection.is_outdated(invoice, now=now):
        raise TooOldToRemind("its rates held for 30 days; it is to be issued anew")
    customer = customers.get_customer(session, invoice.customer_id)
    if not customer.email:
        raise CustomerWithoutEmail("the customer has no e-mail address")
    if _is_reminded_on_day(session, invoice, now=now):
        raise RemindedToday("a reminder of this invoice went out today already")
    reminder = _new(invoice, None, created_by=actor.name, now=now)
    mail = _mail(session, reminder, invoice, customer=customer, base_url=base_url, now=now)
    change = Change({}, {"reminder": ids.show(Prefix.REMINDER, reminder.id)})
    subject = ids.show(Prefix.INVOICE, invoice.id)
    record(session, actor, "invoice.reminded", subject=subject, change=change, now=now)
    return Told(reminder, mail)


def of_invoice(session: Session, invoice: Invoice) -> Sequence[Told]:
    """Return the reminders of an invoice with their mails, the newest first."""
    rows = session.execute(
        select(Reminder, Mail)
        .outerjoin(
            Mail, and_(Mail.merchant_id == Reminder.merchant_id, Mail.id == Reminder.mail_id)
        )
        .where(Reminder.invoice_id == invoice.id)
        .order_by(Reminder.id.desc())
    )
    return [Told(reminder, mail) for reminder, mail in rows]


def next_step_at(session: Session, invoice: Invoice, *, now: datetime) -> datetime | None:
    """Return when the ladder comes to the invoice next, if it will while it stays open."""
    dates = _dates(invoice)
    if invoice.status is not InvoiceStatus.OPEN or dates is None:
        return None
    if not customers.get_customer(session, invoice.customer_id).is_reminded:
        return None
    ladder = reminder_settings.get_ladder(session)
    return plan(ladder, dates, done=_steps_done(session, invoice), now=now).next_at


def is_wanted(session: Session, mail: Mail) -> bool:
    """Tell whether a mail may still go: a reminder only while its invoice waits to be paid."""
    if mail.kind is not MailKind.INVOICE_REMINDER:
        return True
    reminder = db.get(session, Reminder, ids.read(Prefix.REMINDER, mail.reference), noun="reminder")
    status = session.scalar(select(Invoice.status).where(Invoice.id == reminder.invoice_id))
    return status is InvoiceStatus.OPEN


def _is_due(now: Now) -> ColumnElement[bool]:
    is_time = or_(Invoice.remind_at.is_(None), Invoice.remind_at <= now)
    return and_(Invoice.status == InvoiceStatus.OPEN, is_time)


def _dates(invoice: Invoice) -> Dates | None:
    """Return what the ladder stands on; a draft has nothing of it."""
    if invoice.finalized_at is None or invoice.due_at is None:
        return None
    return Dates(invoice.finalized_at, invoice.due_at, ZoneInfo(invoice.time_zone))


def _steps_done(session: Session, invoice: Invoice) -> set[int]:
    of_ladder = select(Reminder.days).where(
        Reminder.invoice_id == invoice.id, Reminder.kind == ReminderKind.LADDER
    )
    return {days for days in session.scalars(of_ladder) if days is not None}


def _take_step(
    session: Session, invoice: Invoice, days: int, *, base_url: str, now: datetime
) -> Reminder:
    """Mail the reminder of a step, or note why there is none."""
    if days < 0:
        _emit(session, EventType.INVOICE_WILL_BE_DUE, invoice, now=now)
    reminder = _new(invoice, days, now=now)
    customer = customers.get_customer(session, invoice.customer_id)
    hindrance = _hindrance(session, invoice, customer, now=now)
    if hindrance is None:
        _mail(session, reminder, invoice, customer=customer, base_url=base_url, now=now)
    else:
        reminder.outcome = hindrance
        session.add(reminder)
    return reminder


def _hindrance(
    session: Session, invoice: Invoice, customer: Customer, *, now: datetime
) -> ReminderOutcome | None:
    """Return what stands against a mail of the ladder, if anything does."""
    if not customer.is_reminded:
        return ReminderOutcome.OPTED_OUT
    if collection.is_outdated(invoice, now=now):
        return ReminderOutcome.OUTDATED
    if not customer.email:
        return ReminderOutcome.NO_EMAIL
    return ReminderOutcome.SKIPPED if _is_reminded_on_day(session, invoice, now=now) else None


def _is_reminded_on_day(session: Session, invoice: Invoice, *, now: datetime) -> bool:
    mailed = exists().where(
        Reminder.merchant_id == invoice.merchant_id,
        Reminder.invoice_id == invoice.id,
        Reminder.day == local_date(now, ZoneInfo(invoice.time_zone)),
        Reminder.outcome == ReminderOutcome.MAILED,
    )
    return bool(session.scalar(select(mailed)))


def _mail(
    session: Session,
    reminder: Reminder,
    invoice: Invoice,
    *,
    customer: Customer,
    base_url: str,
    now: datetime,
) -> Mail:
    """Write the reminder down with the mail it owes."""
    mail = sending.queue_mail(
        session,
        reminder_mails.word(session, invoice, customer, base_url=base_url, now=now),
        kind=MailKind.INVOICE_REMINDER,
        reference=ids.show(Prefix.REMINDER, reminder.id),
        recipient=Party(customer.email, customer.name),
        now=clocks.to_real(session, now),
    )
    reminder.outcome, reminder.mail_id = ReminderOutcome.MAILED, mail.id
    session.add(reminder)
    session.flush()  # the unique keys speak before anything is told
    return mail


def _new(invoice: Invoice, days: int | None, *, created_by: str = "", now: datetime) -> Reminder:
    """Return a reminder of a step, or one by hand, that is skipped unless something is made of it.

    It is not in the session yet: what is written is never changed.
    """
    return Reminder(
        merchant_id=invoice.merchant_id,
        id=ids.new_id(),
        invoice_id=invoice.id,
        kind=ReminderKind.MANUAL if days is None else ReminderKind.LADDER,
        days=days,
        day=local_date(now, ZoneInfo(invoice.time_zone)),
        outcome=ReminderOutcome.SKIPPED,
        created_at=now,
        created_by=created_by,
    )


def _emit(session: Session, event_type: EventType, invoice: Invoice, *, now: datetime) -> None:
    """Tell it once: a type has one event per invoice."""
    customer = customers.get_customer(session, invoice.customer_id)
    told = InvoiceReminderData(
        **asdict(collection.payload(invoice, customer, queries.lines_of(session, invoice))),
        due_at=moment_or_none(invoice.due_at),
    )
    reference = ids.show(Prefix.INVOICE, invoice.id)
    emitting.emit(session, event_type, told, reference=reference, now=now)
