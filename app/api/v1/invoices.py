"""Invoices: what a period came to, line by line, and what is collected and settled for it."""

from datetime import date, datetime
from typing import Annotated, Any

import msgspec
from sqlalchemy.orm import Session

from app.api.operations import Call
from app.api.v1.base import (
    API,
    Amount,
    DecimalText,
    In,
    Listing,
    Moment,
    Out,
    PageQuery,
    utc,
    utc_or_none,
)
from app.api.v1.invoice_lines import InvoiceLineOut
from app.billing import invoice_lists, previews, queries, redemptions
from app.billing.invoice_lists import InvoiceFilter, InvoiceSort
from app.billing.models import FxSnapshot, Invoice, InvoiceKind, InvoiceStatus
from app.billing.previews import Preview
from app.core.decimals import plain
from app.core.errors import NotFound
from app.core.ids import Prefix, read, show
from app.core.language import Language
from app.core.money import Currency, Money
from app.customers import queries as customers
from app.documents import store
from app.documents.models import DocumentKind
from app.extensions import runtime
from app.identity.models import Scope
from app.pricing.models import Coupon

TAG = "Invoices"


MinorUnits = Annotated[int, msgspec.Meta(ge=0, le=10**15)]


class DocumentNotReady(NotFound):
    code = "document_not_ready"


class NothingUpcoming(NotFound):
    code = "nothing_upcoming"


class InvoiceQuery(PageQuery, kw_only=True):
    """Which invoices, and in which order.

    `overdue` wants the open ones that should have been paid. `periodFrom` and `periodTo`, both
    included, are days of which the period has some. `minAmount` and `maxAmount`, minor units of
    CNY, are about `collection`, which no draft has.
    """

    status: InvoiceStatus | None = None
    overdue: bool = False
    kind: InvoiceKind | None = None
    customer_id: str | None = None
    contract_id: str | None = None
    currency: Currency | None = None
    period_from: date | None = None
    period_to: date | None = None
    min_amount: MinorUnits | None = None
    max_amount: MinorUnits | None = None
    q: str = ""
    sort: InvoiceSort = InvoiceSort.NEWEST

    def wanted(self, now: datetime) -> InvoiceFilter:
        return InvoiceFilter(
            status=self.status,
            overdue_at=now if self.overdue else None,
            kind=self.kind,
            customer_id=read(Prefix.CUSTOMER, self.customer_id) if self.customer_id else None,
            contract_id=read(Prefix.CONTRACT, self.contract_id) if self.contract_id else None,
            currency=self.currency,
            from_day=self.period_from,
            to_day=self.period_to,
            least=self.min_amount,
            most=self.max_amount,
            q=self.q,
        )


class VoidIn(In):
    """Why the invoice is cancelled; the reason is kept."""

    reason: str


class PdfQuery(In, kw_only=True):
    """Which document: the invoice as issued, the receipt once it is paid, or that it is void."""

    kind: DocumentKind = DocumentKind.INVOICE_PDF
    language: Language | None = None


class FxOut(Out):
    """The rates locked at finalisation: CNY per unit, with the spread already in them."""

    publisher: str
    published_at: Moment
    spread_bps: int
    pricing_rate: DecimalText
    settlement_rate: DecimalText

    @classmethod
    def of(cls, locked: FxSnapshot) -> "FxOut":
        return cls(
            publisher=locked.publisher,
            published_at=utc(locked.published_at),
            spread_bps=locked.spread_bps,
            pricing_rate=plain(locked.pricing_rate),
            settlement_rate=plain(locked.settlement_rate),
        )


