"""From issued to paid or void: the moves of an invoice, and whom each of them is told to."""

import hmac
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.audit.recording import SYSTEM, Actor, Change, record
from app.billing import balances, fapiao, queries, redemptions
from app.billing.models import INVOICE, Invoice, InvoiceEvent, InvoiceLine, InvoiceStatus
from app.billing.storing import LineRow
from app.core import db, ids, outbox
from app.core.decimals import plain
from app.core.errors import Conflict, NotFound
from app.core.ids import Prefix
from app.core.money import Currency
from app.core.text import clean_name
from app.customers import queries as customers
from app.customers.models import Customer
from app.identity import clocks
from app.ledger import journals, posting
from app.webhooks import emitting
from app.webhooks.catalogue import EventType
from app.webhooks.payloads import Amount, InvoiceData, Line

LINES_TOLD = 50
"""How many lines of an invoice its events tell; the API has all of them."""

SECRET_LENGTH = 22
"""Characters of base62 in a checkout link: 131 bits."""

PRICE_HOLDS = timedelta(days=30)
"""How long an open invoice can be paid at the rates it locked; then it is issued anew."""

_NO_LINK = "this link leads to no invoice"
_TOLD_OF_VOID = "账单已作废 The invoice was voided"
"""What a buyer is told who had asked for its fapiao: the merchant's own reason is not for him."""


INSTEAD = {
    InvoiceStatus.DRAFT: "finalize it first, or throw it away",
    InvoiceStatus.OPEN: "void it, give it up, or let it be paid",
    InvoiceStatus.PAID: "correct it with a credit note",
    InvoiceStatus.VOID: "nothing is owed any more",
    InvoiceStatus.UNCOLLECTIBLE: "it can be paid or voided still",
    InvoiceStatus.PARTIALLY_REFUNDED: "correct what is left with a credit note",
    InvoiceStatus.REFUNDED: "nothing is left to correct",
}
"""What can be done with an invoice that is not, or no more, what somebody thought."""


class InvoiceNotOpen(Conflict):
    """It stands elsewhere: `status` says where, and its message what can be done instead."""

    code = "invoice_not_open"

    def __init__(self, status: InvoiceStatus) -> None:
        super().__init__(f"the invoice is {status.replace('_', ' ')}: {INSTEAD[status]}")
        self.status = status


def lock_invoice(session: Session, invoice_id: int) -> Invoice:
    """Lock the invoice and return it as it is now: before its payment orders. Raises NotFound."""
    return db.get_locked(session, Invoice, invoice_id, noun="invoice")


def is_payable(invoice: Invoice) -> bool:
    return INVOICE.allows(invoice.status, InvoiceEvent.PAY)


def is_outdated(invoice: Invoice, *, now: datetime) -> bool:
    """Tell whether the rates that the invoice locked are too old to be paid at."""
    return invoice.finalized_at is not None and now > invoice.finalized_at + PRICE_HOLDS


def announce(
    session: Session,
    issued: Mapping[Invoice, Sequence[InvoiceLine | LineRow]],
    *,
    now: datetime,
) -> None:
    """Say that finalised invoices, with these lines, can be paid.

    That is an event of each, and its PDF, which is mailed once printed.
    """
    named = customers.customers_by_id(session, {invoice.customer_id for invoice in issued})
    told = {
        ids.show(Prefix.INVOICE, invoice.id): payload(invoice, named[invoice.customer_id], lines)
        for invoice, lines in issued.items()
    }
    _owe_documents(session, "jobs.documents.print_invoice", issued, now=now)
    emitting.emit_all(session, EventType.INVOICE_CREATED, told, now=now)


