"""The events of webhooks in the words of the pages, group by group."""

from itertools import groupby
from typing import NamedTuple

from flask_babel import gettext as _

from app.webhooks.catalogue import SUBSCRIBABLE, EventType
from app.webhooks.sending import AttemptError


class Choice(NamedTuple):
    """An event to choose: its name, what it says, and whether it is not sent yet."""

    name: str
    words: str
    is_reserved: bool


class Group(NamedTuple):
    """The events about one kind of thing."""

    label: str
    choices: list[Choice]


def event_groups() -> list[Group]:
    """Return the events to choose from, as the picker shows them."""
    labels, words = _labels(), event_words()
    return [
        Group(
            labels[group],
            [Choice(each.value, words[each], each.is_reserved) for each in event_types],
        )
        for group, event_types in groupby(SUBSCRIBABLE, key=lambda each: each.group)
    ]


def event_words() -> dict[EventType, str]:
    """Return what each event says."""
    return {
        EventType.INVOICE_CREATED: _("An invoice was issued and can be paid."),
        EventType.INVOICE_WILL_BE_DUE: _("An open invoice will be due soon."),
        EventType.INVOICE_OVERDUE: _("An invoice was not paid by the day it was due."),
        EventType.INVOICE_PAID: _("An invoice was paid in full; deliver what was bought."),
        EventType.INVOICE_VOIDED: _("An issued invoice was cancelled and can no longer be paid."),
        EventType.INVOICE_MARKED_UNCOLLECTIBLE: _("Nobody expects an invoice to be paid any more."),
        EventType.INVOICE_REISSUED: _(
            "An old invoice was replaced by one with the rates of the day."
        ),
        EventType.INVOICE_REFUNDED: _("Money of a paid invoice went back to the payer."),
        EventType.PAYMENT_CREATED: _("A payer was handed a way to pay an invoice."),
        EventType.PAYMENT_SUCCEEDED: _("A payment succeeded and paid its invoice."),
        EventType.PAYMENT_CLOSED: _("A payment ended unpaid and can no longer be paid."),
        EventType.PAYMENT_UNAPPLIED: _("Money arrived that no invoice waits for."),
        EventType.REFUND_CREATED: _("A refund was asked for; the payer has nothing yet."),
        EventType.REFUND_SUCCEEDED: _("The channel has paid a refund back to the payer."),
        EventType.REFUND_FAILED: _("A refund will not be paid: the channel or we refused it."),
        EventType.DISPUTE_OPENED: _("A channel withdrew a payment on its payer’s complaint."),
        EventType.DISPUTE_CLOSED: _("A dispute was decided: won, or lost."),
        EventType.CREDIT_NOTE_CREATED: _(
            "An issued invoice was corrected; its customer owes less."
        ),
        EventType.CUSTOMER_CREATED: _("A customer was added."),
        EventType.CUSTOMER_UPDATED: _("A customer was changed, archived or restored."),
        EventType.CONTRACT_CREATED: _("A contract was made."),
        EventType.CONTRACT_UPDATED: _("The end or the coming prices of a contract changed."),
        EventType.CONTRACT_ENDED: _("A contract has ended; its last invoice may still come."),
        EventType.FAPIAO_REQUESTED: _("A buyer asked for the fapiao of an invoice."),
        EventType.FAPIAO_ISSUED: _("A fapiao was issued and mailed to the buyer."),
        EventType.FAPIAO_REJECTED: _("A fapiao will not be issued; the buyer was told why."),
        EventType.FAPIAO_RED_LETTERED: _("An issued fapiao was cancelled by a red letter."),
        EventType.PAYOUT_CREATED: _("A payout was approved and will go out."),
        EventType.PAYOUT_COMPLETED: _("A payout left for your bank account."),
        EventType.PAYOUT_FAILED: _("A payout came back from the bank."),
        EventType.WEBHOOK_TEST: _("A test message; nothing happened."),
    }


def attempt_errors() -> dict[AttemptError, str]:
    """Return why an attempt got no answer."""
    return {
        AttemptError.BLOCKED: _("address not allowed"),
        AttemptError.NAME_NOT_FOUND: _("name not found"),
        AttemptError.NOT_CONNECTED: _("no connection"),
        AttemptError.TLS_FAILED: _("TLS failed"),
        AttemptError.TIMED_OUT: _("timed out"),
        AttemptError.INVALID_RESPONSE: _("not HTTP"),
    }


def _labels() -> dict[str, str]:
    return {
        "invoice": _("Invoices"),
        "payment": _("Payments"),
        "refund": _("Refunds"),
        "dispute": _("Disputes"),
        "credit_note": _("Credit notes"),
        "customer": _("Customers"),
        "contract": _("Contracts"),
        "fapiao": _("Fapiao"),
        "payout": _("Payouts"),
    }
