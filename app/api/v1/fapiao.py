"""Fapiao: what buyers ask for, and what the issuer made of it."""

from datetime import date
from typing import Annotated, ClassVar

import msgspec

from app.api.operations import Call
from app.api.v1.base import API, Amount, In, Listing, Moment, Out, PageQuery, utc, utc_or_none
from app.billing import fapiao, fapiao_issuing, fapiao_queries
from app.billing.fapiao_amounts import TaxRow
from app.billing.fapiao_details import Details, Printed
from app.billing.fapiao_files import LARGEST_FILE
from app.billing.fapiao_issuing import Upload
from app.billing.fapiao_models import (
    FapiaoKind,
    FapiaoPart,
    FapiaoRequest,
    FapiaoStatus,
    TitleType,
)
from app.billing.fapiao_settings import SoldAs, get_sold_as, set_sold_as
from app.core.decimals import plain
from app.core.ids import Prefix, read, show
from app.extensions import runtime
from app.identity.models import Scope

TAG = "Fapiao"
FileBytes = Annotated[bytes, msgspec.Meta(description="PDF, OFD or XML of at most 2 MB, base64.")]


class FapiaoQuery(PageQuery, kw_only=True):
    status: FapiaoStatus | None = None
    kind: FapiaoKind | None = None
    invoice_id: str | None = None
    q: str = ""


class FapiaoRequestIn(In, kw_only=True):
    """What the buyer wants on the fapiao; a company's has a tax number, which is verified."""

    invoice_id: str
    kind: FapiaoKind = FapiaoKind.GENERAL
    title_type: TitleType = TitleType.COMPANY
    title: str
    tax_id: str = ""
    email: str
    address: str = ""
    phone: str = ""
    bank: str = ""
    account: str = ""
    note: str = ""


class FapiaoUpload(In, kw_only=True):
    """The issued fapiao or red letter, with its file. A fully digital one has no code."""

    LARGEST_BODY: ClassVar[int] = LARGEST_FILE * 4 // 3 + 10_000  # in base64, and what is around

    number: str
    code: str = ""
    issued_on: date
    file: FileBytes

    @property
    def upload(self) -> Upload:
        return Upload(Printed(self.number, self.issued_on, self.code), self.file)


class FapiaoIssueIn(FapiaoUpload, kw_only=True):
    """The issued fapiao with its file, and the `revision` of the request it was issued by."""

    revision: int | None = None


class FapiaoReasonIn(In):
    """Why; the buyer reads it."""

    reason: str


class FapiaoFileQuery(In, kw_only=True):
    part: FapiaoPart = FapiaoPart.FAPIAO


class FapiaoTaxOut(Out):
    """What is taxed at one rate; `amount` includes `tax`. Without a rate, `percent` is null."""

    percent: str | None
    amount: Amount
    tax: Amount

    @classmethod
    def of(cls, row: TaxRow) -> "FapiaoTaxOut":
        percent = None if row.percent is None else plain(row.percent)
        return cls(percent, Amount.of(row.amount), Amount.of(row.tax))


class FapiaoRequestOut(Out):
    """A request for the fapiao of an invoice. Amounts are in CNY; `amount` includes `tax`.

    `revision` counts what the buyer changed. `number` and `code` are the fapiao's, `redNumber`
    that of the red letter that cancelled it.
    """

    id: str
    invoice_id: str
    customer_id: str
    status: FapiaoStatus
    revision: int
    kind: FapiaoKind
    title_type: TitleType
    title: str
    tax_id: str
    email: str
    address: str
    phone: str
    bank: str
    account: str
    note: str
    amount: Amount
    tax: Amount
    tax_rows: list[FapiaoTaxOut]
    number: str | None
    code: str | None
    issued_on: date | None
    reject_reason: str | None
    red_letter_reason: str | None
    red_number: str | None
    red_issued_on: date | None
    requested_at: Moment
    issued_at: Moment | None
    rejected_at: Moment | None
    withdrawn_at: Moment | None
    red_letter_requested_at: Moment | None
    red_lettered_at: Moment | None

    @classmethod
    def of(cls, found: FapiaoRequest) -> "FapiaoRequestOut":
        return cls(
            id=show(Prefix.FAPIAO_REQUEST, found.id),
            invoice_id=show(Prefix.INVOICE, found.invoice_id),
            customer_id=show(Prefix.CUSTOMER, found.customer_id),
            status=found.status,
            revision=found.revision,
            kind=found.kind,
            title_type=found.title_type,
            title=found.title,
            tax_id=found.tax_id,
            email=found.email,
            address=found.address,
            phone=found.phone,
            bank=found.bank,
            account=found.account,
            note=found.note,
            amount=Amount.of(found.amount),
            tax=Amount.of(found.tax),
            tax_rows=[FapiaoTaxOut.of(TaxRow.load(row)) for row in found.tax_rows],
            number=found.number,
            code=found.code,
            issued_on=found.issued_on,
            reject_reason=found.reject_reason,
            red_letter_reason=found.red_letter_reason,
            red_number=found.red_number,
            red_issued_on=found.red_issued_on,
            requested_at=utc(found.requested_at),
            issued_at=utc_or_none(found.issued_at),
            rejected_at=utc_or_none(found.rejected_at),
            withdrawn_at=utc_or_none(found.withdrawn_at),
            red_letter_requested_at=utc_or_none(found.red_letter_requested_at),
            red_lettered_at=utc_or_none(found.red_lettered_at),
        )


