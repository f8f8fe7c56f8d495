"""The events a merchant can subscribe to, and the one shape they all have.

A name, once published, keeps its meaning; `data` may gain fields but never loses one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from app.webhooks import payloads
from app.webhooks.payloads import Moment, Payload, moment


class EventType(StrEnum):
    INVOICE_CREATED = "invoice.created"
    INVOICE_WILL_BE_DUE = "invoice.will_be_due"
    INVOICE_OVERDUE = "invoice.overdue"
    INVOICE_PAID = "invoice.paid"
    INVOICE_VOIDED = "invoice.voided"
    INVOICE_MARKED_UNCOLLECTIBLE = "invoice.marked_uncollectible"
    INVOICE_REISSUED = "invoice.reissued"
    INVOICE_REFUNDED = "invoice.refunded"
    PAYMENT_CREATED = "payment.created"
    PAYMENT_SUCCEEDED = "payment.succeeded"
    PAYMENT_CLOSED = "payment.closed"
    PAYMENT_UNAPPLIED = "payment.unapplied"
    REFUND_CREATED = "refund.created"
    REFUND_SUCCEEDED = "refund.succeeded"
    REFUND_FAILED = "refund.failed"
    DISPUTE_OPENED = "dispute.opened"
    DISPUTE_CLOSED = "dispute.closed"
    CREDIT_NOTE_CREATED = "credit_note.created"
    CUSTOMER_CREATED = "customer.created"
    CUSTOMER_UPDATED = "customer.updated"
    CONTRACT_CREATED = "contract.created"
    CONTRACT_UPDATED = "contract.updated"
    CONTRACT_ENDED = "contract.ended"
    FAPIAO_REQUESTED = "fapiao.requested"
    FAPIAO_ISSUED = "fapiao.issued"
    FAPIAO_REJECTED = "fapiao.rejected"
    FAPIAO_RED_LETTERED = "fapiao.red_lettered"
    PAYOUT_CREATED = "payout.created"
    PAYOUT_COMPLETED = "payout.completed"
    PAYOUT_FAILED = "payout.failed"
    WEBHOOK_TEST = "webhook.test"

    @property
    def description(self) -> str:
        """Say in one line when the event happens, in the words of the merchant's pages."""
        return _TOLD[self].when

    @property
    def payload(self) -> type[Payload]:
        """The type of the event's `data`."""
        return _TOLD[self].payload

    @property
    def group(self) -> str:
        """What the event is about: the first part of its name."""
        return self.value.partition(".")[0]

    @property
    def is_reserved(self) -> bool:
        """Whether the name is kept for something the product does not do yet."""
        return self.group == "payout"


SUBSCRIBABLE = tuple(each for each in EventType if each is not EventType.WEBHOOK_TEST)
"""What an endpoint may ask for: a test goes to the one endpoint it was asked for at."""


@dataclass(frozen=True, slots=True)
class _Entry:
    payload: type[Payload]
    when: str