def mark_paid(session: Session, invoice: Invoice, *, now: datetime) -> None:
    """Mark a locked invoice paid; emit `invoice.paid` and owe the receipt.

    One that was given up is owed again first (V3). The journals of the payment are posted by who
    captured it. Raises IllegalMove.
    """
    _recover(session, invoice, now=now)
    invoice.status = INVOICE.after(invoice.status, InvoiceEvent.PAY)
    invoice.paid_at = now
    _emit(session, EventType.INVOICE_PAID, invoice, now=now)
    _owe_documents(session, "jobs.documents.print_receipt", [invoice], now=now)


def void(
    session: Session, invoice: Invoice, *, reason: str, actor: Actor = SYSTEM, now: datetime
) -> None:
    """Cancel a locked invoice that is not paid: it keeps its number and can no longer be paid.

    What credit notes took off stays taken off; the rest of it is reversed (V1), and what the
    customer's balance had paid is given back, as are the coupons it redeemed. Emits
    `invoice.voided`, owes the notice, and is audited. Raises InvalidText and InvoiceNotOpen.
    """
    reason = clean_name(reason, path="reason")
    if not INVOICE.allows(invoice.status, InvoiceEvent.VOID):
        raise InvoiceNotOpen(invoice.status)
    _recover(session, invoice, now=now)
    before, invoice.status = invoice.status, INVOICE.after(invoice.status, InvoiceEvent.VOID)
    invoice.voided_at, invoice.void_reason = now, reason
    journal = journals.invoice_voided(
        invoice.id, invoice.customer_id, due=invoice.due, returned=invoice.balance_used
    )
    posting.post(session, journal, now=now)
    balances.give_back(session, invoice, invoice.balance_used, now=now)
    redemptions.release(session, invoice)
    _emit(session, EventType.INVOICE_VOIDED, invoice, now=now)
    _owe_documents(session, "jobs.documents.print_void", [invoice], now=now)
    fapiao.follow_correction(session, invoice, reason=_TOLD_OF_VOID, now=now)
    change = Change({"status": before.value}, {"status": invoice.status.value, "reason": reason})
    _audit(session, invoice, "invoice.voided", change=change, actor=actor, now=now)


def give_up(session: Session, invoice: Invoice, *, actor: Actor = SYSTEM, now: datetime) -> None:
    """Mark a locked, open invoice uncollectible: a loss in the books, which may yet be paid.

    Posts V2, emits `invoice.marked_uncollectible`, and is audited. Raises InvoiceNotOpen.
    """
    if not INVOICE.allows(invoice.status, InvoiceEvent.GIVE_UP):
        raise InvoiceNotOpen(invoice.status)
    before, invoice.status = invoice.status, INVOICE.after(invoice.status, InvoiceEvent.GIVE_UP)
    invoice.uncollectible_at = now
    posting.post(session, journals.invoice_uncollectible(invoice.id, invoice.due), now=now)
    _emit(session, EventType.INVOICE_MARKED_UNCOLLECTIBLE, invoice, now=now)
    change = Change({"status": before.value}, {"status": invoice.status.value})
    _audit(session, invoice, "invoice.given_up", change=change, actor=actor, now=now)


def _audit(
    session: Session,
    invoice: Invoice,
    action: str,
    *,
    change: Change,
    actor: Actor,
    now: datetime,
) -> None:
    subject = ids.show(Prefix.INVOICE, invoice.id)
    record(session, actor, action, subject=subject, change=change, now=now)


def _recover(session: Session, invoice: Invoice, *, now: datetime) -> None:
    if invoice.status is InvoiceStatus.UNCOLLECTIBLE:
        posting.post(session, journals.invoice_recovered(invoice.id, invoice.due), now=now)


