"""Credit notes: corrections of issued invoices, by line or by a total."""

from functools import partial
from typing import Annotated

import msgspec

from app.api.operations import Call
from app.api.v1.base import API, Amount, In, Listing, Moment, Out, PageQuery, utc
from app.api.v1.invoices import DocumentNotReady
from app.billing import credit_note_lists, credit_notes, queries
from app.billing.credit_amounts import Rest
from app.billing.credit_models import CreditNote, CreditReason, Disposition
from app.billing.credit_note_lists import CreditNoteFilter
from app.billing.credit_notes import Credit, CreditRequest
from app.core.ids import Prefix, read, show
from app.core.language import Language
from app.core.money import Currency, Money
from app.customers import queries as customers
from app.documents import store
from app.documents.models import DocumentKind
from app.extensions import runtime
from app.identity.models import Scope
from app.payments import closing

TAG = "Credit notes"
_EXAMPLE = {
    "invoiceId": "inv_0123456789abc",
    "reason": "service_failure",
    "note": "Two days without service",
    "totalMinor": 2641,
}


class CreditLineIn(In):
    """A line to credit, by its position on the invoice; the amount is before coupons and tax."""

    position: int
    amount_minor: Annotated[int, msgspec.Meta(ge=1)]


class CreditNoteIn(In, kw_only=True):
    """What to credit: lines, or `totalMinor` with tax of the whole; never both.

    Amounts are minor units of the invoice's pricing currency. Coupons and tax follow in
    proportion.
    """

    invoice_id: str
    reason: CreditReason
    note: str = ""
    lines: list[CreditLineIn] | None = None
    total_minor: int | None = None

    @property
    def request(self) -> CreditRequest:
        lines = None
        if self.lines is not None:
            lines = {line.position: line.amount_minor for line in self.lines}
        return CreditRequest(self.reason, self.note, lines, self.total_minor)


class CreditNotePdfQuery(In, kw_only=True):
    language: Language | None = None


class CreditNoteQuery(PageQuery, kw_only=True):
    invoice_id: str | None = None
    customer_id: str | None = None
    reason: CreditReason | None = None


class CreditLineOut(Out):
    """What was credited of a line: its amount, the coupons' share taken off, and its tax."""

    position: int
    description: str
    amount: Amount
    discount: Amount
    tax: Amount

    @classmethod
    def of(cls, part: Rest) -> "CreditLineOut":
        return cls(
            position=part.position,
            description=part.description,
            amount=Amount.of(part.amount),
            discount=Amount.of(part.discount),
            tax=Amount.of(part.tax),
        )

    @classmethod
    def kept(cls, line: dict[str, int | str], currency: Currency) -> "CreditLineOut":
        amount, discount, tax = (
            Amount.of(Money(int(line[name]), currency)) for name in ("amount", "discount", "tax")
        )
        return cls(int(line["position"]), str(line["description"]), amount, discount, tax)


class CreditNoteOut(Out):
    """A credit note. `total`, with tax, is in the invoice's pricing currency.

    `amount` is what that is in CNY at the rate the invoice locked. Of an open invoice it lowers
    what is due, of a paid one it goes to the customer's balance: `disposition` says which, and
    `toBalance` how much went there.
    """

    id: str
    number: str
    invoice_id: str
    customer_id: str
    reason: CreditReason
    note: str
    disposition: Disposition
    total: Amount
    tax: Amount
    amount: Amount
    to_balance: Amount
    lines: list[CreditLineOut]
    created_at: Moment
    created_by: str

    @classmethod
    def of(cls, note: CreditNote) -> "CreditNoteOut":
        return cls(
            id=show(Prefix.CREDIT_NOTE, note.id),
            number=note.number,
            invoice_id=show(Prefix.INVOICE, note.invoice_id),
            customer_id=show(Prefix.CUSTOMER, note.customer_id),
            reason=note.reason,
            note=note.note,
            disposition=note.disposition,
            total=Amount.of(note.total),
            tax=Amount.of(note.tax),
            amount=Amount.of(note.amount),
            to_balance=Amount.of(note.to_balance),
            lines=[CreditLineOut.kept(line, note.currency) for line in note.lines],
            created_at=utc(note.created_at),
            created_by=note.created_by,
        )


