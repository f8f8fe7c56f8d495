"""Lists of invoices have what the filter says, in the order that was asked for, each row once."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.billing import invoice_lists
from app.billing.invoice_lists import OVERDUE, InvoiceFilter, InvoiceSort
from app.billing.models import Invoice, InvoiceKind, InvoiceStatus
from app.core.db import begin
from app.core.errors import Invalid
from app.core.money import Currency
from app.core.paging import BadCursor, encode_cursor
from tests.billing.make import drafted, sold
from tests.make import NOON, Make
from tests.payments.builders import issue

AFTER = NOON + timedelta(days=40)


def ids(session: Session, sort: InvoiceSort = InvoiceSort.NEWEST, **wanted: Any) -> list[int]:
    found = invoice_lists.list_invoices(session, InvoiceFilter(**wanted), sort=sort)
    return [row.id for row in found.rows]


def every_page(session: Session, sort: InvoiceSort, *, limit: int) -> list[int]:
    found: list[int] = []
    cursor = None
    while True:
        page = invoice_lists.list_invoices(
            session, InvoiceFilter(), sort=sort, cursor=cursor, limit=limit
        )
        found += [row.id for row in page.rows]
        cursor = page.next_cursor
        if cursor is None:
            return found


def test_an_invoice_is_found_by_what_it_is(session: Session, make: Make) -> None:
    opened, draft = issue(session), drafted(session, sold(make))

    assert ids(session) == [draft.id, opened.id]
    assert ids(session, status=InvoiceStatus.OPEN) == [opened.id]
    assert ids(session, kind=InvoiceKind.LATE) == []
    assert ids(session, customer_id=draft.customer_id) == [draft.id]
    assert ids(session, contract_id=opened.contract_id) == [opened.id]
    assert ids(session, currency=Currency.EUR) == []


@pytest.mark.parametrize(
    "q", ["LUM-2026-000123", "lum-2026-", "l", "000123", "2026-000123", "3", " 123 "]
)
def test_a_number_is_found_by_how_it_begins_or_ends(session: Session, q: str) -> None:
    wanted = issue(session, number="LUM-2026-000123")
    issue(session, number="NEW-2026-000124")

    assert ids(session, q=q) == [wanted.id]


@pytest.mark.parametrize("q", ["2026", "%", "_", "~", "'", "' OR true --", "\\", "编号"])
def test_nothing_else_finds_a_number(session: Session, q: str) -> None:
    issue(session, number="LUM-2026-000123")

    assert ids(session, q=q) == []


def test_a_period_counts_with_its_first_and_last_day(session: Session) -> None:
    may = issue(session)

    assert ids(session, from_day=date(2026, 5, 31)) == [may.id]
    assert ids(session, from_day=date(2026, 6, 1)) == []
    assert ids(session, to_day=date(2026, 5, 1)) == [may.id]
    assert ids(session, to_day=date(2026, 4, 30)) == []


def test_an_amount_is_what_is_collected_and_no_draft_has_one(session: Session, make: Make) -> None:
    opened = issue(session)
    drafted(session, sold(make))

    assert ids(session, least=90_533, most=90_533) == [opened.id]
    assert ids(session, least=90_534) == ids(session, most=90_532) == []


def test_overdue_is_what_is_open_past_its_day(session: Session) -> None:
    late = issue(session)
    issue(session, status=InvoiceStatus.PAID, paid_at=NOON)

    assert ids(session, overdue_at=AFTER) == [late.id]
    assert ids(session, overdue_at=late.due_at) == []


def test_what_falls_due_first_comes_first_and_drafts_last(session: Session, make: Make) -> None:
    later, sooner = issue(session, due_at=AFTER), issue(session)
    draft = drafted(session, sold(make))

    assert ids(session, InvoiceSort.DUE) == [sooner.id, later.id, draft.id]


def test_the_largest_comes_first_and_drafts_last(session: Session, make: Make) -> None:
    small = issue(session, collection_minor=100)
    large = issue(session)
    draft = drafted(session, sold(make))

    assert ids(session, InvoiceSort.AMOUNT) == [large.id, small.id, draft.id]


@pytest.mark.parametrize("sort", InvoiceSort)
@settings(
    max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    limit=st.integers(1, 4),
    rows=st.lists(st.tuples(st.integers(1, 3), st.integers(0, 2)), max_size=7),
)
def test_every_order_has_each_row_once_however_long_the_pages(
    engine: Engine, sort: InvoiceSort, limit: int, rows: list[tuple[int, int]]
) -> None:
    with begin(engine, Make.new_merchant_id()) as session:
        Make(session).merchant()
        drafted(session, sold(Make(session)))
        for amount, days in rows:
            issue(session, collection_minor=amount, due_at=NOON + timedelta(days=days))

        found = every_page(session, sort, limit=limit)

        assert found == ids(session, sort)
        assert len(found) == len(set(found)) == len(rows) + 1


def test_every_status_is_counted_and_what_is_overdue(session: Session, make: Make) -> None:
    issue(session)
    draft = drafted(session, sold(make))

    counted = invoice_lists.counts(session, InvoiceFilter(), now=AFTER)
    assert counted["draft"] == counted["open"] == counted[OVERDUE] == 1
    assert counted["paid"] == counted["refunded"] == 0

    narrowed = InvoiceFilter(customer_id=draft.customer_id, status=InvoiceStatus.OPEN)
    counted = invoice_lists.counts(session, narrowed, now=AFTER)
    assert (counted["draft"], counted["open"], counted[OVERDUE]) == (1, 0, 0)


def test_many_are_only_counted_as_many(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invoice_lists, "MOST_COUNTED", 2)
    for _ in range(4):
        issue(session)

    assert invoice_lists.counts(session, InvoiceFilter(), now=NOON)["open"] == 3


@pytest.mark.parametrize(
    ("sort", "cursor"),
    [
        (InvoiceSort.NEWEST, encode_cursor(1, 2)),
        (InvoiceSort.DUE, encode_cursor(1)),
        (InvoiceSort.DUE, encode_cursor(1 << 62, 1)),
        (InvoiceSort.AMOUNT, encode_cursor("x", 1)),
        (InvoiceSort.AMOUNT, "?"),
    ],
)
def test_a_cursor_of_another_order_is_refused(
    session: Session, sort: InvoiceSort, cursor: str
) -> None:
    with pytest.raises(BadCursor):
        invoice_lists.list_invoices(session, InvoiceFilter(), sort=sort, cursor=cursor)


def test_a_page_has_a_limit(session: Session) -> None:
    with pytest.raises(Invalid):
        invoice_lists.list_invoices(session, InvoiceFilter(), limit=101)


def test_another_merchants_invoices_are_not_listed(engine: Engine, session: Session) -> None:
    issue(session)

    with begin(engine, Make.new_merchant_id()) as other:
        assert ids(other) == []


def test_a_listed_page_is_loaded_in_its_order(session: Session) -> None:
    small, large = issue(session, collection_minor=100), issue(session)

    listed = invoice_lists.list_invoices(session, InvoiceFilter(), sort=InvoiceSort.AMOUNT)
    page = invoice_lists.load_page(session, listed)

    assert list(page.rows) == [large, small]
    assert all(isinstance(row, Invoice) for row in page.rows)
