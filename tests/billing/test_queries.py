"""An invoice is only found by its own merchant; runs are read newest first."""

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.billing import queries
from app.billing.run_models import InvoiceRun, RunTrigger
from app.core.db import begin, merchant_of
from app.core.errors import NotFound
from tests.billing.make import drafted, sold
from tests.make import NOON, Make


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
