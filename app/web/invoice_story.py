"""What happened to an invoice, from its draft on: the timeline of its page.

Two clocks run here. What a bill shows is told by the merchant's, which a sandbox may move; what
mails, browsers and channels did is told in real time. The order is the real one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from flask import g
from flask_babel import format_datetime
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from app.billing import mailings, reissue, reminders, viewing
from app.billing.credit_models import CreditNote
from app.billing.models import Invoice, InvoiceKind
from app.ledger.journals import Kind
from app.ledger.queries import TransactionView
from app.mail.models import Mail, MailKind, MailStatus
from app.payments import queries
from app.payments.models import PaymentOrder, PaymentStatus, UnallocatedPayment
from app.payments.refund_models import Dispute, DisputeStatus, Refund
from app.web.amounts import grouped
from app.web.refund_card import Card


@dataclass(frozen=True)
class Happening:
    """One entry of the timeline. `real_at` puts it in order; `at` is what is shown."""

    tone: str
    icon: str
    title: str
    at: datetime
    text: str
    real_at: datetime


@dataclass(frozen=True)
class Facts:
    """What the story is told from."""

    orders: Sequence[PaymentOrder]
    credit_notes: Sequence[CreditNote]
    posted: Mapping[str, datetime]
    replaced_by: Invoice | None
    back: Card


def posted_at(transactions: Iterable[TransactionView]) -> dict[str, datetime]:
    """Return when each kind of transaction was posted last, in real time."""
    newest_last = sorted(transactions, key=lambda row: row.id)
    return {row.kind: row.posted_at for row in newest_last}


def story_of(session: Session, invoice: Invoice, facts: Facts) -> list[Happening]:
    """Return what happened, the last thing first."""
    story = [
        *_life(invoice, facts),
        *(_mailed(mail) for mail in mailings.list_mails(session, invoice, facts.credit_notes)),
        *_reminders(session, invoice),
        *_views(session, invoice),
        *(entry for order in facts.orders for entry in _attempt(order)),
        *(_put_aside(case) for case in queries.list_aside(session, invoice.id)),
        *(_credited(note) for note in facts.credit_notes),
        *(entry for refund, _href in facts.back.refunds for entry in _returned(refund)),
        *(entry for dispute, _href in facts.back.disputes for entry in _disputed(dispute)),
    ]
    return sorted(story, key=lambda entry: entry.real_at)[::-1]


def _life(invoice: Invoice, facts: Facts) -> list[Happening]:
    """Return the moves of the invoice itself, at the merchant's time."""
    posted = facts.posted
    is_by_hand = invoice.kind is InvoiceKind.ONE_OFF
    began = _("Written by hand") if is_by_hand else _("The period ended")
    story = [at_merchants("plus", _("Draft created"), invoice.created_at, text=began)]
    story = [replace(entry, real_at=invoice.drafted_at) for entry in story]
    if invoice.finalized_at:
        text = _("Number, terms and rates were locked")
        finalized = at_merchants("lock", _("Finalized"), invoice.finalized_at, text=text)
        story.append(_placed(finalized, posted.get(Kind.INVOICE_FINALIZED)))
    if invoice.paid_at:
        paid = at_merchants("circle-check", _("Paid"), invoice.paid_at, tone="ok")
        story.append(_placed(paid, posted.get(Kind.PAYMENT_CAPTURED)))
    if invoice.uncollectible_at:
        given_up = at_merchants("circle-alert", _("Given up"), invoice.uncollectible_at, tone="bad")
        story.append(_placed(given_up, posted.get(Kind.INVOICE_UNCOLLECTIBLE)))
    if invoice.voided_at:
        voided = at_merchants(
            "ban", _("Voided"), invoice.voided_at, text=_why(invoice, facts), tone="bad"
        )
        story.append(_placed(voided, posted.get(Kind.INVOICE_VOIDED)))
    return story


def _why(invoice: Invoice, facts: Facts) -> str:
    if facts.replaced_by is not None:
        return str(_("Issued anew as %(number)s", number=facts.replaced_by.number))
    reason = invoice.void_reason or ""
    return str(_("Issued anew at the rates of the day")) if reason == reissue.WHY_VOID else reason


def _mailed(mail: Mail) -> Happening:
    what = {
        MailKind.INVOICE_ISSUED: _("Invoice mailed"),
        MailKind.INVOICE_PAID: _("Receipt mailed"),
        MailKind.INVOICE_VOIDED: _("Void notice mailed"),
        MailKind.INVOICE_CREDITED: _("Credit note mailed"),
    }
    stands: dict[MailStatus, tuple[str, str]] = {
        MailStatus.QUEUED: ("", _("waits to be sent")),
        MailStatus.SENT: ("ok", _("accepted by the mail server")),
        MailStatus.FAILED: ("warn", _("not delivered yet; it is tried again")),
        MailStatus.DEAD: ("bad", _("could not be delivered")),
        MailStatus.WITHDRAWN: ("", _("withdrawn before it was sent")),
    }
    tone, words = stands[mail.status]
    text = f"{mail.recipient} · {words}"
    return at_real("mail", what[mail.kind], mail.sent_at or mail.created_at, tone=tone, text=text)


