"""What is done with many invoices is done once with each, whoever is killed or comes again."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from app.billing import bulk, collection
from app.billing.handling_models import BulkAction, BulkOutcome, InvoiceBulkItem, InvoiceResend
from app.core import clock, db
from app.core.db import Transaction, merchant_of
from app.core.ids import Prefix, show, show_merchant
from app.core.language import Language
from app.core.outbox import OutboxJob
from jobs import relay
from tests.conftest import Databases
from tests.jobs.test_relay import await_waiting, hand_over, start_worker
from tests.make import ADA
from tests.payments.builders import issue

PATIENCE_SECONDS = 20


def chosen(transaction: Transaction, count: int) -> tuple[int, list[int]]:
    """Choose so many open invoices to be mailed again; return the bulk action and the invoices."""
    now = clock.now()
    with transaction() as session:
        invoice_ids = sorted(issue(session, finalized_at=now).id for _ in range(count))
        asked = bulk.start(
            session, BulkAction.RESEND, invoice_ids, language=Language.EN, actor=ADA, now=now
        )
        return asked.id, invoice_ids


def mailed(transaction: Transaction) -> list[int]:
    with transaction() as session:
        return sorted(session.scalars(select(InvoiceResend.invoice_id)))


def outcomes(transaction: Transaction) -> list[BulkOutcome | None]:
    with transaction() as session:
        items = select(InvoiceBulkItem.outcome).order_by(InvoiceBulkItem.id)
        return list(session.scalars(items))


@pytest.mark.usefixtures("queue")
def test_a_worker_killed_in_the_middle_mails_nobody_twice(
    transaction: Transaction, databases: Databases, redis_url: str, app: Flask
) -> None:
    _, invoice_ids = chosen(transaction, 6)
    hand_over()
    owner = create_engine(databases.owner)
    with transaction() as session:
        merchant = show_merchant(merchant_of(session))
        (job,) = session.scalars(select(OutboxJob)).all()
        # The worker has done three, and is in the middle of the fourth: it waits for the invoice.
        collection.lock_invoice(session, invoice_ids[3])
        process = start_worker(databases, redis_url, app.instance_path, queue="documents")
        await_waiting(owner)
        process.kill()
        process.wait()
    owner.dispose()
    assert mailed(transaction) == invoice_ids[:3]
    assert outcomes(transaction) == [BulkOutcome.DONE] * 3 + [None] * 3

    relay.run(merchant=merchant, job=show(Prefix.OUTBOX, job.id))

    assert mailed(transaction) == invoice_ids
    assert outcomes(transaction) == [BulkOutcome.DONE] * 6


def act_twice_at_once(transaction: Transaction) -> list[int]:
    """Let one worker hang in the first invoice while another begins; return what was acted on."""
    bulk_id, invoice_ids = chosen(transaction, 3)
    acted: list[int] = []
    begun, may_end = Event(), Event()

    def hang(session: Session, invoice_id: int) -> None:
        del session
        acted.append(invoice_id)
        begun.set()
        assert may_end.wait(PATIENCE_SECONDS)

    def act(session: Session, invoice_id: int) -> None:
        del session
        acted.append(invoice_id)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(bulk.handle_all, transaction, bulk_id, hang)
        assert begun.wait(PATIENCE_SECONDS)
        second = pool.submit(bulk.handle_all, transaction, bulk_id, act)
        with suppress(TimeoutError):
            second.result(0.5)  # enough to finish, if nothing holds it
        may_end.set()
        first.result(PATIENCE_SECONDS)
        second.result(PATIENCE_SECONDS)
    return sorted(acted.count(invoice_id) for invoice_id in invoice_ids)


def test_a_worker_whose_lease_ended_does_nothing_twice(transaction: Transaction) -> None:
    assert act_twice_at_once(transaction) == [1, 1, 1]


def test_without_the_lock_of_the_item_it_does(
    transaction: Transaction, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: both find the first invoice not handled yet."""

    def only_read(session: Session, model: type[Any], row_id: int, *, noun: str) -> Any:
        return db.get(session, model, row_id, noun=noun)

    monkeypatch.setattr(db, "get_locked", only_read)

    assert act_twice_at_once(transaction) == [1, 1, 2]
