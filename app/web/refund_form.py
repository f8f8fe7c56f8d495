"""Refund an invoice: the form, and what it comes to before anybody's money moves.

What is sent names what was shown, amount and rest: anything else is shown again instead of done,
so a second click or another refund in between never pays what nobody has looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import flash, g, redirect, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.billing import collection, fapiao_queries, queries
from app.billing.fapiao_models import FapiaoStatus
from app.billing.models import Invoice, InvoiceLine
from app.core.errors import Conflict, Invalid, NotFound, Refusal
from app.core.ids import Prefix, read, show
from app.core.money import Currency, Money, round_half_up
from app.customers import queries as customers
from app.documents.formats import digits
from app.extensions import transaction
from app.fx.conversion import RATE_DECIMALS
from app.payments import refunds
from app.payments.refund_models import Refund, RefundStatus
from app.payments.refunds import REASON_LENGTH, Preview, RefundRequest
from app.web import access
from app.web.amounts import grouped, read_amount
from app.web.forms import Form, blank, typed
from app.web.page import page

_UNSAID = "-"
"""Stands for the reason while there is only something to preview."""


class Changed(Conflict):
    """What would be refunded is not what was shown."""

    code = "refund_preview_outdated"


@dataclass(frozen=True)
class Shown:
    """What a refund comes to, as the page shows it. `seen` names it when it is sent."""

    preview: Preview
    rate: str

    @property
    def seen(self) -> str:
        return f"{self.preview.part.amount.minor}/{self.preview.left.minor}"

    @property
    def left_after(self) -> Money:
        return self.preview.left - self.preview.part.amount


def refund_invoice(invoice_id: str) -> Response:
    """Show the form with all that is left, and what that comes to."""
    return _show(invoice_id, None)


def create_refund(invoice_id: str) -> Response:
    """Refund what was shown; with any other button, or typing, show what it would come to."""
    number = read(Prefix.INVOICE, invoice_id)
    with transaction(g.merchant_id) as session:
        lines = queries.lines_of(session, queries.get_invoice(session, number))
    form = typed(amount="", reason="", **{_field(line): "" for line in lines})
    if request.form.get("action") != "refund":
        return _show(invoice_id, form)
    try:
        made = _refund(number, _request(form, lines))
    except NotFound:
        raise
    except Refusal as refusal:
        return _show(invoice_id, form.refuse(_at_field(refusal)), status=422)
    waits = made.status is RefundStatus.REQUESTED
    flash(_("It waits for our approval") if waits else _("The refund is on its way."), "ok")
    return redirect(url_for("web.refund", refund_id=show(Prefix.REFUND, made.id)), 303)


def _refund(number: int, asked: RefundRequest) -> Refund:
    with transaction(g.merchant_id) as session:
        invoice = collection.lock_invoice(session, number)
        preview = refunds.work_out(session, invoice, asked, now=access.now())
        if Shown(preview, "").seen != request.form.get("seen"):
            raise Changed(_("Look at what it comes to now, and refund it then."))
        return refunds.request_refund(
            session, number, asked, actor=access.actor(), now=access.now()
        )


def _request(form: Form, lines: Sequence[InvoiceLine]) -> RefundRequest:
    """Read the form. Raises Invalid at the field."""
    values = form.values
    amount = None
    if values["amount"].strip():
        amount = read_amount(values["amount"], Currency.CNY, path="amount")
    parts = {
        line.position: read_amount(values[_field(line)], Currency.CNY, path=_field(line))
        for line in lines
        if values[_field(line)].strip()
    }
    if parts:
        amount = _checked_sum(amount, list(parts.values()))
    return RefundRequest(values["reason"], amount, parts or None)


def _checked_sum(amount: Money | None, parts: Sequence[Money]) -> Money:
    """Return the amount that the lines come to; a total beside them has to be the same."""
    total = sum(parts, Money.zero(Currency.CNY))
    if amount is None or amount == total:
        return total
    if amount > total:
        words = _("The lines are %(amount)s short of the amount.", amount=grouped(amount - total))
    else:
        words = _("The lines are %(amount)s above the amount.", amount=grouped(total - amount))
    raise Invalid(words, path="amount")


def _show(invoice_id: str, form: Form | None, *, status: int = 200) -> Response:
    with transaction(g.merchant_id) as session:
        invoice = queries.get_invoice(session, read(Prefix.INVOICE, invoice_id))
        lines = queries.lines_of(session, invoice)
        shown, form = _work_out(session, invoice, form, lines=lines)
        context = _context(session, invoice)
    return page(
        "refunds/new.html",
        fragment="preview",
        status=422 if form.error or any(form.errors.values()) else status,
        nav="refunds",
        public_id=invoice_id,
        form=form,
        shown=shown,
        lines=[(line, _field(line)) for line in lines],
        reason_length=REASON_LENGTH,
        **context,
    )


def _context(session: Session, invoice: Invoice) -> dict[str, Any]:
    fapiao = fapiao_queries.find_newest(session, invoice.id)
    return {
        "invoice": invoice,
        "customer": customers.get_customer(session, invoice.customer_id),
        "has_fapiao": fapiao is not None and fapiao.status is FapiaoStatus.ISSUED,
    }


def _work_out(
    session: Session, invoice: Invoice, form: Form | None, *, lines: Sequence[InvoiceLine]
) -> tuple[Shown | None, Form]:
    """Return what the form comes to, or the form with why it comes to nothing.

    Nobody typed anything yet where there is no form: then it is all that is left.
    """
    is_new = form is None
    form = form or blank(amount="", reason="", **{_field(line): "" for line in lines})
    try:
        asked = RefundRequest(_UNSAID) if is_new else _request(form, lines)
        preview = refunds.work_out(session, invoice, asked, now=access.now())
    except Refusal as refusal:
        return None, form if form.error else form.refuse(_at_field(refusal))
    if is_new:
        form.values["amount"] = str(preview.left.major)
    return Shown(preview, _rate(invoice)), form


def _at_field(refusal: Refusal) -> Refusal:
    """Return the refusal at the field of the form that it is about."""
    if refusal.path == "amountMinor" or refusal.code == "refund_too_large":
        refusal.path = "amount"
    return refusal


def _rate(invoice: Invoice) -> str:
    """Write the rate at which the invoice is settled, which no refund changes."""
    if invoice.fx is None or invoice.settlement_currency is Currency.CNY:
        return ""
    return digits(round_half_up(invoice.fx.settlement_rate, RATE_DECIMALS))


def _field(line: InvoiceLine) -> str:
    return f"line_{line.position}"
