"""What happened to a refund, with both clocks: when the channel paid, and when we knew."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from flask_babel import gettext as _

from app.mail.models import Mail, MailStatus
from app.payments.refund_models import Refund, RefundPurpose, RefundStatus
from app.web.invoice_story import Happening, at_merchants, at_real


def story_of(refund: Refund, mails: Iterable[Mail]) -> list[Happening]:
    """Return what happened, the last thing first."""
    by_itself = refund.purpose is RefundPurpose.SEND_BACK
    asked = _("Sent back: it paid nothing") if by_itself else _("Refund requested")
    story = [at_merchants("undo-2", asked, refund.created_at, text=refund.created_by)]
    if refund.submitted_at:
        title = _("Set aside; the channel is told")
        story.append(at_real("send", title, refund.submitted_at, text=refund.out_refund_no))
    if refund.asked_at and refund.queries > 1:
        title = _("The channel was asked, %(count)s times so far", count=refund.queries)
        story.append(at_real("refresh-cw", title, refund.asked_at))
    if refund.succeeded_at:
        text = refund.channel_refund_id or ""
        title = _("Paid to the payer, says the channel")
        entry = at_real("banknote", title, refund.succeeded_at, tone="ok", text=text)
        # A channel tells whole seconds: nothing is paid before it was told to pay.
        told_at = refund.submitted_at or refund.succeeded_at
        story.append(replace(entry, real_at=max(refund.succeeded_at, told_at)))
    if refund.ended_at:
        story.append(_end(refund, refund.ended_at))
    story += [_mailed(mail) for mail in mails]
    return sorted(story, key=lambda entry: entry.real_at)[::-1]


def _end(refund: Refund, at: datetime) -> Happening:
    if refund.status is RefundStatus.SUCCEEDED:
        return at_real("circle-check", _("Booked as paid"), at, tone="ok")
    if refund.status is RefundStatus.REJECTED:
        return at_real("ban", _("Not approved"), at, tone="bad", text=refund.trouble)
    return at_real("circle-alert", _("Refused by the channel"), at, tone="bad", text=refund.trouble)


def _mailed(mail: Mail) -> Happening:
    is_sent = mail.status is MailStatus.SENT
    title = _("Buyer told by mail") if is_sent else _("Mail to the buyer")
    at = mail.sent_at or mail.created_at
    return at_real("mail", title, at, tone="ok" if is_sent else "", text=mail.recipient)
