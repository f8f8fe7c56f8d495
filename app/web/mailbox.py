"""The sandbox's mailbox: what customers would have received, as text, with the PDF beside it."""

from pathlib import PurePosixPath

from flask import abort, g, url_for
from werkzeug.wrappers import Response

from app.billing import fapiao_queries
from app.core.ids import Prefix, read, show
from app.documents import store
from app.extensions import transaction
from app.mail import sending
from app.mail.models import Mail
from app.web import fapiao, listing
from app.web.invoices import pdf
from app.web.page import page


def mailbox() -> Response:
    """Show one page of mails, the newest first."""
    _only_in_the_sandbox()
    with transaction(g.merchant_id) as session:
        found = sending.list_mails(session, cursor=listing.cursor())
    return page(
        "mailbox/index.html",
        fragment="rows",
        nav="mailbox",
        rows=[(mail, _url("web.mail", mail)) for mail in found.rows],
        pager=listing.pager(found.next_cursor),
    )


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


def _only_in_the_sandbox() -> None:
    if not g.merchant.is_sandbox:
        abort(404)


def _url(endpoint: str, mail: Mail) -> str:
    return url_for(endpoint, mail_id=show(Prefix.MAIL, mail.id))