class FapiaoSettingsIn(In):
    """What was sold: a name, or its class in asterisks before it; the code has 19 digits."""

    item: str
    tax_code: str = ""


class FapiaoSettingsOut(Out):
    """What the export for your issuing software says was sold."""

    item: str
    tax_code: str

    @classmethod
    def of(cls, sold_as: SoldAs) -> "FapiaoSettingsOut":
        return cls(sold_as.item, sold_as.tax_code)


class FapiaoRequestList(Listing[FapiaoRequestOut]):
    """A page of requests, newest first."""


@API.route(
    "POST",
    "/fapiao-requests",
    scope=Scope.INVOICE_WRITE,
    tag=TAG,
    body=FapiaoRequestIn,
    returns=FapiaoRequestOut,
    status=201,
    errors=(404,),
    example={
        "invoiceId": "inv_0123456789abc",
        "title": "上海智谱星图信息科技有限公司",
        "taxId": "91350100M000100Y43",
        "email": "caiwu@example.cn",
    },
)
def create_fapiao_request(call: Call, body: FapiaoRequestIn) -> FapiaoRequestOut:
    """Ask for the fapiao of an open or paid invoice; an invoice has one live request."""
    given = msgspec.structs.asdict(body)
    invoice_id = read(Prefix.INVOICE, given.pop("invoice_id"))
    made = fapiao.request(call.session, invoice_id, Details(**given), now=call.now)
    return FapiaoRequestOut.of(made)


@API.route(
    "GET",
    "/fapiao-requests",
    scope=Scope.INVOICE_READ,
    tag=TAG,
    query=FapiaoQuery,
    returns=FapiaoRequestList,
    errors=(404,),
)
def list_fapiao_requests(call: Call, query: FapiaoQuery) -> Listing[FapiaoRequestOut]:
    """List requests; `q` is a part of the title, the tax number or a number."""
    wanted = query.invoice_id
    page = fapiao_queries.list_requests(
        call.session,
        status=query.status,
        kind=query.kind,
        invoice_id=read(Prefix.INVOICE, wanted) if wanted else None,
        q=query.q,
        **query.page,
    )
    return FapiaoRequestList.of(page, FapiaoRequestOut.of)


@API.route(
    "GET",
    "/fapiao-requests/<fapiao_request_id>",
    scope=Scope.INVOICE_READ,
    tag=TAG,
    returns=FapiaoRequestOut,
)
def get_fapiao_request(call: Call, fapiao_request_id: int) -> FapiaoRequestOut:
    """Return a request."""
    return FapiaoRequestOut.of(fapiao_queries.get_request(call.session, fapiao_request_id))


@API.route(
    "POST",
    "/fapiao-requests/<fapiao_request_id>/issue",
    scope=Scope.INVOICE_WRITE,
    tag=TAG,
    body=FapiaoIssueIn,
    returns=FapiaoRequestOut,
    flow=True,
    example={
        "number": "26312000000012345678",
        "issuedOn": "2026-06-02",
        "file": "JVBERi0xLjcK…",
        "revision": 1,
    },
)
def issue_fapiao(call: Call, fapiao_request_id: int, body: FapiaoIssueIn) -> FapiaoRequestOut:
    """Keep the fapiao you issued for a paid invoice and mail it to the buyer.

    With `revision`, answers 409 `fapiao_request_changed` when the buyer changed it since.
    """
    found = fapiao_issuing.issue(
        call.transaction,
        runtime().storage,
        fapiao_request_id,
        upload=body.upload,
        revision=body.revision,
        actor=call.actor,
        now=call.now,
    )
    return FapiaoRequestOut.of(found)


