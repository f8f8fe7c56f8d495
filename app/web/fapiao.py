"""Fapiao requests: the list and its export, one of them, and what the issuer does about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from flask import abort, flash, g, redirect, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.billing import fapiao, fapiao_issuing, fapiao_queries
from app.billing import queries as invoices
from app.billing.fapiao_amounts import TaxRow
from app.billing.fapiao_details import InvalidFapiaoDate, Printed
from app.billing.fapiao_issuing import Upload
from app.billing.fapiao_models import (
    FAPIAO,
    FapiaoEvent,
    FapiaoFile,
    FapiaoKind,
    FapiaoPart,
    FapiaoRequest,
    FapiaoStatus,
)
from app.billing.fapiao_settings import get_sold_as
from app.billing.models import WAS_PAID, Invoice
from app.core.decimals import plain
from app.core.errors import Refusal
from app.core.ids import Prefix, read, show
from app.core.paging import MAX_LIMIT, Page
from app.customers import queries as customers
from app.extensions import bound, runtime, transaction
from app.web import csv, fapiao_timeline, forms, listing
from app.web.access import actor, now
from app.web.addresses import url_of_each
from app.web.errors import status_of
from app.web.forms import Form
from app.web.page import page

_HEADER = (
    "抬头",
    "税号",
    "发票类型",
    "地址电话",
    "开户行",
    "账号",
    "项目名称",
    "商品和服务税收编码",
    "金额",
    "税率",
    "税额",
    "价税合计",
    "备注",
    "邮箱",
    "购买方留言",
    "状态",
    "申请编号",
)
_KINDS = {FapiaoKind.GENERAL: "普通发票", FapiaoKind.SPECIAL: "专用发票"}
_BLANK = {"number": "", "code": "", "issued_on": ""}


@dataclass(frozen=True)
class Row:
    """One line of the list: a request, its invoice, and the address of its page."""

    request: FapiaoRequest
    invoice: Invoice
    href: str


@dataclass(frozen=True)
class Card:
    """What the page of an invoice shows of its fapiao; without a request, whether one may come."""

    request: FapiaoRequest | None
    href: str
    is_possible: bool


def fapiao_requests() -> Response:
    """Show one page of requests, or all that are filtered as the file an issuer's software reads.

    `bom=0` leaves the byte order mark out, which Excel needs and some programs choke on.
    """
    if listing.wants_csv():
        rows = _csv_rows(g.merchant_id)
        return csv.answer("fapiao", _HEADER, rows, has_mark=request.args.get("bom") != "0")
    with transaction(g.merchant_id) as session:
        found = _find(session, listing.cursor())
        counts = fapiao_queries.counts_by_status(session)
    return page(
        "fapiao/index.html",
        fragment="rows",
        nav="fapiao",
        rows=found.rows,
        pager=listing.pager(found.next_cursor),
        tabs=listing.tabs("status", _tabs(counts)),
        current=request.args.get("status", ""),
        q=request.args.get("q", ""),
        is_filtered=any(request.args.get(name) for name in ("q", "status", "kind")),
        csv_url=listing.csv_url(),
    )


def fapiao_request(fapiao_request_id: str) -> Response:
    """Show one request."""
    return _show(fapiao_request_id)


def issue_fapiao(fapiao_request_id: str) -> Response:
    """Keep the fapiao that was issued, by the details that were on the page."""
    form, revision = forms.typed(**_BLANK), request.form.get("revision", type=int)
    try:
        fapiao_issuing.issue(
            bound(g.merchant_id),
            runtime().storage,
            read(Prefix.FAPIAO_REQUEST, fapiao_request_id),
            upload=_upload(form),
            revision=revision,
            actor=actor(),
            now=now(),
        )
    except Refusal as refusal:
        return _show(fapiao_request_id, form, refusal)
    flash(_("The fapiao is on its way to the buyer."), "ok")
    return _back(fapiao_request_id)


def red_letter_fapiao(fapiao_request_id: str) -> Response:
    """Keep the red letter that cancels the fapiao."""
    form = forms.typed(**_BLANK)
    try:
        fapiao_issuing.red_letter(
            bound(g.merchant_id),
            runtime().storage,
            read(Prefix.FAPIAO_REQUEST, fapiao_request_id),
            upload=_upload(form),
            actor=actor(),
            now=now(),
        )
    except Refusal as refusal:
        return _show(fapiao_request_id, form, refusal)
    flash(_("The red letter is on its way to the buyer."), "ok")
    return _back(fapiao_request_id)


def reject_fapiao(fapiao_request_id: str) -> Response:
    """Refuse to issue it; the buyer is told why."""
    form = forms.typed(reason="")
    try:
        with transaction(g.merchant_id) as session:
            request_id = read(Prefix.FAPIAO_REQUEST, fapiao_request_id)
            reason = form.values["reason"]
            fapiao.reject(session, request_id, reason=reason, actor=actor(), now=now())
    except Refusal as refusal:
        return _show(fapiao_request_id, form, refusal)
    flash(_("Rejected. The buyer is told why."), "ok")
    return _back(fapiao_request_id)


def request_red_letter(fapiao_request_id: str) -> Response:
    """Say that an issued fapiao has to be cancelled."""
    form = forms.typed(reason="")
    try:
        with transaction(g.merchant_id) as session:
            request_id = read(Prefix.FAPIAO_REQUEST, fapiao_request_id)
            reason = form.values["reason"]
            fapiao.request_red_letter(session, request_id, reason=reason, actor=actor(), now=now())
    except Refusal as refusal:
        return _show(fapiao_request_id, form, refusal)
    return _back(fapiao_request_id)


def fapiao_file(fapiao_request_id: str, part: str) -> Response:
    """Hand out the file of the fapiao or its red letter, verified by its SHA-256."""
    if part not in set(FapiaoPart):
        abort(404)
    with transaction(g.merchant_id) as session:
        found = fapiao_queries.get_request(session, read(Prefix.FAPIAO_REQUEST, fapiao_request_id))
        file = fapiao_queries.get_file(session, found.id, FapiaoPart(part))
    return download(file, fapiao_issuing.file_name(found, file))


def download(file: FapiaoFile, name: str) -> Response:
    """Answer an uploaded file as one to keep: it is never shown as a page of ours."""
    content = fapiao_issuing.read_file(runtime().storage, file)
    response = Response(content, mimetype=fapiao_issuing.MEDIA_TYPES[file.format])
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response


def card(session: Session, invoice: Invoice) -> Card:
    """Return what the page of `invoice` shows of its fapiao."""
    found = fapiao_queries.find_newest(session, invoice.id)
    href = (
        url_for("web.fapiao_request", fapiao_request_id=show(Prefix.FAPIAO_REQUEST, found.id))
        if found
        else ""
    )
    return Card(found, href, fapiao.is_possible(invoice))


def _show(public_id: str, form: Form | None = None, refusal: Refusal | None = None) -> Response:
    """Show the request; with a refusal, the form that was refused, as it was typed."""
    form = form or forms.blank(reason="", **_BLANK)
    if refusal is not None:
        form.refuse(refusal)
    values, errors = dict(_BLANK, reason="", file=""), dict(_BLANK, reason="", file="")
    with transaction(g.merchant_id) as session:
        found = fapiao_queries.get_request(session, read(Prefix.FAPIAO_REQUEST, public_id))
        invoice = invoices.get_invoice(session, found.invoice_id)
        customer = customers.get_customer(session, found.customer_id)
        files = fapiao_queries.list_files(session, found.id)
        sold_as = get_sold_as(session)
    return page(
        "fapiao/show.html",
        status=status_of(refusal) if refusal else 200,
        nav="fapiao",
        found=found,
        public_id=public_id,
        invoice=invoice,
        invoice_id=show(Prefix.INVOICE, invoice.id),
        customer=customer,
        customer_id=show(Prefix.CUSTOMER, customer.id),
        files=[(file, fapiao_issuing.file_name(found, file)) for file in files],
        sold_as=sold_as,
        tax_rows=[TaxRow.load(row) for row in found.tax_rows],
        is_paid=invoice.status in WAS_PAID,
        can={event.value: FAPIAO.allows(found.status, event) for event in FapiaoEvent},
        timeline=fapiao_timeline.story_of(found),
        values=values | form.values,
        errors=errors | form.errors,
        error=form.error,
    )


def _upload(form: Form) -> Upload:
    """Return what was handed in. Raises InvalidFapiaoDate."""
    form.values["file"] = ""
    file = request.files.get("file")
    content = file.read() if file else b""
    try:
        issued_on = date.fromisoformat(form.values["issued_on"])
    except ValueError:
        raise InvalidFapiaoDate("write the day of issue", path="issued_on") from None
    return Upload(Printed(form.values["number"], issued_on, form.values["code"]), content)


def _back(public_id: str) -> Response:
    return redirect(url_for("web.fapiao_request", fapiao_request_id=public_id), 303)


def _find(session: Session, cursor: str | None, *, limit: int = 50) -> Page[Row]:
    found = fapiao_queries.list_requests(
        session,
        status=listing.chosen(FapiaoStatus, "status"),
        kind=listing.chosen(FapiaoKind, "kind"),
        q=request.args.get("q", ""),
        cursor=cursor,
        limit=limit,
    )
    named = fapiao_queries.invoices_by_id(session, found.rows)
    url_of = url_of_each("web.fapiao_request", "fapiao_request_id")
    return found.map(
        lambda row: Row(row, named[row.invoice_id], url_of(show(Prefix.FAPIAO_REQUEST, row.id)))
    )


def _tabs(counts: dict[FapiaoStatus, int]) -> list[tuple[str, str, int | None]]:
    names = {
        FapiaoStatus.REQUESTED: _("Requested"),
        FapiaoStatus.RED_LETTER_REQUESTED: _("Red letter due"),
        FapiaoStatus.ISSUED: _("Fapiao issued"),
        FapiaoStatus.REJECTED: _("Rejected"),
        FapiaoStatus.WITHDRAWN: _("Withdrawn"),
        FapiaoStatus.RED_LETTERED: _("Red-lettered"),
    }
    everything = ("", _("All"), sum(counts.values()))
    return [everything, *((status.value, names[status], counts[status]) for status in names)]


def _csv_rows(merchant_id: int) -> Iterator[tuple[object, ...]]:
    """Yield a line for each request and tax rate: money in yuan, the amount without its tax."""
    with transaction(merchant_id) as session:
        sold_as = get_sold_as(session)

    def read_page(cursor: str | None) -> Page[Row]:
        with transaction(merchant_id) as session:
            return _find(session, cursor, limit=MAX_LIMIT)

    for row in csv.all_rows(read_page):
        found = row.request
        for taxed in map(TaxRow.load, found.tax_rows):
            yield (
                found.title,
                found.tax_id,
                _KINDS[found.kind],
                f"{found.address} {found.phone}".strip(),
                found.bank,
                found.account,
                sold_as.item,
                sold_as.tax_code,
                (taxed.amount - taxed.tax).major,
                "" if taxed.percent is None else f"{plain(taxed.percent)}%",
                taxed.tax.major,
                taxed.amount.major,
                row.invoice.number,
                found.email,
                found.note,
                found.status,
                show(Prefix.FAPIAO_REQUEST, found.id),
            )
