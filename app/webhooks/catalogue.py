"""The events a merchant can subscribe to, and the one shape they all have.

A name, once published, keeps its meaning; `data` may gain fields but never loses one.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any


class EventType(StrEnum):
    INVOICE_CREATED = "invoice.created"
    INVOICE_WILL_BE_DUE = "invoice.will_be_due"
    INVOICE_OVERDUE = "invoice.overdue"
    INVOICE_PAID = "invoice.paid"
    INVOICE_VOIDED = "invoice.voided"
    INVOICE_MARKED_UNCOLLECTIBLE = "invoice.marked_uncollectible"
    INVOICE_REISSUED = "invoice.reissued"
    INVOICE_REFUNDED = "invoice.refunded"
    CREDIT_NOTE_CREATED = "credit_note.created"
    FAPIAO_REQUESTED = "fapiao.requested"
    FAPIAO_ISSUED = "fapiao.issued"
    FAPIAO_REJECTED = "fapiao.rejected"
    FAPIAO_RED_LETTERED = "fapiao.red_lettered"
    PAYMENT_UNAPPLIED = "payment.unapplied"
    REFUND_CREATED = "refund.created"
    REFUND_SUCCEEDED = "refund.succeeded"
    REFUND_FAILED = "refund.failed"
    DISPUTE_OPENED = "dispute.opened"
    DISPUTE_CLOSED = "dispute.closed"
    PAYOUT_COMPLETED = "payout.completed"

    @property
    def description(self) -> str:
        """Say in one line when the event happens, in the words of the merchant's pages."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS = {
    EventType.INVOICE_CREATED: "An invoice was issued and can be paid.",
    EventType.INVOICE_WILL_BE_DUE: "An open invoice will be due soon: its first reminder is due.",
    EventType.INVOICE_OVERDUE: "An invoice was not paid by the day it was due.",
    EventType.INVOICE_PAID: "An invoice was paid in full; deliver what was bought.",
    EventType.INVOICE_VOIDED: "An issued invoice was cancelled and can no longer be paid.",
    EventType.INVOICE_MARKED_UNCOLLECTIBLE: "Nobody expects an invoice to be paid any more.",
    EventType.INVOICE_REISSUED: "An old invoice was replaced by one with the rates of the day.",
    EventType.INVOICE_REFUNDED: "Money of a paid invoice went back to the payer, in full or part.",
    EventType.CREDIT_NOTE_CREATED: "An issued invoice was corrected; its customer owes less.",
    EventType.FAPIAO_REQUESTED: "A buyer asked for the fapiao of an invoice; issue it once paid.",
    EventType.FAPIAO_ISSUED: "A fapiao was issued and mailed to the buyer.",
    EventType.FAPIAO_REJECTED: "A fapiao will not be issued; the buyer was told why.",
    EventType.FAPIAO_RED_LETTERED: "An issued fapiao was cancelled by a red letter.",
    EventType.PAYMENT_UNAPPLIED: "Money arrived that no invoice waits for; it will be returned.",
    EventType.REFUND_CREATED: "A refund was asked for; the payer has nothing yet.",
    EventType.REFUND_SUCCEEDED: "The channel has paid a refund back to the payer.",
    EventType.REFUND_FAILED: "A refund will not be paid: the channel or we refused it.",
    EventType.DISPUTE_OPENED: "A channel withdrew a payment on its payer's complaint.",
    EventType.DISPUTE_CLOSED: "A dispute was decided: won, or lost.",
    EventType.PAYOUT_COMPLETED: "A payout left for your bank account.",
}


def envelope(
    message_id: str, event_type: EventType, data: Mapping[str, Any], *, created_at: datetime
) -> str:
    """Write the body that is signed and sent: `id`, `type`, `createdAt` (UTC) and `data`.

    `data` holds JSON values only, amounts as integers of minor units beside their currency and
    ids in their public form. Raises TypeError or ValueError on anything JSON can not hold.
    """
    moment = created_at.astimezone(UTC).isoformat(timespec="milliseconds")
    message = {
        "id": message_id,
        "type": event_type,
        "createdAt": moment.replace("+00:00", "Z"),
        "data": data,
    }
    return json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
