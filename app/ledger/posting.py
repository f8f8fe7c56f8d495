"""The only door into the ledger: journals go in whole, all their entries in one INSERT."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec
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
  FROM json_populate_recordset(NULL::ledger_transactions, %(journals)s::json)
 ORDER BY kind, reference  -- writers that overlap wait for each other and never deadlock
ON CONFLICT (merchant_id, kind, reference) DO NOTHING
RETURNING id
"""

# One statement for all legs: the balance trigger judges each statement by itself.
_ENTRIES = """
INSERT INTO ledger_entries
  (merchant_id, transaction_id, line, lines, account_id, book, currency, amount_minor)
SELECT %(merchant)s, transaction_id, line, lines, account_id, book, currency, amount_minor
  FROM json_populate_recordset(NULL::ledger_entries, %(legs)s::json)
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
            "journals": _json(
                {
                    "id": posting.id,
                    "kind": posting.journal.kind,
                    "reference": posting.journal.reference,
                    "lines": len(posting.legs),
                    "invoice_id": posting.journal.invoice_id,
                }
                for posting in postings
            ),
        },
    )
    return {transaction_id for (transaction_id,) in rows}


def _write_entries(session: Session, postings: Sequence[_Posting]) -> None:
    if not postings:
        return
    accounts = _accounts(session, {_key(leg) for posting in postings for leg in posting.legs})
    legs = _json(
        {
            "transaction_id": posting.id,
            "line": line,
            "lines": len(posting.legs),
            "account_id": accounts[_key(leg)],
            "book": leg.book,
            "currency": leg.amount.currency,
            "amount_minor": leg.amount.minor,
        }
        for posting in postings
        for line, leg in enumerate(posting.legs, start=1)
    )
    run_sql(session, _ENTRIES, {"merchant": merchant_of(session), "legs": legs})


def _key(leg: Leg) -> AccountKey:
    return leg.book, leg.account, leg.amount.currency


def _json(rows: Iterable[Mapping[str, object]]) -> str:
    """Write rows as one text, which the server unpacks: a driver that binds lists is slower."""
    return msgspec.json.encode([*rows]).decode()


def _accounts(session: Session, keys: Collection[AccountKey]) -> Mapping[AccountKey, int]:
    """Return the account of each key, opening those that the merchant does not have yet."""
    wanted = sorted(keys)
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