class InvoiceOut(Out):
    """An invoice. A draft has no number yet, and of its amounts the total so far.

    One of kind `late` has usage that came late and nothing else, of a contract that has no next
    invoice; its period is the time in which that usage came.

    In the pricing currency, `subtotal` is the lines less the `discount` of all coupons and without
    tax, and `total` is subtotal and `tax`. In CNY, `collection` is the total, `balanceUsed` what
    the customer's balance paid of it and `due` what is left to pay; `platformFee` is our part of
    that and `settlement` what you are owed.
    """

    id: str
    number: str | None
    kind: InvoiceKind
    status: InvoiceStatus
    customer_id: str
    contract_id: str | None
    rate_card_version_id: str | None
    period_from: date
    period_to: date
    discount: Amount
    subtotal: Amount
    tax: Amount
    total: Amount
    collection: Amount | None
    balance_used: Amount | None
    due: Amount | None
    platform_fee: Amount | None
    settlement: Amount | None
    fx: FxOut | None
    created_at: Moment
    finalized_at: Moment | None
    due_at: Moment | None
    paid_at: Moment | None
    voided_at: Moment | None
    void_reason: str | None
    uncollectible_at: Moment | None
    credited: Amount | None
    note: str
    reissue_of_id: str | None

    @classmethod
    def of(cls, invoice: Invoice) -> "InvoiceOut":
        return cls(**_fields(invoice))


class InvoiceCouponOut(Out):
    """A coupon that an invoice used, and what it took off."""

    coupon_id: str
    code: str
    name: str
    discount: Amount

    @classmethod
    def of(cls, coupon: Coupon, discount: Money) -> "InvoiceCouponOut":
        return cls(
            coupon_id=show(Prefix.COUPON, coupon.id),
            code=coupon.code,
            name=coupon.name,
            discount=Amount.of(discount),
        )


class InvoiceWithLines(InvoiceOut):
    """An invoice with the working of its amount, and the coupons it used, in their order."""

    coupons: list[InvoiceCouponOut]
    lines: list[InvoiceLineOut]


class UpcomingOut(Out):
    """What the next invoice of a contract comes to with the usage so far, at the rates of now.

    Lines that are not priced are usage that will be billed at nothing unless a price takes it.
    """

    contract_id: str
    period_from: date
    period_to: date
    discount: Amount
    subtotal: Amount
    tax: Amount
    total: Amount
    collection: Amount
    platform_fee: Amount
    settlement: Amount
    unpriced: list[str]
    coupons: list[InvoiceCouponOut]
    lines: list[InvoiceLineOut]

    @classmethod
    def of(cls, contract_id: int, preview: Preview) -> "UpcomingOut":
        amounts, totals = preview.quote.amounts, preview.totals
        return cls(
            contract_id=show(Prefix.CONTRACT, contract_id),
            period_from=preview.period_from,
            period_to=preview.period_to,
            discount=Amount.of(totals.discount),
            subtotal=Amount.of(totals.subtotal),
            tax=Amount.of(totals.tax),
            total=Amount.of(totals.total),
            collection=Amount.of(amounts.collect),
            platform_fee=Amount.of(amounts.platform_fee),
            settlement=Amount.of(amounts.settlement),
            unpriced=sorted({line.metric.code for line in preview.unpriced if line.metric}),
            coupons=[
                InvoiceCouponOut.of(coupon, discount)
                for coupon, discount in preview.bill.discounts
                if discount
            ],
            lines=[
                InvoiceLineOut.to_come(line, total)
                for line, total in zip(preview.lines, totals.lines, strict=True)
            ],
        )


class InvoiceList(Listing[InvoiceOut]):
    """A page of invoices, newest first unless `sort` says otherwise."""


@API.route(
    "GET",
    "/invoices",
    scope=Scope.INVOICE_READ,
    tag=TAG,
    query=InvoiceQuery,
    returns=InvoiceList,
    errors=(404,),
)
def list_invoices(call: Call, query: InvoiceQuery) -> Listing[InvoiceOut]:
    """List invoices; `q` is how the number begins or ends.

    A cursor goes on in the order it began in: send the same `sort` with it.
    """
    found = invoice_lists.list_invoices(
        call.session, query.wanted(call.now), sort=query.sort, **query.page
    )
    page = invoice_lists.load_page(call.session, found)
    return InvoiceList.of(page, InvoiceOut.of)


@API.route(
    "GET",
    "/invoices/<invoice_id>",
    scope=Scope.INVOICE_READ,
    tag=TAG,
    returns=InvoiceWithLines,
)
def get_invoice(call: Call, invoice_id: int) -> InvoiceWithLines:
    """Return an invoice with its lines."""
    return with_lines(call.session, queries.get_invoice(call.session, invoice_id))


