"""What is done with an invoice by hand: write one, finalise it, give it up, issue it anew."""

from datetime import date
from typing import Annotated

import msgspec

from app.api.operations import Call
from app.api.v1.base import API, DecimalText, In, Moment, Out, utc
from app.api.v1.invoices import TAG, InvoiceOut, InvoiceWithLines, VoidIn, with_lines
from app.billing import collection, invoicing, one_off, queries, reissue, resending
from app.billing.handling_models import InvoiceResend
from app.billing.one_off import Item, OneOff
from app.billing.proration import Days
from app.core.errors import Invalid
from app.core.ids import Prefix, read, show
from app.core.money import Currency
from app.extensions import runtime
from app.identity.models import Scope

_EXAMPLE = {
    "customerId": "cus_0123456789abc",
    "currency": "CNY",
    "items": [{"description": "Setup", "quantity": "1", "unitPrice": "200000"}],
    "note": "As offered on 3 June",
}


class ItemIn(In, kw_only=True):
    """A line: so many at a price each, in minor units as text. Its tax is the customer's.

    Name a tax rate to put the line under another one.
    """

    description: str
    quantity: DecimalText
    unit_price: DecimalText
    tax_rate_id: str | None = None


class OneOffIn(In, kw_only=True):
    """An invoice of lines written by hand. Without days it is about the day it is made on.

    `periodTo` is exclusive.
    """

    customer_id: str
    currency: Currency
    items: Annotated[list[ItemIn], msgspec.Meta(max_length=one_off.MAX_ITEMS)]
    note: str = ""
    period_from: date | None = None
    period_to: date | None = None

    @property
    def asked(self) -> OneOff:
        return OneOff(
            customer_id=read(Prefix.CUSTOMER, self.customer_id),
            currency=self.currency,
            items=[
                Item(
                    item.description,
                    item.quantity,
                    item.unit_price,
                    read(Prefix.TAX_RATE, item.tax_rate_id) if item.tax_rate_id else None,
                )
                for item in self.items
            ],
            note=self.note,
            period=self._period,
        )

    @property
    def _period(self) -> Days | None:
        if self.period_from is None and self.period_to is None:
            return None
        if self.period_from is None or self.period_to is None:
            raise Invalid("name both days, or none", path="period_to")
        return Days(self.period_from, self.period_to)


class InvoiceResendOut(Out):
    """A mail that was asked for; its delivery goes on by itself."""

    id: str
    invoice_id: str
    created_at: Moment
    created_by: str

    @classmethod
    def of(cls, asked: InvoiceResend) -> "InvoiceResendOut":
        return cls(
            id=show(Prefix.INVOICE_RESEND, asked.id),
            invoice_id=show(Prefix.INVOICE, asked.invoice_id),
            created_at=utc(asked.created_at),
            created_by=asked.created_by,
        )


class InvoiceGone(Out):
    """The draft is thrown away: there is no invoice of this id any more."""

    invoice_id: str


@API.route(
    "POST",
    "/invoices",
    scope=Scope.INVOICE_WRITE,
    tag=TAG,
    body=OneOffIn,
    returns=InvoiceWithLines,
    status=201,
    errors=(404,),
    example=_EXAMPLE,
)
def create_invoice(call: Call, body: OneOffIn) -> InvoiceWithLines:
    """Draft a one-off invoice. Nothing finalises it but you."""
    return with_lines(call.session, one_off.draft(call.session, body.asked, now=call.now))


@API.route(
    "PUT",
    "/invoices/<invoice_id>",
    scope=Scope.INVOICE_WRITE,
    tag=TAG,
    body=OneOffIn,
    returns=InvoiceWithLines,
    example=_EXAMPLE,
)
def replace_invoice(call: Call, invoice_id: int, body: OneOffIn) -> InvoiceWithLines:
    """Replace all that the draft of a one-off invoice says."""
    invoice = one_off.rewrite(call.session, invoice_id, body.asked, now=call.now)
    return with_lines(call.session, invoice)


@API.route(
    "POST",
    "/invoices/<invoice_id>/finalize",
    scope=Scope.INVOICE_WRITE,
    tag=TAG,
    returns=InvoiceWithLines,
    errors=(503,),
)
def finalize_invoice(call: Call, invoice_id: int) -> InvoiceWithLines:
    """Finalise a draft now: it gets its number, and rates and amounts are locked.

    A draft of usage waits no longer for late events; what comes after is on the next one.
    """
    invoicing.finalize(call.session, invoice_id, rates=runtime().rates, now=call.now)
    return with_lines(call.session, queries.get_invoice(call.session, invoice_id))


@API.route(
    "POST",
    "/invoices/<invoice_id>/discard",
    scope=Scope.INVOICE_WRITE,
    tag=TAG,
    returns=InvoiceGone,
)
def discard_invoice(call: Call, invoice_id: int) -> InvoiceGone:
    """Throw away the draft of a one-off invoice."""
    one_off.discard(call.session, invoice_id)
    return InvoiceGone(show(Prefix.INVOICE, invoice_id))


@API.route(
    "POST",
    "/invoices/<invoice_id>/void",
    scope=Scope.INVOICE_WRITE,
    tag=TAG,
    body=VoidIn,
    returns=InvoiceOut,
    example={"reason": "Sent to the wrong company"},
)
def void_invoice(call: Call, invoice_id: int, body: VoidIn) -> InvoiceOut:
    """Cancel an unpaid invoice: it keeps its number and can no longer be paid.

    What the customer's balance had paid of it is given back.
    """
    invoice = collection.lock_invoice(call.session, invoice_id)
    collection.void(call.session, invoice, reason=body.reason, actor=call.actor, now=call.now)
    return InvoiceOut.of(invoice)


@API.route(
    "POST",
    "/invoices/<invoice_id>/mark-uncollectible",
    scope=Scope.INVOICE_WRITE,
    tag=TAG,
    returns=InvoiceOut,
)
def mark_invoice_uncollectible(call: Call, invoice_id: int) -> InvoiceOut:
    """Give up an open invoice: a loss in the books, which may still be paid."""
    invoice = collection.lock_invoice(call.session, invoice_id)
    collection.give_up(call.session, invoice, actor=call.actor, now=call.now)
    return InvoiceOut.of(invoice)


@API.route(
    "POST",
    "/invoices/<invoice_id>/reissue",
    scope=Scope.INVOICE_WRITE,
    tag=TAG,
    returns=InvoiceWithLines,
    status=201,
    errors=(503,),
)
def reissue_invoice(call: Call, invoice_id: int) -> InvoiceWithLines:
    """Replace an unpaid invoice of more than 30 days by one with the exchange rates of now.

    The old one is void; the answer is the new one.
    """
    invoice = reissue.reissue(
        call.session, invoice_id, rates=runtime().rates, actor=call.actor, now=call.now
    )
    return with_lines(call.session, invoice)


@API.route(
    "POST",
    "/invoices/<invoice_id>/resend",
    scope=Scope.INVOICE_WRITE,
    tag=TAG,
    returns=InvoiceResendOut,
    status=201,
)
def resend_invoice(call: Call, invoice_id: int) -> InvoiceResendOut:
    """Mail an invoice once more, or its receipt once it is paid, to the address of now.

    Answers 409 `mailed_just_now` within a minute of the last time.
    """
    asked = resending.resend(call.session, invoice_id, actor=call.actor, now=call.now)
    return InvoiceResendOut.of(asked)
