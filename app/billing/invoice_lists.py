"""Lists of invoices: which are wanted, in which order, page by page, and how many there are.

Read as columns and by plain SQL: what a list shows is fifty rows, each time somebody looks.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session, defer

from app.billing.models import Invoice, InvoiceKind, InvoiceStatus
from app.core.db import Work, merchant_of, run_sql
from app.core.errors import Invalid
from app.core.money import Currency, Money
from app.core.paging import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    BadCursor,
    Page,
    decode_cursor,
    encode_cursor,
)
from app.core.text import clean_name

OVERDUE = "overdue"
"""The name under which `counts` has the open invoices that should have been paid."""


class InvoiceSort(StrEnum):
    NEWEST = "newest"
    DUE = "due"  # what falls due first; drafts, which have no such day, come last
    AMOUNT = "amount"  # what is collected, the most first; drafts, which have none, come last


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceFilter:
    """Which invoices a list has. What is not given does not narrow it.

    `from_day` and `to_day`, both included, are days of which the period has some. `least` and
    `most`, in minor units of CNY, are about what is collected: no draft has that. `overdue_at`
    wants the open ones that should have been paid by then. `q` is how the number begins or ends.
    """

    status: InvoiceStatus | None = None
    overdue_at: datetime | None = None
    kind: InvoiceKind | None = None
    customer_id: int | None = None
    contract_id: int | None = None
    currency: Currency | None = None
    from_day: date | None = None
    to_day: date | None = None
    least: int | None = None
    most: int | None = None
    q: str = ""


class ListedInvoice(NamedTuple):
    """What a list says of an invoice."""

    id: int
    kind: InvoiceKind
    status: InvoiceStatus
    number: str | None
    customer_id: int
    period_from: date
    period_to: date
    currency: Currency
    discount_minor: int
    subtotal_minor: int
    tax_minor: int
    total_minor: int
    collection_minor: int
    balance_minor: int
    due_minor: int
    credited_minor: int
    platform_fee_minor: int
    settlement_currency: Currency
    settlement_minor: int
    created_at: datetime
    finalized_at: datetime | None
    due_at: datetime | None
    paid_at: datetime | None

    @property
    def total(self) -> Money:
        return Money(self.total_minor, self.currency)

    @property
    def collection(self) -> Money:
        return Money(self.collection_minor, Currency.CNY)

    @property
    def settlement(self) -> Money:
        return Money(self.settlement_minor, self.settlement_currency)


MOST_COUNTED = 10_000
"""Further than this nobody reads a number, and to count 100,000 takes longer than the page."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_UNDATED = -1
"""Stands in a cursor for the day of an invoice that has none."""

_PART_OF_NUMBER = re.compile(r"[A-Z0-9-]+", re.ASCII)
"""What a number consists of: nothing of it ends a text in SQL, and all of it comes before ~."""

_COLUMNS = ", ".join(ListedInvoice._fields)
_ORDERS = {
    InvoiceSort.NEWEST: "id DESC",
    InvoiceSort.DUE: "due_at, id",
    InvoiceSort.AMOUNT: "collection_minor DESC, id DESC",
}
_AFTER = {
    InvoiceSort.NEWEST: "id < %(last_id)s",
    InvoiceSort.DUE: "(due_at, id) > (%(last_at)s, %(last_id)s)",
    InvoiceSort.AMOUNT: "(collection_minor, id) < (%(last_minor)s, %(last_id)s)",
}


