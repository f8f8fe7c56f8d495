"""The same done with many invoices: begun from the list, watched until it is over."""

from dataclasses import dataclass
from itertools import islice

from flask import abort, flash, g, redirect, request, url_for
from flask_babel import get_locale
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.billing import bulk as room
from app.billing import invoice_lists
from app.billing.bulk import Handled, Progress
from app.billing.handling_models import BulkAction, BulkOutcome, InvoiceBulk
from app.core import clock
from app.core.errors import Invalid
from app.core.ids import Prefix, read, show
from app.core.language import Language
from app.core.paging import Page
from app.customers import queries as customers
from app.extensions import runtime, transaction
from app.web import access, csv, invoice_filters, listing
from app.web.page import page
from app.web.refusals import say, say_code


@dataclass(frozen=True)
class Row:
    """One invoice of a bulk action, and what became of it, in words."""

    handled: Handled
    customer: str
    href: str
    tone: str
    outcome: str


def start_bulk() -> Response:
    """Begin what was chosen, with the rows that were ticked or with all that the filter finds."""
    action = request.form.get("action", "")
    if action not in set(BulkAction):
        abort(422)
    try:
        with transaction(g.merchant_id) as session:
            begun = room.start(
                session,
                BulkAction(action),
                _everything(session) if request.form.get("everything") else _ticked(),
                language=Language(str(get_locale())),
                actor=access.actor(),
                now=clock.now(),
            )
    except Invalid as refusal:
        flash(say(refusal), "bad")
        return redirect(listing.address_of("web.invoices"), 303)
    return redirect(url_for("web.invoice_bulk", bulk_id=show(Prefix.INVOICE_BULK, begun.id)), 303)


def invoice_bulk(bulk_id: str) -> Response:
    """Show how far it is, and what became of each invoice."""
    with transaction(g.merchant_id) as session:
        found = room.get_bulk(session, read(Prefix.INVOICE_BULK, bulk_id))
        progress = room.progress(session, found)
        rows = _rows(session, found)
    return page(
        "invoices/bulk.html",
        fragment="progress",
        nav="invoices",
        bulk=found,
        bulk_id=bulk_id,
        title=titles()[found.action],
        progress=progress,
        said=_said(found, progress),
        rows=rows,
        file_until=room.file_until(found) if progress.done else None,
    )


def bulk_zip(bulk_id: str) -> Response:
    """Hand out the file of a download; before it is there, or without one, there is no page."""
    with transaction(g.merchant_id) as session:
        found = room.get_bulk(session, read(Prefix.INVOICE_BULK, bulk_id))
    if found.storage_key is None:
        abort(404)
    response = Response(runtime().storage.read(found.storage_key), mimetype="application/zip")
    response.headers["Content-Disposition"] = 'attachment; filename="invoices.zip"'
    response.headers["Cache-Control"] = "no-store"
    return response


def titles() -> dict[BulkAction, str]:
    """Return what each action is called."""
    return {
        BulkAction.RESEND: _("Mail again"),
        BulkAction.DOWNLOAD: _("Download PDFs"),
        BulkAction.FINALIZE: _("Finalize drafts"),
        BulkAction.GIVE_UP: _("Mark uncollectible"),
    }


def _ticked() -> list[int]:
    return [read(Prefix.INVOICE, text) for text in request.form.getlist("invoice")]


def _everything(session: Session) -> list[int]:
    """Return what the filter in the address finds, one more than is possible at most."""
    wanted = invoice_filters.chosen(session)

    def read_page(cursor: str | None) -> Page[int]:
        found = invoice_lists.list_invoices(session, wanted.filter, sort=wanted.sort, cursor=cursor)
        return found.map(lambda row: row.id)

    return list(islice(csv.all_rows(read_page), room.MAX_INVOICES + 1))


def _rows(session: Session, found: InvoiceBulk) -> list[Row]:
    handled = room.items_of(session, found)
    wanted = {each.invoice.customer_id for each in handled if each.invoice}
    named = customers.customer_names(session, wanted)
    done = _done_words()[found.action]
    return [
        Row(
            each,
            named[each.invoice.customer_id].name if each.invoice else "",
            url_for("web.invoice", invoice_id=show(Prefix.INVOICE, each.item.invoice_id)),
            *_outcome(each, done),
        )
        for each in handled
    ]


def _outcome(each: Handled, done: str) -> tuple[str, str]:
    item = each.item
    if item.outcome is BulkOutcome.REFUSED:
        return "warn", say_code(item.code or "", item.message or "")
    return ("ok", done) if item.outcome is BulkOutcome.DONE else ("mute", str(_("waits")))


def _done_words() -> dict[BulkAction, str]:
    return {
        BulkAction.RESEND: _("mail queued"),
        BulkAction.DOWNLOAD: _("in the file"),
        BulkAction.FINALIZE: _("finalized"),
        BulkAction.GIVE_UP: _("uncollectible"),
    }


def _said(found: InvoiceBulk, progress: Progress) -> str:
    """Say what came of all of them, once it is over."""
    if found.ended_at is None:
        return ""
    if not progress.refused:
        return str(_("All %(count)s are done.", count=progress.done))
    return str(
        _(
            "%(done)s done, %(refused)s not: why stands beside each.",
            done=progress.done,
            refused=progress.refused,
        )
    )
