"""One invoice in full: what it says, how its amounts came about, and what happened to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import segno
from flask import url_for
from flask_babel import gettext as _
from markupsafe import Markup
from sqlalchemy.orm import Session

from app.billing import collection, mailings, queries, reissue, resending
from app.billing.credit_models import CreditNote
from app.billing.models import INVOICE, Invoice, InvoiceEvent, InvoiceKind, InvoiceStatus
from app.core import clock
from app.core.ids import Prefix, show
from app.core.money import Money
from app.customers import queries as customers
from app.documents.formats import percent
from app.documents.models import Document, DocumentKind
from app.extensions import runtime
from app.ledger import queries as ledger
from app.payments import cases
from app.payments import queries as payments
from app.payments.models import PaymentOrder, PaymentStatus
from app.pricing import queries as catalogue
from app.web import (
    fapiao,
    invoice_actions,
    invoice_lines,
    refund_card,
    refund_words,
    reminders,
)
from app.web.access import now
from app.web.invoice_story import Facts, posted_at, story_of
from app.web.invoice_workings import Figures, workings
from app.web.ledger import groups_of
from app.web.page import LANGUAGE_NAMES


@dataclass(frozen=True)
class Attempt:
    """One attempt to pay, in words. Its times are the channel's, which are real ones."""

    order: PaymentOrder
    status: str
    outcome: str


@dataclass(frozen=True)
class Print:
    """One document, and its languages with where the file of each is."""

    name: str
    files: Sequence[tuple[str, str]]


def context_of(session: Session, invoice: Invoice) -> dict[str, Any]:
    """Return everything that the page of `invoice` shows."""
    orders = payments.list_of_invoice(session, invoice.id)
    posted = ledger.list_transactions(session, invoice_id=invoice.id, limit=100).rows
    lines = queries.lines_of(session, invoice)
    customer = customers.get_customer(session, invoice.customer_id)
    link = hosted_link(invoice) if invoice.number else ""
    actions = invoice_actions.context_of(session, invoice)
    notes: Sequence[CreditNote] = actions["credit_notes"]
    successor = reissue.find_successor(session, invoice)
    back = refund_card.card(session, invoice)
    facts = Facts(orders, notes, posted_at(posted), successor, back)
    return {
        "invoice": invoice,
        "public_id": show(Prefix.INVOICE, invoice.id),
        "headline": headline(invoice),
        "next_step": _next_step(invoice),
        "last_day": invoice.period_to - timedelta(1),
        "customer": customer,
        "customer_id": show(Prefix.CUSTOMER, invoice.customer_id),
        **_agreed(session, invoice),
        **actions,
        "lines": invoice_lines.rows_of(lines, invoice, customer=customer.external_id),
        "sums": invoice_lines.sums_of(session, lines, invoice),
        "is_late": invoice.kind is InvoiceKind.LATE,
        "workings": workings(Figures.of(invoice, invoice.fx)) if invoice.fx else [],
        "fee_percent": percent(invoice.fee_bps),
        "attempts": [_attempt(order) for order in reversed(orders)],
        "asides": _asides(session, orders),
        "groups": list(reversed(groups_of(posted))),
        "timeline": story_of(session, invoice, facts),
        "link": link,
        "qr": draw_code(link) if link else None,
        "prints": _prints(session, invoice, notes),
        "can_void": INVOICE.allows(invoice.status, InvoiceEvent.VOID),
        "can_resend": resending.is_mailable(invoice),
        "successor": successor,
        "successor_id": show(Prefix.INVOICE, successor.id) if successor else None,
        "paid_by": payments.find_paying(session, invoice.id),
        "reminders": reminders.card(session, invoice),
        "fapiao": fapiao.card(session, invoice),
        "back": back,
    }


def headline(invoice: Invoice) -> Money:
    """Return the amount that says most of the invoice: what is due, else what it came to."""
    if invoice.status is InvoiceStatus.DRAFT:
        return invoice.total
    is_owed = invoice.status in {InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE}
    return invoice.due if is_owed else invoice.collection


def hosted_link(invoice: Invoice) -> str:
    """Return the address where the customer sees and pays the invoice."""
    return collection.hosted_url(invoice, runtime().settings.base_url)


