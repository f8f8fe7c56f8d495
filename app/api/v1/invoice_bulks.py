"""Bulk actions: the same done with many invoices, and what became of each of them."""

from typing import Annotated

import msgspec

from app.api.operations import Call
from app.api.v1.base import API, In, Moment, Out, utc, utc_or_none
from app.api.v1.invoices import TAG, DocumentNotReady
from app.billing import bulk
from app.billing.bulk import Handled
from app.billing.handling_models import BulkAction, BulkOutcome, InvoiceBulk
from app.core.errors import NotFound
from app.core.ids import Prefix, read, show
from app.core.language import Language
from app.extensions import runtime
from app.identity.models import Scope

# Only told: the room refuses too few and too many with codes of its own.
_COUNT = {"minItems": 1, "maxItems": bulk.MAX_INVOICES}
InvoiceIds = Annotated[list[str], msgspec.Meta(extra_json_schema=_COUNT)]


class InvoiceBulkIn(In, kw_only=True):
    """What to do, and with which invoices. `language` is that of documents to download."""

    action: BulkAction
    invoice_ids: InvoiceIds
    language: Language = Language.ZH_HANS_CN


class InvoiceBulkOut(Out):
    """A bulk action: how many of its invoices are done, how many refused, and of how many.

    `endedAt` is null while it runs. `hasFile` tells that the ZIP of a download can be fetched.
    """

    id: str
    action: BulkAction
    language: Language
    total: int
    done: int
    refused: int
    has_file: bool
    created_at: Moment
    created_by: str
    ended_at: Moment | None


class InvoiceBulkItemOut(Out):
    """What became of one invoice; `outcome` is null while it waits, `code` says why it refused."""

    invoice_id: str
    number: str | None
    outcome: BulkOutcome | None
    code: str | None
    message: str | None

    @classmethod
    def of(cls, handled: Handled) -> "InvoiceBulkItemOut":
        item, invoice = handled.item, handled.invoice
        return cls(
            invoice_id=show(Prefix.INVOICE, item.invoice_id),
            number=invoice.number if invoice else None,
            outcome=item.outcome,
            code=item.code,
            message=item.message,
        )


class InvoiceBulkWithItems(InvoiceBulkOut):
    """A bulk action with each of its invoices, those that refused first."""

    items: list[InvoiceBulkItemOut]


@API.route(
    "POST",
    "/invoice-bulks",
    scope=Scope.INVOICE_WRITE,
    tag=TAG,
    body=InvoiceBulkIn,
    returns=InvoiceBulkWithItems,
    status=201,
    errors=(404,),
    example={"action": "resend", "invoiceIds": ["inv_0123456789abc"]},
)
def start_invoice_bulk(call: Call, body: InvoiceBulkIn) -> InvoiceBulkWithItems:
    """Do the same with up to 500 invoices, each by itself: one that refuses stops no other.

    It is done by and by: read the bulk action until `endedAt` is set.
    """
    wanted = {read(Prefix.INVOICE, text) for text in body.invoice_ids}
    begun = bulk.start(
        call.session,
        body.action,
        sorted(wanted),
        language=body.language,
        actor=call.actor,
        now=call.real_now,
    )
    if begun.total < len(wanted):
        raise NotFound("there is no invoice of one of these ids", path="invoice_ids")
    return _with_items(call, begun)


@API.route(
    "GET",
    "/invoice-bulks/<invoice_bulk_id>",
    scope=Scope.INVOICE_READ,
    tag=TAG,
    returns=InvoiceBulkWithItems,
)
def get_invoice_bulk(call: Call, invoice_bulk_id: int) -> InvoiceBulkWithItems:
    """Return how far a bulk action is, and what became of each invoice."""
    return _with_items(call, bulk.get_bulk(call.session, invoice_bulk_id))


@API.route(
    "GET",
    "/invoice-bulks/<invoice_bulk_id>/file",
    scope=Scope.INVOICE_READ,
    tag=TAG,
    returns=bytes,
    media="application/zip",
    flow=True,
)
def get_invoice_bulk_file(call: Call, invoice_bulk_id: int) -> bytes:
    """Return the documents of a download as one ZIP, for a week.

    Answers 404 `document_not_ready` before it is there, after that week, and when it holds nothing.
    """
    with call.transaction() as session:
        found = bulk.get_bulk(session, invoice_bulk_id)
    if found.storage_key is None:
        raise DocumentNotReady("there is no file")
    return runtime().storage.read(found.storage_key)


def _with_items(call: Call, found: InvoiceBulk) -> InvoiceBulkWithItems:
    call.session.flush()  # its items may have been written just now
    progress = bulk.progress(call.session, found)
    return InvoiceBulkWithItems(
        id=show(Prefix.INVOICE_BULK, found.id),
        action=found.action,
        language=found.language,
        total=progress.total,
        done=progress.done,
        refused=progress.refused,
        has_file=found.storage_key is not None,
        created_at=utc(found.created_at),
        created_by=found.created_by,
        ended_at=utc_or_none(found.ended_at),
        items=[InvoiceBulkItemOut.of(each) for each in bulk.items_of(call.session, found)],
    )