def payload(
    invoice: Invoice, customer: Customer, lines: Sequence[InvoiceLine | LineRow]
) -> InvoiceData:
    """Return a finalised invoice as events tell of it.

    It has the first LINES_TOLD of its lines: a bill by groups may have a thousand.
    """
    return InvoiceData(
        invoice_id=ids.show(Prefix.INVOICE, invoice.id),
        number=invoice.number,
        kind=invoice.kind.value,
        status=invoice.status.value,
        customer_id=ids.show(Prefix.CUSTOMER, customer.id),
        customer_external_id=customer.external_id,
        contract_id=_shown(Prefix.CONTRACT, invoice.contract_id),
        period_from=invoice.period_from,
        period_to=invoice.period_to,
        discount=Amount.of(invoice.discount),
        subtotal=Amount.of(invoice.subtotal),
        tax=Amount.of(invoice.tax),
        total=Amount.of(invoice.total),
        collection=Amount.of(invoice.collection),
        due=Amount.of(invoice.due),
        platform_fee=Amount.of(invoice.platform_fee),
        settlement=Amount.of(invoice.settlement),
        lines=[_line(line, invoice.currency) for line in lines[:LINES_TOLD]],
        line_count=len(lines),
    )


def link_token(invoice: Invoice) -> str:
    """Return the text of the invoice's checkout link: who has it may see and pay the invoice."""
    merchant = ids.show_merchant(invoice.merchant_id)
    return f"{merchant}{ids.base36(invoice.id, ids.ID_WIDTH)}{invoice.link_secret}"


def hosted_url(invoice: Invoice, base_url: str) -> str:
    """Return where the invoice is seen and paid; `base_url` has no slash at its end."""
    return f"{base_url}/pay/{link_token(invoice)}"


def read_link(token: str) -> tuple[int, int, str]:
    """Read merchant, invoice and secret out of a link: claims, to be proved by `get_by_link`.

    Raises NotFound.
    """
    merchant_end, invoice_end = ids.MERCHANT_WIDTH, ids.MERCHANT_WIDTH + ids.ID_WIDTH
    merchant_id = ids.find_merchant(token[:merchant_end])
    if merchant_id is None:
        raise NotFound(_NO_LINK)
    invoice_id = ids.read(Prefix.INVOICE, f"{Prefix.INVOICE}_{token[merchant_end:invoice_end]}")
    return merchant_id, invoice_id, token[invoice_end:]


def get_by_link(session: Session, invoice_id: int, secret: str) -> Invoice:
    """Return the finalised invoice whose link has this secret, compared in constant time.

    The session belongs to the merchant the link names. Raises NotFound.
    """
    invoice = session.get(Invoice, (db.merchant_of(session), invoice_id))
    known = invoice.link_secret if invoice else ""
    is_right = hmac.compare_digest(known.encode(), secret.encode(errors="replace"))
    if invoice is None or not is_right or invoice.status is InvoiceStatus.DRAFT:
        raise NotFound(_NO_LINK)
    return invoice


def _emit(session: Session, event_type: EventType, invoice: Invoice, *, now: datetime) -> None:
    customer = customers.get_customer(session, invoice.customer_id)
    reference = ids.show(Prefix.INVOICE, invoice.id)
    told = payload(invoice, customer, queries.lines_of(session, invoice))
    emitting.emit(session, event_type, told, reference=reference, now=now)


def _owe_documents(
    session: Session, task: str, invoices: Iterable[Invoice], *, now: datetime
) -> None:
    real_now = clocks.to_real(session, now)
    owed = [{"invoice": ids.show(Prefix.INVOICE, invoice.id)} for invoice in invoices]
    outbox.owe_all(session, task, owed, now=real_now)


def _line(line: InvoiceLine | LineRow, currency: Currency) -> Line:
    return Line(
        kind=line.kind.value,
        metric=line.metric_code or None,
        part=line.part,
        description=line.description,
        period_from=line.period_from,
        period_to=line.period_to,
        quantity=plain(line.quantity),
        amount=_amount(line.amount_minor, currency),
        discount=_amount(line.discount_minor, currency),
        tax=_amount(line.tax_minor, currency),
    )


def _shown(prefix: Prefix, row_id: int | None) -> str | None:
    return None if row_id is None else ids.show(prefix, row_id)


def _amount(minor: int, currency: Currency) -> Amount:
    return Amount(amount_minor=minor, currency=currency)