@API.route(
    "POST",
    "/fapiao-requests/<fapiao_request_id>/reject",
    scope=Scope.INVOICE_WRITE,
    tag=TAG,
    body=FapiaoReasonIn,
    returns=FapiaoRequestOut,
    example={"reason": "税号与抬头不符"},
)
def reject_fapiao_request(
    call: Call, fapiao_request_id: int, body: FapiaoReasonIn
) -> FapiaoRequestOut:
    """Refuse to issue it; the buyer is told why and may ask again."""
    found = fapiao.reject(
        call.session, fapiao_request_id, reason=body.reason, actor=call.actor, now=call.now
    )
    return FapiaoRequestOut.of(found)


@API.route(
    "POST",
    "/fapiao-requests/<fapiao_request_id>/request-red-letter",
    scope=Scope.INVOICE_WRITE,
    tag=TAG,
    body=FapiaoReasonIn,
    returns=FapiaoRequestOut,
    example={"reason": "Refunded in full"},
)
def request_fapiao_red_letter(
    call: Call, fapiao_request_id: int, body: FapiaoReasonIn
) -> FapiaoRequestOut:
    """Say that an issued fapiao has to be cancelled; credit notes and refunds do so themselves."""
    found = fapiao.request_red_letter(
        call.session, fapiao_request_id, reason=body.reason, actor=call.actor, now=call.now
    )
    return FapiaoRequestOut.of(found)


@API.route(
    "POST",
    "/fapiao-requests/<fapiao_request_id>/red-letter",
    scope=Scope.INVOICE_WRITE,
    tag=TAG,
    body=FapiaoUpload,
    returns=FapiaoRequestOut,
    flow=True,
    example={
        "number": "26312000000087654321",
        "issuedOn": "2026-06-09",
        "file": "JVBERi0xLjcK…",
    },
)
def red_letter_fapiao(call: Call, fapiao_request_id: int, body: FapiaoUpload) -> FapiaoRequestOut:
    """Keep the red letter that cancels a fapiao and mail it to the buyer."""
    found = fapiao_issuing.red_letter(
        call.transaction,
        runtime().storage,
        fapiao_request_id,
        upload=body.upload,
        actor=call.actor,
        now=call.now,
    )
    return FapiaoRequestOut.of(found)


@API.route(
    "GET",
    "/fapiao-requests/<fapiao_request_id>/file",
    scope=Scope.INVOICE_READ,
    tag=TAG,
    query=FapiaoFileQuery,
    returns=bytes,
    media="application/octet-stream",
    flow=True,
)
def get_fapiao_file(call: Call, fapiao_request_id: int, query: FapiaoFileQuery) -> bytes:
    """Return the file of the fapiao, or of its red letter, as it was uploaded."""
    with call.transaction() as session:
        fapiao_queries.get_request(session, fapiao_request_id)
        file = fapiao_queries.get_file(session, fapiao_request_id, query.part)
    return fapiao_issuing.read_file(runtime().storage, file)


@API.route("GET", "/fapiao-settings", scope=Scope.INVOICE_READ, tag=TAG, returns=FapiaoSettingsOut)
def get_fapiao_settings(call: Call) -> FapiaoSettingsOut:
    """Return what your fapiao say was sold."""
    return FapiaoSettingsOut.of(get_sold_as(call.session))


@API.route(
    "PUT",
    "/fapiao-settings",
    scope=Scope.INVOICE_WRITE,
    tag=TAG,
    body=FapiaoSettingsIn,
    returns=FapiaoSettingsOut,
    example={"item": "*信息技术服务*技术服务费", "taxCode": "3040203000000000000"},
)
def set_fapiao_settings(call: Call, body: FapiaoSettingsIn) -> FapiaoSettingsOut:
    """Replace what your fapiao say was sold, in every export from now on."""
    asked = SoldAs(body.item, body.tax_code)
    return FapiaoSettingsOut.of(
        set_sold_as(call.session, asked, actor=call.actor, now=call.real_now)
    )
