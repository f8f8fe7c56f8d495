"""Issuing: drafts that are worked out become open invoices, with numbers, in the books, told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.billing import balances, collection, numbers
from app.billing.desk import Desk
from app.billing.models import INVOICE, Invoice, InvoiceEvent, InvoiceLine
from app.billing.quotes import Quote
from app.billing.storing import LineRow
from app.identity.models import Merchant
from app.ledger import journals, posting

PAYMENT_TERM = timedelta(days=14)
"""How long after it was finalised an invoice falls due."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A draft that is right to be issued: its lines, and the rates and terms it is to lock."""

    invoice: Invoice
    lines: Sequence[InvoiceLine | LineRow]
    locked: Quote


def issue(session: Session, ready: Sequence[Ready], *, merchant: Merchant, now: datetime) -> None:
    """Make drafts that have their lines open invoices, with numbers and what was locked for them.

    The customer's balance pays what it can; where nothing is due, an invoice is paid at once.
    Posts T1, emits the events and owes the PDFs. The merchant is held, the invoices are locked.
    """
    session.flush()  # what needs no number is written before others have to wait for theirs
    given = numbers.take_invoice_numbers(session, merchant, len(ready), now=now)
    merchant.first_invoice_at = merchant.first_invoice_at or now
    desk = Desk(session, invoices=[each.invoice for each in ready])
    for each, number in zip(ready, given, strict=True):
        invoice = each.invoice
        _lock(invoice, each.locked)
        invoice.status = INVOICE.after(invoice.status, InvoiceEvent.FINALIZE)
        invoice.number, invoice.finalized_at, invoice.due_at = number, now, now + PAYMENT_TERM
        if desk.may_have_credit(invoice):
            balance = balances.use(session, invoice, now=now)
            if balance:
                _lock(invoice, each.locked.less(balance))
    posted = [
        journals.invoice_finalized(each.invoice.id, each.invoice.collection, due=each.invoice.due)
        for each in ready
    ]
    posting.post_all(session, posted, now=now)
    due = {each.invoice: each.lines for each in ready if each.invoice.due}
    collection.announce(session, due, now=now)
    for each in ready:
        if each.invoice not in due:
            collection.mark_paid(session, each.invoice, now=now)


def _lock(invoice: Invoice, locked: Quote) -> None:
    amounts, terms = locked.amounts, locked.terms
    invoice.collection_minor, invoice.due_minor = amounts.collect.minor, amounts.due.minor
    invoice.balance_minor = amounts.collect.minor - amounts.due.minor
    invoice.platform_fee_minor = amounts.platform_fee.minor
    invoice.net_minor = amounts.net.minor
    invoice.settlement_minor = amounts.settlement.minor
    invoice.settlement_currency = amounts.settlement.currency
    invoice.fee_bps, invoice.fee_fixed_minor = terms.fee_bps, terms.fee_fixed_minor
    invoice.fx = locked.fx
