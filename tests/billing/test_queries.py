"""Invoices and runs are read newest first, filtered, and never another merchant's."""

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.billing import queries
from app.billing.models import InvoiceKind, InvoiceStatus
from app.billing.run_models import InvoiceRun, RunTrigger
from app.core.db import begin, merchant_of
from app.core.errors import NotFound
from tests.billing.make import billed, drafted, sold, use
from tests.make import NOON, Make


def test_invoices_come_newest_first_a_page_at_a_time(session: Session, make: Make) -> None:
    first, second = (drafted(session, sold(make)) for _ in range(2))

    page = queries.list_invoices(session, limit=1)
    rest = queries.list_invoices(session, limit=1, cursor=page.next_cursor)

    assert list(page.rows) == [second]
    assert list(rest.rows) == [first]
    assert rest.next_cursor is None


def test_invoices_are_found_by_what_they_are(session: Session, make: Make) -> None:
    sale = sold(make)
    use(session, sale, "1")
    opened, draft = billed(session, sale), drafted(session, sold(make))

    def found(**wanted: object) -> list[int]:
        return [row.id for row in queries.list_invoices(session, **wanted).rows]  # type: ignore[arg-type]  # one test of all filters

    assert found(status=InvoiceStatus.OPEN) == [opened.id]
    assert found(kind=InvoiceKind.USAGE) == [draft.id, opened.id]
    assert found(kind=InvoiceKind.LATE) == []
    assert found(customer_id=draft.customer_id) == [draft.id]
    assert found(contract_id=opened.contract_id) == [opened.id]
    assert found(q="2026-000001") == [opened.id]
    assert found(q="%") == []


def test_every_status_is_counted(session: Session, make: Make) -> None:
    drafted(session, sold(make))
    billed(session, sold(make))

    assert queries.counts_by_status(session) == dict.fromkeys(InvoiceStatus, 0) | {
        InvoiceStatus.DRAFT: 1,
        InvoiceStatus.PAID: 1,
    }


def test_another_merchants_invoice_is_not_found(engine: Engine, make: Make) -> None:
    theirs = drafted(make.session, sold(make))

    with begin(engine, Make.new_merchant_id()) as session, pytest.raises(NotFound):
        queries.get_invoice(session, theirs.id)


def test_runs_come_newest_first(session: Session) -> None:
    for trigger in (RunTrigger.SCHEDULE, RunTrigger.MERCHANT):
        session.add(InvoiceRun(merchant_id=merchant_of(session), trigger=trigger, as_of=NOON))
        session.flush()

    assert [row.trigger for row in queries.list_runs(session).rows] == [
        RunTrigger.MERCHANT,
        RunTrigger.SCHEDULE,
    ]
