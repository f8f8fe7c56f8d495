"""The only door into the ledger: one journal, one transaction row, all entries in one INSERT."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import insert, select, tuple_
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from app.core.clock import now as real_now
from app.core.db import merchant_of
from app.core.ids import new_id
from app.ledger.journals import Journal, Leg
from app.ledger.models import Book, LedgerAccount, LedgerEntry, LedgerTransaction

AccountKey = tuple[Book, str, str]


def post(session: Session, journal: Journal, *, now: datetime) -> bool:
    """Post `journal` for the session's merchant, once for ever; return whether it was new.

    `now` is the merchant's time, when it happened; the row also keeps the real time. The unique
    key of kind and reference decides, not a look before. An amount of zero moves nothing and is
    left out; a journal of nothing but zeros is not posted.
    """
    legs = [leg for leg in journal.legs if leg.amount]
    if not legs:
        return False
    transaction_id = new_id()
    written = session.execute(
        upsert(LedgerTransaction)
        .values(
            merchant_id=merchant_of(session),
            id=transaction_id,
            kind=journal.kind,
            reference=journal.reference,
            lines=len(legs),
            occurred_at=now,
            posted_at=real_now(),
            invoice_id=journal.invoice_id,
        )
        .on_conflict_do_nothing(index_elements=["merchant_id", "kind", "reference"])
        .returning(LedgerTransaction.id)
    ).first()
    if written is None:
        return False
    _write_entries(session, transaction_id, legs)
    return True


def _write_entries(session: Session, transaction_id: int, legs: Sequence[Leg]) -> None:
    keys = [(leg.book, leg.account, str(leg.amount.currency)) for leg in legs]
    accounts = _accounts(session, keys)
    # One INSERT for all legs: the balance trigger judges each statement by itself.
    session.execute(
        insert(LedgerEntry).values(
            [
                {
                    "merchant_id": merchant_of(session),
                    "transaction_id": transaction_id,
                    "line": line,
                    "lines": len(legs),
                    "account_id": accounts[key],
                    "book": key[0],
                    "currency": key[2],
                    "amount_minor": leg.amount.minor,
                }
                for line, (leg, key) in enumerate(zip(legs, keys, strict=True), start=1)
            ]
        )
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