_TOLD: Mapping[EventType, _Entry] = {
    EventType.INVOICE_CREATED: _Entry(
        payloads.InvoiceData, "An invoice was issued and can be paid."
    ),
    EventType.INVOICE_WILL_BE_DUE: _Entry(
        payloads.InvoiceReminderData,
        "An open invoice will be due soon: its first reminder is due.",
    ),
    EventType.INVOICE_OVERDUE: _Entry(
        payloads.InvoiceReminderData, "An invoice was not paid by the day it was due."
    ),
    EventType.INVOICE_PAID: _Entry(
        payloads.InvoiceData, "An invoice was paid in full; deliver what was bought."
    ),
    EventType.INVOICE_VOIDED: _Entry(
        payloads.InvoiceData, "An issued invoice was cancelled and can no longer be paid."
    ),
    EventType.INVOICE_MARKED_UNCOLLECTIBLE: _Entry(
        payloads.InvoiceData, "Nobody expects an invoice to be paid any more."
    ),
    EventType.INVOICE_REISSUED: _Entry(
        payloads.InvoiceReissuedData,
        "An old invoice was replaced by one with the rates of the day.",
    ),
    EventType.INVOICE_REFUNDED: _Entry(
        payloads.InvoiceRefundedData,
        "Money of a paid invoice went back to the payer, in full or part.",
    ),
    EventType.PAYMENT_CREATED: _Entry(
        payloads.PaymentData, "A payer was handed a way to pay an invoice."
    ),
    EventType.PAYMENT_SUCCEEDED: _Entry(
        payloads.PaymentData, "A channel has the money of a payment; it paid its invoice."
    ),
    EventType.PAYMENT_CLOSED: _Entry(
        payloads.PaymentData, "A payment ended unpaid and can no longer be paid."
    ),
    EventType.PAYMENT_UNAPPLIED: _Entry(
        payloads.PaymentUnappliedData,
        "Money arrived that no invoice waits for; it will be returned.",
    ),
    EventType.REFUND_CREATED: _Entry(
        payloads.RefundData, "A refund was asked for; the payer has nothing yet."
    ),
    EventType.REFUND_SUCCEEDED: _Entry(
        payloads.RefundData, "The channel has paid a refund back to the payer."
    ),
    EventType.REFUND_FAILED: _Entry(
        payloads.RefundData, "A refund will not be paid: the channel or we refused it."
    ),
    EventType.DISPUTE_OPENED: _Entry(
        payloads.DisputeData, "A channel withdrew a payment on its payer's complaint."
    ),
    EventType.DISPUTE_CLOSED: _Entry(payloads.DisputeData, "A dispute was decided: won, or lost."),
    EventType.CREDIT_NOTE_CREATED: _Entry(
        payloads.CreditNoteData, "An issued invoice was corrected; its customer owes less."
    ),
    EventType.CUSTOMER_CREATED: _Entry(payloads.CustomerData, "A customer was added."),
    EventType.CUSTOMER_UPDATED: _Entry(
        payloads.CustomerData, "A customer was changed, archived or restored."
    ),
    EventType.CONTRACT_CREATED: _Entry(payloads.ContractData, "A contract was made."),
    EventType.CONTRACT_UPDATED: _Entry(
        payloads.ContractData, "What a contract is to become has changed: its end, or its prices."
    ),
    EventType.CONTRACT_ENDED: _Entry(
        payloads.ContractData, "A contract has ended; its last invoice may still come."
    ),
    EventType.FAPIAO_REQUESTED: _Entry(
        payloads.FapiaoData, "A buyer asked for the fapiao of an invoice; issue it once paid."
    ),
    EventType.FAPIAO_ISSUED: _Entry(
        payloads.FapiaoData, "A fapiao was issued and mailed to the buyer."
    ),
    EventType.FAPIAO_REJECTED: _Entry(
        payloads.FapiaoData, "A fapiao will not be issued; the buyer was told why."
    ),
    EventType.FAPIAO_RED_LETTERED: _Entry(
        payloads.FapiaoData, "An issued fapiao was cancelled by a red letter."
    ),
    EventType.PAYOUT_CREATED: _Entry(payloads.PayoutData, "A payout was approved and will go out."),
    EventType.PAYOUT_COMPLETED: _Entry(payloads.PayoutData, "A payout left for your bank account."),
    EventType.PAYOUT_FAILED: _Entry(payloads.PayoutData, "A payout came back from the bank."),
    EventType.WEBHOOK_TEST: _Entry(
        payloads.WebhookTestData, "Somebody asked for a test message; nothing happened."
    ),
}


class Envelope(msgspec.Struct, rename="camel", frozen=True):
    """The body of every message.

    `sequence` counts the events of `objectId`, from 1: messages may arrive in another order, and
    of two about one object the larger number is the later.
    """

    id: str
    type: EventType
    created_at: Moment
    object_id: str
    sequence: int
    data: Any


def envelope(
    message_id: str, event_type: EventType, data: Payload, *, sequence: int, created_at: datetime
) -> str:
    """Write the body that is signed and sent."""
    message = Envelope(message_id, event_type, moment(created_at), data.object_id, sequence, data)
    return msgspec.json.encode(message).decode()