def list_invoices(
    session: Work,
    wanted: InvoiceFilter,
    *,
    sort: InvoiceSort = InvoiceSort.NEWEST,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[ListedInvoice]:
    """Return one page of invoices; a cursor is of one order only. Raises Invalid and BadCursor."""
    if not 1 <= limit <= MAX_LIMIT:
        raise Invalid(f"limit must be from 1 to {MAX_LIMIT}", path="limit")
    asked = _parameters(session, wanted) | _position(sort, cursor) | {"limit": limit + 1}
    if sort is InvoiceSort.DUE:
        found = _by_due(session, wanted, asked)
    else:
        after = [_AFTER[sort]] if cursor else []
        found = _read(session, [*_conditions(wanted), *after], _ORDERS[sort], asked=asked)
    more = len(found) > limit
    return Page(found[:limit], _cursor_of(sort, found[limit - 1]) if more else None)


def load_page(session: Session, page: Page[ListedInvoice]) -> Page[Invoice]:
    """Return the page with its invoices whole but for their price lists."""
    ids = [row.id for row in page.rows]
    rows = session.scalars(
        select(Invoice).where(Invoice.id.in_(ids)).options(defer(Invoice.rate_card))
    )
    by_id = {row.id: row for row in rows}
    return page.map(lambda row: by_id[row.id])


def counts(session: Work, wanted: InvoiceFilter, *, now: datetime) -> dict[str, int]:
    """Return how many invoices stand in each status, and OVERDUE, whatever status is wanted.

    More than MOST_COUNTED are not counted: that is then returned plus one.
    """
    each = replace(wanted, status=None, overdue_at=None)
    late = replace(each, overdue_at=now)
    wanted_by_name = {OVERDUE: late} | {
        status.value: replace(each, status=status) for status in InvoiceStatus
    }
    parts = [
        f"SELECT '{name}', count(*) FROM (SELECT 1 FROM invoices WHERE {_where(part)}"  # noqa: S608  # of this module
        " LIMIT %(most_counted)s) AS found"
        for name, part in wanted_by_name.items()
    ]
    asked = _parameters(session, late) | {"most_counted": MOST_COUNTED + 1}
    return dict(run_sql(session, " UNION ALL ".join(parts), asked))


def _by_due(session: Work, wanted: InvoiceFilter, asked: dict[str, Any]) -> list[ListedInvoice]:
    """Return what has a due day, and if that is not enough, what has none, the newest first."""
    found: list[ListedInvoice] = []
    conditions, limit = _conditions(wanted), asked["limit"]
    has_passed = "last_id" in asked
    if not has_passed or asked["last_at"]:
        after = [_AFTER[InvoiceSort.DUE]] if has_passed else []
        dated = [*conditions, "due_at IS NOT NULL", *after]
        found = _read(session, dated, _ORDERS[InvoiceSort.DUE], asked=asked)
        has_passed = False
    if len(found) < limit:
        after = [_AFTER[InvoiceSort.NEWEST]] if has_passed else []
        undated = [*conditions, "due_at IS NULL", *after]
        rest = asked | {"limit": limit - len(found)}
        found += _read(session, undated, _ORDERS[InvoiceSort.NEWEST], asked=rest)
    return found


def _read(
    session: Work, conditions: Sequence[str], order: str, *, asked: dict[str, Any]
) -> list[ListedInvoice]:
    statement = f"""
        SELECT {_COLUMNS} FROM invoices WHERE {" AND ".join(conditions)}
         ORDER BY {order} LIMIT %(limit)s"""  # noqa: S608  # columns and conditions of this module
    return [_listed(row) for row in run_sql(session, statement, asked)]


def _listed(row: Sequence[Any]) -> ListedInvoice:
    listed = ListedInvoice(*row)
    return listed._replace(
        kind=InvoiceKind(listed.kind),
        status=InvoiceStatus(listed.status),
        currency=Currency(listed.currency),
        settlement_currency=Currency(listed.settlement_currency),
    )


def _where(wanted: InvoiceFilter) -> str:
    return " AND ".join(_conditions(wanted))


def _conditions(wanted: InvoiceFilter) -> list[str]:
    """Return what the rows have to meet; the merchant stands in every statement."""
    conditions = {
        "merchant_id = %(merchant_id)s": True,
        # Not a parameter: a plan for any status would not know the indexes of the open ones.
        f"status = '{wanted.status}'": wanted.status is not None,
        "status = 'open' AND due_at < %(overdue_at)s": wanted.overdue_at is not None,
        "kind = %(kind)s": wanted.kind is not None,
        "customer_id = %(customer_id)s": wanted.customer_id is not None,
        "contract_id = %(contract_id)s": wanted.contract_id is not None,
        "currency = %(currency)s": wanted.currency is not None,
        "period_to > %(from_day)s": wanted.from_day is not None,
        "period_from <= %(to_day)s": wanted.to_day is not None,
        "collection_minor >= %(least)s": wanted.least is not None,
        "collection_minor <= %(most)s": wanted.most is not None,
        "status <> 'draft'": wanted.least is not None or wanted.most is not None,
    }
    found = [text for text, holds in conditions.items() if holds]
    return [*found, _begins_or_ends_with(wanted.q)] if wanted.q else found


def _parameters(session: Work, wanted: InvoiceFilter) -> dict[str, Any]:
    return {
        "merchant_id": merchant_of(session),
        "overdue_at": wanted.overdue_at,
        "kind": wanted.kind and wanted.kind.value,
        "customer_id": wanted.customer_id,
        "contract_id": wanted.contract_id,
        "currency": wanted.currency and wanted.currency.value,
        "from_day": wanted.from_day,
        "to_day": wanted.to_day,
        "least": wanted.least,
        "most": wanted.most,
    }


def _begins_or_ends_with(q: str) -> str:
    """Return the condition that a number begins or ends with `q`, in any case. Raises InvalidText.

    Two ranges of an index each, not LIKE: under Row-Level Security that reads every number. Written
    out, not parameters: how many there are decides whether the index or the order helps more.
    """
    begin = clean_name(q, path="q").strip().upper()
    if not _PART_OF_NUMBER.fullmatch(begin):
        return "false"
    end = begin[::-1]
    return (
        f"(number >= '{begin}' AND number < '{begin}~'"
        f" OR number_reversed >= '{end}' AND number_reversed < '{end}~')"
    )


def _cursor_of(sort: InvoiceSort, row: ListedInvoice) -> str:
    if sort is InvoiceSort.DUE:
        at = (row.due_at - _EPOCH) // _MICROSECOND if row.due_at else _UNDATED
        return encode_cursor(at, row.id)
    if sort is InvoiceSort.AMOUNT:
        return encode_cursor(row.collection_minor, row.id)
    return encode_cursor(row.id)


def _position(sort: InvoiceSort, cursor: str | None) -> dict[str, Any]:
    """Return what a cursor of this order says of the last row seen. Raises BadCursor."""
    if not cursor:
        return {}
    *key, last_id = decode_cursor(cursor, size=1 if sort is InvoiceSort.NEWEST else 2)
    if not all(isinstance(each, int) for each in (*key, last_id)):
        raise BadCursor("this cursor is not one of ours", path="cursor")
    if sort is InvoiceSort.NEWEST:
        return {"last_id": last_id}
    (first,) = key
    if sort is InvoiceSort.AMOUNT:
        return {"last_minor": first, "last_id": last_id}
    return {"last_at": None if first == _UNDATED else _instant(first), "last_id": last_id}


def _instant(microseconds: int | str) -> datetime:
    try:
        return _EPOCH + int(microseconds) * _MICROSECOND
    except OverflowError as error:
        raise BadCursor("this cursor is not one of ours", path="cursor") from error
