"""Reading the books. Balances are always derived from the entries, never stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.core import db
from app.core.db import Work, run_sql
from app.core.paging import DEFAULT_LIMIT, Page, newest_first
from app.ledger.models import Book, LedgerAccount, LedgerEntry, LedgerTransaction


@dataclass(frozen=True)
class EntryView:
    """One leg with its account's name; the amount in minor units, a debit above zero."""

    book: Book
    account: str
    currency: str
    amount_minor: int


@dataclass(frozen=True)
class TransactionView:
    """One posted transaction with its legs, in the order they were posted."""

    id: int
    kind: str
    reference: str
    invoice_id: int | None
    occurred_at: datetime
    posted_at: datetime
    entries: Sequence[EntryView]


@dataclass(frozen=True)
class Balance:
    """What an account stands at: the sum of its entries in minor units."""

    book: Book
    account: str
    currency: str
    amount_minor: int


_BALANCES = """
SELECT account.book, account.name, account.currency, sum(entry.amount_minor)::bigint
  FROM ledger_accounts AS account
  JOIN ledger_entries AS entry
    ON entry.merchant_id = account.merchant_id AND entry.account_id = account.id
 WHERE account.merchant_id = %(merchant_id)s
 GROUP BY account.book, account.name, account.currency
 ORDER BY account.book, account.name, account.currency
"""


def list_transactions(
    session: Session,
    *,
    kind: str | None = None,
    invoice_id: int | None = None,
    reference: str | None = None,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[TransactionView]:
    """Return transactions with their entries, the newest first."""
    statement = select(LedgerTransaction)
    if kind:
        statement = statement.where(LedgerTransaction.kind == kind)
    if invoice_id is not None:
        statement = statement.where(LedgerTransaction.invoice_id == invoice_id)
    if reference is not None:
        statement = statement.where(LedgerTransaction.reference == reference)
    page = newest_first(session, statement, LedgerTransaction.id, cursor=cursor, limit=limit)
    return Page(_with_entries(session, page.rows), page.next_cursor)


def get_transaction(session: Session, transaction_id: int) -> TransactionView:
    """Return one transaction with its entries. Raises NotFound."""
    row = db.get(session, LedgerTransaction, transaction_id, noun="ledger transaction")
    return _with_entries(session, [row])[0]


def balances(session: Work) -> list[Balance]:
    """Return the balance of every account that has entries, by book, name and currency."""
    rows = run_sql(session, _BALANCES, {"merchant_id": db.merchant_of(session)})
    return [Balance(Book(book), *account) for book, *account in rows]


def balance_of(session: Session, book: Book, account: str) -> int:
    """Return what one account stands at in minor units, over all its currencies."""
    total = session.scalar(
        select(func.coalesce(func.sum(LedgerEntry.amount_minor), 0))
        .join(
            LedgerAccount,
            (LedgerAccount.merchant_id == LedgerEntry.merchant_id)
            & (LedgerAccount.id == LedgerEntry.account_id),
        )
        .where(LedgerAccount.book == book, LedgerAccount.name == account)
    )
    return int(total or 0)


def unbalanced(session: Session) -> list[str]:
    """Return what is wrong with the merchant's books; empty is right.

    Checks again, by reading everything, what the constraints promise: each transaction has the
    lines it announced and adds up to zero per book and currency, and so does the whole.
    """
    key = LedgerEntry.transaction_id
    pieces = session.execute(
        select(LedgerTransaction.id, LedgerTransaction.lines, func.count(LedgerEntry.line))
        .outerjoin(
            LedgerEntry,
            (LedgerEntry.merchant_id == LedgerTransaction.merchant_id)
            & (key == LedgerTransaction.id),
        )
        .group_by(LedgerTransaction.id, LedgerTransaction.lines)
        .having(func.count(LedgerEntry.line) != LedgerTransaction.lines)
    )
    sums = session.execute(
        select(key, LedgerEntry.book, LedgerEntry.currency, func.sum(LedgerEntry.amount_minor))
        .group_by(key, LedgerEntry.book, LedgerEntry.currency)
        .having(func.sum(LedgerEntry.amount_minor) != 0)
    )
    return [
        *(f"transaction {id_}: {found} of {lines} lines" for id_, lines, found in pieces),
        *(f"transaction {id_}: {book} {cur} is off by {total}" for id_, book, cur, total in sums),
    ]


def _with_entries(
    session: Session, transactions: Sequence[LedgerTransaction]
) -> list[TransactionView]:
    entries: dict[int, list[EntryView]] = {row.id: [] for row in transactions}
    rows = session.execute(
        select(LedgerEntry, LedgerAccount.name)
        .join(
            LedgerAccount,
            (LedgerAccount.merchant_id == LedgerEntry.merchant_id)
            & (LedgerAccount.id == LedgerEntry.account_id),
        )
        .where(LedgerEntry.transaction_id.in_(entries))
        .order_by(LedgerEntry.transaction_id, LedgerEntry.line)
    )
    for entry, name in rows:
        leg = EntryView(entry.book, name, entry.currency, entry.amount_minor)
        entries[entry.transaction_id].append(leg)
    return [
        TransactionView(
            row.id,
            row.kind,
            row.reference,
            row.invoice_id,
            row.occurred_at,
            row.posted_at,
            entries[row.id],
        )
        for row in transactions
    ]