def draw_code(text: str) -> Markup:
    """Draw `text` as a QR code: an inline SVG of attributes only, for styles are forbidden."""
    code = segno.make(text, error="m", micro=False)
    drawing = code.svg_inline(omitsize=True, border=0, svgclass=None, lineclass=None)
    return Markup(drawing)  # noqa: S704  # drawn by us: the text is in it as squares only


def _next_step(invoice: Invoice) -> str:
    """Say what the invoice waits for."""
    if invoice.status is InvoiceStatus.DRAFT:
        if invoice.kind is InvoiceKind.ONE_OFF:
            return str(_("It waits for you: look at it once more, then finalize it."))
        return str(_("It takes late usage until its grace ends, then it is finalized by itself."))
    if invoice.status is InvoiceStatus.OPEN and invoice.due_at:
        if collection.is_outdated(invoice, now=now()):
            return str(_("Its rates have expired: the customer can pay once it is issued anew."))
        days = (invoice.due_at - now()).days
        if days < 0:
            return str(_("It should have been paid %(days)s days ago.", days=-days))
        return str(_("It waits for the customer, who has %(days)s more days.", days=days))
    words: dict[InvoiceStatus, str] = {
        InvoiceStatus.UNCOLLECTIBLE: _("It counts as lost, and can still be paid."),
        InvoiceStatus.PAID: _("It is paid. What was wrong is corrected by a credit note."),
        InvoiceStatus.PARTIALLY_REFUNDED: _("It is paid, and a part of it went back to the payer."),
        InvoiceStatus.REFUNDED: _("All that was paid went back to the payer."),
        InvoiceStatus.VOID: _("It is void and asks for nothing."),
    }
    return str(words.get(invoice.status, ""))


def _agreed(session: Session, invoice: Invoice) -> dict[str, Any]:
    """Return the contract and its prices; an invoice made by hand has neither."""
    if invoice.contract_id is None or invoice.rate_card_version_id is None:
        return {"contract_id": None, "rate_card": None, "rate_card_version": None}
    version = catalogue.get_version(session, invoice.rate_card_version_id)
    return {
        "contract_id": show(Prefix.CONTRACT, invoice.contract_id),
        "rate_card": catalogue.get_rate_card(session, version.rate_card_id),
        "rate_card_id": show(Prefix.RATE_CARD, version.rate_card_id),
        "rate_card_version": version.number,
    }


def _attempt(order: PaymentOrder) -> Attempt:
    if order.status is PaymentStatus.CREATED:
        return Attempt(order, "pending", _("Being opened at the channel"))
    if order.status is PaymentStatus.PENDING:
        is_over = order.expires_at < clock.now()
        words = _("The code expired; the channel is asked") if is_over else _("The code is shown")
        return Attempt(order, "expired" if is_over else "pending", words)
    if order.status is PaymentStatus.CAPTURED:
        return Attempt(order, "captured", _("The channel received the money"))
    return Attempt(order, "closed", _("Nobody paid; it can not be paid any more"))


def _prints(session: Session, invoice: Invoice, notes: Sequence[CreditNote]) -> list[Print]:
    names = {
        DocumentKind.INVOICE_PDF: _("Invoice"),
        DocumentKind.RECEIPT_PDF: _("Receipt"),
        DocumentKind.VOID_PDF: _("Void notice"),
        DocumentKind.CREDIT_NOTE_PDF: _("Credit note"),
    }
    numbers = {note.id: note.number for note in notes}
    found: dict[str, list[tuple[str, str]]] = {}
    for document in mailings.list_documents(session, invoice, notes):
        name = " ".join(filter(None, [names[document.kind], numbers.get(document.subject_id)]))
        language = LANGUAGE_NAMES[document.language]
        found.setdefault(name, []).append((language, _print_url(document)))
    return [Print(name, files) for name, files in found.items()]


def _print_url(document: Document) -> str:
    return url_for("web.document_pdf", document_id=show(Prefix.DOCUMENT, document.id))


def _asides(session: Session, orders: Sequence[PaymentOrder]) -> list[tuple[Money, str]]:
    """Return the money that came by these orders and pays nothing, each with the reason."""
    reasons = refund_words.reasons_aside()
    ids = {order.id for order in orders}
    return [
        (case.amount, reasons[case.reason])
        for case in cases.list_open(session)
        if case.payment_order_id in ids
    ]
