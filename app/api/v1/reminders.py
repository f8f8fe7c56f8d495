"""Reminders: the ladder that reminds customers of open invoices, and what became of its steps."""

from datetime import date
from typing import Annotated

import msgspec

from app.api.operations import Call
from app.api.v1.base import API, In, Listing, Moment, Out, utc, utc_or_none
from app.billing import queries, reminder_settings, reminders
from app.billing.reminder_ladder import EARLIEST, LATEST, Ladder
from app.billing.reminder_models import ReminderKind, ReminderOutcome
from app.billing.reminders import Told
from app.core.ids import Prefix, show
from app.core.paging import Page
from app.extensions import runtime
from app.identity.models import Scope
from app.mail.models import MailStatus

TAG = "Reminders"

# Only told: the room refuses a day too far with a code of its own.
_DAYS_AROUND = {"minimum": EARLIEST, "maximum": LATEST}
Days = Annotated[
    int,
    msgspec.Meta(
        description="Days relative to the day an invoice is due: −3 is three days before.",
        extra_json_schema=_DAYS_AROUND,
    ),
]


class ReminderSettingsIn(In):
    """The ladder: 1 to 10 different days. Off, nobody is reminded but by hand."""

    is_on: bool
    steps: list[Days]


class ReminderSettingsOut(Out):
    """The ladder, in rising order. A step is due at 09:00 in the merchant's time zone."""

    is_on: bool
    steps: list[Days]

    @classmethod
    def of(cls, ladder: Ladder) -> "ReminderSettingsOut":
        return cls(ladder.is_on, list(ladder.steps))


class ReminderOut(Out):
    """What was decided about a step of the ladder, `days`, or a reminder sent by hand.

    `day` is the merchant's local day. Only what is `mailed` has a mail: `recipient`, how far it
    got, and when a mail server took it. One that is `withdrawn` was not sent, because the invoice
    was paid first.
    """

    id: str
    invoice_id: str
    kind: ReminderKind
    days: int | None
    day: date
    outcome: ReminderOutcome
    recipient: str | None
    mail_status: MailStatus | None
    sent_at: Moment | None
    created_at: Moment
    created_by: str

    @classmethod
    def of(cls, told: Told) -> "ReminderOut":
        reminder, mail = told.reminder, told.mail
        return cls(
            id=show(Prefix.REMINDER, reminder.id),
            invoice_id=show(Prefix.INVOICE, reminder.invoice_id),
            kind=reminder.kind,
            days=reminder.days,
            day=reminder.day,
            outcome=reminder.outcome,
            recipient=mail.recipient if mail else None,
            mail_status=mail.status if mail else None,
            sent_at=utc_or_none(mail.sent_at) if mail else None,
            created_at=utc(reminder.created_at),
            created_by=reminder.created_by,
        )


class ReminderList(Listing[ReminderOut]):
    """All reminders of an invoice, newest first."""


@API.route(
    "GET",
    "/reminder-settings",
    scope=Scope.INVOICE_READ,
    tag=TAG,
    returns=ReminderSettingsOut,
)
def get_reminder_settings(call: Call) -> ReminderSettingsOut:
    """Return the ladder by which customers are reminded."""
    return ReminderSettingsOut.of(reminder_settings.get_ladder(call.session))


@API.route(
    "PUT",
    "/reminder-settings",
    scope=Scope.INVOICE_WRITE,
    tag=TAG,
    body=ReminderSettingsIn,
    returns=ReminderSettingsOut,
    example={"isOn": True, "steps": [-3, 0, 3, 7, 14]},
)
def set_reminder_settings(call: Call, body: ReminderSettingsIn) -> ReminderSettingsOut:
    """Replace the ladder; it holds for open invoices too.

    A new step whose day has passed is mailed only if it is the newest of all.
    """
    ladder = reminder_settings.set_ladder(
        call.session, is_on=body.is_on, steps=body.steps, actor=call.actor, now=call.real_now
    )
    return ReminderSettingsOut.of(ladder)


@API.route(
    "GET",
    "/invoices/<invoice_id>/reminders",
    scope=Scope.INVOICE_READ,
    tag=TAG,
    returns=ReminderList,
)
def list_reminders(call: Call, invoice_id: int) -> Listing[ReminderOut]:
    """List the reminders of an invoice, also those that were not sent, and why."""
    invoice = queries.get_invoice(call.session, invoice_id)
    found = reminders.of_invoice(call.session, invoice)
    return ReminderList.of(Page(list(found), None), ReminderOut.of)


@API.route(
    "POST",
    "/invoices/<invoice_id>/reminders",
    scope=Scope.INVOICE_WRITE,
    tag=TAG,
    returns=ReminderOut,
    status=201,
    errors=(409,),
)
def send_reminder(call: Call, invoice_id: int) -> ReminderOut:
    """Remind the customer of an open invoice now; once a day."""
    told = reminders.remind_now(
        call.session,
        invoice_id,
        base_url=runtime().settings.base_url,
        actor=call.actor,
        now=call.now,
    )
    return ReminderOut.of(told)
