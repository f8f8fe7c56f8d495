"""Close what can still be paid of an invoice, before what is due on it changes."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from app.audit.recording import Actor
from app.billing import collection, credit_notes
from app.billing.credit_amounts import BadCredit
from app.billing.credit_models import CreditNote, CreditReason
from app.billing.credit_notes import CreditRequest
from app.channels.base import Channel, ChannelName, ChannelRefused
from app.core.db import Transaction
from app.core.errors import Conflict, Unavailable
from app.payments import healing, queries

ChannelOf = Callable[[ChannelName], Channel]


class PaymentUnderWay(Conflict):
    """A payer is about to pay the old amount, and the channel has not let go of it yet."""

    code = "payment_under_way"


def close_open_orders(
    transaction: Transaction, channel_of: ChannelOf, invoice_id: int, *, now: datetime
) -> None:
    """Make every open payment order of the invoice unpayable at its channel, or book its money.

    `now` is real. The channels are asked outside any transaction. What they do not let go of
    stays open. Raises ChannelUnavailable and ChannelRefused.
    """
    with transaction() as session:
        orders = queries.list_open(session, invoice_id)
        questions = [healing.Question.about(order) for order in orders]
    for question in questions:
        _close(transaction, channel_of, question, now=now)


def make_way(
    transaction: Transaction,
    channel_of: ChannelOf,
    others: Sequence[healing.Question],
    *,
    channel: ChannelName,
    now: datetime,
) -> None:
    """Close the other orders of an invoice at their channels, or book their money.

    `now` is real. What `channel` itself does not let go of stops whoever wants to pay there:
    raises ChannelUnavailable and ChannelRefused. Another channel's silence does not: its order
    stays open and is asked about further, and if both are paid the second one goes back.
    """
    for question in others:
        try:
            _close(transaction, channel_of, question, now=now)
        except (Unavailable, ChannelRefused):
            if question.channel is channel:
                raise


def _close(
    transaction: Transaction,
    channel_of: ChannelOf,
    question: healing.Question,
    *,
    now: datetime,
) -> None:
    over = replace(question, expires_at=min(question.expires_at, now))
    healing.settle(transaction, channel_of(question.channel), over, now=now)


def issue_credit_note(
    session: Session, invoice_id: int, request: CreditRequest, *, actor: Actor, now: datetime
) -> CreditNote:
    """Credit what is asked for, now that no channel can collect the old amount any more.

    Call `close_open_orders` first. Locks the invoice, under whose lock orders are opened; so none
    appears meanwhile. Raises PaymentUnderWay, and what `credit_notes.issue` raises.
    """
    if request.reason is CreditReason.LATE_USAGE:
        raise BadCredit("late usage is credited by itself", path="reason")
    invoice = collection.lock_invoice(session, invoice_id)
    if collection.is_payable(invoice) and queries.list_open(session, invoice_id):
        raise PaymentUnderWay("a payment of this invoice is under way; try again in a moment")
    return credit_notes.issue(session, invoice_id, request, actor=actor, now=now)
