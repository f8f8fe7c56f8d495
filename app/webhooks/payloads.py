"""What each event tells: one type per kind of object, from which docs/events/ is generated.

A field, once published, keeps its name and its meaning; a type may gain fields, and never loses
one. Amounts are integers of minor units beside their currency, quantities exact decimals as text,
moments are UTC, days are the merchant's, and ids are in their public form.
"""

from datetime import UTC, date, datetime
from typing import Annotated, Any, Protocol

import msgspec

from app.core.money import Currency, Money

Told = Annotated[
    str, msgspec.Meta(extra_json_schema={"pattern": r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$"})
]
"""An exact decimal, as text."""

Moment = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
"""An instant as `moment` writes it."""


class Part(msgspec.Struct, rename="camel"):
    """A piece of what an event tells."""


class Payload(Protocol):
    """The `data` of an event."""

    @property
    def object_id(self) -> str:
        """The public id of what the event is about: events of one object are counted."""


class Amount(Part):
    """Money: an integer of minor units of its currency. 14900 CNY are ¥149.00."""

    amount_minor: int
    currency: Currency

    @classmethod
    def of(cls, money: Money) -> "Amount":
        return cls(amount_minor=money.minor, currency=money.currency)


class Line(Part):
    """A line of an invoice; `metric` is null where it bills no usage."""

    kind: str
    metric: str | None
    part: dict[str, Any]
    description: str
    period_from: date
    period_to: date
    quantity: Told
    amount: Amount
    discount: Amount
    tax: Amount


class InvoiceData(Part):
    """An invoice as it is by then, with its first 50 lines; `lineCount` says how many it has."""

    invoice_id: str
    number: str | None
    kind: str
    status: str
    customer_id: str
    customer_external_id: str
    contract_id: str | None
    period_from: date
    period_to: date
    discount: Amount
    subtotal: Amount
    tax: Amount
    total: Amount
    collection: Amount
    due: Amount
    platform_fee: Amount
    settlement: Amount
    lines: list[Line]
    line_count: int

    @property
    def object_id(self) -> str:
        return self.invoice_id


class InvoiceReminderData(InvoiceData):
    """An invoice, and when it is due; null where it is due at once."""

    due_at: Moment | None


class InvoiceReissuedData(InvoiceData):
    """The new invoice, and the one it replaces."""

    replaces_invoice_id: str
    replaces_number: str | None


class RefundData(Part):
    """A refund. `amount` goes to the payer; `settlement` is what it takes off your balance."""

    refund_id: str
    status: str
    purpose: str
    invoice_id: str
    payment_order_id: str
    channel: str
    reason: str
    trouble: str | None
    channel_refund_id: str | None
    amount: Amount
    tax: Amount
    platform_fee_returned: Amount
    settlement: Amount

    @property
    def object_id(self) -> str:
        return self.refund_id


class InvoiceRefundedData(InvoiceData):
    """An invoice, all that went back of it so far, and the refund that did."""

    refunded: Amount
    refund: RefundData


class CreditNoteData(Part):
    """A credit note: `total` in the pricing currency, `amount` in that of collection."""

    credit_note_id: str
    number: str
    invoice_id: str
    invoice_number: str | None
    customer_id: str
    customer_external_id: str
    reason: str
    note: str
    disposition: str
    total: Amount
    tax: Amount
    amount: Amount
    to_balance: Amount
    invoice_due: Amount

    @property
    def object_id(self) -> str:
        return self.credit_note_id


class FapiaoData(Part):
    """A request of a fapiao; the amount is in CNY and includes the tax."""

    fapiao_request_id: str
    status: str
    invoice_id: str
    invoice_number: str | None
    customer_id: str
    kind: str
    title_type: str
    title: str
    tax_id: str | None
    email: str
    amount: Amount
    tax: Amount
    number: str | None
    code: str | None
    issued_on: date | None
    red_number: str | None
    reason: str | None

    @property
    def object_id(self) -> str:
        return self.fapiao_request_id


class PaymentData(Part):
    """An attempt to pay an invoice. `capturedAt` is the channel's word, null until it was paid."""

    payment_order_id: str
    status: str
    invoice_id: str
    channel: str
    method: str
    amount: Amount
    channel_transaction_id: str | None
    captured_at: Moment | None

    @property
    def object_id(self) -> str:
        return self.payment_order_id


class PaymentUnappliedData(Part):
    """Money that came and paid nothing."""

    invoice_id: str
    payment_order_id: str
    channel: str
    channel_transaction_id: str
    amount: Amount
    reason: str

    @property
    def object_id(self) -> str:
        return self.payment_order_id


class DisputeData(Part):
    """A dispute; `held` is what it keeps of your balance, `charge` what the channel asks for."""

    dispute_id: str
    status: str
    invoice_id: str
    payment_order_id: str
    channel: str
    channel_case_no: str
    reason: str
    amount: Amount
    held: Amount
    charge: Amount

    @property
    def object_id(self) -> str:
        return self.dispute_id


class CustomerData(Part):
    """A customer. Name and address are not in it: read the customer for them."""

    customer_id: str
    external_id: str
    status: str
    language: str
    is_reminded: bool
    is_tax_exempt: bool
    tax_rate_id: str | None

    @property
    def object_id(self) -> str:
        return self.customer_id


class ContractData(Part):
    """A contract. It ends where the day `endsOn` begins; null is without end."""

    contract_id: str
    status: str
    customer_id: str
    rate_card_version_id: str
    next_version_id: str | None
    next_version_on: date | None
    currency: Currency
    cycle: str
    starts_on: date
    ends_on: date | None

    @property
    def object_id(self) -> str:
        return self.contract_id


class PayoutData(Part):
    """A payout. Reserved: none is sent yet."""

    payout_id: str
    status: str
    amount: Amount

    @property
    def object_id(self) -> str:
        return self.payout_id


class WebhookTestData(Part):
    """Nothing happened: somebody wanted to see a message arrive."""

    webhook_endpoint_id: str
    message: str = "Nothing happened. This is a test."

    @property
    def object_id(self) -> str:
        return self.webhook_endpoint_id


def moment(time: datetime) -> Moment:
    """Write an instant: in UTC, to the millisecond."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment_or_none(time: datetime | None) -> Moment | None:
    return None if time is None else moment(time)