def _reminders(session: Session, invoice: Invoice) -> list[Happening]:
    return [
        at_real("mail", _("Reminder mailed"), told.mail.created_at, text=told.mail.recipient)
        for told in reminders.of_invoice(session, invoice)
        if told.mail
    ]


def _views(session: Session, invoice: Invoice) -> list[Happening]:
    """Return when the hosted page was opened first, and last."""
    view = viewing.find_view(session, invoice.id)
    if view is None:
        return []
    first = at_real("eye", _("Hosted page opened"), view.first_at)
    if view.views == 1:
        return [first]
    text = _("%(count)s times so far", count=view.views)
    return [first, at_real("eye", _("Hosted page opened again"), view.last_at, text=text)]


def _attempt(order: PaymentOrder) -> list[Happening]:
    channel = channel_name(order)
    opened = _("Payment by %(channel)s opened", channel=channel)
    story = [at_real("qr-code", opened, order.created_at, text=order.out_trade_no)]
    if order.captured_at:
        captured = _("%(channel)s received the money", channel=channel)
        text = f"{_both_clocks(order)} · {order.channel_txn_id or ''}"
        entry = at_real("banknote", captured, order.captured_at, tone="ok", text=text)
        # A channel tells whole seconds: nobody is paid before he asked.
        story.append(replace(entry, real_at=max(order.captured_at, order.created_at)))
    elif order.status is PaymentStatus.CLOSED:
        ended = _("Payment by %(channel)s ended unpaid", channel=channel)
        story.append(at_real("clock", ended, order.queried_at or order.expires_at))
    return story


def _both_clocks(order: PaymentOrder) -> str:
    """Tell the channel's word and time, and when we booked it."""
    return str(
        _(
            "channel: %(word)s %(said)s, credited %(booked)s",
            word=order.raw_state,
            said=format_datetime(order.captured_at, "HH:mm:ss"),
            booked=format_datetime(order.credited_at, "HH:mm:ss"),
        )
    )


def _put_aside(case: UnallocatedPayment) -> Happening:
    title = _("%(amount)s put aside: it paid nothing", amount=grouped(case.amount))
    text = case.channel_txn_id
    return at_merchants("circle-alert", title, case.opened_at, tone="warn", text=text)


def channel_name(order: PaymentOrder) -> str:
    return str(_("WeChat Pay") if order.channel == "wechat" else _("Alipay"))


def _credited(note: CreditNote) -> Happening:
    title = _("Credited %(amount)s", amount=grouped(note.amount))
    return at_merchants("undo-2", title, note.created_at, text=note.number, tone="warn")


def _returned(refund: Refund) -> list[Happening]:
    amount = grouped(refund.amount)
    asked = _("Refund of %(amount)s requested", amount=amount)
    story = [at_merchants("undo-2", asked, refund.created_at, text=refund.reason)]
    if refund.succeeded_at:
        title, text = _("Payer refunded %(amount)s", amount=amount), refund.channel_refund_id or ""
        story.append(at_real("undo-2", title, refund.succeeded_at, tone="ok", text=text))
    elif refund.ended_at:
        title = _("Refund of %(amount)s failed", amount=amount)
        text = refund.trouble
        story.append(at_real("circle-alert", title, refund.ended_at, tone="bad", text=text))
    return story


def _disputed(dispute: Dispute) -> list[Happening]:
    opened = _("Payer disputes %(amount)s", amount=grouped(dispute.amount))
    text = dispute.reason
    story = [at_merchants("shield-alert", opened, dispute.opened_at, text=text, tone="warn")]
    if dispute.closed_at:
        is_won = dispute.status is DisputeStatus.WON
        title = _("Dispute won") if is_won else _("Dispute lost")
        tone = "ok" if is_won else "bad"
        story.append(at_merchants("shield-check", title, dispute.closed_at, tone=tone))
    return story


def _offset() -> timedelta:
    """Return by how much the merchant's clock runs ahead of the real one now."""
    offset: timedelta = g.merchant.clock_offset
    return offset


def at_merchants(
    icon: str, title: str, at: datetime, *, tone: str = "", text: str = ""
) -> Happening:
    """Return what happened at a time of the merchant's clock.

    When that was in real time is only guessed, by how far ahead that clock is today.
    """
    return Happening(tone, icon, title, at, text, at - _offset())


def _placed(entry: Happening, real_at: datetime | None) -> Happening:
    """Return the entry at the real time at which the books have it, if they do."""
    return replace(entry, real_at=real_at) if real_at else entry


def at_real(icon: str, title: str, at: datetime, *, tone: str = "", text: str = "") -> Happening:
    """Return what happened in real time; where the clocks differ, that is said."""
    said = " · ".join(filter(None, [text, _("real time") if _offset() else ""]))
    return Happening(tone, icon, title, at, said, at)
