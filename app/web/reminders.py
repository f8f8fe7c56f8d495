"""Reminders: the ladder by form, what its mails say, and one sent by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import flash, g, redirect, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.billing import reminder_mails, reminder_settings, reminders
from app.billing.models import Invoice, InvoiceStatus
from app.billing.reminder_ladder import MAX_STEPS, MORNING, Ladder
from app.billing.reminder_models import ReminderOutcome
from app.billing.reminders import Told
from app.core import clock
from app.core.errors import Conflict, Invalid, Refusal
from app.core.ids import Prefix, read
from app.core.language import Language
from app.core.money import Currency, Money
from app.core.periods import local_date
from app.documents import formats
from app.extensions import runtime, transaction
from app.mail import rendering
from app.mail.models import Mail, MailStatus
from app.mail.rendering import InvoiceReminder
from app.web import access
from app.web.forms import Form, blank, typed
from app.web.page import page
from app.web.refusals import say

_SPARE_ROWS = 2
_BEFORE, _AFTER = "before", "after"
_LANGUAGES = {Language.ZH_HANS_CN: "简体中文", Language.EN: "English"}
_EXAMPLE = Money(90_533, Currency.CNY)
_CUSTOMER = {Language.ZH_HANS_CN: "上海智谱星图信息科技", Language.EN: "Acme"}


@dataclass(frozen=True)
class ReminderRow:
    """A reminder as the page of its invoice shows it: an entry of a timeline."""

    tone: str
    icon: str
    title: str
    at: datetime
    text: str


def show_reminders() -> Response:
    return _show()


def save_reminders() -> Response:
    """Save the ladder; a row without days is no step."""
    form = typed(is_on="", **_empty_rows(MAX_STEPS))
    rows = [row for row in range(MAX_STEPS) if form.values[f"days_{row}"].strip()]
    try:
        steps = [_read_step(form, row) for row in rows]
        with transaction(g.merchant_id) as session:
            reminder_settings.set_ladder(
                session,
                is_on=bool(form.values["is_on"]),
                steps=steps,
                actor=access.actor(),
                now=clock.now(),
            )
    except Refusal as refusal:
        _point_at_row(refusal, rows)
        return _show(form.refuse(refusal), status=422)
    flash(_("Saved"), "ok")
    return redirect(url_for("web.show_reminders"), 303)


def send_reminder(invoice_id: str) -> Response:
    """Remind of an open invoice now; where that is refused, say why on its page."""
    try:
        with transaction(g.merchant_id) as session:
            told = reminders.remind_now(
                session,
                read(Prefix.INVOICE, invoice_id),
                base_url=runtime().settings.base_url,
                actor=access.actor(),
                now=access.now(),
            )
    except Conflict as refusal:
        flash(say(refusal), "bad")
    else:
        address = told.mail.recipient if told.mail else ""
        flash(_("The reminder to %(address)s is on its way.", address=address), "ok")
    return redirect(url_for("web.invoice", invoice_id=invoice_id), 303)


def card(session: Session, invoice: Invoice) -> dict[str, Any]:
    """Return what the page of an invoice shows of its reminders."""
    return {
        "rows": [_row(told) for told in reminders.of_invoice(session, invoice)],
        "next_at": reminders.next_step_at(session, invoice, now=access.now()),
        "is_possible": invoice.status is InvoiceStatus.OPEN,
    }


def step_words(days: int) -> str:
    """Say when a step of the ladder is due."""
    words: dict[int, str] = {
        -1: _("1 day before"),
        0: _("On the due day"),
        1: _("1 day after"),
    }
    later: str = _("%(days)s days after", days=days)
    earlier: str = _("%(days)s days before", days=-days)
    return words.get(days, later if days > 0 else earlier)


def _show(form: Form | None = None, *, status: int = 200) -> Response:
    with transaction(g.merchant_id) as session:
        ladder = reminder_settings.get_ladder(session)
        brand = reminder_mails.brand_of(session, base_url=runtime().settings.base_url)
    chosen = _chosen_step(ladder)
    form = form or blank(**_stored(ladder))
    shown = [row for row in range(MAX_STEPS) if form.values.get(f"days_{row}")]
    return page(
        "settings/reminders.html",
        status=status,
        nav="settings",
        form=form,
        ladder=ladder,
        rows=range(min(max(shown, default=-1) + 1 + _SPARE_ROWS, MAX_STEPS)),
        sides=[(_BEFORE, _("before it is due")), (_AFTER, _("after it was due"))],
        morning=f"{MORNING:%H:%M}",
        steps=[
            (step_words(days), url_for("web.show_reminders", days=days), None, days == chosen)
            for days in ladder.steps
        ],
        previews=[
            (name, rendering.render(_example(language, chosen), language, brand))
            for language, name in _LANGUAGES.items()
        ],
    )


def _stored(ladder: Ladder) -> dict[str, str]:
    values = {"is_on": "1" if ladder.is_on else "", **_empty_rows(MAX_STEPS)}
    for row, days in enumerate(ladder.steps):
        values[f"days_{row}"] = str(abs(days))
        values[f"side_{row}"] = _BEFORE if days < 0 else _AFTER
    return values


def _empty_rows(count: int) -> dict[str, str]:
    return {f"days_{row}": "" for row in range(count)} | {
        f"side_{row}": _AFTER for row in range(count)
    }


def _read_step(form: Form, row: int) -> int:
    """Return the step of a row. Raises Invalid, naming its field."""
    text = form.values[f"days_{row}"].strip()
    if not (text.isascii() and text.isdecimal() and len(text) <= 2):  # noqa: PLR2004  # digits
        raise Invalid(_("Write a whole number."), path=f"days_{row}")
    return -int(text) if form.values[f"side_{row}"] == _BEFORE else int(text)


def _point_at_row(refusal: Refusal, rows: Sequence[int]) -> None:
    """Let the refusal of a step name the field that it was typed into."""
    place = refusal.path.removeprefix("steps[").removesuffix("]")
    if place.isdecimal():
        refusal.path = f"days_{rows[int(place)]}"


def _chosen_step(ladder: Ladder) -> int:
    wanted = request.args.get("days", type=int)
    return wanted if wanted in ladder.steps and wanted is not None else ladder.steps[0]


def _example(language: Language, days: int) -> InvoiceReminder:
    """Return what the mail of a step would tell if it were sent today."""
    today = local_date(access.now(), ZoneInfo(g.merchant.time_zone))
    number = f"{g.merchant.invoice_prefix}-{today.year}-000001"
    return InvoiceReminder(
        merchant_name=g.merchant.name,
        customer_name=_CUSTOMER[language],
        number=number,
        amount=formats.money(_EXAMPLE, language),
        due_on=today - timedelta(days=days),
        days_overdue=days,
        link=f"{runtime().settings.base_url}/pay/…",
        reference=number,
        is_sandbox=g.merchant.is_sandbox,
    )


def _row(told: Told) -> ReminderRow:
    reminder = told.reminder
    if reminder.days is None:
        title = _("By hand, by %(name)s", name=reminder.created_by)
    else:
        title = step_words(reminder.days)
    if told.mail is not None:
        tone, text = _of_mail(told.mail)
        return ReminderRow(tone, "mail", title, reminder.created_at, text)
    return ReminderRow("", "ban", title, reminder.created_at, _reason(reminder.outcome))


def _of_mail(mail: Mail) -> tuple[str, str]:
    """Return how far the mail is: the tone of it, and the words."""
    address = mail.recipient
    match mail.status:
        case MailStatus.SENT:
            return "ok", _("Sent to %(address)s", address=address)
        case MailStatus.QUEUED:
            return "", _("On its way to %(address)s", address=address)
        case MailStatus.WITHDRAWN:
            return "", _("Not sent: the invoice was settled first.")
        case MailStatus.FAILED | MailStatus.DEAD:
            return "bad", _("Could not be sent to %(address)s", address=address)


def _reason(outcome: ReminderOutcome) -> str:
    """Say why no mail was sent."""
    reasons: dict[ReminderOutcome, str] = {
        ReminderOutcome.SKIPPED: _("Skipped: its day had passed, or there was another that day."),
        ReminderOutcome.OPTED_OUT: _("Not sent: this customer is not reminded."),
        ReminderOutcome.NO_EMAIL: _("Not sent: the customer has no e-mail address."),
        ReminderOutcome.OUTDATED: _("Not sent: the locked rates are too old. Issue it anew."),
    }
    return reasons[outcome]