@API.route(
    "GET",
    "/contracts/<contract_id>/upcoming-invoice",
    scope=Scope.INVOICE_READ,
    tag=TAG,
    returns=UpcomingOut,
)
def get_upcoming_invoice(call: Call, contract_id: int) -> UpcomingOut:
    """Preview the next invoice of a contract: its usage, commitment and late usage so far.

    Answers 404 `nothing_upcoming` when every period of the contract is invoiced.
    """
    contract = customers.get_contract(call.session, contract_id)
    preview = previews.preview(call.session, contract, rates=runtime().rates, now=call.now)
    if preview is None:
        raise NothingUpcoming("every period of this contract is invoiced")
    return UpcomingOut.of(contract_id, preview)


@API.route(
    "GET",
    "/invoices/<invoice_id>/pdf",
    scope=Scope.INVOICE_READ,
    tag=TAG,
    query=PdfQuery,
    returns=bytes,
    media="application/pdf",
    flow=True,
)
def get_invoice_pdf(call: Call, invoice_id: int, query: PdfQuery) -> bytes:
    """Return the document, in the customer's language if none is named.

    Answers 404 `document_not_ready` until it is printed: seconds after the invoice is finalised,
    or paid.
    """
    with call.transaction() as session:
        invoice = queries.get_invoice(session, invoice_id)
        customer = customers.get_customer(session, invoice.customer_id)
        language = query.language or Language(customer.language)
        document = store.find_document(
            session, kind=query.kind, subject_id=invoice_id, language=language
        )
    if document is None:
        raise DocumentNotReady("it is not printed yet")
    return store.read_document(runtime().storage, document)


def with_lines(session: Session, invoice: Invoice) -> InvoiceWithLines:
    """Return an invoice as an answer, with its lines."""
    session.flush()  # they may have been written just now
    lines = [
        InvoiceLineOut.of(line, invoice.currency) for line in queries.lines_of(session, invoice)
    ]
    used = [
        InvoiceCouponOut.of(coupon, discount)
        for coupon, discount in redemptions.list_of_invoice(session, invoice)
    ]
    return InvoiceWithLines(**_fields(invoice), coupons=used, lines=lines)


def _fields(invoice: Invoice) -> dict[str, Any]:
    is_locked = invoice.status is not InvoiceStatus.DRAFT
    return {
        "id": show(Prefix.INVOICE, invoice.id),
        "number": invoice.number,
        "kind": invoice.kind,
        "status": invoice.status,
        "customer_id": show(Prefix.CUSTOMER, invoice.customer_id),
        "contract_id": _shown(Prefix.CONTRACT, invoice.contract_id),
        "rate_card_version_id": _shown(Prefix.RATE_CARD_VERSION, invoice.rate_card_version_id),
        "period_from": invoice.period_from,
        "period_to": invoice.period_to,
        "discount": Amount.of(invoice.discount),
        "subtotal": Amount.of(invoice.subtotal),
        "tax": Amount.of(invoice.tax),
        "total": Amount.of(invoice.total),
        "collection": Amount.of(invoice.collection) if is_locked else None,
        "balance_used": Amount.of(invoice.balance_used) if is_locked else None,
        "due": Amount.of(invoice.due) if is_locked else None,
        "platform_fee": Amount.of(invoice.platform_fee) if is_locked else None,
        "settlement": Amount.of(invoice.settlement) if is_locked else None,
        "fx": FxOut.of(invoice.fx) if invoice.fx else None,
        "created_at": utc(invoice.created_at),
        "finalized_at": utc_or_none(invoice.finalized_at),
        "due_at": utc_or_none(invoice.due_at),
        "paid_at": utc_or_none(invoice.paid_at),
        "voided_at": utc_or_none(invoice.voided_at),
        "void_reason": invoice.void_reason,
        "uncollectible_at": utc_or_none(invoice.uncollectible_at),
        "credited": Amount.of(invoice.credited) if is_locked else None,
        "note": invoice.note,
        "reissue_of_id": _shown(Prefix.INVOICE, invoice.reissue_of_id),
    }


def _shown(prefix: Prefix, row_id: int | None) -> str | None:
    return None if row_id is None else show(prefix, row_id)
