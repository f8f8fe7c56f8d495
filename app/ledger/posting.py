"""The only door into the ledger: journals go in whole, all their entries in one INSERT."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select, tuple_
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from app.core.clock import now as real_now
from app.core.db import merchant_of, run_sql
from app.core.ids import new_id
from app.ledger.journals import Journal, Leg
from app.ledger.models import Book, LedgerAccount

AccountKey = tuple[Book, str, str]

_TRANSACTIONS = """
INSERT INTO ledger_transactions
  (merchant_id, id, kind, reference, lines, occurred_at, posted_at, invoice_id)
SELECT %(merchant)s, id, kind, reference, lines, %(now)s, %(real_now)s, invoice_id
  FROM ROWS FROM (
    unnest(%(ids)s::bigint[]), unnest(%(kinds)s::text[]), unnest(%(references)s::text[]),
    unnest(%(lines)s::bigint[]), unnest(%(invoices)s::bigint[])
  ) AS journal (id, kind, reference, lines, invoice_id)
 ORDER BY kind, reference  -- writers that overlap wait for each other and never deadlock
ON CONFLICT (merchant_id, kind, reference) DO NOTHING
RETURNING id
"""

# One statement for all legs: the balance trigger judges each statement by itself.
_ENTRIES = """
INSERT INTO ledger_entries
  (merchant_id, transaction_id, line, lines, account_id, book, currency, amount_minor)
SELECT %(merchant)s, transaction_id, line, lines, account_id, book, currency, amount_minor
  FROM ROWS FROM (
    unnest(%(transactions)s::bigint[]), unnest(%(line)s::bigint[]), unnest(%(lines)s::bigint[]),
    unnest(%(accounts)s::bigint[]), unnest(%(books)s::text[]), unnest(%(currencies)s::text[]),
    unnest(%(amounts)s::bigint[])
  ) AS leg (transaction_id, line, lines, account_id, book, currency, amount_minor)
"""


class _Posting(NamedTuple):
    """A journal on its way in: the id of its transaction, and what moves anything."""

    id: int
    journal: Journal
    legs: Sequence[Leg]


def post(session: Session, journal: Journal, *, now: datetime) -> bool:
    """Post `journal` for the session's merchant, once for ever; return whether it was new.

    `now` is the merchant's time, when it happened; the row also keeps the real time. The unique
    key of kind and reference decides, not a look before. An amount of zero moves nothing and is
    left out; a journal of nothing but zeros is not posted.
    """
    (is_new,) = post_all(session, [journal], now=now)
    return is_new


def post_all(session: Session, journals: Iterable[Journal], *, now: datetime) -> list[bool]:
    """Post journals as `post` does each, in as many statements as one takes."""
    postings = [
        _Posting(new_id(), journal, [leg for leg in journal.legs if leg.amount])
        for journal in journals
    ]
    moving = [posting for posting in postings if posting.legs]
    fresh = _write_transactions(session, moving, now=now) if moving else set()
    _write_entries(session, [posting for posting in moving if posting.id in fresh])
    return [posting.id in fresh for posting in postings]


def _write_transactions(
    session: Session, postings: Sequence[_Posting], *, now: datetime
) -> set[int]:
    """Write the transactions that are not there yet and return their ids."""
    rows = run_sql(
        session,
        _TRANSACTIONS,
        {
            "merchant": merchant_of(session),
            "now": now,
            "real_now": real_now(),
            "ids": [posting.id for posting in postings],
            "kinds": [posting.journal.kind.value for posting in postings],
            "references": [posting.journal.reference for posting in postings],
            "lines": [len(posting.legs) for posting in postings],
            "invoices": [posting.journal.invoice_id for posting in postings],
        },
    )
    return {transaction_id for (transaction_id,) in rows}


def _write_entries(session: Session, postings: Sequence[_Posting]) -> None:
    legs = [
        (posting, line, leg)
        for posting in postings
        for line, leg in enumerate(posting.legs, start=1)
    ]
    if not legs:
        return
    keys = [(leg.book, leg.account, str(leg.amount.currency)) for _, _, leg in legs]
    accounts = _accounts(session, keys)
    run_sql(
        session,
        _ENTRIES,
        {
            "merchant": merchant_of(session),
            "transactions": [posting.id for posting, _, _ in legs],
            "line": [line for _, line, _ in legs],
            "lines": [len(posting.legs) for posting, _, _ in legs],
            "accounts": [accounts[key] for key in keys],
            "books": [book.value for book, _, _ in keys],
            "currencies": [currency for _, _, currency in keys],
            "amounts": [leg.amount.minor for _, _, leg in legs],
        },
    )


def _accounts(session: Session, keys: Iterable[AccountKey]) -> Mapping[AccountKey, int]:
    """Return the account of each key, opening those that the merchant does not have yet."""
    wanted = sorted(set(keys))
    found = _known(session, wanted)
    missing = [key for key in wanted if key not in found]
    if missing:
        session.execute(
            upsert(LedgerAccount)
            .values(
                [
                    {
                        "merchant_id": merchant_of(session),
                        "id": new_id(),
                        "book": book,
                        "name": name,
                        "currency": currency,
                    }
                    for book, name, currency in missing
                ]
            )
            .on_conflict_do_nothing()
        )
        found = _known(session, wanted)
    return found


def _known(session: Session, keys: list[AccountKey]) -> dict[AccountKey, int]:
    key = tuple_(LedgerAccount.book, LedgerAccount.name, LedgerAccount.currency)
    rows = session.execute(
        select(
            LedgerAccount.book, LedgerAccount.name, LedgerAccount.currency, LedgerAccount.id
        ).where(key.in_(keys))
    )
    return {(book, name, currency): account_id for book, name, currency, account_id in rows}
