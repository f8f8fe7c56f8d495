"""Credit notes: what was issued is never changed, it is corrected by a document of its own.

Of an open invoice a credit note lowers what is due, of a paid one it fills the customer's balance.
What may be credited is judged under the lock of the invoice, so that two at once never give more
than there is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.audit.recording import Actor, Change, record
from app.billing import balances, collection, fapiao, numbers, queries
from app.billing.amounts import PlatformFee
from app.billing.credit_amounts import (
    BadCredit,
    CreditTooLarge,
    Rest,
    cumulative_part,
    last_step,
    take_amount,
    take_total,
    tax_of,
    total_of,
)
from app.billing.credit_models import CreditNote, CreditReason, Disposition
from app.billing.models import Invoice, InvoiceLine, InvoiceStatus
from app.core import db, ids, outbox
from app.core.decimals import plain
from app.core.errors import Conflict
from app.core.ids import Prefix
from app.core.money import Currency, Money
from app.core.text import clean_text
from app.customers import queries as customers
from app.fx import conversion
from app.identity import clocks
from app.ledger import journals, posting
from app.webhooks import emitting
from app.webhooks.catalogue import EventType
from app.webhooks.payloads import Amount, CreditNoteData

NOTE_LENGTH = 500


class InvoiceNotCreditable(Conflict):
    """Only what is open or paid can be corrected: a draft changes, a void one asks for nothing."""

    code = "invoice_not_creditable"


@dataclass(frozen=True, slots=True)
class CreditRequest:
    """What to credit: an amount of each line by its position, or a total with tax, of the whole.

    Amounts are minor units of the invoice's pricing currency; those of lines are before coupons
    and tax, which follow in proportion. `late_of` is the first day of the period whose usage was
    taken back.
    """

    reason: CreditReason
    note: str = ""
    lines: Mapping[int, int] | None = None
    total_minor: int | None = None
    late_of: date | None = None


@dataclass(frozen=True, slots=True)
class Credit:
    """What a request comes to: the parts of lines, their total, and its CNY, before any is given.

    `off_due` lowers what is still due, `to_balance` goes to the customer's balance.
    """

    parts: Sequence[Rest]
    total: Money
    tax: Money
    amount: Money
    off_due: Money

    @property
    def to_balance(self) -> Money:
        return self.amount - self.off_due


def is_creditable(invoice: Invoice) -> bool:
    return invoice.status in {InvoiceStatus.OPEN, InvoiceStatus.PAID} and invoice.total.minor > 0


def left_to_credit(session: Session, invoice: Invoice) -> Money:
    """Return what of the invoice may still be credited, in its pricing currency.

    Not what credit notes gave, nor what goes or went back to the payer.
    """
    unclaimed = invoice.collection - Money(invoice.claimed_minor, Currency.CNY)
    reach = last_step(invoice.collection, upto=unclaimed, of=invoice.total.minor)
    return Money(reach, invoice.currency) - _credited(session, invoice)


def rests_of(session: Session, invoice: Invoice) -> list[Rest]:
    """Return what is left to credit of each line of the invoice, in their order."""
    parts = session.scalars(
        select(CreditNote.lines).where(CreditNote.invoice_id == invoice.id)
    ).all()
    given: dict[int, tuple[int, int, int]] = {}
    for part in (part for lines in parts for part in lines):
        before = given.get(part["position"], (0, 0, 0))
        taken = (part["amount"], part["discount"], part["tax"])
        given[part["position"]] = tuple(map(sum, zip(before, taken, strict=True)))  # type: ignore[assignment]  # three of them
    return [
        _rest(line, invoice.currency, given.get(line.position, (0, 0, 0)))
        for line in queries.lines_of(session, invoice)
    ]


def total_wanted(session: Session, invoice: Invoice, request: CreditRequest) -> Money:
    """Return what the lines of a request come to with tax, whether that is left or not."""
    left = left_to_credit(session, invoice)
    parts = _parts(rests_of(session, invoice), request, invoice.currency, left=left)
    return total_of(parts, left)


def work_out(session: Session, invoice: Invoice, request: CreditRequest) -> Credit:
    """Return what the request comes to as things are; nothing is written.

    Raises InvoiceNotCreditable, BadCredit and CreditTooLarge.
    """
    if not is_creditable(invoice):
        raise InvoiceNotCreditable(f"an invoice that is {invoice.status} can not be credited")
    left = left_to_credit(session, invoice)
    parts = _parts(rests_of(session, invoice), request, invoice.currency, left=left)
    total = total_of(parts, left)
    if total > left:
        raise CreditTooLarge(f"{left} is left to credit")
    if total.minor <= 0:
        raise BadCredit("it comes to nothing", path="lines")
    before = _credited(session, invoice).minor
    amount = cumulative_part(
        invoice.collection, before=before, after=before + total.minor, of=invoice.total.minor
    )
    owed = invoice.due if invoice.status is InvoiceStatus.OPEN else Money.zero(Currency.CNY)
    return Credit(parts, total, tax_of(parts, total), amount, off_due=min(owed, amount))


def issue(
    session: Session, invoice_id: int, request: CreditRequest, *, actor: Actor, now: datetime
) -> CreditNote:
    """Credit what is asked for, give it a number, post N1, emit `credit_note.created`, owe the PDF.

    An open invoice with nothing left to pay is paid by it. Locks the invoice; who calls it for an
    open one has made sure that no channel can still collect the old amount. Raises NotFound,
    InvalidText, InvoiceNotCreditable, BadCredit and CreditTooLarge.
    """
    text = clean_text(request.note, path="note", max_length=NOTE_LENGTH)
    invoice = collection.lock_invoice(session, invoice_id)
    credit = work_out(session, invoice, request)
    is_open = invoice.status is InvoiceStatus.OPEN
    note = CreditNote(
        merchant_id=invoice.merchant_id,
        id=ids.new_id(),
        number=numbers.next_credit_note_number(session, clocks.get_merchant(session), now=now),
        invoice_id=invoice.id,
        customer_id=invoice.customer_id,
        reason=request.reason,
        note=text,
        currency=invoice.currency,
        pricing_minor=credit.total.minor,
        discount_minor=sum(part.discount.minor for part in credit.parts),
        tax_minor=credit.tax.minor,
        amount_minor=credit.amount.minor,
        balance_minor=credit.to_balance.minor,
        disposition=Disposition.INVOICE if is_open else Disposition.BALANCE,
        lines=[_document(part, request.late_of) for part in credit.parts],
        created_at=now,
        created_by=actor.name,
    )
    session.add(note)
    session.flush()  # the balance's entry refers to it
    _give(session, invoice, note, actor=actor, now=now)
    _emit(session, note, invoice, now=now)
    _owe_print(session, note, now=now)
    if is_open and not invoice.due:
        collection.mark_paid(session, invoice, now=now)
    fapiao.follow_correction(session, invoice, reason=note.number, now=now)
    _audit(session, note, actor=actor, now=now)
    return note


def _audit(session: Session, note: CreditNote, *, actor: Actor, now: datetime) -> None:
    subject = ids.show(Prefix.INVOICE, note.invoice_id)
    change = Change({}, {"number": note.number, "amount_minor": note.amount_minor})
    record(session, actor, "credit_note.issued", subject=subject, change=change, now=now)


def get_credit_note(session: Session, credit_note_id: int) -> CreditNote:
    """Return the credit note. Raises NotFound."""
    return db.get(session, CreditNote, credit_note_id, noun="credit note")


def payload(note: CreditNote, invoice: Invoice, external_id: str) -> CreditNoteData:
    """Return a credit note as events tell of it."""
    return CreditNoteData(
        credit_note_id=ids.show(Prefix.CREDIT_NOTE, note.id),
        number=note.number,
        invoice_id=ids.show(Prefix.INVOICE, note.invoice_id),
        invoice_number=invoice.number,
        customer_id=ids.show(Prefix.CUSTOMER, note.customer_id),
        customer_external_id=external_id,
        reason=note.reason.value,
        note=note.note,
        disposition=note.disposition.value,
        total=Amount.of(note.total),
        tax=Amount.of(note.tax),
        amount=Amount.of(note.amount),
        to_balance=Amount.of(note.to_balance),
        invoice_due=Amount.of(invoice.due),
    )


def _credited(session: Session, invoice: Invoice) -> Money:
    given = select(func.coalesce(func.sum(CreditNote.pricing_minor), 0))
    credited = session.scalar(given.where(CreditNote.invoice_id == invoice.id))
    return Money(int(credited or 0), invoice.currency)


def _parts(
    rests: Sequence[Rest], request: CreditRequest, currency: Currency, *, left: Money
) -> list[Rest]:
    """Return the parts of lines that a request names, by line or as one total."""
    if (request.lines is None) == (request.total_minor is None):
        raise BadCredit("name the lines, or one total", path="lines")
    if request.total_minor is not None:
        if request.total_minor <= 0:
            raise BadCredit("must be above zero", path="total_minor")
        total = Money(request.total_minor, currency)
        if total > left:
            raise CreditTooLarge(f"{left} is left to credit", path="total_minor")
        return take_total(rests, total)
    known = {rest.position: rest for rest in rests}
    wanted = request.lines or {}
    for position, minor in wanted.items():
        if position not in known or known[position].amount.minor <= 0 or minor <= 0:
            raise BadCredit(f"line {position} has nothing to credit", path="lines")
    return [
        take_amount(known[position], Money(minor, currency)) for position, minor in wanted.items()
    ]


def _rest(line: InvoiceLine, currency: Currency, given: tuple[int, int, int]) -> Rest:
    amount, discount, tax = given
    return Rest(
        position=line.position,
        description=line.description,
        amount=Money(line.amount_minor - amount, currency),
        discount=Money(line.discount_minor - discount, currency),
        tax=Money(line.tax_minor - tax, currency),
        tax_percent=line.tax_percent,
        is_inclusive=line.tax_is_inclusive,
    )


def _document(part: Rest, late_of: date | None) -> dict[str, Any]:
    """Return a part of a line as the credit note keeps it; amounts are minor units."""
    late = {} if late_of is None else {"late_of": late_of.isoformat()}
    return late | {
        "position": part.position,
        "description": part.description,
        "amount": part.amount.minor,
        "discount": part.discount.minor,
        "tax": part.tax.minor,
        "tax_percent": _percent(part.tax_percent),
        "is_inclusive": part.is_inclusive,
    }


def _percent(percent: Decimal | None) -> str | None:
    return None if percent is None else plain(percent)


def _give(
    session: Session, invoice: Invoice, note: CreditNote, *, actor: Actor, now: datetime
) -> None:
    """Lower what is due, with the fee on it and what is settled of it, and fill the balance."""
    off_due = note.amount - note.to_balance
    invoice.credited_minor += note.amount_minor
    if off_due and invoice.fx is not None:
        due = invoice.due - off_due
        fee = PlatformFee(invoice.fee_bps, invoice.fee_fixed_minor).on(due)
        settled = conversion.from_cny(
            due - fee, invoice.fx.settlement_rate, invoice.settlement_currency
        )
        invoice.due_minor, invoice.platform_fee_minor = due.minor, fee.minor
        invoice.net_minor, invoice.settlement_minor = (due - fee).minor, settled.minor
    balances.add_credit(session, invoice, note, actor=actor, now=now)
    journal = journals.credit_note_issued(
        note.id, invoice.id, note.customer_id, off_due=off_due, to_balance=note.to_balance
    )
    posting.post(session, journal, now=now)


def _emit(session: Session, note: CreditNote, invoice: Invoice, *, now: datetime) -> None:
    customer = customers.get_customer(session, note.customer_id)
    told = payload(note, invoice, customer.external_id)
    reference = ids.show(Prefix.CREDIT_NOTE, note.id)
    emitting.emit(session, EventType.CREDIT_NOTE_CREATED, told, reference=reference, now=now)


def _owe_print(session: Session, note: CreditNote, *, now: datetime) -> None:
    real_now = clocks.to_real(session, now)
    note_id = ids.show(Prefix.CREDIT_NOTE, note.id)
    outbox.owe(session, "jobs.documents.print_credit_note", now=real_now, credit_note=note_id)
