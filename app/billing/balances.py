"""A customer's balance: what he has to his credit, used by his next invoices of itself.

It is a means of payment in CNY: it never changes what is taxed. Each movement locks the one row
of the customer's balance, is an entry for ever, and is posted; so the row, the sum of the entries
and the account in the ledger always say the same.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.audit import recording
from app.audit.recording import SYSTEM, Actor, Change
from app.billing.credit_models import BalanceEntry, CreditNote, CustomerBalance, EntryKind
from app.billing.models import Invoice
from app.core import db, ids
from app.core.errors import Conflict, Invalid
from app.core.ids import Prefix
from app.core.money import Currency, Money
from app.core.paging import DEFAULT_LIMIT, Page, newest_first
from app.core.text import clean_name
from app.customers import queries as customers
from app.ledger import journals, posting

MAX_ADJUSTMENT = Money(10**12, Currency.CNY)
"""The most that is given or taken by hand at once: a thumb on a zero is no 10 billion."""


class BalanceTooLow(Conflict):
    """More is taken than the customer has."""

    code = "balance_too_low"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFilter:
    """Which entries a list has. What is not given does not narrow it; times are half-open."""

    kind: EntryKind | None = None
    from_at: datetime | None = None
    until_at: datetime | None = None


EVERY_ENTRY = EntryFilter()


def balance_of(session: Session, customer_id: int) -> Money:
    """Return what the customer has to his credit. Raises NotFound."""
    customer = customers.get_customer(session, customer_id)
    row = session.get(CustomerBalance, (customer.merchant_id, customer.id))
    return Money(row.balance_minor if row else 0, Currency.CNY)


def customers_with_credit(session: Session, customer_ids: Collection[int]) -> set[int]:
    """Return which of these customers have something to their credit."""
    credited = select(CustomerBalance.customer_id).where(
        db.among(CustomerBalance.customer_id, customer_ids), CustomerBalance.balance_minor > 0
    )
    return set(session.scalars(credited))


def list_entries(
    session: Session,
    customer_id: int,
    wanted: EntryFilter = EVERY_ENTRY,
    *,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[BalanceEntry]:
    """Return what moved the customer's balance, newest first. Raises Invalid."""
    statement = select(BalanceEntry).where(
        BalanceEntry.customer_id == customer_id, *_conditions(wanted)
    )
    return newest_first(session, statement, BalanceEntry.id, cursor=cursor, limit=limit)


def use(session: Session, invoice: Invoice, *, now: datetime) -> Money:
    """Let the customer's balance pay what it can of an invoice that is being finalised.

    Returns how much; the invoice's due is the rest. Locks the balance, after the invoice. Posts
    N2.
    """
    if not balance_of(session, invoice.customer_id) or invoice.collection.minor <= 0:
        return Money.zero(Currency.CNY)  # nothing to lock: what comes now pays the next invoice
    row = _lock(session, invoice.customer_id)
    used = min(Money(row.balance_minor, Currency.CNY), invoice.collection)
    if used:
        entry = _entry(EntryKind.USED, invoice)
        _move(session, row, -used, entry=entry, by=SYSTEM, now=now)
        journal = journals.balance_used(invoice.id, invoice.customer_id, used)
        posting.post(session, journal, now=now)
    return used


def give_back(session: Session, invoice: Invoice, amount: Money, *, now: datetime) -> None:
    """Return to the balance what it had paid of an invoice that is void; V1 posts it."""
    if amount:
        row = _lock(session, invoice.customer_id)
        entry = _entry(EntryKind.RETURNED, invoice)
        _move(session, row, amount, entry=entry, by=SYSTEM, now=now)


def add_credit(
    session: Session, invoice: Invoice, note: CreditNote, *, actor: Actor, now: datetime
) -> None:
    """Add what a credit note gives to the balance; N1 posts it."""
    if note.to_balance:
        row = _lock(session, invoice.customer_id)
        entry = _entry(EntryKind.CREDIT_NOTE, invoice)
        entry.credit_note_id = note.id
        _move(session, row, note.to_balance, entry=entry, by=actor, now=now)


def adjust(
    session: Session,
    customer_id: int,
    amount: Money,
    *,
    reason: str,
    actor: Actor,
    now: datetime,
) -> BalanceEntry:
    """Give the customer `amount` of CNY, or below zero take it back, and say why.

    Posts N3, and is audited. Raises NotFound, Invalid, InvalidText and BalanceTooLow.
    """
    reason = clean_name(reason, path="reason")
    if not amount or abs(amount.minor) > MAX_ADJUSTMENT.minor:
        raise Invalid(f"must not be zero, nor more than {MAX_ADJUSTMENT}", path="amount_minor")
    customer = customers.get_customer(session, customer_id)
    row = _lock(session, customer.id)
    entry = BalanceEntry(kind=EntryKind.ADJUSTMENT, note=reason)
    before = row.balance_minor
    _move(session, row, amount, entry=entry, by=actor, now=now)
    posting.post(session, journals.balance_adjusted(entry.id, customer.id, amount), now=now)
    recording.record(
        session,
        actor,
        "customer_balance.adjusted",
        subject=ids.show(Prefix.CUSTOMER, customer.id),
        change=Change(
            {"balance_minor": before}, {"balance_minor": row.balance_minor, "reason": reason}
        ),
        now=now,
    )
    return entry


def _conditions(wanted: EntryFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.kind is not None:
        conditions.append(BalanceEntry.kind == wanted.kind)
    if wanted.from_at is not None:
        conditions.append(BalanceEntry.created_at >= wanted.from_at)
    if wanted.until_at is not None:
        conditions.append(BalanceEntry.created_at < wanted.until_at)
    return conditions


def _lock(session: Session, customer_id: int) -> CustomerBalance:
    """Lock the customer's balance, which begins at nothing: the last lock of any but numbers."""
    session.execute(
        insert(CustomerBalance)
        .values(merchant_id=db.merchant_of(session), customer_id=customer_id, balance_minor=0)
        .on_conflict_do_nothing(index_elements=["merchant_id", "customer_id"])
    )
    return db.get_locked(session, CustomerBalance, customer_id, noun="customer")


def _entry(kind: EntryKind, invoice: Invoice) -> BalanceEntry:
    return BalanceEntry(kind=kind, note="", invoice_id=invoice.id)


def _move(
    session: Session,
    row: CustomerBalance,
    amount: Money,
    *,
    entry: BalanceEntry,
    by: Actor,
    now: datetime,
) -> None:
    left = row.balance_minor + amount.minor
    if left < 0:
        has = Money(row.balance_minor, Currency.CNY)
        raise BalanceTooLow(f"the customer has {has} to his credit", path="amount_minor")
    row.balance_minor = left
    entry.merchant_id, entry.id = row.merchant_id, ids.new_id()
    entry.customer_id, entry.amount_minor, entry.balance_minor = row.customer_id, amount.minor, left
    entry.created_at, entry.created_by = now, by.name
    session.add(entry)
    session.flush()  # its journal and its page refer to it
