"""What is done with one invoice at a click: finalise, throw away, give up, issue anew."""

from collections.abc import Callable
from typing import Any

from flask import flash, g, redirect, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.billing import (
    collection,
    credit_note_lists,
    credit_notes,
    invoicing,
    one_off,
    queries,
    reissue,
)
from app.billing.credit_note_lists import CreditNoteFilter
from app.billing.models import INVOICE, Invoice, InvoiceEvent
from app.core.errors import Refusal
from app.core.ids import Prefix, read, show
from app.core.paging import MAX_LIMIT
from app.extensions import runtime, transaction
from app.web import access
from app.web.refusals import say


def finalize_invoice(invoice_id: str) -> Response:
    """Finalise a draft now; of usage, without waiting for its grace."""

    def finalize(session: Session, number: int) -> Invoice:
        invoicing.finalize(session, number, rates=runtime().rates, now=access.now())
        return queries.get_invoice(session, number)

    return _do(invoice_id, finalize, lambda made: _("Invoice %(number)s is out.", number=made))


def discard_invoice(invoice_id: str) -> Response:
    """Throw away a draft made by hand."""
    try:
        with transaction(g.merchant_id) as session:
            one_off.discard(session, read(Prefix.INVOICE, invoice_id))
    except one_off.NotADraftByHand as refusal:
        flash(say(refusal), "bad")
        return _to(invoice_id)
    flash(_("The draft is gone."), "ok")
    return redirect(url_for("web.invoices"), 303)


def give_up_invoice(invoice_id: str) -> Response:
    """Give up an open invoice."""

    def give_up(session: Session, number: int) -> Invoice:
        invoice = collection.lock_invoice(session, number)
        collection.give_up(session, invoice, actor=access.actor(), now=access.now())
        return invoice

    return _do(invoice_id, give_up, lambda made: _("Invoice %(number)s is given up.", number=made))


def reissue_invoice(invoice_id: str) -> Response:
    """Replace an old unpaid invoice by one at today's rates, and show that one."""

    def issue_anew(session: Session, number: int) -> Invoice:
        return reissue.reissue(
            session, number, rates=runtime().rates, actor=access.actor(), now=access.now()
        )

    return _do(
        invoice_id, issue_anew, lambda made: _("Invoice %(number)s replaces it.", number=made)
    )


def context_of(session: Session, invoice: Invoice) -> dict[str, Any]:
    """Return what may be done with the invoice, and what corrected it."""
    of_invoice = CreditNoteFilter(invoice_id=invoice.id)
    notes = credit_note_lists.list_credit_notes(session, of_invoice, limit=MAX_LIMIT).rows
    replaced = invoice.reissue_of_id
    return {
        "can_finalize": INVOICE.allows(invoice.status, InvoiceEvent.FINALIZE),
        "can_edit": one_off.is_editable(invoice),
        "can_give_up": INVOICE.allows(invoice.status, InvoiceEvent.GIVE_UP),
        "can_reissue": reissue.can_be_reissued(invoice, now=access.now()),
        "can_credit": credit_notes.is_creditable(invoice)
        and bool(credit_notes.left_to_credit(session, invoice)),
        "credit_notes": notes,
        "credit_note_id": lambda number: show(Prefix.CREDIT_NOTE, number),
        "replaces": queries.get_invoice(session, replaced) if replaced else None,
        "replaces_id": show(Prefix.INVOICE, replaced) if replaced else None,
    }


def _do(
    invoice_id: str, act: Callable[[Session, int], Invoice], told: Callable[[str], str]
) -> Response:
    """Do it and show the invoice it leads to; a refusal is told, and changes nothing."""
    try:
        with transaction(g.merchant_id) as session:
            made = act(session, read(Prefix.INVOICE, invoice_id))
    except Refusal as refusal:
        if refusal.code == "not_found":
            raise
        flash(say(refusal), "bad")
        return _to(invoice_id)
    flash(told(made.number or ""), "ok")
    return _to(show(Prefix.INVOICE, made.id))


def _to(invoice_id: str) -> Response:
    return redirect(url_for("web.invoice", invoice_id=invoice_id), 303)
