"""The sandbox's mailbox: what customers would have received, as text, with the PDF beside it."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from flask import abort, g, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.billing import fapiao_queries
from app.core.errors import Invalid
from app.core.ids import Prefix, read, show
from app.core.paging import DEFAULT_LIMIT, MAX_LIMIT, Page
from app.documents import store
from app.extensions import transaction
from app.mail import sending
from app.mail.models import Mail, MailKind
from app.web import csv, fapiao, listing
from app.web.invoices import pdf
from app.web.page import page
from app.web.refusals import say

_HEADER = (
    "id",
    "kind",
    "reference",
    "recipient",
    "recipient_name",
    "subject",
    "status",
    "attachment",
    "created_at",
    "sent_at",
    "last_error",
)


def mailbox() -> Response:
    """Show one page of mails, the newest first, or all that are filtered as a file."""
    _only_in_the_sandbox()
    if listing.wants_csv():
        return csv.answer("mails", _HEADER, _csv_rows(g.merchant_id))
    try:
        with transaction(g.merchant_id) as session:
            found = _find(session, listing.cursor())
    except Invalid as refusal:
        return _index(Page([], None), status=422, error=say(refusal))
    return _index(found)


def mail(mail_id: str) -> Response:
    """Show one mail as text: its HTML is for mail programs, not for this page."""
    _only_in_the_sandbox()
    with transaction(g.merchant_id) as session:
        found = sending.get_mail(session, read(Prefix.MAIL, mail_id))
    return page(
        "mailbox/show.html",
        nav="mailbox",
        mail=found,
        public_id=mail_id,
        attachment_url=_url("web.mail_attachment", found) if found.attachment_key else None,
    )


def mail_attachment(mail_id: str) -> Response:
    """Hand out the file that the mail carries, verified by its SHA-256."""
    _only_in_the_sandbox()
    with transaction(g.merchant_id) as session:
        found = sending.get_mail(session, read(Prefix.MAIL, mail_id))
        if found.attachment_key is None or found.attachment_name is None:
            abort(404)
        # The key ends with the file's own id: read as a row of this merchant, not as a path.
        file_id = PurePosixPath(found.attachment_key).stem
        if file_id.startswith(f"{Prefix.FAPIAO_FILE}_"):
            file = fapiao_queries.get_file_by_id(session, read(Prefix.FAPIAO_FILE, file_id))
            return fapiao.download(file, found.attachment_name)
        document = store.get_document(session, read(Prefix.DOCUMENT, file_id))
    return pdf(document, found.attachment_name)


def kinds() -> dict[MailKind, str]:
    """Return what each kind of mail is about."""
    return {
        MailKind.INVOICE_ISSUED: _("Invoice"),
        MailKind.INVOICE_PAID: _("Receipt"),
        MailKind.INVOICE_REMINDER: _("Reminder"),
        MailKind.INVOICE_VOIDED: _("Invoice voided"),
        MailKind.INVOICE_CREDITED: _("Credit note"),
        MailKind.INVOICE_REFUNDED: _("Refund"),
        MailKind.FAPIAO_ISSUED: _("Fapiao issued"),
        MailKind.FAPIAO_REJECTED: _("Fapiao rejected"),
        MailKind.FAPIAO_RED_LETTERED: _("Fapiao red-lettered"),
        MailKind.WEBHOOK_FAILING: _("A webhook is failing"),
        MailKind.WEBHOOK_DISABLED: _("A webhook was switched off"),
    }


def _index(found: Page[Mail], *, status: int = 200, error: str = "") -> Response:
    values = {name: request.args.get(name, "") for name in ("q", "kind")}
    return page(
        "mailbox/index.html",
        fragment="rows",
        status=status,
        nav="mailbox",
        rows=[(mail, _url("web.mail", mail)) for mail in found.rows],
        error=error,
        kinds=[("", _("Every kind")), *((kind.value, name) for kind, name in kinds().items())],
        values=values,
        is_filtered=any(values.values()),
        pager=listing.pager(found.next_cursor),
        csv_url=listing.csv_url(),
    )


def _find(session: Session, cursor: str | None, *, limit: int = DEFAULT_LIMIT) -> Page[Mail]:
    """Return one page of the mails that the address asks for. Raises Invalid."""
    kind, q = listing.chosen(MailKind, "kind"), listing.searched()
    return sending.list_mails(session, kind=kind, q=q, cursor=cursor, limit=limit)


def _csv_rows(merchant_id: int) -> Iterator[tuple[object, ...]]:
    def read_page(cursor: str | None) -> Page[Mail]:
        with transaction(merchant_id) as session:
            return _find(session, cursor, limit=MAX_LIMIT)

    for mail in csv.all_rows(read_page):
        yield (
            show(Prefix.MAIL, mail.id),
            mail.kind,
            mail.reference,
            mail.recipient,
            mail.recipient_name,
            mail.subject,
            mail.status,
            mail.attachment_name,
            csv.moment(mail.created_at),
            csv.moment(mail.sent_at),
            mail.last_error,
        )


def _only_in_the_sandbox() -> None:
    if not g.merchant.is_sandbox:
        abort(404)


def _url(endpoint: str, mail: Mail) -> str:
    return url_for(endpoint, mail_id=show(Prefix.MAIL, mail.id))