class CreditPreviewOut(Out):
    """What a credit note would come to as things are: nothing is written."""

    total: Amount
    tax: Amount
    amount: Amount
    to_balance: Amount
    lines: list[CreditLineOut]

    @classmethod
    def of(cls, credit: Credit) -> "CreditPreviewOut":
        return cls(
            total=Amount.of(credit.total),
            tax=Amount.of(credit.tax),
            amount=Amount.of(credit.amount),
            to_balance=Amount.of(credit.to_balance),
            lines=[CreditLineOut.of(part) for part in credit.parts],
        )


class CreditNoteList(Listing[CreditNoteOut]):
    """A page of credit notes, newest first."""


def _close_orders(call: Call, body: CreditNoteIn) -> None:
    """Let no payer pay the old amount: what waits at a channel is closed there first."""
    channel_of = partial(runtime().channel, mode=call.merchant.mode)
    invoice_id = read(Prefix.INVOICE, body.invoice_id)
    closing.close_open_orders(call.transaction, channel_of, invoice_id, now=call.real_now)


@API.route(
    "POST",
    "/credit-notes",
    scope=Scope.INVOICE_WRITE,
    tag=TAG,
    body=CreditNoteIn,
    returns=CreditNoteOut,
    status=201,
    errors=(404, 503),
    prepare=_close_orders,
    example=_EXAMPLE,
)
def create_credit_note(call: Call, body: CreditNoteIn) -> CreditNoteOut:
    """Credit an open or paid invoice, in full or in part.

    Payments that are under way are closed at their channel first. An open invoice with nothing
    left to pay is paid by it.
    """
    invoice_id = read(Prefix.INVOICE, body.invoice_id)
    note = closing.issue_credit_note(
        call.session, invoice_id, body.request, actor=call.actor, now=call.now
    )
    return CreditNoteOut.of(note)


@API.route(
    "POST",
    "/credit-note-previews",
    scope=Scope.INVOICE_READ,
    tag=TAG,
    body=CreditNoteIn,
    returns=CreditPreviewOut,
    errors=(404,),
    example=_EXAMPLE,
)
def preview_credit_note(call: Call, body: CreditNoteIn) -> CreditPreviewOut:
    """Work out what a credit note would come to, in both currencies."""
    invoice = queries.get_invoice(call.session, read(Prefix.INVOICE, body.invoice_id))
    return CreditPreviewOut.of(credit_notes.work_out(call.session, invoice, body.request))


@API.route(
    "GET",
    "/credit-notes",
    scope=Scope.INVOICE_READ,
    tag=TAG,
    query=CreditNoteQuery,
    returns=CreditNoteList,
    errors=(404,),
)
def list_credit_notes(call: Call, query: CreditNoteQuery) -> Listing[CreditNoteOut]:
    """List credit notes: all, or of one invoice, customer or reason."""
    wanted = CreditNoteFilter(
        invoice_id=read(Prefix.INVOICE, query.invoice_id) if query.invoice_id else None,
        customer_id=read(Prefix.CUSTOMER, query.customer_id) if query.customer_id else None,
        reason=query.reason,
    )
    page = credit_note_lists.list_credit_notes(call.session, wanted, **query.page)
    return CreditNoteList.of(page, CreditNoteOut.of)


@API.route(
    "GET",
    "/credit-notes/<credit_note_id>",
    scope=Scope.INVOICE_READ,
    tag=TAG,
    returns=CreditNoteOut,
)
def get_credit_note(call: Call, credit_note_id: int) -> CreditNoteOut:
    """Return one credit note."""
    return CreditNoteOut.of(credit_notes.get_credit_note(call.session, credit_note_id))


@API.route(
    "GET",
    "/credit-notes/<credit_note_id>/pdf",
    scope=Scope.INVOICE_READ,
    tag=TAG,
    query=CreditNotePdfQuery,
    returns=bytes,
    media="application/pdf",
    flow=True,
)
def get_credit_note_pdf(call: Call, credit_note_id: int, query: CreditNotePdfQuery) -> bytes:
    """Return the document, in the customer's language if none is named.

    Answers 404 `document_not_ready` until it is printed: seconds after the credit note is given.
    """
    with call.transaction() as session:
        note = credit_notes.get_credit_note(session, credit_note_id)
        language = query.language or Language(
            customers.get_customer(session, note.customer_id).language
        )
        kind = DocumentKind.CREDIT_NOTE_PDF
        document = store.find_document(
            session, kind=kind, subject_id=credit_note_id, language=language
        )
    if document is None:
        raise DocumentNotReady("it is not printed yet")
    return store.read_document(runtime().storage, document)
