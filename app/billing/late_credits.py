"""What an ended contract is owed for usage that was taken back goes to its customer by itself.

An invoice can not be below zero, and there is no next one to set it off against: so it becomes
credit notes, of the period's own invoice first. Lines of these notes say which period they are
about, so that the same difference, found again, is not given again.
"""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.audit.recording import SYSTEM
from app.billing import credit_notes, late
from app.billing.credit_models import CreditNote, CreditReason
from app.billing.credit_notes import CreditRequest
from app.billing.desk import Desk
from app.billing.late import LatePeriod
from app.billing.models import Invoice
from app.core.money import Money
from app.customers.models import Contract


def give(session: Session, contract: Contract, *, now: datetime) -> Sequence[CreditNote]:
    """Credit what the locked contract is owed for its periods; return the notes.

    What no invoice that is open or paid covers was never collected, and is not given. Raises
    LineTooLarge.
    """
    notes: list[CreditNote] = []
    for period in late.late_periods(Desk(session), contract):
        owed = -period.net - _given(session, contract, period)
        for invoice in _creditable(session, contract, period):
            note = _credit(session, invoice, owed, of=period.first_day, now=now)
            if note is not None:
                notes.append(note)
                owed -= _gross(note)
    return notes


def _given(session: Session, contract: Contract, period: LatePeriod) -> Money:
    """Return what notes gave of this period before, in amounts of lines."""
    notes = session.scalars(
        select(CreditNote)
        .join(
            Invoice,
            (Invoice.merchant_id == CreditNote.merchant_id) & (Invoice.id == CreditNote.invoice_id),
        )
        .where(Invoice.contract_id == contract.id, CreditNote.reason == CreditReason.LATE_USAGE)
    ).all()
    day = period.first_day.isoformat()
    given = [_gross(note) for note in notes if note.lines[0].get("late_of") == day]
    return sum(given, Money.zero(contract.currency))


def _creditable(session: Session, contract: Contract, period: LatePeriod) -> list[Invoice]:
    """Return the contract's invoices that can be credited: the period's own, then the newest."""
    found = session.scalars(
        select(Invoice).where(Invoice.contract_id == contract.id).order_by(Invoice.id.desc())
    )
    own_first = sorted(found, key=lambda invoice: invoice.period_from != period.first_day)
    return [invoice for invoice in own_first if credit_notes.is_creditable(invoice)]


def _credit(
    session: Session, invoice: Invoice, owed: Money, *, of: date, now: datetime
) -> CreditNote | None:
    """Credit up to `owed` of the invoice's lines, each by what is left of it."""
    rests = [rest for rest in credit_notes.rests_of(session, invoice) if rest.total.minor > 0]
    amounts = [rest.amount.minor for rest in rests]
    wanted = min(owed.minor, sum(amounts))
    if wanted <= 0:
        return None
    shares = Money(wanted, owed.currency).allocate(amounts)
    lines = {
        rest.position: share.minor
        for rest, share in zip(rests, shares, strict=True)
        if share.minor > 0
    }
    request = CreditRequest(CreditReason.LATE_USAGE, lines=lines, late_of=of)
    left = credit_notes.left_to_credit(session, invoice)
    if credit_notes.total_wanted(session, invoice, request) > left:
        if left.minor <= 0:
            return None
        request = CreditRequest(CreditReason.LATE_USAGE, total_minor=left.minor, late_of=of)
    return credit_notes.issue(session, invoice.id, request, actor=SYSTEM, now=now)


def _gross(note: CreditNote) -> Money:
    return Money(sum(line["amount"] for line in note.lines), note.currency)
